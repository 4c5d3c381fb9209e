-- What a job may write. Handlers return their rows, and settle_jobs writes them together with the
-- outcome; only tables and columns registered here are accepted. A new fact is a table and a line here.
--
-- `replace`: the rows of the job's asset that match the write's scope give way to the new rows; a
--            `writer`, kizu.<writer>(rows, user, asset, run), does it where people's work must be kept.
-- `upsert`:  each row takes the place of the one with the same `key_columns`, others stay.
-- `update`:  columns of the row that is the job's asset.
--
-- Rows belong to the job's asset, or, with the owner `user`, to its user alone (clusters, moments). Rows of a table
-- with a `parent` are written with the parent's rows only, which name them under `children`; `parent_column`
-- then holds the parent's id.

create table public.result_tables (
  table_name    text primary key,
  mode          text not null,
  owner         text not null default 'asset',
  columns       text[] not null,
  scope_columns text[] not null default '{}',
  key_columns   text[] not null default '{}',
  writer        name,
  parent        text,
  parent_column name,
  parent_mode   text generated always as (case when parent is not null then 'replace' end) stored,

  constraint mode_is_known check (mode in ('replace', 'upsert', 'update')),
  constraint owner_is_known check (owner in ('asset', 'user')),
  constraint ownership_is_not_written
    check (not columns && array['id', 'user_id', 'run_id', 'created_at']
           and (owner = 'user' or 'asset_id' <> all (columns))),
  constraint scope_is_of_its_columns check (scope_columns <@ columns),
  constraint only_an_upsert_has_keys
    check ((mode = 'upsert') = (key_columns <> '{}') and key_columns <@ columns),
  constraint keys_are_within_an_asset check (mode <> 'upsert' or owner = 'asset'),
  constraint a_writer_replaces_all_of_an_asset
    check (writer is null or (mode = 'replace' and owner = 'asset' and scope_columns = '{}')),
  constraint children_come_with_their_parent
    check ((parent is null) = (parent_column is null)
           and (parent is null or (mode = 'replace' and writer is null and scope_columns = '{}'))),
  -- A row that an upsert changes keeps its id and its children.
  constraint table_has_one_mode unique (table_name, mode),
  constraint only_replaced_rows_have_children
    foreign key (parent, parent_mode) references public.result_tables (table_name, mode)
);

create index result_tables_of_a_parent on public.result_tables (parent) where parent is not null;

alter table public.result_tables enable row level security;
revoke all on public.result_tables from anon, authenticated, service_role;
grant select on public.result_tables to service_role;

insert into public.result_tables (table_name, mode, columns)
values ('assets', 'update', array[
  'width', 'height', 'taken_at', 'taken_at_offset_minutes', 'latitude', 'longitude', 'thumbnail', 'web_uri',
  'image_processing_status', 'transcoding_status', 'ai_processed_by',
  'ai_model_versions'
]);

-- Every file we made of an asset, where it lies, and which run made it.
create table public.derived_assets (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null,
  asset_id   uuid not null,
  run_id     uuid references public.runs on delete set null,
  kind       text not null,
  bucket     text not null,
  key        text not null,
  bytes      bigint not null,
  mime_type  text not null,
  sha256     text,
  width      int,
  height     int,
  created_at timestamptz not null default now(),

  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint key_is_in_the_owners_folder
    check (starts_with(key, user_id::text || '/') and key !~ '(^|/)\.{1,2}(/|$)'),
  constraint a_file_is_listed_once unique (bucket, key),
  constraint size_is_positive check (bytes > 0 and width > 0 and height > 0),
  constraint sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$')
);

create index derived_assets_of_an_asset on public.derived_assets (asset_id, kind);
create index derived_assets_of_a_user on public.derived_assets (user_id);
create index derived_assets_of_a_run on public.derived_assets (run_id);

select kizu.let_owners_read('derived_assets');

insert into public.result_tables (table_name, mode, columns, scope_columns)
values ('derived_assets', 'replace',
        array['kind', 'bucket', 'key', 'bytes', 'mime_type', 'sha256', 'width', 'height'],
        array['kind']);
