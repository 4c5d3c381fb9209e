-- One face in a photo, seen by several models: each generation has a row of its own for it, and what people say of
-- the face is said of all its rows. So names are there when another generation begins to answer.

drop index public.face_embeddings_by_similarity; -- nothing asked it

-- A zero vector was like nobody; its photo is looked at again.
with
nothing as (
  delete from public.face_embeddings
   where extensions.vector_norm(embedding) = 0
  returning asset_id, model_version
)
delete from public.asset_facts
 using nothing
 where asset_facts.asset_id = nothing.asset_id and fact = 'faces' and version = nothing.model_version;

alter table public.face_embeddings
  add column face_id uuid,  -- the face in the photo: the same for the rows of all generations
  drop constraint a_face_has_one_place,
  add constraint a_face_has_one_place unique (asset_id, model_version, face_index);

alter table public.face_embeddings disable trigger user;
update public.face_embeddings set face_id = id;
alter table public.face_embeddings enable trigger user;

alter table public.face_embeddings
  alter column face_id set default gen_random_uuid(),
  alter column face_id set not null;

create index rows_of_a_face on public.face_embeddings (face_id);

-- A tag of ours for a person is of the generation that recognised them, or of none where people named the face.
alter table public.asset_tags add column model_version text;

alter table public.asset_tags disable trigger user;
update public.asset_tags
   set model_version = tagged_by ->> 'model'
 where tag_type = 'person'
   and created_by is null
   and tagged_by ? 'similarity';
alter table public.asset_tags enable trigger user;

alter table public.asset_tags
  add constraint model_version_is_bounded check (pg_column_size(model_version) <= 4100);

drop index public.we_tag_a_person_once;
create unique index we_tag_a_person_once on public.asset_tags (asset_id, contact_id, coalesce(model_version, ''))
  where created_by is null and tag_type = 'person';

alter policy owners_read on public.asset_tags
  using ((select auth.uid()) = user_id
         and (model_version is null or model_version = (select kizu.answering('faces'))));

-- What a person corrected is of no generation any more.
create or replace function kizu.sign_tag()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.created_by := auth.uid();
  new.model_version := null;
  return new;
end;
$$;

-- Files made of what a model found are that model's: another's take none of them away.
alter table public.derived_assets add column model_version text;
alter table public.derived_assets
  add constraint model_version_is_bounded check (pg_column_size(model_version) <= 4100);

create function kizu.pass_over_files_of_the_dropped()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  return case when not kizu.is_dropped('faces', new.model_version) then new end;
end;
$$;

create trigger files_of_the_dropped_are_passed_over
  before insert on public.derived_assets
  for each row
  when (new.model_version is not null)
  execute function kizu.pass_over_files_of_the_dropped();

update public.derived_assets as derived
   set model_version = face.model_version
  from (select asset_id, run_id, max(model_version) as model_version
          from public.face_embeddings
         group by asset_id, run_id) as face
 where derived.kind = 'face_crop'
   and derived.asset_id = face.asset_id
   and derived.run_id is not distinct from face.run_id;

update public.result_tables
   set columns = columns || array['model_version'],
       scope_columns = array['kind', 'model_version']
 where table_name = 'derived_assets';

-- A writer of a table with scope_columns is told the scope: kizu.<writer>(rows, user, asset, run, scope).
alter table public.result_tables
  drop constraint a_writer_replaces_all_of_an_asset,
  add constraint a_writer_replaces_what_an_asset_has check (writer is null or (mode = 'replace' and owner = 'asset'));

create or replace function kizu.apply_write(p_write jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_rows   constant jsonb := coalesce(p_write -> 'rows', '[]');
  v_write  jsonb := p_write;
  v_scope  jsonb;
  v_target public.result_tables;
begin
  select *
    into v_target
    from public.result_tables
   where table_name = p_write ->> 'table';
  if not found then
    raise exception 'results are not written to %', coalesce(p_write ->> 'table', 'a table without a name');
  elsif v_target.parent is not null then
    raise exception 'rows of % are written with those of %', v_target.table_name, v_target.parent;
  end if;

  if v_target.writer is not null then
    v_scope := kizu.scope_of(v_target, p_write);
    perform kizu.written_columns(v_target, array(
      select key
        from jsonb_array_elements(v_rows) as row
       cross join jsonb_object_keys(row) as key
       where key <> all (kizu.forced_columns(v_target))
    ));
    if v_target.scope_columns = '{}' then
      execute format('select kizu.%I($1, $2, $3, $4)', v_target.writer) using v_rows, p_user, p_asset, p_run;
    else
      execute format('select kizu.%I($1, $2, $3, $4, $5)', v_target.writer)
        using v_rows, p_user, p_asset, p_run, v_scope;
    end if;
  else
    -- Crops by a worker that has heard of no generations are of the faces that it wrote just now, or found none of.
    if v_target.table_name = 'derived_assets'
       and p_write -> 'scope' = '{"kind": "face_crop"}' then
      v_write := jsonb_set(p_write, '{scope,model_version}', coalesce(to_jsonb(coalesce(
        (select max(model_version) from public.face_embeddings where asset_id = p_asset and run_id = p_run),
        kizu.answering('faces')
      )), 'null'));
    end if;
    case v_target.mode
      when 'replace' then perform kizu.replace_rows(v_target, v_write, p_user, p_asset, p_run);
      when 'upsert'  then perform kizu.insert_rows(v_target, v_rows, '{}', p_user, p_asset, p_run);
      when 'update'  then perform kizu.update_asset(v_target, p_write, p_user, p_asset);
    end case;
  end if;
end;
$$;

-- The scope of a write, {column: value}. Raises for a column that is no scope of the table.
create function kizu.scope_of(p_target public.result_tables, p_write jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_scope constant jsonb := coalesce(nullif(p_write -> 'scope', 'null'), '{}') - kizu.forced_columns(p_target);
  v_wrong text;
begin
  select min(key) into v_wrong from jsonb_object_keys(v_scope) as key where key <> all (p_target.scope_columns);
  if v_wrong is not null then
    raise exception 'jobs do not write %.%', p_target.table_name, v_wrong;
  end if;
  return v_scope;
end;
$$;

-- Tags of ours for the people in a photo: those whose faces people named, once and for all generations, and those
-- whom the generation of p_version recognised. p_faces is {id of a face recognised now: cosine to a named face}.
drop function kizu.tag_people(uuid, uuid, jsonb);
create function kizu.tag_people(p_asset uuid, p_run uuid, p_version text, p_faces jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.asset_tags
   where asset_id = p_asset
     and tag_type = 'person'
     and created_by is null
     and (model_version is null
          or model_version = p_version
          or contact_id in (
               select contact_id
                 from public.face_embeddings
                where asset_id = p_asset
                  and contact_id is not null
                  and not recognised
             ));

  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id, bounding_box, face_index,
                                 created_by, model_version, tagged_by)
  select distinct on (contact.id)
         face.user_id, face.asset_id, p_run, 'person', left(contact.display_name, 500), contact.id,
         face.bounding_box, face.face_index, null,
         case when face.recognised then face.model_version end,
         jsonb_strip_nulls(jsonb_build_object('source', 'kizu',
                                              'model', face.model_version,
                                              'similarity', round((p_faces ->> face.id::text)::numeric, 3)))
    from public.face_embeddings as face
    join public.contacts as contact on contact.id = face.contact_id
   where face.asset_id = p_asset
     and not face.is_from_video
     and (not face.recognised or face.model_version = p_version)
     and contact.display_name <> ''
   order by contact.id, face.recognised, (face.model_version = p_version) desc, face.face_index;
end;
$$;

-- The faces of a photo that p_version found and whose contact is not known get the one whose named faces they are
-- most like, if they are alike enough; a person is in a photo once. Only faces that people named are compared with:
-- what was recognised teaches nothing, or one mistake would lead to the next. Answers {id: cosine}.
drop function kizu.recognise_faces(uuid, uuid, uuid);
create function kizu.recognise_faces(p_user uuid, p_asset uuid, p_version text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_alike constant float8 := 0.55; -- cosine, where nobody says; what existing apps were tuned to
  v_same_face constant float8 :=
    (select same_face from public.generations where kind = 'faces' and model_version = p_version);
  v_named jsonb;
begin
  with
  here as materialized (
    select id, embedding, coalesce(same_face, v_same_face, c_alike) as same_face
      from public.face_embeddings
     where asset_id = p_asset
       and user_id = p_user
       and model_version = p_version
       and contact_id is null
  ),
  known as materialized (
    select contact_id, cluster_id, embedding
      from public.face_embeddings
     where user_id = p_user
       and contact_id is not null
       and not recognised
       and model_version = p_version
       and exists (select from here)
       and contact_id not in (
             select contact_id
               from public.face_embeddings
              where asset_id = p_asset
                and model_version = p_version
                and contact_id is not null
           )
  ),
  alike as (
    select here.id, here.same_face, known.contact_id, known.cluster_id,
           here.embedding operator(extensions.<=>) known.embedding as distance
      from here
     cross join known
  ),
  best_of_each_face as (
    select distinct on (id) *
      from alike
     where distance <= 1 - same_face
     order by id, distance, contact_id
  ),
  best_of_each_contact as (
    select distinct on (contact_id) *
      from best_of_each_face
     order by contact_id, distance, id
  ),
  named as (
    update public.face_embeddings as face
       set contact_id = best.contact_id,
           cluster_id = coalesce(face.cluster_id, best.cluster_id),
           recognised = true
      from best_of_each_contact as best
     where face.id = best.id
 returning face.id, 1 - best.distance as similarity
  )
  select jsonb_object_agg(id, similarity) into v_named from named;
  return coalesce(v_named, '{}');
end;
$$;

-- Of possible pairs [{"one", "other", "overlap"}…] those that overlap most, each one and each other at most once:
-- {one: other}.
create function kizu.pair_off(p_pairs jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_pair  record;
  v_pairs jsonb := '{}';
  v_taken text[] := '{}';
begin
  for v_pair in
    select pair ->> 'one' as one, pair ->> 'other' as other
      from jsonb_array_elements(p_pairs) as pair
     order by (pair ->> 'overlap')::float8 desc, pair ->> 'one', pair ->> 'other'
  loop
    if not v_pairs ? v_pair.one and v_pair.other <> all (v_taken) then
      v_pairs := v_pairs || jsonb_build_object(v_pair.one, v_pair.other);
      v_taken := v_taken || v_pair.other;
    end if;
  end loop;
  return v_pairs;
end;
$$;

-- Replaces the faces that one generation has of a photo: of scope.model_version, else of the rows' own, else of the
-- one that answers.
--
-- Each old face goes on as the new one that covers it best, one to one and above half, unless the model sees somebody
-- else there; what is left over goes, or is new. A new face is the same as one that other generations found where
-- they overlap by more than 0.3, as detectors draw boxes more or less wide. What people said of a face holds for all
-- its rows. Whom we took it for is found out anew in each generation; a generation in which nobody named them yet
-- takes the word of another, so that nobody is unnamed because a model is new.
drop function kizu.replace_faces(jsonb, uuid, uuid, uuid);
create function kizu.replace_faces(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_same_box    constant float8 := 0.5;
  c_same_place  constant float8 := 0.3; -- of two detectors' boxes
  c_same_person constant float8 := 0.3; -- cosine; well below what one face in two renderings has
  v_version constant text :=
    coalesce(p_scope ->> 'model_version', p_rows -> 0 ->> 'model_version', kizu.answering('faces'));
  v_old    public.face_embeddings[];
  v_others public.face_embeddings[];
  v_kept   jsonb; -- {face_index of the new: id of the old}
  v_same   jsonb; -- {face_index of the new: face_id of other generations}
  v_named  jsonb; -- {id of a face recognised now: cosine}
begin
  if exists (select from jsonb_array_elements(p_rows) as row where row ->> 'model_version' <> v_version) then
    raise exception 'faces: expected rows of %', v_version;
  end if;

  -- Of its rows only those are left that people named.
  if kizu.is_dropped('faces', v_version) then
    return;
  end if;

  -- Who names one of these faces holds its row and then takes the face's others: the settlement gives way and is sent
  -- again, or each would wait for the other.
  perform id from public.face_embeddings where asset_id = p_asset and user_id = p_user for update nowait;
  v_old := array(
    select face
      from public.face_embeddings as face
     where asset_id = p_asset
       and user_id = p_user
       and model_version = v_version
       and not is_from_video
  );
  v_others := array(
    select face
      from public.face_embeddings as face
     where asset_id = p_asset
       and user_id = p_user
       and model_version <> v_version
       and not is_from_video
  );

  v_kept := kizu.pair_off((
    select coalesce(jsonb_agg(jsonb_build_object('one', face_index, 'other', id, 'overlap', overlap)), '[]')
      from (select row.face_index, old.id, kizu.iou(row.bounding_box, old.bounding_box) as overlap
              from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
             cross join unnest(v_old) as old
             where (row.embedding operator(extensions.<=>) old.embedding) <= 1 - c_same_person) as pair
     where overlap > c_same_box
  ));
  v_same := kizu.pair_off((
    select coalesce(jsonb_agg(jsonb_build_object('one', face_index, 'other', face_id, 'overlap', overlap)), '[]')
      from (select row.face_index, other.face_id, max(kizu.iou(row.bounding_box, other.bounding_box)) as overlap
              from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
             cross join unnest(v_others) as other
             where not v_kept ? row.face_index::text
               and other.face_id not in (select face_id
                                           from unnest(v_old)
                                          where id::text in (select value from jsonb_each_text(v_kept)))
             group by row.face_index, other.face_id) as pair
     where overlap > c_same_place
  ));

  delete from public.face_embeddings where id in (select id from unnest(v_old));

  insert into public.face_embeddings (id, face_id, user_id, asset_id, run_id, face_index, embedding, bounding_box,
                                      landmarks, confidence, same_face, face_thumbnail_url, model_version,
                                      weights_digest, cluster_id, contact_id, recognised, created_at)
  select coalesce(old.id, gen_random_uuid()), coalesce(the_face.id, gen_random_uuid()), p_user, p_asset, p_run,
         row.face_index, row.embedding, row.bounding_box, row.landmarks, row.confidence, row.same_face,
         row.face_thumbnail_url, v_version, row.weights_digest, said.cluster_id, said.contact_id, false,
         coalesce(old.created_at, now())
    from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
    left join unnest(v_old) as old on old.id = (v_kept ->> row.face_index::text)::uuid
   cross join lateral (select coalesce(old.face_id, (v_same ->> row.face_index::text)::uuid) as id) as the_face
    -- What people said of the face, to whichever row of it.
    left join lateral (
           select known.cluster_id, known.contact_id
             from (select * from unnest(v_old) union all select * from unnest(v_others)) as known
            where known.face_id = the_face.id
              and not known.recognised
            order by known.contact_id is null, known.model_version <> v_version, known.id
            limit 1
         ) as said on true;

  v_named := kizu.recognise_faces(p_user, p_asset, v_version);

  update public.face_embeddings as face
     set contact_id = known.contact_id,
         cluster_id = coalesce(face.cluster_id, known.cluster_id),
         recognised = true
    from (select distinct on (other.contact_id) other.face_id, other.contact_id, other.cluster_id
            from unnest(v_others) as other
           where other.recognised
             and other.contact_id is not null
             and not exists (
                   select from public.face_embeddings as named
                    where named.user_id = p_user
                      and named.model_version = v_version
                      and named.contact_id = other.contact_id
                      and (not named.recognised or named.asset_id = p_asset)
                 )
           order by other.contact_id, other.id) as known
   where face.asset_id = p_asset
     and face.model_version = v_version
     and face.face_id = known.face_id
     and face.contact_id is null;

  perform kizu.tag_people(p_asset, p_run, v_version, v_named);
end;
$$;

-- Whether people named a face, or put it among the faces of somebody they named.
create function kizu.is_named(p_face public.face_embeddings)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return not p_face.recognised
     and (p_face.contact_id is not null
          or exists (
               select from public.face_clusters as cluster
                where cluster.id = p_face.cluster_id
                  and (cluster.name is not null or cluster.contact_id is not null)
             ));
end;
$$;

-- What people say of a face is said of all its rows.
create function kizu.carry_names()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.face_embeddings
     set contact_id = new.contact_id, cluster_id = new.cluster_id, recognised = false
   where face_id = new.face_id
     and id <> new.id
     and (contact_id, cluster_id, recognised) is distinct from (new.contact_id, new.cluster_id, false);
  return null;
end;
$$;

create trigger names_are_carried
  after update of contact_id, cluster_id, recognised on public.face_embeddings
  for each row
  when (not new.recognised
        and (old.contact_id, old.cluster_id, old.recognised)
            is distinct from (new.contact_id, new.cluster_id, new.recognised))
  execute function kizu.carry_names();

update public.result_tables set scope_columns = array['model_version'] where table_name = 'face_embeddings';

select kizu.keep_internal('kizu.pass_over_files_of_the_dropped()');
select kizu.keep_internal('kizu.scope_of(public.result_tables, jsonb)');
select kizu.keep_internal('kizu.tag_people(uuid, uuid, text, jsonb)');
select kizu.keep_internal('kizu.recognise_faces(uuid, uuid, text)');
select kizu.keep_internal('kizu.pair_off(jsonb)');
select kizu.keep_internal('kizu.replace_faces(jsonb, uuid, uuid, uuid, jsonb)');
select kizu.keep_internal('kizu.is_named(public.face_embeddings)');
select kizu.keep_internal('kizu.carry_names()');
