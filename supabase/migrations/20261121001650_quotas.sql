-- Nobody fills the queue alone: a user may have so many jobs pending, and what is asked for beyond is refused with a
-- word. An upload never is: its jobs are made in any case, and the quota is wider by as many as uploads can have made.

insert into public.queue_settings (name, value, says)
values ('pending_jobs_per_user', 100000, 'Jobs that a user may have pending, besides those that their uploads make.');

-- Until when a user's jobs need not be counted anew, because there was so much room left.
create table kizu.counted_jobs (
  user_id    uuid primary key references auth.users on delete cascade,
  good_until timestamptz not null
);

-- The pending jobs of a user, but no more than p_most of them are counted.
create function kizu.count_pending(p_user uuid, p_most bigint)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_kind     text;
  v_priority smallint;
  v_here     bigint;
  v_found    bigint := 0;
begin
  for v_kind in select kind from public.job_kinds loop
    for v_priority in select level from kizu.levels(v_kind, 0, 1000) as level loop
      select count(*)
        into v_here
        from (select
                from public.jobs
               where status = 'pending'
                 and not suspect
                 and job_type = v_kind
                 and priority = v_priority
                 and user_id = p_user
               limit p_most - v_found) as counted;
      v_found := v_found + v_here;
      if v_found >= p_most then
        return v_found;
      end if;
    end loop;
  end loop;
  return v_found;
end;
$$;

-- To be called by a verb that has added p_added jobs for a user who asked; takes them back by raising PT429
-- `too_many_jobs` if these are too many. One job more is believed to fit for as long as there was room for thousands
-- a second, so that it costs no more than to read one row; others are counted.
create function kizu.check_quota(p_user uuid, p_added int)
returns void
language plpgsql
set search_path = ''
set enable_sort = off
as $$
declare
  c_per_second constant float8 := 5000; -- more than one user adds one by one
  v_now   constant timestamptz := kizu.now();
  v_most  bigint := kizu.setting('pending_jobs_per_user');
  v_found bigint;
begin
  if p_added <= 1 and exists (select from kizu.counted_jobs where user_id = p_user and good_until > v_now) then
    return;
  end if;

  v_found := kizu.count_pending(p_user, v_most + 1);
  if v_found > v_most then
    v_most := v_most + (select count(*) from public.assets where user_id = p_user)
                     * (select count(*) from public.job_kinds where on_upload <> '{}');
    v_found := kizu.count_pending(p_user, v_most + 1);
    if v_found > v_most then
      raise sqlstate 'PT429'
        using message = 'too_many_jobs',
              detail = format('%s jobs of this user are pending: ask again when some of them are done', v_most);
    end if;
  end if;

  -- Who has to wait for another call of the same user to note it does not note it.
  if pg_try_advisory_xact_lock(hashtextextended(concat('counted ', p_user), 0)) then
    insert into kizu.counted_jobs as counted (user_id, good_until)
    values (p_user, v_now + make_interval(secs => (v_most - v_found) / c_per_second))
        on conflict (user_id) do update
       set good_until = excluded.good_until;
  end if;
end;
$$;

select kizu.pin_plans('kizu.check_quota(uuid, int)');

select kizu.keep_internal('kizu.count_pending(uuid, bigint)');
select kizu.keep_internal('kizu.check_quota(uuid, int)');
