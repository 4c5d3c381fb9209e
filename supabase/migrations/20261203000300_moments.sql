-- What a moment is beside its photos: which story it tells, so that none is told twice in a season; what each user wants
-- to be told, when and in which language; and what tells them that there is something new.

alter table public.moments
  add column story_key  text,        -- which story, whenever it is told; null of a moment that an app made
  add column score      real,        -- 0 to 1: how much it is worth opening
  add column told_on    date,        -- the day in its user's zone
  add column run_id     uuid references public.runs on delete set null,
  add column updated_at timestamptz,
  add constraint score_is_a_share check (score between 0 and 1);

alter table public.moments
  add constraint story_key_is_bounded check (pg_column_size(story_key) <= 520);

create index moments_of_a_run on public.moments (run_id);
create index moments_in_the_feed on public.moments (user_id, created_at, coalesce(score, 0), id)
  where dismissed_at is null;
create index moments_that_expire on public.moments (expires_at) where not is_saved;

-- Every story that was told, also after its moment has expired or was deleted: for a season it is not told again.
create table kizu.told_stories (
  id        bigint generated always as identity primary key,
  user_id   uuid not null references auth.users on delete cascade,
  moment_id uuid not null,
  key       text not null,
  kind      text not null,
  told_on   date not null, -- in the user's zone
  photos    uuid[] not null,
  at        timestamptz not null default kizu.now(),

  constraint a_story_is_told_once_a_day unique (user_id, key, told_on)
);

create index told_stories_of_a_user on kizu.told_stories (user_id, id);
create index told_stories_of_a_moment on kizu.told_stories (moment_id);
create index told_stories_of_a_photo on kizu.told_stories using gin (photos);
create index told_stories_by_time on kizu.told_stories (at);

alter table kizu.told_stories enable row level security;
revoke all on kizu.told_stories from public, anon, authenticated, service_role;

-- What each user with photos wants, and when they are told next.
create table kizu.moment_settings (
  user_id           uuid primary key references auth.users on delete cascade,
  enabled           boolean not null default true,
  moments_time      time not null default '09:00', -- on the user's clock
  zone              text not null default 'UTC',
  language          text not null default 'en',
  auto_delete_days  int not null default 7,
  location          boolean not null default true,
  people            boolean not null default true,
  events            boolean not null default true,
  on_this_day       boolean not null default true,
  then_and_now      boolean not null default true,
  trips             boolean not null default true,
  birthdays         boolean not null default true,
  reviews           boolean not null default true,
  named_people_only boolean not null default true,
  notify            boolean not null default true,
  quiet_from        time, -- no notification from then on until quiet_until, on the user's clock
  quiet_until       time,
  next_at           timestamptz, -- null until it is worked out
  asked_on          date,        -- the last day, in their zone, for which moments were asked for by schedule
  renew_at          timestamptz, -- when to look whether today's moments are still up to date; null: not again

  constraint days_are_in_range check (auto_delete_days between 1 and 365),
  constraint quiet_has_two_ends check ((quiet_from is null) = (quiet_until is null)),
  constraint language_is_a_tag check (language ~ '^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}$'),
  constraint zone_is_short check (length(zone) <= 100)
);

create index moments_that_are_due on kizu.moment_settings (next_at nulls first) where enabled;
create index moments_to_renew on kizu.moment_settings (renew_at) where renew_at is not null;

alter table kizu.moment_settings enable row level security;
revoke all on kizu.moment_settings from public, anon, authenticated, service_role;

-- What was done for a user, and what they are to be told of it: whoever sends notifications reads the one and deletes
-- what is sent.
create table public.actions_log (
  id          uuid primary key default gen_random_uuid(),
  user_id     uuid not null default auth.uid() references auth.users on delete cascade,
  action_type text not null,
  entity_type text not null,
  metadata    jsonb not null default '{}',
  created_at  timestamptz not null default now(),

  constraint action_has_one_owner unique (id, user_id)
);

create index actions_of_a_user on public.actions_log (user_id, created_at);
create index actions_by_time on public.actions_log (created_at);

create table public.notification_queue (
  id                uuid primary key default gen_random_uuid(),
  action_log_id     uuid,
  recipient_user_id uuid not null default auth.uid() references auth.users on delete cascade,
  notification_type text not null,
  title             text not null,
  body              text,
  deep_link_type    text,
  deep_link_id      text,
  send_after        timestamptz not null default now(), -- later where its recipient wants quiet
  created_at        timestamptz not null default now(),

  constraint action_belongs_to_the_same_user foreign key (action_log_id, recipient_user_id)
    references public.actions_log (id, user_id) on delete cascade
);

create index notifications_of_a_user on public.notification_queue (recipient_user_id);
create index notifications_of_an_action on public.notification_queue (action_log_id);
create index notifications_to_send on public.notification_queue (send_after);

select kizu.let_owners_read('actions_log');
select kizu.let_owners_read('notification_queue', 'recipient_user_id');
grant insert, update, delete on public.actions_log to service_role;
grant insert, update, delete on public.notification_queue to service_role;
select kizu.bound_columns('public.actions_log');
select kizu.bound_columns('public.notification_queue');

-- A photo that is gone is no moment's any more: neither its cover nor its member, and a moment that was made of it alone
-- goes along.
create function kizu.leave_moments()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.moments as moment
     set cover_asset_ids = array(
           select cover
             from unnest(moment.cover_asset_ids) with ordinality as shown (cover, place)
            where exists (select from public.moment_assets as member
                           where member.moment_id = moment.id and member.asset_id = cover)
            order by place
         )
    from (select moment_id, array_agg(asset_id) as assets from gone group by moment_id) as left_by
   where moment.id = left_by.moment_id
     and moment.cover_asset_ids && left_by.assets;

  delete from public.moments as moment
   using (select distinct moment_id from gone) as left_by
   where moment.id = left_by.moment_id
     and moment.story_key is not null
     and not exists (select from public.moment_assets as member where member.moment_id = moment.id);
  return null;
end;
$$;

create trigger photos_leave_moments
  after delete on public.moment_assets
  referencing old table as gone
  for each statement
  execute function kizu.leave_moments();

create function kizu.leave_stories()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_gone constant uuid[] := array(select id from gone);
begin
  update kizu.told_stories
     set photos = array(select photo
                          from unnest(photos) with ordinality as shown (photo, place)
                         where photo <> all (v_gone)
                         order by place)
   where photos && v_gone;
  return null;
end;
$$;

create trigger photos_leave_stories
  after delete on public.assets
  referencing old table as gone
  for each statement
  execute function kizu.leave_stories();

select kizu.keep_internal('kizu.leave_moments()');
select kizu.keep_internal('kizu.leave_stories()');
