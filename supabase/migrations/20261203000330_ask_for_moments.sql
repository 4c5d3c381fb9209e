-- When moments are looked for: when a user asks, and once a day at the time that they chose on their own clock.

-- Asks for the moments of p_user; one request waits at most, and one that has begun does not count, as it may have read
-- what is older. Answers as enqueue_job does.
create function kizu.ask_for_moments(p_user uuid, p_run_at timestamptz, p_priority int)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_kind   constant text := 'generate_moments';
  c_status constant text := 'pending';
  v_answer jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(':', 'asked', c_kind, p_user), 0));
  v_answer := kizu.enqueue(row(c_kind, null, '{}', p_priority, p_run_at, p_user, true, null)::kizu.request, null);
  if v_answer ->> 'status' = 'already_queued' then
    -- It stays where it is until what this is about is there for whoever claims it.
    perform from public.jobs where id = (v_answer ->> 'id')::uuid and status = c_status for share;
    if not found then
      v_answer := kizu.enqueue(row(c_kind, null, '{}', p_priority, p_run_at, p_user, true, 'again')::kizu.request, null);
    end if;
  end if;
  return v_answer;
end;
$$;

-- The first instant after p_after that p_time is in p_zone, on a day later than p_asked_on. Where the clocks leave the
-- time out it is as long after midnight as on other days; where it comes twice it is one of the two.
create function kizu.next_moments_at(p_time time, p_zone text, p_after timestamptz, p_asked_on date)
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
  v_day date := greatest((p_after at time zone p_zone)::date, p_asked_on + 1);
begin
  while (v_day + p_time) at time zone p_zone <= p_after loop
    v_day := v_day + 1;
  end loop;
  return (v_day + p_time) at time zone p_zone;
end;
$$;

-- Forgets the jobs that looked for a user's moments a month ago or earlier, a little at a time: there is one a day.
create function kizu.prune_moment_jobs(p_user uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_kind  constant text := 'generate_moments';
  c_kept  constant interval := '30 days';
  c_limit constant int := 100;
begin
  delete from public.ai_processing_jobs
   where id = any (array(
           select id
             from public.ai_processing_jobs
            where job_type = c_kind
              and user_id = p_user
              and picked_up_at < kizu.now() - c_kept
              and picked_up_at is not null
              and status in ('completed', 'failed', 'cancelled')
            order by job_type, user_id, picked_up_at
            limit c_limit
              for update skip locked
         ));
end;
$$;

-- Asks for a user's moments, at their time, if that comes within the next half an hour: once for each of their days,
-- however often this is called; a time that was missed is made up for. Whose time has never been worked out begins on
-- their next day. Who calls it holds the row.
create function kizu.schedule_user(p_user kizu.moment_settings)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_ahead constant interval := kizu.moments_ahead();
  v_now constant timestamptz := kizu.now();
  v_at  timestamptz := p_user.next_at;
  v_day date := p_user.asked_on;
begin
  if v_at is null then
    v_at := kizu.next_moments_at(p_user.moments_time, p_user.zone, v_now, (v_now at time zone p_user.zone)::date);
  elsif v_at <= v_now + c_ahead then
    v_at := greatest(v_at, v_now);
    if v_day is null or (v_at at time zone p_user.zone)::date > v_day then
      v_day := (v_at at time zone p_user.zone)::date;
      perform kizu.prune_moment_jobs(p_user.user_id);
      begin
        perform kizu.ask_for_moments(p_user.user_id, v_at, null);
      exception
        when sqlstate 'PT404' then null; -- the account is being deleted
      end;
    end if;
    v_at := kizu.next_moments_at(p_user.moments_time, p_user.zone, v_at, v_day);
  end if;
  update kizu.moment_settings set next_at = v_at, asked_on = v_day where user_id = p_user.user_id;
end;
$$;

-- How long ahead jobs are asked for, so that they wait for their time, and not for whoever asks for them.
create function kizu.moments_ahead()
returns interval
language plpgsql
immutable
set search_path = ''
as $$
begin
  return interval '30 minutes';
end;
$$;

-- Schedules up to p_limit users whose time comes. Answers whether there are more.
create function kizu.schedule_moments(p_limit int)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_user  kizu.moment_settings;
  v_count int := 0;
begin
  for v_user in
    select *
      from kizu.moment_settings
     where enabled
       and (next_at is null or next_at <= kizu.now() + kizu.moments_ahead())
     order by next_at nulls first
     limit p_limit
       for update skip locked
  loop
    perform kizu.schedule_user(v_user);
    v_count := v_count + 1;
  end loop;
  return v_count >= p_limit;
end;
$$;

-- Who has photos has settings.
create function kizu.expect_moments()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.moment_settings (user_id)
  select distinct added.user_id
    from added
   where not exists (select from kizu.moment_settings as wanted where wanted.user_id = added.user_id)
      on conflict do nothing;
  return null;
end;
$$;

create trigger moments_are_expected
  after insert on public.assets
  referencing new table as added
  for each statement
  execute function kizu.expect_moments();

insert into kizu.moment_settings (user_id) select distinct user_id from public.assets on conflict do nothing;

-- Asks for one's moments of today. Answers {"id", "status": "enqueued" or "already_queued"}. Users ask for their own,
-- the service for p_user's. Raises PT400 `bad_params` where the service names no user, PT404 `not_found`, PT429
-- `too_many_jobs`.
create function public.generate_moments(p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_user   constant uuid := kizu.one_user(p_user);
  v_answer jsonb;
begin
  if v_user <> p_user then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
  end if;
  v_answer := kizu.ask_for_moments(v_user, kizu.now(), null);
  if v_scope is not null and v_answer ->> 'status' = 'enqueued' then
    perform kizu.check_quota(v_scope, 1);
  end if;
  return v_answer;
end;
$$;

-- What apps see of settings.
create function kizu.shown_moment_settings(p_wanted kizu.moment_settings)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return to_jsonb(p_wanted) - array['user_id', 'asked_on', 'renew_at']
    || jsonb_build_object('moments_time', to_char(p_wanted.moments_time, 'HH24:MI'),
                          'quiet_from', to_char(p_wanted.quiet_from, 'HH24:MI'),
                          'quiet_until', to_char(p_wanted.quiet_until, 'HH24:MI'));
end;
$$;

-- How p_user, or the caller, wants moments: {"enabled", "moments_time": "09:00", "zone", "language",
-- "auto_delete_days", a switch for each sort ("location", "people", "events", "on_this_day", "then_and_now", "trips",
-- "birthdays", "reviews"), "named_people_only", "notify", "quiet_from", "quiet_until", "next_at": when they are looked
-- for next, null until a worker has seen to it}. Raises PT400 `bad_params` where nobody is meant, PT404 `not_found`.
create function public.moment_settings(p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_user   constant uuid := kizu.one_user(p_user);
  v_wanted kizu.moment_settings;
begin
  insert into kizu.moment_settings (user_id) values (v_user) on conflict do nothing;
  select * into v_wanted from kizu.moment_settings where user_id = v_user;
  return kizu.shown_moment_settings(v_wanted);
exception
  when foreign_key_violation then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
end;
$$;

-- What is wrong with settings that somebody sends, in a sentence; null if nothing is.
create function kizu.problem_of_moment_settings(p_settings jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  c_switches constant text[] := array[
    'enabled', 'location', 'people', 'events', 'on_this_day', 'then_and_now', 'trips', 'birthdays', 'reviews',
    'named_people_only', 'notify'
  ];
  c_times constant text[] := array['moments_time', 'quiet_from', 'quiet_until'];
  v_name  text;
  v_value jsonb;
begin
  if jsonb_typeof(p_settings) is distinct from 'object' then
    return 'settings: expected an object';
  end if;
  for v_name, v_value in select key, value from jsonb_each(p_settings) order by key loop
    if v_name = any (c_switches) then
      if jsonb_typeof(v_value) <> 'boolean' then
        return format('%s: expected true or false', v_name);
      end if;
    elsif v_name = any (c_times) then
      if v_value = 'null' and v_name <> 'moments_time' then
        continue;
      end if;
      if jsonb_typeof(v_value) <> 'string' or v_value #>> '{}' !~ '^([01]\d|2[0-3]):[0-5]\d$' then
        return format('%s: expected a time such as 09:00', v_name);
      end if;
    elsif v_name = 'zone' then
      if jsonb_typeof(v_value) <> 'string'
         or not exists (select from pg_catalog.pg_timezone_names where name = v_value #>> '{}' and name !~ '^posix') then
        return 'zone: expected a time zone such as Europe/Berlin';
      end if;
    elsif v_name = 'language' then
      if jsonb_typeof(v_value) <> 'string' or v_value #>> '{}' !~ '^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}$' then
        return 'language: expected a tag such as en or de-AT';
      end if;
    elsif v_name = 'auto_delete_days' then
      if jsonb_typeof(v_value) <> 'number'
         or v_value #>> '{}' !~ '^\d{1,3}$'
         or (v_value #>> '{}')::int not between 1 and 365 then
        return 'auto_delete_days: expected 1 to 365';
      end if;
    else
      return format('%s: there is no such setting', left(v_name, 100));
    end if;
  end loop;
  return null;
end;
$$;

-- Changes some of the settings that moment_settings answers, and answers all of them; quiet_from and quiet_until go
-- together, null for no quiet. A new time or zone counts from now on: what was to come at the old one does not come, and
-- no day has two. Raises PT400 `bad_params`, PT404 `not_found`.
create function public.set_moment_settings(p_settings jsonb, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_kind   constant text := 'generate_moments';
  c_status constant text := 'pending';
  v_user   constant uuid := kizu.one_user(p_user);
  v_now    constant timestamptz := kizu.now();
  v_wrong  constant text := kizu.problem_of_moment_settings(p_settings);
  v_wanted kizu.moment_settings;
  v_new    kizu.moment_settings;
begin
  if v_wrong is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = v_wrong;
  end if;
  insert into kizu.moment_settings (user_id) values (v_user) on conflict do nothing;
  select * into v_wanted from kizu.moment_settings where user_id = v_user for update;
  v_new := jsonb_populate_record(v_wanted, p_settings);
  if (v_new.quiet_from is null) <> (v_new.quiet_until is null) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'quiet_from: expected both quiet_from and quiet_until, or neither';
  end if;

  if (v_new.enabled, v_new.moments_time, v_new.zone) is distinct from
     (v_wanted.enabled, v_wanted.moments_time, v_wanted.zone) then
    delete from public.ai_processing_jobs
     where job_type = c_kind
       and user_id = v_user
       and status = c_status
       and attempts = 0
       and run_at > v_now;
    if found then
      v_new.asked_on := null;
    end if;
    v_new.next_at := kizu.next_moments_at(v_new.moments_time, v_new.zone, v_now, v_new.asked_on);
  end if;
  update kizu.moment_settings
     set enabled = v_new.enabled, moments_time = v_new.moments_time, zone = v_new.zone, language = v_new.language,
         auto_delete_days = v_new.auto_delete_days, location = v_new.location, people = v_new.people,
         events = v_new.events, on_this_day = v_new.on_this_day, then_and_now = v_new.then_and_now,
         trips = v_new.trips, birthdays = v_new.birthdays, reviews = v_new.reviews,
         named_people_only = v_new.named_people_only, notify = v_new.notify, quiet_from = v_new.quiet_from,
         quiet_until = v_new.quiet_until, next_at = v_new.next_at, asked_on = v_new.asked_on
   where user_id = v_user;
  if v_new.enabled then
    perform kizu.schedule_user(v_new);
  end if;
  select * into v_new from kizu.moment_settings where user_id = v_user;
  return kizu.shown_moment_settings(v_new);
exception
  when foreign_key_violation then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
end;
$$;

select kizu.keep_internal('kizu.ask_for_moments(uuid, timestamptz, int)');
select kizu.keep_internal('kizu.next_moments_at(time, text, timestamptz, date)');
select kizu.keep_internal('kizu.prune_moment_jobs(uuid)');
select kizu.keep_internal('kizu.schedule_user(kizu.moment_settings)');
select kizu.keep_internal('kizu.moments_ahead()');
select kizu.keep_internal('kizu.schedule_moments(int)');
select kizu.keep_internal('kizu.expect_moments()');
select kizu.keep_internal('kizu.shown_moment_settings(kizu.moment_settings)');
select kizu.keep_internal('kizu.problem_of_moment_settings(jsonb)');

select kizu.let_call('public.generate_moments(uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.moment_settings(uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.set_moment_settings(jsonb, uuid)', 'authenticated', 'service_role');
