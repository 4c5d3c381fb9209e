-- Owners name faces, and photos that were looked at before learn the name: they are looked through anew, with what
-- recognises faces in new photos, a page at a time.
--
-- What recognition may take a face for is decided in kizu.recognise_faces and nowhere else. Only faces that people
-- named teach it anything, so a name that was taken away or changed is taken back wherever it came from that face.

-- "This is not them": what recognition never says again of a face, until its owner does.
create table kizu.exclusions (
  face_id    uuid not null,
  contact_id uuid not null,
  asset_id   uuid not null,
  user_id    uuid not null,
  at         timestamptz not null default kizu.now(),

  primary key (face_id, contact_id),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint contact_belongs_to_the_same_user foreign key (contact_id, user_id)
    references public.contacts (id, user_id) on delete cascade
);

create index exclusions_of_an_asset on kizu.exclusions (asset_id);
create index exclusions_of_a_contact on kizu.exclusions (contact_id);

alter table kizu.exclusions enable row level security;
revoke all on kizu.exclusions from public, anon, authenticated, service_role;

-- Faces that were named, or lost their name, and photos of their owner that have not been looked through since: those
-- that come after `after`.
create table kizu.namings (
  face_id  uuid primary key,
  user_id  uuid not null references auth.users on delete cascade,
  after    uuid not null,
  asked_at timestamptz not null default kizu.now()
);

create index namings_in_order on kizu.namings (asked_at, face_id);
create index namings_of_a_user on kizu.namings (user_id, asked_at, face_id);

alter table kizu.namings enable row level security;
revoke all on kizu.namings from public, anon, authenticated, service_role;

-- A user's photos with faces, page by page.
drop index public.face_embeddings_of_a_user;
create index face_embeddings_of_a_user on public.face_embeddings (user_id, asset_id);

-- The cosine from which on a generation of faces takes two for one person.
create function kizu.same_face(p_version text)
returns float8
language plpgsql
stable
set search_path = ''
as $$
declare
  c_alike constant float8 := 0.55; -- where nobody says; what existing apps were tuned to
begin
  return coalesce((select same_face from public.generations where kind = 'faces' and model_version = p_version),
                  c_alike);
end;
$$;

-- Names are not carried while faces are recognised: what is recognised is said of one generation's row.
drop trigger names_are_carried on public.face_embeddings;
create trigger names_are_carried
  after update of contact_id, cluster_id, recognised on public.face_embeddings
  for each row
  when (not new.recognised
        and (old.contact_id, old.cluster_id, old.recognised)
            is distinct from (new.contact_id, new.cluster_id, new.recognised)
        and current_setting('kizu.recognising', true) is distinct from 'yes')
  execute function kizu.carry_names();

-- Whether people named a face, put it among the faces of somebody they named, or said who it is not: then its row stays
-- where others go.
create or replace function kizu.is_named(p_face public.face_embeddings)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (not p_face.recognised
          and (p_face.contact_id is not null
               or exists (
                    select from public.face_clusters as cluster
                     where cluster.id = p_face.cluster_id
                       and (cluster.name is not null or cluster.contact_id is not null)
                  )))
      or exists (select from kizu.exclusions where face_id = p_face.face_id);
end;
$$;

-- Whom p_version takes the faces of these photos for, as far as people have not said: the contact whose named faces
-- they are most like, if they are alike enough; a person is in a photo once, and nobody is who their owner said they
-- are not. Only faces that people named are compared with: what was recognised teaches nothing, or one mistake would
-- lead to the next. Where nobody named them in this generation yet, another's word is taken, so that nobody is unnamed
-- because a model is new: that of one which knows the contact, see kizu.may_know.
--
-- Answers {"alike": {id: cosine}, "recognised", "taken_back": how many rows got and lost a contact, "photos": those
-- where any did}.
drop function kizu.recognise_faces(uuid, uuid, text);
create function kizu.recognise_faces(p_user uuid, p_assets uuid[], p_version text)
returns jsonb
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
declare
  v_same_face constant float8 := kizu.same_face(p_version);
  v_answer jsonb;
begin
  with
  -- Made anew, vectors lie in the row, and are not fetched once for each pair.
  here as materialized (
    select id, face_id, asset_id, contact_id, recognised, extensions.l2_normalize(embedding) as embedding,
           coalesce(same_face, v_same_face) as same_face
      from public.face_embeddings
     where asset_id = any (p_assets)
       and user_id = p_user
       and model_version = p_version
       and (contact_id is null or recognised)
  ),
  known as materialized (
    select contact_id, cluster_id, extensions.l2_normalize(embedding) as embedding
      from public.face_embeddings
     where user_id = p_user
       and contact_id is not null
       and not recognised
       and model_version = p_version
       and exists (select from here)
  ),
  near as materialized (
    select here.id, here.face_id, here.asset_id, known.contact_id, known.cluster_id,
           1 + (here.embedding operator(extensions.<#>) known.embedding) as distance
      from here
     cross join known
     where (here.embedding operator(extensions.<#>) known.embedding) <= -here.same_face
  ),
  best_of_each_face as (
    select distinct on (id) *
      from near
     where not exists (
             select from public.face_embeddings as named
              where named.asset_id = near.asset_id
                and named.model_version = p_version
                and named.contact_id = near.contact_id
                and not named.recognised
           )
       and not exists (
             select from kizu.exclusions as excluded
              where excluded.face_id = near.face_id
                and excluded.contact_id = near.contact_id
           )
     order by id, distance, contact_id
  ),
  best as materialized (
    select distinct on (asset_id, contact_id) *
      from best_of_each_face
     order by asset_id, contact_id, distance, id
  ),
  words as (
    select distinct on (here.asset_id, other.contact_id) here.id, other.contact_id, other.cluster_id
      from here
      join public.face_embeddings as other
        on other.face_id = here.face_id
       and other.asset_id = here.asset_id
       and other.user_id = p_user
       and other.model_version <> p_version
     where other.recognised
       and other.contact_id is not null
       and not other.is_from_video
       and not exists (select from best where best.id = here.id)
       and other.contact_id not in (select contact_id from known)
       and kizu.may_know(p_user, other.contact_id, other.model_version)
       and not exists (
             select from kizu.exclusions as excluded
              where excluded.face_id = here.face_id
                and excluded.contact_id = other.contact_id
           )
     order by here.asset_id, other.contact_id, other.id
  ),
  found as (
    select here.id, here.asset_id, here.contact_id as former, here.recognised,
           coalesce(best.contact_id, word.contact_id) as contact_id,
           case when best.id is null then word.cluster_id else best.cluster_id end as cluster_id
      from here
      left join best on best.id = here.id
      left join (select distinct on (id) * from words order by id, contact_id) as word on word.id = here.id
  ),
  changed as (
    update public.face_embeddings as face
       set contact_id = found.contact_id,
           cluster_id = case when face.recognised then found.cluster_id
                             else coalesce(face.cluster_id, found.cluster_id) end,
           recognised = found.contact_id is not null
      from found
     where face.id = found.id
       and (face.contact_id, face.recognised)
           is distinct from (found.contact_id, found.contact_id is not null)
 returning found.asset_id, found.former, found.contact_id
  )
  select jsonb_build_object(
           'alike',      coalesce((select jsonb_object_agg(id, 1 - distance) from best), '{}'),
           'recognised', count(*) filter (where contact_id is not null and contact_id is distinct from former),
           'taken_back', count(*) filter (where former is not null and contact_id is distinct from former),
           'photos',     coalesce(jsonb_agg(distinct asset_id), '[]')
         )
    into v_answer
    from changed;
  return v_answer;
end;
$$;

-- Whether a generation knows a contact, as people named a face of theirs that it found; or may, as they named one in
-- generations that were dropped and in none that lives.
create function kizu.may_know(p_user uuid, p_contact uuid, p_version text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce((
    select bool_or(face.model_version = p_version)
           or not coalesce(bool_or(generation.state in ('active', 'filling', 'former')), false)
      from public.face_embeddings as face
      left join public.generations as generation
        on generation.kind = 'faces' and generation.model_version = face.model_version
     where face.user_id = p_user
       and face.contact_id = p_contact
       and not face.recognised
    having count(*) > 0
  ), false);
end;
$$;

-- Tags of ours for the people in photos: those whose faces people named, once and for all generations, and those
-- whom the generation of p_version recognised. p_faces is {id of a face recognised now: cosine to a named face}. They
-- are p_run's or, without one, those of the runs that found the faces.
drop function kizu.tag_people(uuid, uuid, text, jsonb);
create function kizu.tag_people(p_assets uuid[], p_run uuid, p_version text, p_faces jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.asset_tags as tag
   where tag.asset_id = any (p_assets)
     and tag.tag_type = 'person'
     and tag.created_by is null
     and (tag.model_version is null
          or tag.model_version = p_version
          or exists (
               select from public.face_embeddings as face
                where face.asset_id = tag.asset_id
                  and face.contact_id = tag.contact_id
                  and not face.recognised
             ));

  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id, bounding_box, face_index,
                                 created_by, model_version, tagged_by)
  select distinct on (face.asset_id, contact.id)
         face.user_id, face.asset_id, coalesce(p_run, face.run_id), 'person', left(contact.display_name, 500),
         contact.id, face.bounding_box, face.face_index, null,
         case when face.recognised then face.model_version end,
         jsonb_strip_nulls(jsonb_build_object('source', 'kizu',
                                              'model', face.model_version,
                                              'similarity', round((p_faces ->> face.id::text)::numeric, 3)))
    from public.face_embeddings as face
    join public.contacts as contact on contact.id = face.contact_id
   where face.asset_id = any (p_assets)
     and not face.is_from_video
     and (not face.recognised or face.model_version = p_version)
     and contact.display_name <> ''
   order by face.asset_id, contact.id, face.recognised, (face.model_version = p_version) desc, face.face_index;
end;
$$;

-- As before; whom its faces are is all asked of kizu.recognise_faces.
create or replace function kizu.replace_faces(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
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
begin
  if exists (select from jsonb_array_elements(p_rows) as row where row ->> 'model_version' <> v_version) then
    raise exception 'faces: expected rows of %', v_version;
  end if;

  -- Of its rows only those are left that people named.
  if kizu.is_dropped('faces', v_version) then
    return;
  end if;

  -- Who names one of these faces by hand holds its row and then takes the face's others: the settlement gives way and
  -- is sent again, or each would wait for the other.
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

  perform kizu.tag_people(array[p_asset], p_run, v_version,
                          kizu.recognise_faces(p_user, array[p_asset], v_version) -> 'alike');
end;
$$;

-- What everybody takes who names a user's faces, alone, or settles some, together with others. So a photo that is
-- settled meanwhile either sees the name, or is seen by who names.
create function kizu.faces_of(p_user uuid)
returns bigint
language plpgsql
immutable
set search_path = ''
as $$
begin
  return hashtextextended('faces of ' || p_user, 0);
end;
$$;

-- As before, after the faces of the users who get some: in the order in which assign_face takes them.
create or replace function kizu.lock_assets(p_worker text, p_scope uuid, p_settlements jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  c_faces      constant jsonpath := '$.writes[*] ? (@.table == "face_embeddings")';
  v_ids constant uuid[] := array(select (item ->> 'id')::uuid from jsonb_array_elements(p_settlements) as item);
begin
  perform pg_advisory_xact_lock_shared(key)
     from (select distinct kizu.faces_of(job.user_id) as key
             from jsonb_array_elements(p_settlements) as item
             join public.jobs as job
               on job.id = (item ->> 'id')::uuid
              and job.id = any (v_ids)
              and job.lease_epoch = (item ->> 'epoch')::bigint
            where item @? c_faces
              and job.status = c_processing
              and job.worker_id = p_worker
              and (p_scope is null or job.user_id = p_scope)
            order by key) as keys;

  perform asset.id
     from public.assets as asset
    where asset.id = any (array(
            select job.asset_id
              from jsonb_array_elements(p_settlements) as item
              join public.jobs as job
                on job.id = (item ->> 'id')::uuid
               and job.id = any (v_ids)
               and job.lease_epoch = (item ->> 'epoch')::bigint
             where job.status = c_processing
               and job.worker_id = p_worker
               and (p_scope is null or job.user_id = p_scope)
          ))
    order by asset.id
      for no key update;
end;
$$;

-- A page of a user's photos for which it matters that p_face is p_contact, or nobody for null: about p_limit faces
-- after p_after are compared with it, and photos are answered where one that people did not name is like it and
-- taken for somebody else, or for nobody. `last` is where to go on, null at the end.
create function kizu.photos_of_a_name(p_user uuid, p_face uuid, p_contact uuid, p_after uuid, p_limit int,
                                      out photos uuid[], out last uuid)
language plpgsql
set search_path = ''
as $$
declare
  -- A row that changes goes into the index of its generation anew, at some milliseconds each; and each photo's faces
  -- are compared with all that have names.
  c_most_photos constant int := 100;
  c_most_pairs  constant int := 1000000;
  v_most constant int := least(c_most_photos, greatest(c_most_pairs / greatest((
    select count(*)
      from public.face_embeddings
     where user_id = p_user
       and contact_id is not null
       and not recognised
  ), 1), 10));
begin
  last := (select asset_id
             from (select asset_id
                     from public.face_embeddings
                    where user_id = p_user
                      and asset_id > p_after
                    order by asset_id
                    limit p_limit) as page
            order by asset_id desc
            limit 1);
  photos := array(
    with
    named as materialized (
      select model_version, extensions.l2_normalize(embedding) as embedding, kizu.same_face(model_version) as same_face
        from public.face_embeddings
       where face_id = p_face
         and user_id = p_user
    )
    select distinct face.asset_id
      from public.face_embeddings as face
      join named on named.model_version = face.model_version
     where face.user_id = p_user
       and face.asset_id > p_after
       and face.asset_id <= last
       and face.face_id <> p_face
       and (face.contact_id is null or face.recognised)
       and face.contact_id is distinct from p_contact
       and (face.embedding operator(extensions.<=>) named.embedding) <= 1 - coalesce(face.same_face, named.same_face)
     order by asset_id
  );

  if cardinality(photos) > v_most then
    photos := photos[1:v_most];
    last := photos[v_most];
  elsif not exists (select from public.face_embeddings where user_id = p_user and asset_id > last) then
    last := null;
  end if;
end;
$$;

-- Recognises faces in photos that their owner's names mean something for, and tags their people. Answers
-- {"recognised", "taken_back"}: how many faces got and lost a contact in the generation that answers.
create function kizu.recognise_again(p_user uuid, p_photos uuid[])
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_versions constant text[] := array(
    select model_version
      from public.generations
     where kind = 'faces'
       and state in ('active', 'filling', 'former')
     order by state <> 'active', id
  );
  v_version text;
  v_found   jsonb;
  v_answer  jsonb := '{"recognised": 0, "taken_back": 0}';
begin
  foreach v_version in array v_versions loop
    v_found := kizu.recognise_faces(p_user, p_photos, v_version);
    perform kizu.tag_people(p_photos, null, v_version, v_found -> 'alike');
    if v_version = kizu.answering('faces') then
      v_answer := jsonb_build_object('recognised', v_found -> 'recognised', 'taken_back', v_found -> 'taken_back');
    end if;
  end loop;
  return v_answer;
end;
$$;

-- How many faces of a user a naming has not been told to yet.
create function kizu.faces_after(p_user uuid, p_after uuid)
returns bigint
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select count(*) from public.face_embeddings where user_id = p_user and asset_id > p_after);
end;
$$;

-- A face by its face_id or the id of any of its rows: {face_id, asset_id, user_id}. Raises PT404 `not_found`, also for
-- somebody else's than p_user's; null is everybody.
create function kizu.find_face(p_id uuid, p_user uuid, out face_id uuid, out asset_id uuid, out user_id uuid)
language plpgsql
stable
set search_path = ''
as $$
begin
  select face.face_id, face.asset_id, face.user_id
    into face_id, asset_id, user_id
    from public.face_embeddings as face
   where (face.id = p_id or face.face_id = p_id)
     and (p_user is null or face.user_id = p_user)
   limit 1;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such face';
  end if;
end;
$$;

-- A contact of the user's, by id or by name, which adds it where there is none; null for neither. It stays until the
-- transaction ends. Raises PT404 `not_found`.
create function kizu.find_contact(p_user uuid, p_id uuid, p_name text)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_contact uuid;
begin
  if p_id is null and p_name is null then
    return null;
  end if;
  if p_id is not null then
    select id into v_contact from public.contacts where id = p_id and user_id = p_user for key share;
    if not found then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such contact';
    end if;
    return v_contact;
  end if;

  select id
    into v_contact
    from public.contacts
   where user_id = p_user
     and display_name = p_name
   order by created_at, id
   limit 1
     for key share;
  if not found then
    insert into public.contacts (user_id, display_name) values (p_user, p_name) returning id into v_contact;
  end if;
  return v_contact;
end;
$$;

-- Says who a face is: a contact of its owner by id or by name, who is added if they are not there yet; or, with
-- neither, that it is not who it was taken for, which recognition then never says of it again. A face is meant by the
-- id of any of its rows or by its face_id, and is one through all generations.
--
-- As long as the face has the name it teaches it: faces of the same owner that are like it, and that people did not
-- name, are recognised anew; with a name that is taken away or changed goes what had come of it. That is done at once
-- for a page of photos; where it was not all, spread_names goes on, and so do workers by themselves.
--
-- Users name their own faces; the service everybody's or, with p_user, that user's. Answers {"status": "assigned" or
-- "removed", "face_id", "contact_id", "recognised": how many other faces got a contact by it, "taken_back": how many
-- lost the one they had, "left": how many have not been compared with it yet}. Raises PT404 `not_found` for a face or
-- a contact that is not there or is somebody else's; PT400 `bad_params`; PT503 `database_busy`, to be asked again.
create function public.assign_face(
  p_face_id    uuid,
  p_contact_id uuid default null,
  p_name       text default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  c_page    constant int := 5000;
  c_longest constant int := 500; -- characters, as tags have it
  c_first   constant uuid := '00000000-0000-0000-0000-000000000000';
  v_scope   constant uuid := coalesce(kizu.caller_scope(), p_user);
  v_name    constant text := btrim(p_name);
  v_face    record;
  v_contact uuid;
  v_is_so   boolean;
  v_taught  boolean;
  v_photos  uuid[];
  v_after   uuid;
  v_done    jsonb := '{"recognised": 0, "taken_back": 0}';
begin
  if p_contact_id is not null and p_name is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'expected a contact or a name, not both';
  elsif v_name = '' or length(v_name) > c_longest or v_name ~ '[[:cntrl:]]' then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('name: expected 1 to %s characters, and no control character', c_longest);
  end if;

  v_face := kizu.find_face(p_face_id, v_scope);
  -- A user's faces, then the name that is spread, then photos in id order, as settlements take them.
  perform pg_advisory_xact_lock(kizu.faces_of(v_face.user_id));
  v_face := kizu.find_face(p_face_id, v_scope);
  select after into v_after from kizu.namings where face_id = v_face.face_id for update;
  v_contact := kizu.find_contact(v_face.user_id, p_contact_id, v_name);

  select bool_and(contact_id is not distinct from v_contact and (v_contact is null or not recognised)),
         bool_or(contact_id is not null and not recognised)
    into v_is_so, v_taught
    from public.face_embeddings
   where face_id = v_face.face_id;

  if not v_is_so then
    v_photos := '{}';
    v_after  := null;
    if v_contact is not null or v_taught then
      select photos, last
        into v_photos, v_after
        from kizu.photos_of_a_name(v_face.user_id, v_face.face_id, v_contact, c_first, c_page);
    end if;
    v_photos := array(select distinct id from unnest(v_photos || v_face.asset_id) as id order by id);
    perform id from public.assets where id = any (v_photos) order by id for no key update;

    delete from kizu.exclusions where face_id = v_face.face_id and contact_id = v_contact;
    insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)
    select distinct face_id, contact_id, asset_id, user_id
      from public.face_embeddings
     where face_id = v_face.face_id
       and contact_id <> coalesce(v_contact, c_first)
        on conflict do nothing;

    update public.face_embeddings as face
       set contact_id = v_contact,
           recognised = false,
           cluster_id = case
                          when v_contact is not null
                               and not exists (select from public.face_clusters as cluster
                                                where cluster.id = face.cluster_id
                                                  and cluster.contact_id <> v_contact)
                          then face.cluster_id
                        end
     where face_id = v_face.face_id;
    if not found then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such face';
    end if;
    v_done := kizu.recognise_again(v_face.user_id, v_photos);

    delete from kizu.namings where face_id = v_face.face_id;
    insert into kizu.namings (face_id, user_id, after)
    select v_face.face_id, v_face.user_id, v_after where v_after is not null;
  end if;

  return jsonb_build_object(
    'status',     case when v_contact is null then 'removed' else 'assigned' end,
    'face_id',    v_face.face_id,
    'contact_id', v_contact,
    'left',       kizu.faces_after(v_face.user_id, v_after)
  ) || v_done;
exception
  when lock_not_available or deadlock_detected
    or foreign_key_violation then -- a contact was deleted meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Goes on where assign_face ended: compares another page of up to p_limit (at most 5,000) faces with one face that was
-- named, or lost its name, the one that has waited longest. Answers {"recognised", "taken_back", "left": how many
-- faces that name has still to be compared with, "more": whether to call again}. Users see to their own faces, workers
-- and the service to everybody's. Raises PT503 `database_busy`, to be asked again.
create function public.spread_names(p_limit int default 5000)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_limit  constant int := least(greatest(coalesce(p_limit, 5000), 1), 5000);
  v_naming kizu.namings;
  v_photos uuid[];
  v_after  uuid;
  v_done   jsonb := '{"recognised": 0, "taken_back": 0}';
begin
  select *
    into v_naming
    from kizu.namings
   where v_scope is null or user_id = v_scope
   order by asked_at, face_id
   limit 1
     for update skip locked;

  -- It waits for nobody who waits for its row.
  if found and pg_try_advisory_xact_lock(kizu.faces_of(v_naming.user_id)) then
    select photos, last
      into v_photos, v_after
      from kizu.photos_of_a_name(
             v_naming.user_id,
             v_naming.face_id,
             (select contact_id
                from public.face_embeddings
               where face_id = v_naming.face_id
                 and not recognised
               limit 1),
             v_naming.after,
             v_limit
           );
    perform id from public.assets where id = any (v_photos) order by id for no key update;
    v_done := kizu.recognise_again(v_naming.user_id, v_photos);
    if v_after is null then
      delete from kizu.namings where face_id = v_naming.face_id;
    else
      update kizu.namings set after = v_after where face_id = v_naming.face_id;
    end if;
  else
    v_after := v_naming.after;
  end if;

  return v_done || jsonb_build_object(
    'left', kizu.faces_after(v_naming.user_id, v_after),
    'more', exists (select from kizu.namings where v_scope is null or user_id = v_scope)
  );
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

select kizu.keep_internal('kizu.same_face(text)');
select kizu.keep_internal('kizu.recognise_faces(uuid, uuid[], text)');
select kizu.keep_internal('kizu.may_know(uuid, uuid, text)');
select kizu.keep_internal('kizu.tag_people(uuid[], uuid, text, jsonb)');
select kizu.keep_internal('kizu.faces_of(uuid)');
select kizu.keep_internal('kizu.photos_of_a_name(uuid, uuid, uuid, uuid, int)');
select kizu.keep_internal('kizu.recognise_again(uuid, uuid[])');
select kizu.keep_internal('kizu.faces_after(uuid, uuid)');
select kizu.keep_internal('kizu.find_face(uuid, uuid)');
select kizu.keep_internal('kizu.find_contact(uuid, uuid, text)');

select kizu.let_call('public.assign_face(uuid, uuid, text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.spread_names(int)', 'authenticated', 'kizu_worker', 'service_role');
