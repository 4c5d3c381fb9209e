-- What is kept of a file beside its pixels: how exactly its time is known and who says so, what its owner calls it
-- and where it lay, and the files that belong to it: the film of a motion photo, the raw beside a JPEG, a sidecar.

alter table public.assets
  add column taken_at_precision text,
  add column taken_at_source    text,
  add column folder             text,        -- below what was imported, with slashes; '' for its top
  add column file_modified_at   timestamptz, -- as its owner's disk had it
  add constraint precision_is_known
    check (taken_at_precision in ('second', 'minute', 'day', 'month', 'year')
           and pg_column_size(taken_at_precision) <= 100),
  add constraint source_is_known
    check (taken_at_source in ('person', 'original', 'digitised', 'satellite', 'modified', 'sidecar', 'file_name',
                               'file_time')
           and pg_column_size(taken_at_source) <= 100),
  add constraint folder_is_short
    check (length(folder) <= 1000 and pg_column_size(folder) <= 4100);

comment on column public.assets.taken_at_precision is
  'How much of taken_at is known; of a day, a month or a year it is the first moment.';
comment on column public.assets.taken_at_source is
  'What said taken_at; null where the asset was made before this was kept.';

-- A part lies in a file of its own, or within the asset's file, from `first_byte` on.
create table public.asset_parts (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null default auth.uid(),
  asset_id   uuid not null,
  run_id     uuid references public.runs on delete set null,
  kind       text not null,
  path       text,
  first_byte bigint,
  bytes      bigint,
  mime_type  text,
  file_name  text,
  sha256     text,
  created_at timestamptz not null default now(),

  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint kind_is_known check (kind in ('motion', 'live', 'raw', 'burst', 'sidecar')),
  constraint a_part_has_a_file_or_a_place check ((path is null) <> (first_byte is null)),
  constraint a_place_has_a_length check (first_byte is null or (first_byte >= 0 and bytes > 0)),
  constraint path_is_in_the_owners_folder
    check (starts_with(path, user_id::text || '/') and path !~ '(^|/)\.{1,2}(/|$)'),
  constraint a_file_is_part_of_one_asset unique (user_id, path),
  constraint a_file_of_its_own_is_no_result check (path is null or run_id is null), -- no roll-back takes it along
  constraint texts_are_short
    check (length(path) <= 1024 and length(mime_type) <= 200 and length(file_name) <= 500),
  constraint sha256_is_hexadecimal check (sha256 ~ '^[0-9a-f]{64}$')
);

create unique index asset_parts_within_a_file on public.asset_parts (asset_id, kind, first_byte)
  where first_byte is not null;
create index asset_parts_of_an_asset on public.asset_parts (asset_id, kind);
create index asset_parts_of_a_user on public.asset_parts (user_id);
create index asset_parts_of_a_run on public.asset_parts (run_id);

select kizu.let_owners_edit('asset_parts');
select kizu.bound_columns('public.asset_parts');

-- What a worker finds within the file takes the place of what was found there before; files of their own stay.
insert into public.result_tables (table_name, mode, columns, scope_columns)
values ('asset_parts', 'replace', array['kind', 'first_byte', 'bytes', 'mime_type'], array['kind']);
