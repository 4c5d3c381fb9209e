-- Faces, and the clusters that are people. The links to clusters and contacts are the user's work as much
-- as ours; how they outlive a new look at the picture is told in replace_faces.

create table public.face_clusters (
  id                     uuid primary key default gen_random_uuid(),
  user_id                uuid not null references auth.users on delete cascade,
  name                   text,
  contact_id             uuid,
  representative_face_id uuid,
  face_count             int not null default 0,
  centroid_embedding     extensions.vector(512),
  created_at             timestamptz not null default now(),
  updated_at             timestamptz not null default now(),

  constraint cluster_has_one_owner unique (id, user_id),
  constraint contact_belongs_to_the_same_user foreign key (contact_id, user_id)
    references public.contacts (id, user_id) on delete set null (contact_id)
);

create index face_clusters_of_a_user on public.face_clusters (user_id);
create index face_clusters_of_a_contact on public.face_clusters (contact_id);

create table public.face_embeddings (
  id                 uuid primary key default gen_random_uuid(),
  user_id            uuid not null,
  asset_id           uuid not null,
  run_id             uuid references public.runs on delete set null,
  face_index         int not null default 0,     -- dense from 0, largest face first
  embedding          extensions.vector(512) not null,
  bounding_box       jsonb not null,
  landmarks          jsonb,                      -- five points
  confidence         real,                       -- of the detection
  same_face          real,                       -- the cosine from which its model takes two faces for one person
  cluster_id         uuid,
  contact_id         uuid,
  recognised         boolean not null default false, -- we took it for the contact; nobody said so
  is_from_video      boolean not null default false,
  face_thumbnail_url text,
  model_version      text not null,
  weights_digest     text,
  created_at         timestamptz not null default now(),

  constraint a_face_has_one_place unique (asset_id, face_index),
  constraint same_face_is_a_cosine check (same_face > 0 and same_face < 1),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint cluster_belongs_to_the_same_user foreign key (cluster_id, user_id)
    references public.face_clusters (id, user_id) on delete set null (cluster_id),
  constraint contact_belongs_to_the_same_user foreign key (contact_id, user_id)
    references public.contacts (id, user_id) on delete set null (contact_id)
);

create index face_embeddings_by_similarity on public.face_embeddings
  using hnsw (embedding extensions.vector_cosine_ops);
create index face_embeddings_of_a_user on public.face_embeddings (user_id);
create index face_embeddings_of_a_cluster on public.face_embeddings (cluster_id);
create index face_embeddings_of_a_contact on public.face_embeddings (contact_id);
create index face_embeddings_named_by_people on public.face_embeddings (user_id, model_version)
  where contact_id is not null and not recognised;
create index face_embeddings_of_a_run on public.face_embeddings (run_id);

select kizu.let_owners_read('face_clusters');
select kizu.let_owners_read('face_embeddings');
