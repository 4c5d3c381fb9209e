-- Changing the model of a library: another generation is filled beside the one that answers, begins to answer in one
-- transaction, which changes two rows, and can be left again in one. What was left is written to until it is dropped.

-- Of the older columns of an asset: where a fact is known from several models, the one that answers is named.
create or replace function kizu.note_facts()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  update public.assets as asset
     set ai_operations = asset.ai_operations || known.facts,
         ai_processed_operations = array(
           select key
             from jsonb_each(asset.ai_operations || known.facts)
            where value @> '{"ok": true}'
            order by key
         ),
         ai_processed_at = kizu.now(),
         ai_processed_date = (kizu.now() at time zone 'UTC')::date
    from (select asset_id,
                 jsonb_object_agg(fact, jsonb_build_object('version', version, 'ok', true, 'at', at)) as facts
            from (select distinct on (fact.asset_id, fact.fact) fact.asset_id, fact.fact, fact.version, fact.at
                    from public.asset_facts as fact
                    left join public.vector_kinds as vector on vector.fact = fact.fact
                   where fact.asset_id = any (array(select asset_id from noted))
                     and fact.state <> 'unavailable'
                   order by fact.asset_id, fact.fact,
                            (vector.kind is not null and fact.version = kizu.answering(vector.kind)) desc,
                            fact.at desc) as each
           group by asset_id) as known
   where asset.id = known.asset_id
     -- An upsert that adds and changes fires both triggers: the second finds nothing left to note.
     and asset.ai_operations is distinct from asset.ai_operations || known.facts;
  return null;
end;
$$;

-- Enqueues, behind everything that somebody just uploaded, the jobs that find a generation's fact in these assets.
create function kizu.enqueue_generation(p_generation public.generations, p_assets uuid[])
returns int
language plpgsql
set search_path = ''
as $$
declare
  c_behind constant int := 100;
  v_fact     constant text := (select fact from public.vector_kinds where kind = p_generation.kind);
  v_versions constant jsonb := jsonb_build_object(v_fact, p_generation.model_version);
  v_kind     public.job_kinds;
  v_enqueued int;
begin
  select * into v_kind from public.job_kinds where kind = (select kind from public.facts where fact = v_fact);
  execute format(
    'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)'
    ' select asset.user_id, asset.id, $1, $2, $3, $4, kizu.dedupe_key($1, asset.id, $5)'
    '   from public.assets as asset'
    '  where asset.id = any ($6)'
    '  order by asset.id'
    '     on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing',
    kizu.job_table(v_kind.table_name)
  )
  using v_kind.kind, kizu.params_for(v_kind, v_versions), least(v_kind.priority + c_behind, 1000),
        v_kind.max_attempts, jsonb_build_object('versions', v_versions), p_assets;
  get diagnostics v_enqueued = row_count;
  return v_enqueued;
end;
$$;

-- A photo that was embedded for the generation that answers or for one that did, and not for another, by a worker that
-- had not heard of it, gets a job for that.
create function kizu.fill_what_is_new()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_generation public.generations;
  v_assets     uuid[];
begin
  for v_generation in
    select *
      from public.generations
     where state in ('filling', 'former', 'active')
       and model <> '{}' -- no worker could
     order by id
  loop
    v_assets := array(
      select distinct noted.asset_id
        from noted
        join public.vector_kinds as vector on vector.fact = noted.fact and vector.kind = v_generation.kind
        join public.generations as written on written.kind = vector.kind and written.model_version = noted.version
       where noted.state <> 'unavailable'
         and written.state in ('active', 'former')
         and not exists (
               select from public.asset_facts as known
                where known.asset_id = noted.asset_id
                  and known.fact = noted.fact
                  and known.version = v_generation.model_version
             )
    );
    if v_assets <> '{}' then
      perform kizu.enqueue_generation(v_generation, v_assets);
    end if;
  end loop;
  return null;
end;
$$;

create trigger new_facts_are_filled
  after insert on public.asset_facts
  referencing new table as noted
  for each statement
  execute function kizu.fill_what_is_new();

-- The generation with this id, locked against other changes of its kind. Raises PT404 `not_found`.
create function kizu.hold_generation(p_id int)
returns public.generations
language plpgsql
set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  perform pg_advisory_xact_lock(hashtextextended('generations', 0));
  select * into v_generation from public.generations where id = p_id for update;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = format('there is no generation %s', p_id);
  end if;
  return v_generation;
end;
$$;

-- How many photos the active generation knows, and how many of those another does not.
create function kizu.count_missing(p_generation public.generations, out photos bigint, out missing bigint)
language plpgsql
stable
set search_path = ''
set enable_nestloop = off
as $$
declare
  v_fact   constant text := (select fact from public.vector_kinds where kind = p_generation.kind);
  v_active constant text := kizu.answering(p_generation.kind); -- here, as it would be asked for each photo
begin
  select count(*), count(*) filter (where known.asset_id is null)
    into photos, missing
    from public.asset_facts as active
    left join public.asset_facts as known
      on known.asset_id = active.asset_id
     and known.fact = v_fact
     and known.version = p_generation.model_version
     and known.state <> 'unavailable'
   where active.fact = v_fact
     and active.version = v_active
     and active.state <> 'unavailable';
end;
$$;

-- Enqueues jobs for what the next p_limit (at most 5,000) assets lack of a generation, and remembers how far it came;
-- whoever calls it, command or worker, goes on where the last one stopped. At the end it begins again, after five
-- minutes, or after ten seconds where it left alone what had a job under way: while another kind is filled, that may
-- be every photo; after six hours where some machine lacked the model, as the next may; with p_again, at once.
--
-- Answers {"looked_at", "enqueued", "at_end": whether all have been looked at, "passed_by": whether some were left alone
-- on the way}. A generation that is neither filling
-- nor former has nothing to do, nor has one of which nobody knows the model any more.
create function public.fill_generation(p_id int, p_limit int default 1000, p_again boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_pause constant interval := '5 minutes';
  c_soon  constant interval := '10 seconds';
  c_later constant interval := '6 hours';
  v_now   constant timestamptz := kizu.now();
  v_generation public.generations;
  v_page       jsonb;
begin
  if kizu.caller_scope() is not null then
    raise insufficient_privilege using message = 'generations are filled by the project''s own workers';
  end if;
  select * into v_generation from public.generations where id = p_id for update;
  if v_generation.id is null
     or v_generation.state not in ('filling', 'former')
     or v_generation.model = '{}'
     or (p_again is not true
         and v_generation.filled_to is null
         and v_generation.filled_at > v_now - case
               when v_generation.passed_by then c_soon
               when exists (
                      select from kizu.misses
                       where fact = (select fact from public.vector_kinds where kind = v_generation.kind)
                         and version = v_generation.model_version
                         and kizu.fault_of(reason) = 'machine'
                    ) then c_later
               else c_pause
             end) then
    return jsonb_build_object('looked_at', 0, 'enqueued', 0, 'at_end', true,
                              'passed_by', coalesce(v_generation.passed_by, false));
  end if;

  v_page := public.enqueue_missing(
    (select jsonb_build_object(fact, v_generation.model_version)
       from public.vector_kinds
      where kind = v_generation.kind),
    null, v_generation.filled_to, p_limit
  );
  update public.generations
     set filled_to = (v_page ->> 'next')::uuid,
         filled_at = case when v_page ->> 'next' is null then v_now else filled_at end,
         passed_by = (passed_by and filled_to is not null)
                     or jsonb_path_exists(v_page, '$.left.*.under_way')
   where id = p_id
  returning * into v_generation;
  return jsonb_build_object('looked_at', v_page -> 'looked_at', 'enqueued', v_page -> 'enqueued',
                            'at_end', v_page ->> 'next' is null, 'passed_by', v_generation.passed_by);
end;
$$;

-- How far a generation is: {"generation", "photos": those the active one knows, "missing": those of them it does not
-- know, "missed": {code: how many photos that it does not know could not be done, once or more}}.
create function public.generation_progress(p_id int)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_nestloop = off
as $$
declare
  v_generation public.generations;
  v_photos     bigint;
  v_missing    bigint;
begin
  perform kizu.caller_scope();
  select * into v_generation from public.generations where id = p_id;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = format('there is no generation %s', p_id);
  end if;
  select photos, missing into v_photos, v_missing from kizu.count_missing(v_generation);
  return jsonb_build_object(
    'generation', kizu.told(v_generation),
    'photos',     v_photos,
    'missing',    v_missing,
    'missed',     (
      select coalesce(jsonb_object_agg(reason, misses), '{}')
        from (select reason, count(*) as misses
                from kizu.misses as miss
               where fact = (select fact from public.vector_kinds where kind = v_generation.kind)
                 and version = v_generation.model_version
                 and not exists (
                       select from public.asset_facts as known
                        where known.asset_id = miss.asset_id
                          and known.fact = miss.fact
                          and known.version = miss.version
                          and known.state <> 'unavailable'
                     )
               group by reason) as each
    )
  );
end;
$$;

-- Lets a generation answer from now on: searches that begin after this, recognition, and what owners see. Nothing
-- else changes, so that going back is the same. Answers {"active", "former"}.
--
-- Raises PT404 `not_found`; PT409 `unknown_generation` for one that was dropped; PT409 `generation_incomplete`, with the number, where photos
-- that the active one knows are missing, unless p_force.
create function public.flip_generation(p_id int, p_force boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_now constant timestamptz := kizu.now();
  v_to      public.generations;
  v_from    public.generations;
  v_missing bigint;
begin
  perform kizu.caller_scope();
  -- Before the lock: counting a large library takes a while.
  select * into v_to from public.generations where id = p_id;
  if v_to.state in ('filling', 'former') and p_force is not true then
    v_missing := (select missing from kizu.count_missing(v_to));
    if v_missing > 0 then
      raise sqlstate 'PT409'
        using message = 'generation_incomplete',
              detail = format('%s photos that the active generation knows are missing from %s',
                              v_missing, v_to.model_version);
    end if;
  end if;

  v_to := kizu.hold_generation(p_id);
  select * into v_from from public.generations where kind = v_to.kind and state = 'active' for update;
  if v_to.state in ('dropping', 'dropped') then
    raise sqlstate 'PT409'
      using message = 'unknown_generation', detail = format('%s has been dropped', v_to.model_version);
  elsif v_to.state <> 'active' then
    update public.generations set state = 'former' where id = v_from.id;
    update public.generations set state = 'active', activated_at = v_now where id = p_id returning * into v_to;
    select * into v_from from public.generations where id = v_from.id;
  else
    v_from := null;
  end if;
  return jsonb_build_object('active', kizu.told(v_to), 'former', case when v_from.id is not null then kizu.told(v_from) end);
end;
$$;

-- Goes back to the generation of a kind that was active before. Answers and raises as flip_generation; PT404
-- `not_found` where there is none.
create function public.rollback_generation(p_kind text, p_force boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_id int;
begin
  perform kizu.caller_scope();
  select id into v_id
    from public.generations
   where kind = p_kind
     and state = 'former'
   order by activated_at desc, id desc
   limit 1;
  if not found then
    raise sqlstate 'PT404'
      using message = 'not_found', detail = format('there is no former generation of %s', left(p_kind, 100));
  end if;
  return public.flip_generation(v_id, p_force);
end;
$$;

-- Deletes up to p_limit (at most 10,000) rows of a generation that does not answer, and in the end its index. From
-- the first call on no worker writes to it. Call it until `done`.
--
-- A face that people named and that no other generation has a row of stays, unseen by apps: its name is their work,
-- and a model that finds the face again takes it over. Answers {"deleted", "kept": such faces, once done, "done"}.
-- Raises PT404 `not_found`; PT409 `generation_answers` for the active one; PT503 `database_busy`, to be asked again.
create function public.drop_generation(p_id int, p_limit int default 1000)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_limit constant int := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_generation public.generations;
  v_vector     public.vector_kinds;
  v_deleted    int := 0;
  v_here       int;
  v_kept       bigint := 0;
begin
  perform kizu.caller_scope();
  v_generation := kizu.hold_generation(p_id);
  select * into v_vector from public.vector_kinds where kind = v_generation.kind;
  if v_generation.state = 'active' then
    raise sqlstate 'PT409'
      using message = 'generation_answers', detail = format('%s answers: flip to another first', v_generation.model_version);
  elsif v_generation.state in ('filling', 'former') then
    update public.generations set state = 'dropping' where id = p_id;
    return jsonb_build_object('deleted', 0, 'kept', 0, 'done', false);
  end if;

  if v_generation.state = 'dropping' then
    v_deleted := kizu.forget_generation(v_generation, v_vector, v_limit);
    if v_deleted = 0 then
      -- Waits for who writes at this moment, and may not have known: what came of that is deleted too.
      execute format('drop index if exists public.%I', kizu.index_of(v_generation));
      v_deleted := kizu.forget_generation(v_generation, v_vector, v_limit);
    end if;
    if v_deleted = 0 then
      update public.generations set state = 'dropped' where id = p_id;
      v_generation.state := 'dropped';
    end if;
  end if;
  if v_generation.kind = 'faces' and v_generation.state = 'dropped' then
    v_kept := (select count(*) from public.face_embeddings where model_version = v_generation.model_version);
  end if;
  return jsonb_build_object('deleted', v_deleted, 'kept', v_kept, 'done', v_generation.state = 'dropped');
exception
  when lock_not_available then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'the table of vectors is in use without a pause; try again';
end;
$$;

-- Deletes some of what a generation that is being dropped left: jobs that wait, vectors, what was made of them, facts
-- and misses. Answers how much; 0 says that nothing is left.
create function kizu.forget_generation(p_generation public.generations, p_vector public.vector_kinds, p_limit int)
returns int
language plpgsql
set search_path = ''
as $$
declare
  v_version constant text := p_generation.model_version;
  v_now     constant timestamptz := kizu.now();
  v_ended   kizu.ending[];
  v_assets  uuid[];
  v_others  uuid[];
  v_facts   int;
  v_deleted int;
begin
  v_ended := array(
    with
    waiting as materialized (
      select tableoid, id
        from public.jobs
       where status = 'pending'
         and job_type = (select kind from public.facts where fact = p_vector.fact)
         and params -> 'versions' = jsonb_build_object(p_vector.fact, v_version)
       order by id
       limit p_limit
         for update skip locked
    )
    select row(tableoid, id, null, 'cancelled', null, null, null, null, null)::kizu.ending from waiting
  );
  if v_ended <> '{}' then
    perform kizu.end_jobs(v_ended, v_now);
    return cardinality(v_ended);
  end if;

  -- Photo by photo, as their facts say; then what has none, because its settlement met the dropping half-way. What a
  -- settlement holds, which waits for another row of that photo, is left for the next call.
  v_assets := array(
    select asset_id
      from public.asset_facts
     where fact = p_vector.fact
       and version = v_version
     limit p_limit
  );
  execute format(
    'with gone as ('
    ' delete from public.%1$I'
    '  where id = any (array(select id from public.%1$I as vector where model_version = $1 and %2$s and %3$s'
    '                         limit $3 for update skip locked))'
    ' returning asset_id)'
    ' select count(*), array_agg(distinct asset_id) from gone',
    p_vector.table_name,
    case when v_assets <> '{}' then 'asset_id = any ($2)' else 'true' end,
    case p_vector.table_name
      when 'face_embeddings' then
        '(not kizu.is_named(vector) or exists ('
        'select from public.face_embeddings as other where other.face_id = vector.face_id and other.id <> vector.id))'
      else 'true'
    end
  )
  into v_deleted, v_others
  using v_version, v_assets, p_limit;
  if v_deleted = 0 and v_assets = '{}' then
    delete from kizu.misses where fact = p_vector.fact and version = v_version;
    return 0;
  end if;

  v_assets := v_assets || v_others;
  if p_generation.kind = 'faces' then
    delete from public.asset_tags
     where asset_id = any (v_assets) and tag_type = 'person' and created_by is null and model_version = v_version;
    delete from public.derived_assets where asset_id = any (v_assets) and model_version = v_version;
  end if;
  delete from public.asset_facts where asset_id = any (v_assets) and fact = p_vector.fact and version = v_version;
  get diagnostics v_facts = row_count;
  return v_deleted + v_facts;
end;
$$;

-- What compare found: the cosine from which a picture answers a sentence (null leaves it), and its numbers.
create function public.calibrate_generation(p_id int, p_cutoff double precision, p_comparison jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_largest constant int := 65536;
  v_generation public.generations;
begin
  perform kizu.caller_scope();
  if not coalesce(p_cutoff between -1 and 1, true)
     or jsonb_typeof(p_comparison) is distinct from 'object'
     or octet_length(p_comparison::text) > c_largest then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('calibration: expected a cosine or null, and an object of at most %s bytes', c_largest);
  end if;
  v_generation := kizu.hold_generation(p_id);
  update public.generations
     set cutoff = coalesce(p_cutoff, cutoff), comparison = p_comparison
   where id = p_id
  returning * into v_generation;
  return kizu.told(v_generation);
end;
$$;

select kizu.keep_internal('kizu.enqueue_generation(public.generations, uuid[])');
select kizu.keep_internal('kizu.fill_what_is_new()');
select kizu.keep_internal('kizu.hold_generation(int)');
select kizu.keep_internal('kizu.count_missing(public.generations)');
select kizu.keep_internal('kizu.forget_generation(public.generations, public.vector_kinds, int)');

select kizu.let_call('public.fill_generation(int, int, boolean)', 'kizu_worker', 'service_role');
select kizu.let_call('public.generation_progress(int)', 'service_role');
select kizu.let_call('public.flip_generation(int, boolean)', 'service_role');
select kizu.let_call('public.rollback_generation(text, boolean)', 'service_role');
select kizu.let_call('public.drop_generation(int, int)', 'service_role');
select kizu.let_call('public.calibrate_generation(int, double precision, jsonb)', 'service_role');
