-- Taking back what runs wrote: their rows in every table of results, their facts, and what the older columns of their
-- assets say. What people said stays. A run's line in the ledger stays, too, and says when it was rolled back.
--
-- Vectors and faces of other generations are as they were. What a run put in the place of something is gone with the
-- run: those facts are missing then, and enqueue_missing has them found out anew.

alter table public.runs add column rolled_back_at timestamptz;

comment on column public.runs.models is
  'What told each fact: [{fact, task, name, version, digest, backend, precision, device, same_face, parameters: '
  '{setting: value}, made_of: [models whose answers it was told]}…].';

create index runs_in_order on public.runs (finished_at, id);

-- `keeper`: kizu.<keeper>(runs) answers the ids of those rows of these runs that stay because people spoke of them.
alter table public.result_tables add column keeper name;

-- Faces that people named, or put among the faces of somebody they named, and that no row of another run stands for.
create function kizu.faces_that_stay(p_runs uuid[])
returns setof uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select face.id
    from public.face_embeddings as face
   where face.run_id = any (p_runs)
     and kizu.is_named(face)
     and not exists (
           select from public.face_embeddings as other
            where other.face_id = face.face_id
              and other.id <> face.id
              and not other.recognised
              and (other.contact_id, other.cluster_id) is not distinct from (face.contact_id, face.cluster_id)
              and (other.run_id is null or other.run_id <> all (p_runs))
         );
end;
$$;

-- Tags that people made or changed, and those of people whose face in the photo people named: such a face stays.
create function kizu.tags_that_stay(p_runs uuid[])
returns setof uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select tag.id
    from public.asset_tags as tag
   where tag.run_id = any (p_runs)
     and (tag.created_by is not null
          or (tag.tag_type = 'person'
              and tag.model_version is null
              and exists (
                    select from public.face_embeddings as face
                     where face.asset_id = tag.asset_id
                       and face.contact_id = tag.contact_id
                       and not face.recognised
                  )));
end;
$$;

-- Files that show a face that stays.
create function kizu.files_that_stay(p_runs uuid[])
returns setof uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  return query
  select file.id
    from public.derived_assets as file
    join public.face_embeddings as face
      on face.asset_id = file.asset_id
     and right(face.face_thumbnail_url, length(file.key) + 1) = '/' || file.key
   where file.run_id = any (p_runs)
     and (face.run_id is null
          or face.run_id <> all (p_runs)
          or face.id in (select kizu.faces_that_stay(p_runs)));
end;
$$;

update public.result_tables
   set keeper = case table_name
                  when 'face_embeddings' then 'faces_that_stay'
                  when 'asset_tags'      then 'tags_that_stay'
                  else 'files_that_stay'
                end
 where table_name in ('face_embeddings', 'asset_tags', 'derived_assets');

-- Runs that a filter means, of p_user or, for null, of everybody; the oldest first, or with p_newest the newest. The
-- filter is an object with any of `ids` (a list), `model` (a version), `fact`, `asset_id`, `user_id`, `since`, `until`
-- (not itself), `rolled_back` (true or false), `limit` (at most 1,000, the default 100) and `after` ({finished_at,
-- id}); what is null in it is not said.
-- Raises PT400 `bad_params`.
create function kizu.runs_meant(p_filter jsonb, p_user uuid, p_newest boolean)
returns setof public.runs
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most    constant int := 1000;
  c_longest constant int := 200; -- characters
  c_known   constant text[] := array['ids', 'model', 'fact', 'asset_id', 'user_id', 'since', 'until', 'rolled_back',
                                     'limit', 'after'];
  v_unknown text;
  v_ids     uuid[];
  v_limit   int;
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'filter: expected an object';
  end if;
  select min(key) into v_unknown from jsonb_object_keys(p_filter) as key where key <> all (c_known);
  if v_unknown is not null then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('filter: there is no %L', left(v_unknown, c_longest));
  end if;
  if length(p_filter ->> 'model') > c_longest or length(p_filter ->> 'fact') > c_longest then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('filter: expected texts of at most %s characters', c_longest);
  end if;
  if p_filter ? 'ids'
     and (jsonb_typeof(p_filter -> 'ids') <> 'array' or p_filter @? format('$.ids[%s]', c_most)::jsonpath) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('filter: ids: expected a list of at most %s', c_most);
  end if;

  if p_filter ? 'ids' then
    v_ids := array(select jsonb_array_elements_text(p_filter -> 'ids')::uuid);
  end if;
  v_limit := least(greatest(coalesce((p_filter ->> 'limit')::int, 100), 0), c_most);

  -- Only what is asked for, so that the index that suits it is found.
  return query execute concat_ws(
    ' and ',
    'select run.* from public.runs as run where true',
    case when p_user is not null                  then 'run.user_id = $1' end,
    case when p_filter ->> 'user_id' is not null  then 'run.user_id = ($2 ->> ''user_id'')::uuid' end,
    case when v_ids is not null                   then 'run.id = any ($3)' end,
    case when p_filter ->> 'asset_id' is not null then 'run.asset_id = ($2 ->> ''asset_id'')::uuid' end,
    case when p_filter ->> 'since' is not null    then 'run.finished_at >= ($2 ->> ''since'')::timestamptz' end,
    case when p_filter ->> 'until' is not null    then 'run.finished_at < ($2 ->> ''until'')::timestamptz' end,
    case
      when p_filter ->> 'rolled_back' is not null
      then '(run.rolled_back_at is not null) = ($2 ->> ''rolled_back'')::boolean'
    end,
    case
      when p_filter ->> 'model' is not null
      then 'run.models @> jsonb_build_array(jsonb_build_object(''version'', $2 ->> ''model''))'
    end,
    case
      -- What told a fact is said in newer lines only.
      when p_filter ->> 'fact' is not null
      then '(run.models @> jsonb_build_array(jsonb_build_object(''fact'', $2 ->> ''fact''))'
           ' or exists (select from public.asset_facts as known'
           '             where known.run_id = run.id and known.fact = $2 ->> ''fact''))'
    end,
    case
      when p_filter ->> 'after' is not null
      then format('(run.finished_at, run.id) %s (($2 #>> ''{after,finished_at}'')::timestamptz,'
                  ' ($2 #>> ''{after,id}'')::uuid)', case when p_newest then '<' else '>' end)
    end
  ) || format(' order by run.finished_at %1$s, run.id %1$s limit $4', case when p_newest then 'desc' else 'asc' end)
  using p_user, p_filter, v_ids, v_limit;
exception
  when invalid_text_representation or invalid_datetime_format or datetime_field_overflow
    or numeric_value_out_of_range or invalid_parameter_value then
    raise sqlstate 'PT400' using message = 'bad_params', detail = format('filter: %s', left(sqlerrm, c_longest));
end;
$$;

-- The newest runs that a filter means (see kizu.runs_meant); users see their own. Answers {"runs": […], "next"}: the
-- filter of the next page, null at the end. Raises PT400 `bad_params`.
create function public.list_runs(p_filter jsonb default '{}')
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_scope constant uuid := kizu.caller_scope();
  v_runs  jsonb;
begin
  v_runs := (
    select coalesce(jsonb_agg(to_jsonb(run) order by run.finished_at desc, run.id desc), '[]')
      from kizu.runs_meant(jsonb_strip_nulls(p_filter), v_scope, true) as run
  );
  return jsonb_build_object('runs', v_runs, 'next', kizu.next_runs(p_filter, v_runs));
end;
$$;

-- The filter of the page after these runs; null where they were the last.
create function kizu.next_runs(p_filter jsonb, p_runs jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
           when jsonb_array_length(p_runs) >= greatest(least(coalesce((p_filter ->> 'limit')::int, 100), 1000), 1)
           then p_filter || jsonb_build_object('after', jsonb_build_object(
                  'finished_at', p_runs -> -1 -> 'finished_at', 'id', p_runs -> -1 -> 'id'))
         end;
end;
$$;

-- Takes back what runs wrote, or with p_dry_run only says what that would be. The filter is as kizu.runs_meant has it,
-- and names at least one of ids, model, fact, asset_id, since and until; the oldest go first. Users roll back their
-- own. A run is taken back whole, whichever of its facts or models the filter names.
--
-- Kept is what people said: faces that they named and that no row of another run stands for, with their crops; and
-- tags. What a run wrote of the generation of vectors that answers is missing from searches until it has been found
-- out again. Files lose their rows, and are orphans then (see list_orphans). Jobs that are under way are left alone:
-- what they write is a later run's. A run that was rolled back is not meant any more.
--
-- Answers {"dry_run", "runs": how many, "photos", "deleted": {table: rows}, "kept": {table: rows}, "facts": {fact:
-- photos that lack it then}, "missing_from": {kind of vectors: photos that the answering generation loses}, "next": the
-- filter of the next page, null at the end}. Raises PT400 `bad_params`.
create function public.roll_back_runs(p_filter jsonb, p_dry_run boolean default true)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_now    constant timestamptz := kizu.now();
  v_dry    constant boolean := coalesce(p_dry_run, true);
  v_filter jsonb := jsonb_strip_nulls(p_filter);
  v_meant  jsonb;
  v_ids    uuid[];
  v_facts  public.asset_facts[];
  v_files  jsonb;
  v_target record;
  v_rows   bigint;
  v_kept   bigint;
  v_here   bigint;
  v_deleted jsonb := '{}';
  v_stay    jsonb := '{}';
  v_missing jsonb := '{}';
begin
  if jsonb_typeof(v_filter) is distinct from 'object'
     or not v_filter ?| array['ids', 'model', 'fact', 'asset_id', 'since', 'until'] then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'filter: expected ids, model, fact, asset_id, since or until';
  end if;
  -- What is found out anew meanwhile is no part of it.
  v_filter := v_filter
    || jsonb_build_object('rolled_back', false,
                          'until', coalesce(v_filter -> 'until', to_jsonb(v_now + interval '1 microsecond')));
  select coalesce(jsonb_agg(jsonb_build_object('id', run.id, 'finished_at', run.finished_at, 'asset_id', run.asset_id)
                            order by run.finished_at, run.id), '[]')
    into v_meant
    from kizu.runs_meant(v_filter, v_scope, false) as run;

  -- Assets before anything else and in id order, as settlements do. A run that somebody else holds is being forgotten,
  -- as nothing refers to it, or was rolled back just now.
  if not v_dry then
    perform asset.id
       from public.assets as asset
      where asset.id = any (array(select (run ->> 'asset_id')::uuid from jsonb_array_elements(v_meant) as run))
      order by asset.id
        for no key update;
  end if;
  v_ids := array(select (run ->> 'id')::uuid from jsonb_array_elements(v_meant) as run);
  if not v_dry then
    v_ids := array(
      select id
        from public.runs
       where id = any (v_ids)
         and rolled_back_at is null
       order by id
         for update skip locked
    );
    -- Nobody names a face between the look at it and its end.
    for v_target in
      select table_name from public.result_tables where keeper is not null order by table_name
    loop
      execute format('select from public.%I where run_id = any ($1) order by id for update', v_target.table_name)
        using v_ids;
    end loop;
  end if;

  v_facts := array(select known from public.asset_facts as known where known.run_id = any (v_ids));
  v_files := (
    select coalesce(jsonb_agg(jsonb_build_object('asset_id', asset_id, 'path', '/' || key)), '[]')
      from public.derived_assets
     where run_id = any (v_ids)
       and id not in (select kizu.files_that_stay(v_ids))
  );
  for v_target in
    select kind, fact, table_name from public.vector_kinds order by kind
  loop
    execute format('select count(distinct asset_id) from public.%I where run_id = any ($1) and model_version = $2',
                   v_target.table_name)
       into v_here
      using v_ids, kizu.answering(v_target.kind);
    if v_here > 0 then
      v_missing := v_missing || jsonb_build_object(v_target.kind, v_here);
    end if;
  end loop;

  for v_target in
    with recursive
    family as (
      select table_name, keeper, 0 as depth from public.result_tables where parent is null
       union all
      select child.table_name, child.keeper, family.depth + 1
        from public.result_tables as child
        join family on family.table_name = child.parent
    )
    select table_name, keeper
      from family
     where exists (
             select from pg_catalog.pg_attribute
              where attrelid = format('public.%I', table_name)::regclass
                and attname = 'run_id'
                and not attisdropped
           )
     order by depth desc, table_name
  loop
    v_kept := 0;
    execute format('select count(*) from public.%I where run_id = any ($1)', v_target.table_name)
       into v_rows
      using v_ids;
    if v_rows > 0 and v_target.keeper is not null then
      execute format('select count(distinct id) from kizu.%I($1) as id', v_target.keeper) into v_kept using v_ids;
    end if;
    if v_rows > v_kept then
      v_deleted := v_deleted || jsonb_build_object(v_target.table_name, v_rows - v_kept);
    end if;
    if v_kept > 0 then
      v_stay := v_stay || jsonb_build_object(v_target.table_name, v_kept);
    end if;
    if v_rows > v_kept and not v_dry then
      execute format(
        'delete from public.%I where run_id = any ($1) %s',
        v_target.table_name,
        case when v_kept > 0 then format('and id not in (select kizu.%I($1))', v_target.keeper) end
      )
      using v_ids;
    end if;
  end loop;

  if not v_dry then
    update public.runs set rolled_back_at = v_now where id = any (v_ids);
    perform kizu.retell_people(v_ids);
    perform kizu.retell_assets(v_facts, v_files);
    delete from kizu.misses as miss
     using unnest(v_facts) as gone
     where gone.state = 'unavailable'
       and miss.asset_id = gone.asset_id
       and miss.fact = gone.fact
       and miss.version = gone.version;
  end if;

  return jsonb_build_object(
    'dry_run',      v_dry,
    'runs',         cardinality(v_ids),
    'photos',       (select count(distinct run ->> 'asset_id')
                       from jsonb_array_elements(v_meant) as run
                      where (run ->> 'id')::uuid = any (v_ids)),
    'deleted',      v_deleted,
    'kept',         v_stay,
    'facts',        (select coalesce(jsonb_object_agg(fact, photos), '{}')
                       from (select fact, count(distinct asset_id) as photos
                               from unnest(v_facts)
                              where state <> 'unavailable'
                              group by fact) as each),
    'missing_from', v_missing,
    'next',         kizu.next_runs(v_filter, v_meant)
  );
end;
$$;

-- Tags of people whose faces people named, as far as these runs wrote them, from those of their faces that are left.
create function kizu.retell_people(p_runs uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.asset_tags as tag
     set run_id = left_over.run_id,
         face_index = left_over.face_index,
         bounding_box = left_over.bounding_box,
         tagged_by = tag.tagged_by || jsonb_build_object('model', left_over.model_version)
    from (select distinct on (face.asset_id, face.contact_id) face.*
            from public.face_embeddings as face
            left join public.runs as run on run.id = face.run_id
           where face.asset_id = any (array(select asset_id from public.asset_tags where run_id = any (p_runs)))
             and face.contact_id is not null
             and not face.recognised
           order by face.asset_id, face.contact_id, run.rolled_back_at is not null, run.finished_at desc nulls last,
                    face.face_index) as left_over
   where tag.run_id = any (p_runs)
     and tag.tag_type = 'person'
     and tag.created_by is null
     and tag.model_version is null
     and tag.asset_id = left_over.asset_id
     and tag.contact_id = left_over.contact_id;
end;
$$;

-- The older columns of assets that lost these facts and files ([{asset_id, path}…]), as what is left says.
create function kizu.retell_assets(p_facts public.asset_facts[], p_files jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  with
  gone as materialized (
    select asset_id, fact, array_agg(version) as versions
      from unnest(p_facts)
     where state <> 'unavailable'
     group by asset_id, fact
  ),
  -- Of each fact what is told of it, in the order of kizu.note_facts.
  known as materialized (
    select distinct on (fact.asset_id, fact.fact) fact.asset_id, fact.fact, fact.version, fact.at
      from public.asset_facts as fact
      left join public.vector_kinds as vector on vector.fact = fact.fact
     where fact.asset_id = any (array(select asset_id from gone))
       and fact.state <> 'unavailable'
     order by fact.asset_id, fact.fact,
              (vector.kind is not null and fact.version = kizu.answering(vector.kind)) desc,
              fact.at desc
  ),
  newest as (
    select distinct on (fact.asset_id) fact.asset_id, fact.at, run.worker_id
      from public.asset_facts as fact
      left join public.runs as run on run.id = fact.run_id
     where fact.asset_id = any (array(select asset_id from gone))
       and fact.state <> 'unavailable'
     order by fact.asset_id, fact.at desc
  ),
  told as (
    select asset.id,
           (asset.ai_operations - array(select fact from gone where asset_id = asset.id))
             || coalesce((
                  select jsonb_object_agg(known.fact, jsonb_build_object(
                           'version', known.version, 'ok', true, 'at', known.at))
                    from known
                    join gone using (asset_id, fact)
                   where known.asset_id = asset.id
                ), '{}') as operations,
           (select jsonb_object_agg(key, version)
              from (select named.key,
                           case when gone.fact is null then named.value else known.version end as version
                      from jsonb_each_text(asset.ai_model_versions) as named
                      left join gone on gone.asset_id = asset.id and named.value = any (gone.versions)
                      left join known on known.asset_id = asset.id and known.fact = gone.fact) as each
             where version is not null) as versions
      from public.assets as asset
     where asset.id in (select asset_id from gone)
  )
  update public.assets as asset
     set ai_operations = told.operations,
         ai_processed_operations = nullif(array(
           select key from jsonb_each(told.operations) where value @> '{"ok": true}' order by key
         ), '{}'),
         ai_model_versions = case when newest.at is not null then coalesce(told.versions, '{}') end,
         ai_processed_at = newest.at,
         ai_processed_date = (newest.at at time zone 'UTC')::date,
         ai_processed_by = newest.worker_id
    from told
    left join newest on newest.asset_id = told.id
   where asset.id = told.id;

  -- Addresses of files that are no more.
  update public.assets as asset
     set thumbnail = case when gone.thumbnail then null else asset.thumbnail end,
         web_uri = case when gone.web then null else asset.web_uri end,
         image_processing_status = null
    from (select one.id,
                 bool_or(right(one.thumbnail, length(file ->> 'path')) = file ->> 'path') as thumbnail,
                 bool_or(right(one.web_uri, length(file ->> 'path')) = file ->> 'path') as web
            from jsonb_array_elements(p_files) as file
            join public.assets as one on one.id = (file ->> 'asset_id')::uuid
           group by one.id) as gone
   where asset.id = gone.id
     and (gone.thumbnail or gone.web);
end;
$$;

select kizu.keep_internal('kizu.faces_that_stay(uuid[])');
select kizu.keep_internal('kizu.tags_that_stay(uuid[])');
select kizu.keep_internal('kizu.files_that_stay(uuid[])');
select kizu.keep_internal('kizu.runs_meant(jsonb, uuid, boolean)');
select kizu.keep_internal('kizu.next_runs(jsonb, jsonb)');
select kizu.keep_internal('kizu.retell_people(uuid[])');
select kizu.keep_internal('kizu.retell_assets(public.asset_facts[], jsonb)');

select kizu.let_call('public.list_runs(jsonb)', 'authenticated', 'service_role');
select kizu.let_call('public.roll_back_runs(jsonb, boolean)', 'authenticated', 'service_role');
