-- What a job found worth telling is written: moments, their photos and one notification, all or nothing. Moments that
-- are in the feed and tell the same story take what is new of it.

-- Between two looks whether the moments of a day are up to date.
create function kizu.renewal_pause()
returns interval
language plpgsql
immutable
set search_path = ''
as $$
begin
  return interval '20 minutes';
end;
$$;

-- Makes these the photos of a moment, in this order.
create function kizu.place_photos(p_user uuid, p_moment uuid, p_photos uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Those that come are there before others go, as a moment without photos goes, too.
  insert into public.moment_assets as former (user_id, moment_id, asset_id, display_order)
  select p_user, p_moment, photo, place - 1
    from unnest(p_photos) with ordinality as shown (photo, place)
      on conflict (moment_id, asset_id) do update
     set display_order = excluded.display_order
   where former.display_order <> excluded.display_order;
  delete from public.moment_assets where moment_id = p_moment and asset_id <> all (p_photos);
end;
$$;

-- From when on a user may be notified: now, or the end of their quiet hours.
create function kizu.after_quiet(p_wanted kizu.moment_settings, p_now timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
  v_clock constant timestamp := p_now at time zone p_wanted.zone;
  v_time  constant time := v_clock::time;
  v_quiet constant boolean :=
    case
      when p_wanted.quiet_from <= p_wanted.quiet_until
      then v_time >= p_wanted.quiet_from and v_time < p_wanted.quiet_until
      else v_time >= p_wanted.quiet_from or v_time < p_wanted.quiet_until
    end;
begin
  if v_quiet is not true then
    return p_now;
  end if;
  return (v_clock::date + case when v_time < p_wanted.quiet_until then 0 else 1 end + p_wanted.quiet_until)
           at time zone p_wanted.zone;
end;
$$;

-- Notes that p_count new moments were told to a user, and puts the one notification about them in line, unless they
-- want none. p_notice is {"one": {"title", "body"}, "many": {"title", "body"}}, in their language, where {count} is how
-- many.
create function kizu.notify_of_moments(p_wanted kizu.moment_settings, p_count int, p_notice jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_words constant jsonb := p_notice -> case p_count when 1 then 'one' else 'many' end;
  v_now   constant timestamptz := kizu.now();
  v_action uuid;
begin
  insert into public.actions_log (user_id, action_type, entity_type, metadata, created_at)
  values (p_wanted.user_id, 'moment_generated', 'moment', jsonb_build_object('count', p_count), v_now)
  returning id into v_action;
  if p_wanted.notify and v_words ? 'title' then
    insert into public.notification_queue (action_log_id, recipient_user_id, notification_type, title, body,
                                           deep_link_type, deep_link_id, send_after, created_at)
    values (v_action, p_wanted.user_id, 'moment', v_words ->> 'title',
            replace(v_words ->> 'body', '{count}', p_count::text), 'moment', 'feed',
            kizu.after_quiet(p_wanted, v_now), v_now);
  end if;
end;
$$;

-- Writes the moments of p_user that a job found. Rows are {key, kind, title, subtitle, first_at, last_at, covers,
-- criteria, score, updates, cooldown_days}, and {of: such a key, members: ids of some of its photos, in order}; scope is
-- {last_story, today} as moments_state told them, and the `notice` of kizu.notify_of_moments.
--
-- With `updates` a row takes the place of that moment, as long as it is in the feed and nobody saved it; it keeps its
-- expiry. Else it is new, unless the same story was told within `cooldown_days`. Photos that are gone or about to go are
-- left out, and so is what is more than 50 new ones in a day. Where another job has told stories since this one looked,
-- nothing is written, and moments are asked for again.
create function kizu.tell_moments(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
returns void
language plpgsql
set search_path = ''
set plan_cache_mode = force_custom_plan -- lists of photos are looked up by hash
as $$
declare
  c_most   constant int := 50; -- five times what is found of a day; stories are kept for a season
  c_day    constant interval := '1 day';
  v_now    constant timestamptz := kizu.now();
  v_today  constant date := (p_scope ->> 'today')::date;
  v_wanted kizu.moment_settings;
  v_there  uuid[];
  v_found  record;
  v_moment uuid;
  v_lately int;
  v_count  int := 0;
begin
  if (v_today between v_now::date - 2 and v_now::date + 2) is not true then -- in whatever zone
    raise exception 'moments: expected the day that moments_state told';
  end if;
  perform pg_advisory_xact_lock(hashtextextended(concat('moments of ', p_user), 0));
  select * into v_wanted from kizu.moment_settings where user_id = p_user;
  if coalesce((select id from kizu.told_stories where user_id = p_user order by id desc limit 1), 0)
       <> coalesce((p_scope ->> 'last_story')::bigint, 0) then
    perform kizu.ask_for_moments(p_user, v_now, null);
    return;
  elsif v_wanted.enabled is not true then -- or was turned off meanwhile
    return;
  end if;

  v_lately := (
    select count(*)
      from (select at from kizu.told_stories where user_id = p_user order by id desc limit c_most) as latest
     where at > v_now - c_day
  );
  v_there := array(
    select asset.id
      from public.assets as asset
     where asset.id = any (array(select member::uuid
                                   from jsonb_array_elements(p_rows) as row
                                  cross join jsonb_array_elements_text(row -> 'members') as member))
       and (asset.user_id = p_user) is true
     order by asset.id
       for key share skip locked
  );

  for v_found in
    select story.*, kept.photos, array(select cover from unnest(story.covers) with ordinality as shown (cover, place)
                                        where cover = any (kept.photos) order by place) as shown
      from jsonb_to_recordset(p_rows) as story (
             key text, kind text, title text, subtitle text, first_at timestamptz, last_at timestamptz, covers uuid[],
             criteria jsonb, score real, updates uuid, cooldown_days int)
      join (select page.row ->> 'of' as key,
                   array_agg(member.id::uuid order by page.place, member.place)
                     filter (where member.id::uuid = any (v_there)) as photos
              from jsonb_array_elements(p_rows) with ordinality as page (row, place)
             cross join jsonb_array_elements_text(page.row -> 'members') with ordinality as member (id, place)
             group by 1) as kept
        on kept.key = story.key
     where kept.photos is not null
     order by story.updates, story.score desc, story.key
  loop
    if v_found.updates is not null then
      update public.moments
         set title = v_found.title, subtitle = v_found.subtitle, cover_asset_ids = v_found.shown,
             grouping_criteria = coalesce(v_found.criteria, '{}'), date_range_start = v_found.first_at,
             date_range_end = v_found.last_at, score = v_found.score, story_key = v_found.key,
             grouping_type = v_found.kind, run_id = p_run, updated_at = v_now
       where id = v_found.updates
         and user_id = p_user
         and story_key is not null
         and not is_saved
         and dismissed_at is null
         and expires_at > v_now
         and ((title, subtitle, cover_asset_ids, grouping_criteria, date_range_start, date_range_end, score, story_key)
                is distinct from
              (v_found.title, v_found.subtitle, v_found.shown, coalesce(v_found.criteria, '{}'), v_found.first_at,
               v_found.last_at, v_found.score, v_found.key)
              or v_found.photos is distinct from
                 (select array_agg(asset_id order by display_order) from public.moment_assets
                   where moment_id = v_found.updates));
      if found then
        perform kizu.place_photos(p_user, v_found.updates, v_found.photos);
        update kizu.told_stories as told
           set kind = v_found.kind,
               photos = v_found.photos,
               key = case
                       when exists (select from kizu.told_stories as other
                                     where other.user_id = p_user
                                       and other.key = v_found.key
                                       and other.told_on = told.told_on)
                       then told.key
                       else v_found.key
                     end
         where told.user_id = p_user
           and told.moment_id = v_found.updates;
      end if;
      continue;
    end if;

    continue when v_lately + v_count >= c_most or exists (
      select from kizu.told_stories
       where user_id = p_user
         and key = v_found.key
         and told_on > v_today - coalesce(v_found.cooldown_days, kizu.season_days())
    );
    insert into public.moments (user_id, grouping_type, grouping_criteria, title, subtitle, cover_asset_ids,
                                date_range_start, date_range_end, expires_at, created_at, story_key, score, told_on,
                                run_id)
    values (p_user, v_found.kind, coalesce(v_found.criteria, '{}'), v_found.title, v_found.subtitle, v_found.shown,
            v_found.first_at, v_found.last_at, v_now + make_interval(days => v_wanted.auto_delete_days), v_now,
            v_found.key, v_found.score, v_today, p_run)
    returning id into v_moment;
    insert into kizu.told_stories (user_id, moment_id, key, kind, told_on, photos, at)
    values (p_user, v_moment, v_found.key, v_found.kind, v_today, v_found.photos, v_now);
    perform kizu.place_photos(p_user, v_moment, v_found.photos);
    v_count := v_count + 1;
  end loop;

  update kizu.moment_settings set renew_at = v_now + kizu.renewal_pause() where user_id = p_user;
  if v_count > 0 then
    perform kizu.notify_of_moments(v_wanted, v_count, p_scope -> 'notice');
  end if;
end;
$$;

insert into public.result_tables (table_name, mode, owner, columns, scope_columns, writer)
values ('moments', 'replace', 'user',
        array['key', 'kind', 'title', 'subtitle', 'first_at', 'last_at', 'covers', 'criteria', 'score', 'updates',
              'cooldown_days', 'of', 'members', 'last_story', 'today', 'notice'],
        array['last_story', 'today', 'notice'], 'tell_moments');

select kizu.keep_internal('kizu.renewal_pause()');
select kizu.keep_internal('kizu.place_photos(uuid, uuid, uuid[])');
select kizu.keep_internal('kizu.after_quiet(kizu.moment_settings, timestamptz)');
select kizu.keep_internal('kizu.notify_of_moments(kizu.moment_settings, int, jsonb)');
select kizu.keep_internal('kizu.tell_moments(jsonb, uuid, uuid, uuid, jsonb)');
