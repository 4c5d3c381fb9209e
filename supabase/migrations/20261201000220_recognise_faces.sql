-- Whom a face is taken for, at a cost that does not grow with the library: only the faces of people that are nearest to
-- it are looked at, found by an index of vectors where there are many.

create index face_clusters_that_are_locked on public.face_clusters (user_id) where locked;
-- Said so that no other index can be asked for what people named, whatever the statistics say: one of a user's faces, or
-- of all contacts, holds far more.
create index face_embeddings_that_teach on public.face_embeddings ((user_id::text || ' ' || model_version), contact_id)
  where (contact_id is not null and not recognised) is true;

create index contacts_by_birth_date on public.contacts (user_id, birth_date) where birth_date is not null;

-- Whether a face is good enough to stand for somebody: as a face that teaches a name, and as one that founds or joins
-- clusters together. As models/people/clustering.py has it (CORE_QUALITY). What is not known counts as good.
create function kizu.is_good_face(p_quality real)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_good constant real := 0.25;
begin
  return coalesce(p_quality >= c_good, true);
end;
$$;

-- The day on which a photo was taken, where it was taken; where that is not known, in UTC.
create function kizu.day_of(p_taken_at timestamptz, p_offset_minutes int)
returns date
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (p_taken_at at time zone 'UTC' + make_interval(mins => coalesce(p_offset_minutes, 0)))::date;
end;
$$;

-- A face near another.
create type kizu.near_face as (
  face_id    uuid,
  asset_id   uuid,
  cluster_id uuid,
  contact_id uuid, -- whom people said it is
  good       boolean,
  likeness   float8
);

-- Which faces of a user a vector is to be compared with, to find those nearest to it at the least cost: 'all' of the
-- generation, with p_named 'named', or those that an 'index' of everybody's vectors finds, which is the slower the fewer
-- of them are meant.
--
-- Measured, in milliseconds of processor time for one face of a user who has so many, all named, of 102,000 in the index:
--            300   1,000   2,000   4,000   8,000   16,000   70,000
--   all        6       6       9       8      15       27       95
--   named      6      11      15      26      40      101
--   index     60      49      40      44      25       20       12   of named ones, and a third more of all
-- So it is 'all' up to about 14,000 beside so many faces of others, up to 8,000 where there are none, and a named face
-- counts for four. To count 14,000 takes a few milliseconds: where the planner knows of far more, they are not.
create function kizu.cheapest_way(p_user uuid, p_version text, p_named boolean)
returns text
language plpgsql
set search_path = ''
set enable_seqscan = off
as $$
declare
  c_few   constant int := coalesce(nullif(current_setting('kizu.test_few_faces', true), '')::int, 8000);
  c_most  constant int := 20000;
  -- The index looks at (all / meant) of its faces for each that is meant.
  c_cost  constant int := coalesce(nullif(current_setting('kizu.test_few_faces', true), '')::int, 2000);
  c_apart constant int := 4;
  v_all   constant float8 := greatest((select reltuples from pg_catalog.pg_class where oid = 'kizu.face_vectors'::regclass), 0);
  v_few   constant int := greatest(c_few, least(c_most, sqrt(v_all * c_cost)::int));
  v_plan  jsonb;
  v_mine  int;
begin
  execute format('explain (format json) select from kizu.face_vectors where user_id = %L and model_version = %L',
                 p_user, p_version)
     into v_plan;
  v_mine := least((v_plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8, 2 * v_few + 1);
  if v_mine <= 2 * v_few then
    v_mine := (
      select count(*)
        from (select from kizu.face_vectors where user_id = p_user and model_version = p_version limit v_few + 1) as counted
    );
  end if;
  if p_named and least(v_mine, v_few) >= c_apart * (
       select count(*)
         from (select
                 from public.face_embeddings
                where user_id::text || ' ' || model_version = p_user::text || ' ' || p_version
                  and (contact_id is not null and not recognised) is true
                limit v_few / c_apart + 1) as counted
     ) then
    return 'named';
  end if;
  return case when v_mine <= v_few then 'all' else 'index' end;
end;
$$;

-- The p_limit faces of p_user that are nearest to a vector of unit length, from a cosine of p_floor on, best first; not
-- of p_asset. With p_named those that people named, are good enough to teach it and are none of p_barred; else all that
-- nobody marked. p_way as kizu.cheapest_way answers it: each the same, but that the index may miss some.
create function kizu.near_faces(
  p_user uuid, p_version text, p_vector extensions.halfvec, p_asset uuid, p_floor float8, p_limit int, p_way text,
  p_named boolean, p_barred uuid[] default '{}'
)
returns setof kizu.near_face
language plpgsql
stable
set search_path = ''
set hnsw.iterative_scan = relaxed_order -- the few that are found are put in order by their exact distances
set hnsw.ef_search = 64
set hnsw.max_scan_tuples = 20000
set enable_sort = off -- an order is the vectors' index's, except over the few rows of a materialized CTE
as $$
declare
  -- What is asked of a face, with the vector's table as `vector` and the other as `face`.
  v_meant constant text := case
    when p_named then
      '(face.contact_id is not null and not face.recognised) is true and face.contact_id <> all ($5)'
      ' and (face.quality is null or kizu.is_good_face(face.quality))'
    else 'not exists (select from kizu.face_marks as mark where mark.face_id = vector.face_id)'
  end;
  -- `offset 0`: by its id, one by one; as a join, all of one table would be read for each row of the other where the
  -- planner takes them for empty.
  v_its_face constant text :=
    'cross join lateral (select * from public.face_embeddings where id = vector.id offset 0) as face';
begin
  if p_way <> 'index' then
    return query execute format(
      $sql$
        with
        own as materialized (
          select vector.id, vector.face_id, vector.asset_id, -(vector.embedding operator(extensions.<#>) $1) as likeness
            from %s
             and vector.asset_id <> $3
        ),
        -- The other table has wide rows: they are read in this order, until there are enough.
        alike as materialized (
          select * from own where likeness >= $4
        )
        select vector.face_id, vector.asset_id, face.cluster_id, case when not face.recognised then face.contact_id end,
               kizu.is_good_face(face.quality), vector.likeness
          from (select * from alike order by likeness desc, face_id offset 0) as vector
          %s
         where not face.is_from_video
           and %s
         order by vector.likeness desc, vector.face_id
         limit $6
      $sql$,
      case p_way
        when 'named' then
          'public.face_embeddings as named'
          ' cross join lateral (select * from kizu.face_vectors where id = named.id offset 0) as vector'
          ' where named.user_id::text || '' '' || named.model_version = $2::text || '' '' || $7'
          ' and (named.contact_id is not null and not named.recognised) is true'
        else
          'kizu.face_vectors as vector where vector.user_id = $2 and vector.model_version = $7'
      end,
      v_its_face,
      v_meant
    )
    using p_vector, p_user, p_asset, p_floor, p_barred, p_limit, p_version;
  else
    -- The cosine is asked about last: the index would go on looking for more after the last that passes.
    return query execute format(
      $sql$
        with
        nearest as materialized (
          select vector.face_id, vector.asset_id, vector.embedding, face.cluster_id,
                 case when not face.recognised then face.contact_id end as contact_id, face.quality
            from kizu.face_vectors as vector
           %4$s
           where vector.model_version = %1$L
             and vector.user_id = $2
             and vector.asset_id <> $3
             and not face.is_from_video
             and %3$s
           order by vector.embedding::extensions.halfvec(%2$s) operator(extensions.<=>) $1::extensions.halfvec(%2$s)
           limit $6
        ),
        exact as materialized (
          select *, -(embedding operator(extensions.<#>) $1) as likeness from nearest
        )
        select face_id, asset_id, cluster_id, contact_id, kizu.is_good_face(quality), likeness
          from exact
         where likeness >= $4
         order by likeness desc, face_id
      $sql$,
      p_version,
      (select dimension from public.generations where kind = 'faces' and model_version = p_version),
      v_meant,
      v_its_face
    )
    using p_vector, p_user, p_asset, p_floor, p_barred, p_limit;
  end if;
end;
$$;

-- The cluster of a contact, made if there is none.
create function kizu.cluster_of_contact(p_user uuid, p_contact uuid)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_cluster uuid;
begin
  select id
    into v_cluster
    from public.face_clusters
   where contact_id = p_contact -- one at most
     and (user_id = p_user) is true;
  if not found then
    insert into public.face_clusters (user_id, contact_id) values (p_user, p_contact) returning id into v_cluster;
  end if;
  return v_cluster;
end;
$$;

-- Whom a face cannot be taken for: whom their owner said it is not, whom they said another face of the photo is that one
-- model sees beside it, whoever was not born yet, the other side of "these are two people"; and those of locked clusters,
-- unless it is in theirs.
create function kizu.barred_contacts(p_user uuid, p_asset uuid, p_face uuid, p_cluster uuid)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select contact_id
      from kizu.exclusions
     where face_id = p_face
     union
    select other.contact_id
      from public.face_embeddings as face
     cross join lateral (
             select contact_id
               from public.face_embeddings
              where asset_id = p_asset
                and face_id <> p_face
                and (model_version = face.model_version and contact_id is not null and not recognised) is true
             offset 0
           ) as other
     where face.asset_id = p_asset
       and (face.face_id = p_face) is true -- by the photo, as the others
     union
    select contact.id
      from public.assets as asset
      join public.contacts as contact
        on contact.user_id = asset.user_id
       and contact.birth_date > kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes)
     where asset.id = p_asset
     union
    select known.contact_id
      from (select other_id as face_id from kizu.face_pairs where face_id = p_face and not same
            union all
            select face_id from kizu.face_pairs where other_id = p_face and not same) as other
     -- `offset 0`: by its id, here and below; as a join, all of a table might be read for each.
     cross join lateral (select * from public.face_embeddings where face_id = other.face_id offset 0) as face
      left join lateral (select * from public.face_clusters where id = face.cluster_id offset 0) as cluster on true
     cross join lateral (values (face.contact_id), (cluster.contact_id)) as known (contact_id)
     where known.contact_id is not null
     union
    select contact_id
      from public.face_clusters
     where user_id = p_user
       and locked
       and contact_id is not null
       and id is distinct from p_cluster
  );
end;
$$;

-- Leaves a question: whether two faces are one person. Not what was answered already, nor of a photo that is about to go.
create function kizu.ask_about_faces(p_user uuid, p_face uuid, p_asset uuid, p_other uuid, p_other_asset uuid,
                                     p_likeness float8)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)
  select least(p_face, p_other), greatest(p_face, p_other), p_user,
         case when p_face < p_other then p_asset else p_other_asset end,
         case when p_face < p_other then p_other_asset else p_asset end, p_likeness
   where not exists (
           select from kizu.face_pairs
            where face_id = least(p_face, p_other)
              and other_id = greatest(p_face, p_other)
         )
     and (select count(*)
            from (select from public.assets where id in (p_asset, p_other_asset) order by id for key share skip locked)
                   as photo) = 2
      on conflict do nothing;
end;
$$;

-- A face and one person who it may be, by the nearest of their faces that people named.
create type kizu.face_likeness as (
  id          uuid,
  asset_id    uuid,
  face_id     uuid,
  contact_id  uuid,
  other_id    uuid,
  other_asset uuid,
  likeness    float8,
  same        float8,
  good        boolean
);

-- Whom p_version takes the faces of these photos for, as far as people have not said: the contact whose named faces
-- they are most like, if they are alike enough and nobody else is almost as alike. A person is in a photo once: the
-- likest face is theirs, and where that is not sure, nobody is. Who is one of kizu.barred_contacts is not looked at.
-- Only faces that people named are compared with: what was recognised teaches nothing, or one mistake would lead to the
-- next. What is not sure, because of the likeness, of somebody else or of the face's quality, is a question. Where
-- nobody named them in this generation yet, another's word is taken, so that nobody is unnamed because a model is new:
-- that of one which knows the contact, see kizu.may_know.
--
-- In the generation that answers, who is recognised is in the contact's cluster, and who is no more has left it.
--
-- Answers {"alike": {id: cosine}, "recognised", "taken_back": how many rows got and lost a contact, "photos": those
-- where any did}.
create or replace function kizu.recognise_faces(p_user uuid, p_assets uuid[], p_version text)
returns jsonb
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
declare
  c_nearest constant int := 48; -- among so many named faces the best and the second best person are looked for
  v_scale   constant record := kizu.face_scale(p_version);
  v_answers constant boolean := p_version = kizu.answering('faces');
  v_way     text;
  v_here    record;
  v_near    kizu.face_likeness[] := '{}';
  v_pair    kizu.face_likeness;
  v_second  float8;
  v_done    uuid[] := '{}'; -- faces that are decided
  v_taken   text[] := '{}'; -- photo and contact
  v_given   text[] := '{}'; -- face and contact
  v_best    jsonb  := '{}'; -- {id: contact}
  v_alike   jsonb  := '{}';
  v_asked   kizu.face_likeness[] := '{}';
  v_formers jsonb;
  v_found   jsonb;
  v_ids     uuid[]; -- of whom another contact, or none, was found
  v_changed record;
  v_left    uuid[] := '{}'; -- faces that are nobody any more
  v_answer  jsonb := '{"recognised": 0, "taken_back": 0, "photos": []}';
begin
  for v_here in
    select face.id, face.asset_id, face.face_id, face.cluster_id, vector.embedding, cluster.locked,
           cluster.contact_id as owner, coalesce(face.same_face, v_scale.same) as same,
           kizu.is_good_face(face.quality) as good
      from public.face_embeddings as face
     cross join lateral (select embedding from kizu.face_vectors where id = face.id offset 0) as vector
      left join lateral (select * from public.face_clusters where id = face.cluster_id offset 0) as cluster on true
     where face.asset_id = any (p_assets)
       and (face.user_id = p_user and face.model_version = p_version) is true
       and (face.contact_id is null or face.recognised) is true
       and not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id offset 0)
  loop
    v_way := coalesce(v_way, kizu.cheapest_way(p_user, p_version, true));
    v_near := v_near || array(
      select row(v_here.id, v_here.asset_id, v_here.face_id, near.contact_id, near.face_id, near.asset_id,
                 near.likeness, v_here.same, v_here.good)::kizu.face_likeness
        from (select distinct on (contact_id) *
                from kizu.near_faces(p_user, p_version, v_here.embedding, v_here.asset_id,
                                     least(v_scale.maybe, v_here.same), c_nearest, v_way, true,
                                     kizu.barred_contacts(p_user, v_here.asset_id, v_here.face_id, v_here.cluster_id))
               order by contact_id, likeness desc, face_id) as near
       where v_here.locked is not true
          or near.contact_id = v_here.owner
    );
  end loop;

  foreach v_pair in array array(
    select pair from unnest(v_near) as pair order by likeness desc, id, contact_id
  ) loop
    -- Nor are two who differ one: the other one is looked at here, too.
    continue when v_pair.id = any (v_done)
      or concat(v_pair.asset_id, v_pair.contact_id) = any (v_taken)
      or exists (
           select from (select other_id as face_id from kizu.face_pairs where face_id = v_pair.face_id and not same
                        union all
                        select face_id from kizu.face_pairs where other_id = v_pair.face_id and not same) as other
            where concat(other.face_id, v_pair.contact_id) = any (v_given)
         );
    v_second := (
      select max(likeness)
        from unnest(v_near)
       where id = v_pair.id
         and contact_id <> v_pair.contact_id
         and concat(asset_id, contact_id) <> all (v_taken)
    );
    v_done := v_done || v_pair.id;
    v_taken := v_taken || concat(v_pair.asset_id, v_pair.contact_id);
    if v_pair.likeness >= v_pair.same and v_pair.good
       and coalesce(v_pair.likeness - v_second >= v_scale.margin, true) then
      v_given := v_given || concat(v_pair.face_id, v_pair.contact_id);
      v_best := v_best || jsonb_build_object(v_pair.id, v_pair.contact_id);
      v_alike := v_alike || jsonb_build_object(v_pair.id, v_pair.likeness);
    else
      v_asked := v_asked || v_pair;
    end if;
  end loop;

  with
  here as materialized (
    select face.id, face.face_id, face.asset_id, face.contact_id, face.recognised
      from public.face_embeddings as face
     where face.asset_id = any (p_assets)
       and (face.user_id = p_user and face.model_version = p_version) is true
       and (face.contact_id is null or face.recognised) is true
  ),
  words as (
    select distinct on (here.asset_id, other.contact_id) here.id, other.contact_id
      from here
     cross join lateral (
             select *
               from public.face_embeddings
              where face_id = here.face_id
                and (user_id = p_user and model_version <> p_version and recognised and contact_id is not null
                     and not is_from_video) is true
             offset 0
           ) as other
     where not v_best ? here.id::text
       and not exists (
             select from public.face_embeddings as known
              where known.user_id::text || ' ' || known.model_version = p_user::text || ' ' || p_version
                and known.contact_id = other.contact_id
                and (known.contact_id is not null and not known.recognised) is true
             offset 0
           )
       and kizu.may_know(p_user, other.contact_id, other.model_version)
       and not exists (select from kizu.face_marks as mark where mark.face_id = here.face_id offset 0)
       and other.contact_id <> all (kizu.barred_contacts(p_user, here.asset_id, here.face_id, other.cluster_id))
     order by here.asset_id, other.contact_id, other.id
  ),
  found as (
    select here.id, here.contact_id as former, here.recognised, coalesce((v_best ->> here.id::text)::uuid, word.contact_id) as contact_id
      from here
      left join (select distinct on (id) * from words order by id, contact_id) as word on word.id = here.id
  )
  select jsonb_object_agg(id, former), jsonb_object_agg(id, contact_id), array_agg(id)
    into v_formers, v_found, v_ids
    from found
   where (former, recognised) is distinct from (contact_id, contact_id is not null);

  for v_changed in
    update public.face_embeddings
       set contact_id = (v_found ->> id::text)::uuid,
           recognised = v_found ->> id::text is not null
     where id = any (v_ids)
    returning face_id, asset_id, contact_id, (v_formers ->> id::text)::uuid as former
  loop
    if v_changed.contact_id is null then
      v_left := v_left || v_changed.face_id;
    end if;
    v_answer := jsonb_build_object(
      'recognised', (v_answer -> 'recognised')::int
                    + (v_changed.contact_id is not null and v_changed.contact_id is distinct from v_changed.former)::int,
      'taken_back', (v_answer -> 'taken_back')::int
                    + (v_changed.former is not null and v_changed.contact_id is distinct from v_changed.former)::int,
      'photos',     v_answer -> 'photos' || case
                      when v_answer -> 'photos' @> to_jsonb(v_changed.asset_id) then '[]'
                      else to_jsonb(v_changed.asset_id)
                    end
    );
  end loop;

  if v_answers then
    perform kizu.move_faces(p_user, array(
      select face.face_id
        from public.face_embeddings as face
       cross join lateral (select * from public.face_clusters where id = face.cluster_id offset 0) as cluster
       where face.face_id = any (v_left)
         and (face.model_version = p_version) is true
         and cluster.contact_id is not null
         and not cluster.locked
         and kizu.same_faces(p_user, array[face.face_id]) = array[face.face_id]
    ), null);
    perform kizu.follow_contacts(p_user, p_assets, p_version);
    delete from kizu.face_questions as question
     using unnest(v_near) as pair
     where question.face_id = least(pair.face_id, pair.other_id)
       and question.other_id = greatest(pair.face_id, pair.other_id);
    perform kizu.ask_about_faces(p_user, face_id, asset_id, other_id, other_asset, likeness) from unnest(v_asked);
  end if;
  return v_answer || jsonb_build_object('alike', v_alike);
end;
$$;

-- Puts the faces of these photos that are somebody into that contact's cluster, and with them who people said is one
-- person with them. Another face of such a photo, of whom that is not known, leaves it. Where that would part who people
-- said is one, or join who people said differ, whoever was only taken for the contact is that no more.
create function kizu.follow_contacts(p_user uuid, p_assets uuid[], p_version text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_face    record;
  v_cluster uuid;
  v_come    uuid[];
  v_leave   uuid[];
begin
  for v_face in
    select face.id, face.face_id, face.asset_id, face.contact_id, face.recognised
      from public.face_embeddings as face
      left join lateral (select contact_id from public.face_clusters where id = face.cluster_id offset 0) as cluster on true
     where face.asset_id = any (p_assets)
       and (face.user_id = p_user and face.model_version = p_version) is true
       and not face.is_from_video
       and (face.contact_id is not null) is true -- whose index would find all that have one
       and cluster.contact_id is distinct from face.contact_id
     order by face.contact_id, face.recognised, face.face_id
  loop
    v_cluster := kizu.cluster_of_contact(p_user, v_face.contact_id);
    -- They may have come with another by now.
    continue when exists (select from public.face_embeddings where id = v_face.id and (cluster_id = v_cluster) is true);
    v_come := array[v_face.face_id];
    v_leave := array(
      select face_id
        from public.face_embeddings
       where asset_id = v_face.asset_id
         and (cluster_id = v_cluster and contact_id is null) is true -- whose indexes would find all of the cluster
         and face_id <> v_face.face_id
    );
    if v_face.recognised then
      v_come := kizu.same_faces(p_user, v_come);
      if kizu.same_faces(p_user, v_leave) <@ v_leave is not true
         or exists (
              select from (select other_id as face_id from kizu.face_pairs where face_id = v_face.face_id and not same
                           union all
                           select face_id from kizu.face_pairs where other_id = v_face.face_id and not same) as other
               cross join lateral (
                       select cluster_id from public.face_embeddings where face_id = other.face_id offset 0
                     ) as face
               where face.cluster_id = v_cluster
            )
         or (cardinality(v_come) > 1
             and exists (
                   select from public.face_embeddings
                    where face_id = any (v_come)
                      and (user_id = p_user and model_version = p_version and not is_from_video) is true
                      and (contact_id <> v_face.contact_id
                           or not kizu.may_join(face_id, asset_id, v_cluster))
                 )) then
        update public.face_embeddings set contact_id = null, recognised = false where id = v_face.id;
        continue;
      end if;
    end if;
    perform kizu.move_faces(p_user, v_leave, null);
    perform kizu.move_faces(p_user, v_come, v_cluster);
  end loop;
end;
$$;

-- As before, and in the generation that answers the faces are placed, unless p_placing is false.
drop function kizu.recognise_again(uuid, uuid[]);
create function kizu.recognise_again(p_user uuid, p_photos uuid[], p_placing boolean default true)
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
      if p_placing then
        perform kizu.place_faces(p_user, p_photos);
      end if;
      v_answer := jsonb_build_object('recognised', v_found -> 'recognised', 'taken_back', v_found -> 'taken_back');
    end if;
  end loop;
  return v_answer;
end;
$$;

select kizu.pin_plans('kizu.near_faces(uuid, text, extensions.halfvec, uuid, float8, int, text, boolean, uuid[])');
select kizu.pin_plans('kizu.recognise_faces(uuid, uuid[], text)');

select kizu.keep_internal('kizu.day_of(timestamptz, int)');
select kizu.keep_internal('kizu.is_good_face(real)');
select kizu.keep_internal('kizu.cheapest_way(uuid, text, boolean)');
select kizu.keep_internal('kizu.near_faces(uuid, text, extensions.halfvec, uuid, float8, int, text, boolean, uuid[])');
select kizu.keep_internal('kizu.cluster_of_contact(uuid, uuid)');
select kizu.keep_internal('kizu.barred_contacts(uuid, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.ask_about_faces(uuid, uuid, uuid, uuid, uuid, float8)');
select kizu.keep_internal('kizu.recognise_faces(uuid, uuid[], text)');
select kizu.keep_internal('kizu.recognise_again(uuid, uuid[], boolean)');
select kizu.keep_internal('kizu.follow_contacts(uuid, uuid[], text)');
