-- Moments as apps show them: the feed, a moment with its photos, and what a person does with one. The feed has what is
-- saved or not expired, and not dismissed.

-- A moment as lists show it, with thumbnails of its covers and how many photos it has.
create function kizu.shown_moment(p_moment public.moments)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, photos are found by their ids
as $$
begin
  return jsonb_build_object(
    'id',                p_moment.id,
    'grouping_type',     p_moment.grouping_type,
    'grouping_criteria', p_moment.grouping_criteria,
    'title',             p_moment.title,
    'subtitle',          p_moment.subtitle,
    'date_range_start',  p_moment.date_range_start,
    'date_range_end',    p_moment.date_range_end,
    'score',             p_moment.score,
    'is_saved',          p_moment.is_saved,
    'expires_at',        p_moment.expires_at,
    'created_at',        p_moment.created_at,
    'updated_at',        p_moment.updated_at,
    'viewed_at',         p_moment.viewed_at,
    'dismissed_at',      p_moment.dismissed_at,
    'cover_asset_ids',   p_moment.cover_asset_ids,
    'covers', (
      select coalesce(jsonb_agg(jsonb_build_object('asset_id', asset.id, 'thumbnail', asset.thumbnail,
                                                   'web_uri', asset.web_uri, 'path', asset.path)
                                order by cover.place), '[]')
        from unnest(p_moment.cover_asset_ids) with ordinality as cover (id, place)
       cross join lateral (
               select * from public.assets
                where id = cover.id and (user_id = p_moment.user_id) is true
               offset 0
             ) as asset
    ),
    'photos', (select count(*) from public.moment_assets where moment_id = p_moment.id)
  );
end;
$$;

-- The feed of p_user, or the caller: p_limit (1 to 100) moments, the newest first, and of one day the best first; with
-- p_saved only those that are saved. Answers {"moments": […], "next": what p_after is for the next page, null at the
-- end}. Raises PT400 `bad_params`.
create function public.list_moments(
  p_limit int     default 50,
  p_after jsonb   default null,
  p_saved boolean default false,
  p_user  uuid    default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_user  constant uuid := kizu.one_user(p_user);
  v_limit constant int := kizu.checked_limit(p_limit, 100);
  v_at    timestamptz := 'infinity';
  v_score real := 2;
  v_id    uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  v_page  public.moments[];
begin
  perform kizu.check_cursor(coalesce(p_after, 'null'), '{"at": "string", "score": "number", "id": "string"}');
  if p_after is not null and p_after <> 'null' then
    v_at    := (p_after ->> 'at')::timestamptz;
    v_score := (p_after ->> 'score')::real;
    v_id    := (p_after ->> 'id')::uuid;
  end if;

  v_page := array(
    select moment
      from public.moments as moment
     where moment.user_id = v_user
       and (moment.created_at, coalesce(moment.score, 0), moment.id) < (v_at, v_score, v_id)
       and moment.dismissed_at is null
       and (moment.is_saved or (not coalesce(p_saved, false)
                                and (moment.expires_at is null or moment.expires_at > kizu.now())))
     order by moment.created_at desc, coalesce(moment.score, 0) desc, moment.id desc
     limit v_limit
  );
  return jsonb_build_object(
    'moments', (select coalesce(jsonb_agg(kizu.shown_moment(page.moment) order by page.place), '[]')
                  from (select place, v_page[place] as moment from generate_subscripts(v_page, 1) as place) as page),
    'next', case
              when cardinality(v_page) = v_limit
              then jsonb_build_object('at', (v_page[v_limit]).created_at, 'score', coalesce((v_page[v_limit]).score, 0),
                                      'id', (v_page[v_limit]).id)
            end
  );
exception
  when data_exception then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
end;
$$;

-- A moment of p_user's, to be changed. Raises PT404 `not_found`.
create function kizu.moment_of(p_user uuid, p_moment_id uuid)
returns public.moments
language plpgsql
set search_path = ''
as $$
declare
  v_moment public.moments;
begin
  select * into v_moment from public.moments where id = p_moment_id and user_id = p_user for update;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such moment';
  end if;
  return v_moment;
end;
$$;

-- A moment with p_limit (1 to 500) of its photos in order, whether it is in the feed or not. Answers {"moment",
-- "photos": [{"asset_id", "display_order", "media_type", "thumbnail", "web_uri", "path", "taken_at",
-- "taken_at_offset_minutes", "width", "height"}…], "next"}. Raises PT400 `bad_params`, PT404 `not_found`.
create function public.show_moment(
  p_moment_id uuid,
  p_limit     int   default 200,
  p_after     jsonb default null,
  p_user      uuid  default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
  v_user   constant uuid := kizu.one_user(p_user);
  v_limit  constant int := kizu.checked_limit(p_limit, 500);
  v_place  int := -1;
  v_id     uuid := '00000000-0000-0000-0000-000000000000';
  v_moment public.moments;
  v_photos jsonb;
begin
  perform kizu.check_cursor(coalesce(p_after, 'null'), '{"display_order": "number", "asset_id": "string"}');
  if p_after is not null and p_after <> 'null' then
    v_place := (p_after ->> 'display_order')::int;
    v_id    := (p_after ->> 'asset_id')::uuid;
  end if;
  select * into v_moment from public.moments where id = p_moment_id and user_id = v_user;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such moment';
  end if;

  v_photos := (
    select coalesce(jsonb_agg(to_jsonb(page) order by page.display_order, page.asset_id), '[]')
      from (select member.asset_id, member.display_order, asset.media_type, asset.thumbnail, asset.web_uri, asset.path,
                   asset.taken_at, asset.taken_at_offset_minutes, asset.width, asset.height
              from public.moment_assets as member
              join public.assets as asset on asset.id = member.asset_id and asset.user_id = v_user
             where member.moment_id = v_moment.id
               and (member.display_order, member.asset_id) > (v_place, v_id)
             order by member.display_order, member.asset_id
             limit v_limit) as page
  );
  return kizu.page(v_photos, v_limit, 'display_order', 'asset_id') - 'rows'
    || jsonb_build_object('moment', kizu.shown_moment(v_moment), 'photos', v_photos);
exception
  when data_exception then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
end;
$$;

-- Notes that a moment was looked at, the first time. Answers the moment. Raises PT404 `not_found`.
create function public.view_moment(p_moment_id uuid, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_moment public.moments := kizu.moment_of(kizu.one_user(p_user), p_moment_id);
begin
  update public.moments
     set viewed_at = coalesce(viewed_at, kizu.now())
   where id = v_moment.id
  returning * into v_moment;
  return kizu.shown_moment(v_moment);
end;
$$;

-- Saves a moment: it never expires, and is in the feed again if it was dismissed. With p_saved false it is as if it had
-- been made now. Answers the moment. Raises PT404 `not_found`.
create function public.save_moment(p_moment_id uuid, p_saved boolean default true, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_days   constant int := 7;
  v_moment public.moments := kizu.moment_of(kizu.one_user(p_user), p_moment_id);
begin
  if v_moment.is_saved is distinct from coalesce(p_saved, true)
     or (v_moment.is_saved and v_moment.dismissed_at is not null) then
    update public.moments
       set is_saved = coalesce(p_saved, true),
           dismissed_at = case when p_saved is false then dismissed_at end,
           expires_at = case
                          when p_saved is false
                          then kizu.now() + make_interval(days => coalesce(
                            (select auto_delete_days
                               from kizu.moment_settings
                              where user_id = v_moment.user_id), c_days))
                        end
     where id = v_moment.id
    returning * into v_moment;
  end if;
  return kizu.shown_moment(v_moment);
end;
$$;

-- Dismisses a moment: it is in no feed any more, also if it was saved; with p_dismissed false it is again, until it
-- expires. Answers the moment. Raises PT404 `not_found`.
create function public.dismiss_moment(p_moment_id uuid, p_dismissed boolean default true, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_moment public.moments := kizu.moment_of(kizu.one_user(p_user), p_moment_id);
begin
  update public.moments
     set dismissed_at = case when p_dismissed is distinct from false then coalesce(dismissed_at, kizu.now()) end
   where id = v_moment.id
  returning * into v_moment;
  return kizu.shown_moment(v_moment);
end;
$$;

select kizu.keep_internal('kizu.shown_moment(public.moments)');
select kizu.keep_internal('kizu.moment_of(uuid, uuid)');

select kizu.let_call('public.list_moments(int, jsonb, boolean, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.show_moment(uuid, int, jsonb, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.view_moment(uuid, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.save_moment(uuid, boolean, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.dismiss_moment(uuid, boolean, uuid)', 'authenticated', 'service_role');
