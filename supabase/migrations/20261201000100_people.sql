-- What people are kept as. A cluster (public.face_clusters) is one person as far as we know, with a contact once
-- somebody said who it is; its id and name last while faces come and go. A face belongs to a cluster as a face of the
-- photo, through all generations: its rows agree. What its owner says is a verdict, and every verdict that holds is also
-- kept as what it means: a contact on the face's rows, an exclusion, a pair of faces, a mark.

alter table public.face_embeddings
  add column quality real, -- 0 to 1: how much its vector is worth; null: not known
  add constraint quality_is_a_share check (quality between 0 and 1);

alter table public.face_clusters
  add column hidden boolean not null default false, -- is not listed, and nothing is asked about it
  add column locked boolean not null default false; -- loses and gains no face by itself

alter table public.contacts add column birth_date date;

comment on column public.contacts.birth_date is 'Nobody is recognised in a photo that was taken before.';

alter table public.generations
  add column maybe_face  real, -- the cosine from which a face may be somebody: worth asking
  add column face_margin real, -- by how much the best person must be better than the second best
  add column false_accepts real, -- the share of pairs of strangers that same_face takes for one person
  add constraint maybe_face_is_a_cosine check (maybe_face > -1 and maybe_face <= same_face),
  add constraint face_margin_is_small check (face_margin >= 0 and face_margin < 1),
  add constraint false_accepts_is_a_share check (false_accepts >= 0 and false_accepts <= 1);

-- How a generation of faces measures likeness: cosines from which two faces are one person and may be one, and the
-- margin to the second best. The one place where who decides about people asks for them.
create function kizu.face_scale(p_version text, out same float8, out maybe float8, out margin float8)
language plpgsql
stable
set search_path = ''
as $$
declare
  c_band   constant float8 := 0.15;
  c_margin constant float8 := 0.05;
begin
  select maybe_face, face_margin
    into maybe, margin
    from public.generations
   where kind = 'faces'
     and model_version = p_version;
  same := kizu.same_face(p_version);
  maybe := coalesce(maybe, same - c_band);
  margin := coalesce(margin, c_margin);
end;
$$;

-- By what neighbours of a face are found: its vector, apart from the row that names and clusters change, so that
-- neither enters the vector index anew.
create table kizu.face_vectors (
  id            uuid primary key references public.face_embeddings on delete cascade,
  face_id       uuid not null,
  asset_id      uuid not null,
  user_id       uuid not null,
  model_version text not null,
  embedding     extensions.halfvec not null -- of unit length
);

create index face_vectors_of_a_user on kizu.face_vectors (user_id, model_version, asset_id);
create index face_vectors_of_a_face on kizu.face_vectors (face_id);

alter table kizu.face_vectors enable row level security;
revoke all on kizu.face_vectors from public, anon, authenticated, service_role;

create function kizu.keep_face_vector()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.face_vectors (id, face_id, asset_id, user_id, model_version, embedding)
  values (new.id, new.face_id, new.asset_id, new.user_id, new.model_version,
          extensions.l2_normalize(new.embedding)::extensions.halfvec)
      on conflict (id) do update
     set face_id = excluded.face_id, asset_id = excluded.asset_id, user_id = excluded.user_id,
         model_version = excluded.model_version, embedding = excluded.embedding;
  return null;
end;
$$;

create trigger vector_is_kept
  after insert or update of id, face_id, asset_id, user_id, model_version, embedding on public.face_embeddings
  for each row execute function kizu.keep_face_vector();

insert into kizu.face_vectors (id, face_id, asset_id, user_id, model_version, embedding)
select id, face_id, asset_id, user_id, model_version, extensions.l2_normalize(embedding)::extensions.halfvec
  from public.face_embeddings;

-- The sum of a cluster's vectors in the generation that answers: the cosine of a face to it, divided by how many they
-- are, is the mean of the cosines to each. Faces of videos and marked ones do not count.
create table kizu.cluster_sums (
  cluster_id    uuid primary key references public.face_clusters on delete cascade,
  user_id       uuid not null,
  model_version text not null,
  faces         int not null,
  total         extensions.vector not null
);

create index cluster_sums_of_a_user on kizu.cluster_sums (user_id);

alter table kizu.cluster_sums enable row level security;
revoke all on kizu.cluster_sums from public, anon, authenticated, service_role;

-- What people said about faces: appended to, never changed; what is taken back is so by a verdict of its own, which
-- names the one that it `undoes`. A verdict goes with the last of its photos, with its contact and with its user.
create table public.face_verdicts (
  id         bigint generated always as identity primary key,
  user_id    uuid not null references auth.users on delete cascade,
  verdict    text not null,
  contact_id uuid,
  cluster_id uuid, -- no reference: clusters come and go
  undoes     bigint unique,
  said_by    uuid,
  at         timestamptz not null default kizu.now(),

  constraint verdict_is_known check (verdict in (
    'is', 'is_not', 'same', 'different', 'ignore', 'not_a_face', 'unmark', 'lock', 'unlock', 'hide', 'show',
    'name', 'merge', 'split', 'remove', 'clear', 'undo')),
  constraint verdict_has_one_owner unique (id, user_id),
  constraint undone_verdict_belongs_to_the_same_user foreign key (undoes, user_id)
    references public.face_verdicts (id, user_id) on delete cascade,
  constraint contact_belongs_to_the_same_user foreign key (contact_id, user_id)
    references public.contacts (id, user_id) on delete cascade
);

create index face_verdicts_of_a_user on public.face_verdicts (user_id, id);
create index face_verdicts_of_a_contact on public.face_verdicts (contact_id);

-- The faces of a verdict, and what it changed of them.
create table public.face_verdict_faces (
  verdict_id bigint not null,
  face_id    uuid not null,
  asset_id   uuid not null,
  user_id    uuid not null,
  before     jsonb, -- {cluster_id, contact_id, recognised, …}; null: nothing changed

  primary key (verdict_id, face_id),
  constraint verdict_belongs_to_the_same_user foreign key (verdict_id, user_id)
    references public.face_verdicts (id, user_id) on delete cascade,
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index face_verdict_faces_of_an_asset on public.face_verdict_faces (asset_id);
create index face_verdict_faces_of_a_face on public.face_verdict_faces (face_id);

select kizu.bound_columns('public.face_verdicts');
select kizu.bound_columns('public.face_verdict_faces');

select kizu.let_owners_read('face_verdicts');
select kizu.let_owners_read('face_verdict_faces');

-- Two faces that are one person, or are not, because somebody said so. The smaller id comes first.
create table kizu.face_pairs (
  face_id     uuid not null,
  other_id    uuid not null,
  user_id     uuid not null,
  asset_id    uuid not null,
  other_asset uuid not null,
  same        boolean not null,
  verdict_id  bigint not null references public.face_verdicts on delete cascade,

  primary key (face_id, other_id),
  constraint smaller_id_comes_first check (face_id < other_id),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint other_asset_belongs_to_the_same_user foreign key (other_asset, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index face_pairs_of_another on kizu.face_pairs (other_id);
create index face_pairs_of_a_user on kizu.face_pairs (user_id);
create index face_pairs_of_an_asset on kizu.face_pairs (asset_id);
create index face_pairs_of_another_asset on kizu.face_pairs (other_asset);
create index face_pairs_of_a_verdict on kizu.face_pairs (verdict_id);

alter table kizu.face_pairs enable row level security;
revoke all on kizu.face_pairs from public, anon, authenticated, service_role;

-- Faces that are none, or of strangers that nobody wants to hear of: in no cluster, recognised as nobody, never asked
-- about.
create table kizu.face_marks (
  face_id    uuid primary key,
  user_id    uuid not null,
  asset_id   uuid not null,
  mark       text not null,
  verdict_id bigint not null references public.face_verdicts on delete cascade,

  constraint mark_is_known check (mark in ('ignored', 'not_a_face')),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index face_marks_of_a_user on kizu.face_marks (user_id);
create index face_marks_of_an_asset on kizu.face_marks (asset_id);
create index face_marks_of_a_verdict on kizu.face_marks (verdict_id);

alter table kizu.face_marks enable row level security;
revoke all on kizu.face_marks from public, anon, authenticated, service_role;

-- Comparisons worth asking: whether two faces, of clusters or by themselves, are one person. Left by who places and
-- clusters faces, when the likeness lies between `maybe` and `same`; the smaller id comes first.
create table kizu.face_questions (
  face_id     uuid not null,
  other_id    uuid not null,
  user_id     uuid not null,
  asset_id    uuid not null,
  other_asset uuid not null,
  likeness    real not null, -- a cosine
  at          timestamptz not null default kizu.now(),

  primary key (face_id, other_id),
  constraint smaller_id_comes_first check (face_id < other_id),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint other_asset_belongs_to_the_same_user foreign key (other_asset, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index face_questions_of_another on kizu.face_questions (other_id);
create index face_questions_of_a_user on kizu.face_questions (user_id);
create index face_questions_of_an_asset on kizu.face_questions (asset_id);
create index face_questions_of_another_asset on kizu.face_questions (other_asset);

alter table kizu.face_questions enable row level security;
revoke all on kizu.face_questions from public, anon, authenticated, service_role;

-- Counts clusters anew from the generation that answers: faces, sum, centroid (of unit length) and the
-- representative, which is the face of the best quality. A cluster without a face goes, unless it has a contact or a
-- name. Of a face's rows in other generations nothing counts. Who calls it holds kizu.faces_of(user).
create function kizu.count_people(p_user uuid, p_clusters uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  with
  members as materialized (
    select face.cluster_id, face.face_id, face.id, coalesce(face.quality, 0) as quality,
           vector.embedding::extensions.vector as embedding
      from public.face_embeddings as face
      join kizu.face_vectors as vector on vector.id = face.id
     where face.cluster_id = any (p_clusters)
       and face.user_id = p_user
       and face.model_version = v_version
       and not face.is_from_video
  ),
  counted as (
    select cluster_id, count(*)::int as faces, extensions.sum(embedding) as total
      from members
     group by cluster_id
  ),
  best as (
    select distinct on (cluster_id) cluster_id, id
      from members
     order by cluster_id, quality desc, id
  ),
  summed as (
    insert into kizu.cluster_sums as former (cluster_id, user_id, model_version, faces, total)
    select cluster_id, p_user, v_version, faces, total from counted
        on conflict (cluster_id) do update
       set model_version = excluded.model_version, faces = excluded.faces, total = excluded.total
  )
  update public.face_clusters as cluster
     set face_count = counted.faces,
         centroid_embedding = extensions.l2_normalize(counted.total),
         representative_face_id = best.id,
         updated_at = kizu.now()
    from counted
    join best using (cluster_id)
   where cluster.id = counted.cluster_id;

  delete from public.face_clusters as cluster
   where id = any (p_clusters)
     and user_id = p_user
     and name is null
     and contact_id is null
     and not exists (select from public.face_embeddings where cluster_id = cluster.id);
  delete from kizu.cluster_sums as summed
   where cluster_id = any (p_clusters)
     and not exists (
           select from public.face_embeddings
            where cluster_id = summed.cluster_id and model_version = v_version and not is_from_video
         );
  update public.face_clusters as cluster
     set face_count = 0, centroid_embedding = null, representative_face_id = null, updated_at = kizu.now()
   where id = any (p_clusters)
     and user_id = p_user
     and face_count > 0
     and not exists (select from kizu.cluster_sums where cluster_id = cluster.id);
end;
$$;

-- Puts faces of p_user into a cluster of theirs, or into none for null, through all generations, and counts what they
-- left and came to anew. What they are named stays. Who calls it holds kizu.faces_of(user).
create function kizu.move_faces(p_user uuid, p_faces uuid[], p_cluster uuid)
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
declare
  v_left uuid[];
begin
  with
  former as materialized (
    select id, cluster_id
      from public.face_embeddings
     where face_id = any (p_faces)
       and user_id = p_user
       and cluster_id is distinct from p_cluster
  ),
  moved as (
    update public.face_embeddings as face
       set cluster_id = p_cluster
      from former
     where face.id = former.id
  )
  select array_agg(distinct cluster_id) filter (where cluster_id is not null) into v_left from former;
  perform kizu.count_people(p_user, v_left || p_cluster);
end;
$$;

-- Who changes a user's people does so alone: who names, places or clusters faces. Settlements that bring faces or
-- clusters take these locks before those of their assets, in the order in which assign_face does.
create or replace function kizu.lock_assets(p_worker text, p_scope uuid, p_settlements jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  c_people     constant jsonpath := '$.writes[*] ? (@.table == "face_embeddings" || @.table == "face_clusters")';
  v_ids constant uuid[] := array(select (item ->> 'id')::uuid from jsonb_array_elements(p_settlements) as item);
begin
  perform pg_advisory_xact_lock(key)
     from (select distinct kizu.faces_of(job.user_id) as key
             from jsonb_array_elements(p_settlements) as item
             join public.jobs as job
               on job.id = (item ->> 'id')::uuid
              and job.id = any (v_ids)
              and job.lease_epoch = (item ->> 'epoch')::bigint
            where item @? c_people
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

update public.result_tables set columns = columns || array['quality'] where table_name = 'face_embeddings';

select kizu.keep_internal('kizu.face_scale(text)');
select kizu.keep_internal('kizu.keep_face_vector()');
select kizu.keep_internal('kizu.count_people(uuid, uuid[])');
select kizu.keep_internal('kizu.move_faces(uuid, uuid[], uuid)');
