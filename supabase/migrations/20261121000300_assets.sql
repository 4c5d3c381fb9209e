-- A photo or a video of one user: the row that everything else is about.
--
-- `created_at` is what existing apps use as the capture time; `taken_at` is what the file itself says
-- (EXIF), with the offset it was written in, and wins where both are present.

create table public.assets (
  id                      uuid primary key default gen_random_uuid(),
  user_id                 uuid not null default auth.uid() references auth.users on delete cascade,
  path                    text,
  web_uri                 text,
  thumbnail               text,
  media_type              text not null default 'photo',
  asset_file_id           uuid,
  file_name               text,  -- as its owner calls the file; `path` may be named after its content
  width                   int,
  height                  int,
  taken_at                timestamptz,
  taken_at_offset_minutes smallint,
  latitude                double precision,
  longitude               double precision,
  location_name           text,
  image_processing_status text,
  transcoding_status      text,
  ai_processed_at         timestamptz,
  ai_processed_date       date,
  ai_processed_by         text,
  ai_processed_operations text[],
  ai_model_versions       jsonb,
  ai_operations           jsonb not null default '{}', -- what is known: {operation: {version, ok, at}}
  created_at              timestamptz not null default now(),

  -- What a row points at must be its owner's: `{user_id}/…`, with no way up and out.
  constraint path_is_in_the_owners_folder
    check (starts_with(path, user_id::text || '/') and path !~ '(^|/)\.{1,2}(/|$)'),
  constraint path_is_stored_once
    unique (user_id, path),
  -- Lets other tables refer to "an asset of this user", so that no row can join two users.
  constraint asset_has_one_owner
    unique (id, user_id),
  -- These travel with every claim of a job about the asset.
  constraint texts_are_short
    check (length(path) <= 1024 and length(web_uri) <= 4096 and length(thumbnail) <= 4096
           and length(media_type) <= 200 and length(location_name) <= 1000 and length(file_name) <= 500),
  constraint size_is_positive
    check (width > 0 and height > 0),
  constraint latitude_is_on_earth
    check (latitude between -90 and 90),
  constraint longitude_is_on_earth
    check (longitude between -180 and 180),
  constraint operations_are_a_map
    check (jsonb_typeof(ai_operations) = 'object'),
  constraint model_versions_are_a_map
    check (jsonb_typeof(ai_model_versions) = 'object'),
  constraint offset_is_a_time_zone
    check (taken_at_offset_minutes between -1080 and 1080)
);

create index assets_of_a_user_by_time on public.assets (user_id, coalesce(taken_at, created_at), id);
create index assets_without_ai on public.assets (user_id, id) where ai_processed_at is null;

select kizu.let_owners_edit('assets');
