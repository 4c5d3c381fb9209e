-- One place for what the database does by the clock: moments for those whose time comes, today's moments kept up to date,
-- what has expired deleted, what is over pruned. Any worker looks there from time to time, and pg_cron where the project
-- has it; who comes while another is at a chore leaves it to that one, and one who dies at it leaves it undone.

-- A chore is done by kizu.<does>(how much at most), which answers whether there is more.
create table kizu.chores (
  chore  text primary key,
  does   name not null,
  every  interval not null,
  due_at timestamptz not null default '-infinity',
  failed text -- how, the last time; null if it did not
);

insert into kizu.chores (chore, does, every)
values ('moments',  'schedule_moments', '4 minutes'),
       ('renewal',  'renew_moments',    '4 minutes'),
       ('expiry',   'expire_moments',   '10 minutes'),
       ('pruning',  'prune_a_little',   '5 minutes');

alter table kizu.chores enable row level security;
revoke all on kizu.chores from public, anon, authenticated, service_role;

create function kizu.prune_a_little(p_limit int)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return (public.prune_by_policy(p_limit) ->> 'more')::boolean;
end;
$$;

-- Deletes up to p_limit moments that expired a day ago and nobody saved, and as many stories that may be told again,
-- and as many actions and notifications of a season ago. Answers whether there are more.
create function kizu.expire_moments(p_limit int)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  c_kept   constant interval := '1 day';
  v_now    constant timestamptz := kizu.now();
  v_season constant timestamptz := v_now - make_interval(days => kizu.season_days() + 2);
  v_gone   int;
  v_more   boolean;
begin
  delete from public.moments
   where id = any (array(
           select id
             from public.moments
            where not is_saved
              and expires_at < v_now - c_kept
            order by expires_at
            limit p_limit
              for update skip locked
         ));
  get diagnostics v_gone = row_count;
  v_more := v_gone >= p_limit;

  delete from kizu.told_stories
   where id = any (array(
           select id
             from kizu.told_stories as told
            where told.at < v_season
              and not exists (select from public.moments where id = told.moment_id and not is_saved)
            order by told.at
            limit p_limit
         ));
  get diagnostics v_gone = row_count;
  v_more := v_more or v_gone >= p_limit;

  delete from public.actions_log -- and the notifications about them
   where id = any (array(select id from public.actions_log where created_at < v_season order by created_at limit p_limit));
  get diagnostics v_gone = row_count;
  return v_more or v_gone >= p_limit;
end;
$$;

-- Asks for the moments of up to p_limit users anew whose moments of today are not up to date: more has been found out
-- about their photos, or said of people, since they were looked for. Answers whether there are more.
create function kizu.renew_moments(p_limit int)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  c_behind constant int := 200; -- priority: behind photos that wait
  c_kinds  constant text[] := array['image_ai', 'process_image', 'optimize_image', 'cluster_faces'];
  v_now    constant timestamptz := kizu.now();
  v_user   kizu.moment_settings;
  v_looked timestamptz;
  v_count  int := 0;
begin
  for v_user in
    select *
      from kizu.moment_settings
     where renew_at <= v_now
     order by renew_at
     limit p_limit
       for update skip locked
  loop
    v_count := v_count + 1;
    if not v_user.enabled
       or not exists (select from kizu.told_stories
                       where user_id = v_user.user_id
                         and told_on = (v_now at time zone v_user.zone)::date) then
      update kizu.moment_settings set renew_at = null where user_id = v_user.user_id;
      continue;
    end if;

    v_looked := v_user.renew_at - kizu.renewal_pause();
    if exists (select from public.runs
                where user_id = v_user.user_id
                  and finished_at > v_looked
                  and outcome = 'done'
                  and kind = any (c_kinds))
       or (select at from public.face_verdicts
            where user_id = v_user.user_id order by id desc limit 1) > v_looked then
      begin
        perform kizu.ask_for_moments(v_user.user_id, v_now, c_behind);
      exception
        when sqlstate 'PT404' then null;
      end;
    end if;
    update kizu.moment_settings set renew_at = v_now + kizu.renewal_pause() where user_id = v_user.user_id;
  end loop;
  return v_count >= p_limit;
end;
$$;

-- Does the chores that are due, each a little (p_limit, up to 1,000) and by itself: one that fails, or takes longer than
-- a statement may, keeps no other from being done, and is tried again when it is due. Anybody who works for Kizu may
-- call it, as often as they like.
--
-- Answers {"done": […], "failed": {chore: how}, "more": whether to call again soon}.
create function public.do_chores(p_limit int default 1000)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_enough constant interval := '2 seconds'; -- of the 8 that a statement may take; what is left is for the next call
  v_began  constant timestamptz := clock_timestamp();
  v_now    constant timestamptz := kizu.now();
  v_limit  constant int := least(greatest(coalesce(p_limit, 0), 1), 1000); -- a lock is held for each user asked for
  v_chore  kizu.chores;
  v_here   boolean;
  v_more   boolean := false;
  v_done   text[] := '{}';
  v_failed jsonb := '{}';
begin
  perform kizu.caller_scope();
  for v_chore in
    select * from kizu.chores where due_at <= v_now order by due_at, chore for update skip locked
  loop
    if clock_timestamp() > v_began + c_enough then
      v_more := true;
      exit;
    end if;
    begin
      execute format('select kizu.%I($1)', v_chore.does) into v_here using v_limit;
      v_more := v_more or v_here;
      v_done := v_done || v_chore.chore;
      update kizu.chores
         set due_at = case when v_here then v_now else v_now + every end, failed = null
       where chore = v_chore.chore;
    exception
      when query_canceled or others then
        v_failed := v_failed || jsonb_build_object(v_chore.chore, left(sqlerrm, 500));
        update kizu.chores set due_at = v_now + every, failed = left(sqlerrm, 500) where chore = v_chore.chore;
    end;
  end loop;
  return jsonb_build_object('done', v_done, 'failed', v_failed, 'more', v_more);
end;
$$;

select kizu.pin_plans('public.do_chores(int)');

-- Has pg_cron call do_chores every few minutes, where the project has it; answers whether it has. To be called again by
-- whoever enables pg_cron later.
create function kizu.use_pg_cron()
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if to_regprocedure('cron.schedule(text, text, text)') is null then
    return false;
  end if;
  execute 'select cron.schedule($1, $2, $3)' using 'kizu-chores', '*/4 * * * *', 'select public.do_chores()';
  return true;
end;
$$;

select kizu.use_pg_cron();

select kizu.keep_internal('kizu.prune_a_little(int)');
select kizu.keep_internal('kizu.expire_moments(int)');
select kizu.keep_internal('kizu.renew_moments(int)');
select kizu.keep_internal('kizu.use_pg_cron()');

select kizu.let_call('public.do_chores(int)', 'authenticated', 'kizu_worker', 'service_role');
