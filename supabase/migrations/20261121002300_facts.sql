-- What models saw in a picture. Written only by settle_jobs, read by their owner; each row says which
-- model, which weights and which run it came from, and goes when its asset goes.
--
-- Vectors are unit length and compared by cosine distance. Boxes are {x, y, width, height}, 0 to 1.

create table public.image_embeddings (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  embedding      extensions.vector(512) not null,
  model_version  text not null,
  weights_digest text,
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),

  constraint a_model_embeds_an_asset_once unique (asset_id, model_version),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index image_embeddings_by_similarity on public.image_embeddings
  using hnsw (embedding extensions.vector_cosine_ops);
create index image_embeddings_of_a_user on public.image_embeddings (user_id);
create index image_embeddings_of_a_run on public.image_embeddings (run_id);

create table public.detected_objects (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  object_class   text not null,
  confidence     real not null,
  bounding_box   jsonb not null,
  model_version  text not null,
  weights_digest text,
  created_at     timestamptz not null default now(),

  constraint confidence_is_a_share check (confidence between 0 and 1),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index detected_objects_of_an_asset on public.detected_objects (asset_id);
create index detected_objects_of_a_class on public.detected_objects (user_id, object_class);
create index detected_objects_of_a_run on public.detected_objects (run_id);

create table public.image_text (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  extracted_text text not null,              -- empty: looked at, and there is none
  text_regions   jsonb not null default '[]',
  languages      jsonb not null default '[]',
  model_version  text not null,
  weights_digest text,
  created_at     timestamptz not null default now(),

  constraint a_model_reads_an_asset_once unique (asset_id, model_version),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index image_text_by_word on public.image_text
  using gin (to_tsvector('english', extracted_text));
create index image_text_of_a_user on public.image_text (user_id);
create index image_text_of_a_run on public.image_text (run_id);

-- The name that older documents use.
create view public.extracted_text
with (security_invoker = true) as
select * from public.image_text;

create table public.image_descriptions (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  description    text not null,
  detail_level   text not null default 'medium',
  model_version  text not null,
  weights_digest text,
  created_at     timestamptz not null default now(),

  constraint a_model_describes_an_asset_once_per_level unique (asset_id, model_version, detail_level),
  constraint detail_level_is_known check (detail_level in ('brief', 'medium', 'detailed')),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index image_descriptions_of_a_user on public.image_descriptions (user_id);
create index image_descriptions_of_a_run on public.image_descriptions (run_id);

create table public.asset_hashes (
  id              uuid primary key default gen_random_uuid(),
  user_id         uuid not null,
  asset_id        uuid not null,
  run_id          uuid references public.runs on delete set null,
  sha256          text not null,             -- of the file's bytes
  perceptual_hash bit(64),                   -- of the picture; near duplicates differ in few bits
  created_at      timestamptz not null default now(),

  constraint an_asset_is_hashed_once unique (asset_id),
  constraint sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$'),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index asset_hashes_by_content on public.asset_hashes (user_id, sha256);
create index asset_hashes_by_likeness on public.asset_hashes
  using hnsw (perceptual_hash extensions.bit_hamming_ops);
create index asset_hashes_of_a_run on public.asset_hashes (run_id);

select kizu.let_owners_read('image_embeddings');
select kizu.let_owners_read('detected_objects');
select kizu.let_owners_read('image_text');
select kizu.let_owners_read('image_descriptions');
select kizu.let_owners_read('asset_hashes');

revoke all on public.extracted_text from public, anon, authenticated, service_role;
grant select on public.extracted_text to authenticated, service_role;

insert into public.result_tables (table_name, mode, columns, scope_columns)
values ('image_embeddings', 'replace',
        array['embedding', 'model_version', 'weights_digest'],
        array['model_version']),
       ('detected_objects', 'replace',
        array['object_class', 'confidence', 'bounding_box', 'model_version', 'weights_digest'],
        array['model_version']),
       ('image_text', 'replace',
        array['extracted_text', 'text_regions', 'languages', 'model_version', 'weights_digest'],
        array['model_version']),
       ('image_descriptions', 'replace',
        array['description', 'detail_level', 'model_version', 'weights_digest'],
        array['model_version', 'detail_level']),
       ('asset_hashes', 'replace',
        array['sha256', 'perceptual_hash'],
        array[]::text[]);
