-- What users arrange: albums, the people they know, themselves, and the moments we found for them.
--
-- References carry the owner along, so that no row can join two users, not even one written by mistake
-- with a key that sees everything.

create table public.profiles (
  id                    uuid primary key default auth.uid() references auth.users on delete cascade,
  full_name             text,
  email                 text,
  avatar_url            text,
  notification_settings jsonb not null default '{}'
);

create table public.contacts (
  id           uuid primary key default gen_random_uuid(),
  user_id      uuid not null default auth.uid() references auth.users on delete cascade,
  display_name text not null,
  created_at   timestamptz not null default now(),

  constraint contact_has_one_owner unique (id, user_id)
);

create index contacts_of_a_user on public.contacts (user_id, display_name);

create table public.albums (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null default auth.uid() references auth.users on delete cascade,
  title          text not null,
  description    text,
  keyphoto       text,
  video_asset_id uuid,
  date_created   timestamptz not null default now(),
  date_modified  timestamptz not null default now(),

  constraint album_has_one_owner unique (id, user_id),
  constraint video_belongs_to_the_same_user foreign key (video_asset_id, user_id)
    references public.assets (id, user_id) on delete set null (video_asset_id)
);

create index albums_of_a_user on public.albums (user_id, date_created);
create index albums_of_a_video on public.albums (video_asset_id) where video_asset_id is not null;

create table public.album_assets (
  id            uuid primary key default gen_random_uuid(),
  user_id       uuid not null default auth.uid() references auth.users on delete cascade,
  album_id      uuid not null,
  asset_id      uuid not null,
  asset_uri     text,
  asset_type    text,
  thumbnail_uri text,
  display_order int not null default 0,
  date_added    timestamptz not null default now(),

  constraint album_belongs_to_the_same_user foreign key (album_id, user_id)
    references public.albums (id, user_id) on delete cascade,
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index album_assets_in_order on public.album_assets (album_id, display_order);
create index album_assets_of_an_asset on public.album_assets (asset_id);
create index album_assets_of_a_user on public.album_assets (user_id);

create table public.moments (
  id                uuid primary key default gen_random_uuid(),
  user_id           uuid not null default auth.uid() references auth.users on delete cascade,
  grouping_type     text not null,
  grouping_criteria jsonb not null default '{}',
  title             text not null,
  subtitle          text,
  cover_asset_ids   uuid[] not null default '{}',
  date_range_start  timestamptz,
  date_range_end    timestamptz,
  is_saved          boolean not null default false,
  expires_at        timestamptz,
  created_at        timestamptz not null default now(),
  viewed_at         timestamptz,
  dismissed_at      timestamptz,

  constraint moment_has_one_owner unique (id, user_id),
  constraint range_runs_forward check (date_range_start <= date_range_end),
  constraint saved_does_not_expire check (not is_saved or expires_at is null)
);

create index moments_of_a_user on public.moments (user_id, created_at);

create table public.moment_assets (
  id            uuid primary key default gen_random_uuid(),
  user_id       uuid not null default auth.uid() references auth.users on delete cascade,
  moment_id     uuid not null,
  asset_id      uuid not null,
  display_order int not null default 0,

  constraint an_asset_is_in_a_moment_once unique (moment_id, asset_id),
  constraint moment_belongs_to_the_same_user foreign key (moment_id, user_id)
    references public.moments (id, user_id) on delete cascade,
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index moment_assets_of_an_asset on public.moment_assets (asset_id);
create index moment_assets_of_a_user on public.moment_assets (user_id);

select kizu.let_owners_edit('profiles', 'id');
select kizu.let_owners_edit('contacts');
select kizu.let_owners_edit('albums');
select kizu.let_owners_edit('album_assets');
select kizu.let_owners_edit('moments');
select kizu.let_owners_edit('moment_assets');
