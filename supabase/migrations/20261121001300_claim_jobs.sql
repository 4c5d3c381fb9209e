-- Taking work: fair between users, first things first, and never twice.
--
-- Below level 100 somebody is waiting for an answer: those jobs go by level, whosever they are. From there on users
-- take turns: the one with the fewest running jobs of the kinds asked for goes first, then the one who was served
-- least recently, then chance; a level orders the jobs of one user. So neither 20,000 waiting jobs of somebody nor
-- their level delay another user's single job, not even on a worker with one slot.
--
-- The cost does not grow with the backlog: users are walked by a loose index scan (one index descent
-- each, at most 64 for a kind and level, from a random user on), and each brings only the head of their line.

-- Up to p_limit users who have pending jobs of one kind and priority, from a random one on, around the circle.
create function kizu.waiting_users(p_kind text, p_priority smallint, p_limit int)
returns setof uuid
language plpgsql
set search_path = ''
as $$
declare
  c_before_everybody constant uuid := '00000000-0000-0000-0000-000000000000';
  v_start    uuid := gen_random_uuid();
  v_user     uuid := v_start;
  v_priority smallint;
  v_wrapped  boolean := false;
  v_found    int := 0;
begin
  while v_found < p_limit loop
    -- Compared as a pair, so that only the index by priority and user gives this order.
    select priority, user_id
      into v_priority, v_user
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and (priority, user_id) > (p_priority, v_user)
     order by priority, user_id
     limit 1;

    if v_priority is distinct from p_priority then
      v_user := null;
    end if;
    if v_user is null and not v_wrapped then
      v_wrapped := true;
      v_user := c_before_everybody;
      continue;
    end if;
    exit when v_user is null or (v_wrapped and v_user > v_start);

    v_found := v_found + 1;
    return next v_user;
  end loop;
end;
$$;

-- The levels from p_first to p_last at which jobs of a kind are pending.
create function kizu.levels(p_kind text, p_first int, p_last int)
returns setof smallint
language plpgsql
set search_path = ''
as $$
declare
  v_priority smallint := p_first - 1;
begin
  loop
    select priority
      into v_priority
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and priority > v_priority
     order by priority
     limit 1;
    exit when v_priority is null or v_priority > p_last;
    return next v_priority;
  end loop;
end;
$$;

-- Locks and answers up to p_limit due jobs of the levels from p_first to p_last, by turn. May answer fewer than are
-- due: when others hold the candidates at this very moment, or when the 64 users it looked at have nothing due.
-- What a user's own workers run does not count against them.
create function kizu.pick_by_turn(p_kinds text[], p_first int, p_last int, p_limit int, p_now timestamptz)
returns setof kizu.job_ref
language plpgsql
set search_path = ''
as $$
begin
  return query
  with
  lines as materialized (
    select kind, level, waiting.user_id
      from unnest(p_kinds) as kind
     cross join lateral kizu.levels(kind, p_first, p_last) as level
     cross join lateral kizu.waiting_users(kind, level, 64) as waiting (user_id)
  ),
  users as materialized (
    select waiting.user_id,
           had.running,
           had.served_at,
           random() as dice
      from (select distinct user_id from lines) as waiting
     cross join lateral (
             select sum(running.jobs) as running,
                    max(greatest(served.picked_up_at, turn.served_at)) as served_at
               from unnest(p_kinds) as kind
              cross join lateral (
                      select count(*) as jobs
                        from public.jobs
                       where status = 'processing'
                         and job_type = kind
                         and user_id = waiting.user_id
                         and claimed_by is null
                    ) as running
               left join lateral (
                      select picked_up_at
                        from public.jobs
                       where job_type = kind
                         and user_id = waiting.user_id
                         and picked_up_at is not null
                       order by picked_up_at desc
                       limit 1
                    ) as served on true
               left join kizu.turns as turn
                 on turn.user_id = waiting.user_id
                and turn.job_type = kind
           ) as had
     order by running, served_at nulls first, dice
     limit 4 * p_limit
  ),
  candidates as materialized (
    select head.job_table,
           head.id,
           head.status,
           users.running + row_number() over (
             partition by users.user_id order by lines.level, head.run_at, head.id
           ) as rank,
           users.served_at,
           users.dice
      from users
      join lines on lines.user_id = users.user_id
     cross join lateral (
             -- Compared as pairs, so that only the index by user gives this order.
             select tableoid as job_table, id, run_at, status
               from public.jobs
              where status = 'pending'
                and not suspect
                and job_type = lines.kind
                and priority = lines.level
                and (user_id, run_at) >= (lines.user_id, '-infinity')
                and (user_id, run_at) <= (lines.user_id, p_now)
              order by user_id, run_at, id
              limit p_limit
           ) as head
     order by rank, served_at nulls first, dice
     limit 4 * p_limit
  )
  select job.tableoid::regclass, job.id
    from candidates
    join public.jobs as job
      on job.tableoid = candidates.job_table
     and job.id = candidates.id
     and job.id = any (array(select id from candidates))
     and job.status = candidates.status  -- still, once it is locked
   order by candidates.rank, candidates.served_at nulls first, candidates.dice
   limit p_limit
     for update of job skip locked;
end;
$$;

-- Locks and answers up to p_limit due jobs of one kind and priority, oldest first: all users' jobs in one
-- line, or p_user's own. Goes on past rows that others hold, so it answers none only when none is free.
create function kizu.pick_in_line(
  p_kind     text,
  p_priority smallint,
  p_user     uuid,
  p_limit    int,
  p_now      timestamptz,
  p_but      kizu.job_ref[]
)
returns setof kizu.job_ref
language plpgsql
set search_path = ''
as $$
begin
  if p_user is null then
    return query
    select tableoid::regclass, id
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and priority = p_priority
       and run_at <= p_now
       and (tableoid::regclass, id)::kizu.job_ref <> all (p_but)
     order by run_at, id
     limit p_limit
       for update skip locked;
  else
    return query
    select tableoid::regclass, id
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and priority = p_priority
       and (user_id, run_at) >= (p_user, '-infinity')
       and (user_id, run_at) <= (p_user, p_now)
       and crashes = 0 -- others by pick_suspect
     order by user_id, run_at, id
     limit p_limit
       for update skip locked;
  end if;
end;
$$;

-- Locks and answers a job of these kinds that waits to run alone, if one is due and free; for a user's own worker
-- one of theirs that has lost a worker, which is to be found at the head of their line.
create function kizu.pick_suspect(p_kinds text[], p_user uuid, p_now timestamptz)
returns setof kizu.job_ref
language plpgsql
set search_path = ''
as $$
declare
  c_head    constant int := 100;
  c_pending constant text := 'pending';
begin
  -- Kind by kind and level by level, so that only an index gives the order.
  if p_user is null then
    return query
    select suspect.job_table, suspect.id
      from unnest(p_kinds) as kind
     cross join lateral (
             select tableoid::regclass as job_table, id
               from public.jobs
              where status = 'pending'
                and suspect
                and job_type = kind
                and run_at <= p_now
              order by priority, run_at, id
              limit 1
                for update skip locked
           ) as suspect
     limit 1;
  else
    return query
    select job.tableoid::regclass, job.id
      from public.jobs as job
     where job.id = any (array(
             select head.id
               from unnest(p_kinds) as kind
              cross join lateral kizu.levels(kind, 0, 1000) as level
              cross join lateral (
                      select id, crashes
                        from public.jobs
                       where status = 'pending'
                         and not suspect
                         and job_type = kind
                         and priority = level
                         and (user_id, run_at) >= (p_user, '-infinity')
                         and (user_id, run_at) <= (p_user, p_now)
                       order by user_id, run_at, id
                       limit c_head
                    ) as head
              where head.crashes > 0
              limit 1
           ))
       and job.status = c_pending
       and job.crashes > 0
       for update of job skip locked;
  end if;
end;
$$;

-- Whether a job of these kinds is due at a level up to p_last.
create function kizu.somebody_waits(p_kinds text[], p_last int, p_now timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  return exists (
    select
      from unnest(p_kinds) as kind
     cross join lateral kizu.levels(kind, 0, p_last) as level
     cross join lateral (
             select run_at
               from public.jobs
              where status = 'pending'
                and not suspect
                and job_type = kind
                and priority = level
              order by run_at
              limit 1
           ) as first
     where first.run_at <= p_now
  );
end;
$$;

-- What a worker may claim, with regard to jobs that have lost a worker before, any of which may kill the next:
-- `empty`, it holds nothing and takes such a job first, and alone; `alone`, it runs one and takes nothing;
-- `free`, it takes others; `make_room`, it takes nothing so that it will be empty. The last is for where all
-- workers are always busy: once such a job has waited for a minute, and for ten minutes of every hour.
--
-- Whatever lease has run out is no company any more. A worker has room for all kinds that it announced, since it is
-- to be empty in all its lanes.
create function kizu.company(p_worker text, p_kinds text[], p_user uuid, p_now timestamptz)
returns text
language plpgsql
set search_path = ''
as $$
declare
  c_wait  constant int := 60;
  c_room  constant int := 600;
  c_again constant int := 3600;
  v_held  boolean;
  v_kinds text[];
  v_waits float8;
begin
  select bool_or(case when p_user is null then suspect else crashes > 0 end)
    into v_held
    from public.jobs
   where worker_id = p_worker
     and claim_id is not null
     and lease_expires_at >= p_now
     and claimed_by is not distinct from p_user; -- names are free: a user's worker may have this one's

  if v_held is null then
    return 'empty';
  elsif v_held then
    return 'alone';
  elsif p_user is not null then
    return 'free';
  end if;

  select array(select jsonb_object_keys(info -> 'kinds'))
    into v_kinds
    from public.workers
   where worker_id = p_worker
     and owner is null
     and jsonb_typeof(info -> 'kinds') = 'object';
  select max(extract(epoch from p_now - suspect.since))
    into v_waits
    from public.job_kinds as known
   cross join lateral (
           select greatest(run_at, picked_up_at) as since
             from public.jobs
            where status = 'pending'
              and suspect
              and job_type = known.kind
              and run_at <= p_now
            order by priority, run_at
            limit 1
         ) as suspect
   where known.kind = any (p_kinds || v_kinds);

  return case
           when v_waits >= c_wait and (v_waits - c_wait)::int % c_again < c_room then 'make_room'
           else 'free'
         end;
end;
$$;

-- When the next pending job of these kinds is due, overdue ones included, but those that wait to run alone not
-- before p_suspects; null when none is pending.
create function kizu.next_due(p_kinds text[], p_user uuid, p_suspects timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  v_kind     text;
  v_priority smallint;
  v_next     timestamptz;
  v_first    timestamptz;
begin
  foreach v_kind in array p_kinds loop
    for v_priority in select level from kizu.levels(v_kind, 0, 1000) as level loop
      if p_user is null then
        select run_at
          into v_first
          from public.jobs
         where status = 'pending'
           and not suspect
           and job_type = v_kind
           and priority = v_priority
         order by run_at
         limit 1;
      else
        select run_at
          into v_first
          from public.jobs
         where status = 'pending'
           and not suspect
           and job_type = v_kind
           and priority = v_priority
           and (user_id, run_at) >= (p_user, '-infinity')
           and (user_id, run_at) <= (p_user, 'infinity')
           and crashes = 0
         order by user_id, run_at
         limit 1;
      end if;
      v_next := least(v_next, v_first);
    end loop;

    continue when p_user is not null;
    select run_at
      into v_first
      from public.jobs
     where status = 'pending'
       and suspect
       and job_type = v_kind
     order by priority, run_at
     limit 1;
    v_next := least(v_next, greatest(v_first, case when v_first is not null then p_suspects end));
  end loop;
  return v_next;
end;
$$;

-- What a claim holds, as its worker is told; a job has a claim_id only while it is processing. Where the
-- asset's file lies comes along, because a worker with the narrow role reads no table.
create function kizu.jobs_under_claim(p_worker text, p_claim_id uuid, p_scope uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return (
    select coalesce(
             jsonb_agg(
               jsonb_build_object(
                 'table',        job_table.relname,
                 'id',           job.id,
                 'kind',         job.job_type,
                 'user_id',      job.user_id,
                 'asset_id',     job.asset_id,
                 'asset',        jsonb_build_object('path', asset.path, 'web_uri', asset.web_uri),
                 'params',       job.params,
                 'attempt',      job.attempts,
                 'max_attempts', job.max_attempts,
                 'epoch',        job.lease_epoch,
                 'crashes',      job.crashes
               )
               order by job.priority, job.run_at, job.id
             ),
             '[]'
           )
      from public.jobs as job
      join pg_catalog.pg_class as job_table on job_table.oid = job.tableoid
      left join lateral (
             select path, web_uri
               from public.assets
              where id = job.asset_id
                and user_id = job.user_id
             offset 0  -- planned by itself: by its id
           ) as asset on true
     where job.worker_id = p_worker
       and job.claim_id = p_claim_id
       and (p_scope is null or job.user_id = p_scope)
  );
end;
$$;

-- Takes up to p_limit (at most 100) due jobs of p_kinds for p_lease_seconds (1 to 3600), by level or by turn as said
-- above, after putting back a bounded number of jobs whose workers were lost.
--
-- Answers {"jobs": […], "next_due_seconds": n, "rescued": n}: the jobs this claim holds, how long until
-- more is due (0: now, null: nothing pending), and how many were put back. The same p_claim_id again
-- answers with the jobs it still holds and takes no others, so that a lost answer loses nothing.
-- A signed-in user gets only their own jobs. A job that has lost a worker is answered alone, and only to a worker
-- that holds no other.
create function public.claim_jobs(
  p_worker        text,
  p_kinds         text[],
  p_limit         int,
  p_lease_seconds int,
  p_claim_id      uuid default gen_random_uuid()
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set enable_sort = off
set enable_incremental_sort = off
as $$
declare
  c_turns      constant int := 100;  -- from this level on users take turns
  c_last       constant int := 1000;
  c_look_again constant interval := '1 second';
  c_most_kinds constant int := 1000;
  c_most_held  constant int := 500; -- by the workers of a user, of which claims of all others read every one
  v_scope    constant uuid := kizu.caller_scope();
  v_now      constant timestamptz := kizu.now();
  v_lease    constant interval := make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 1), 3600));
  v_kinds    constant text[] := array(select kind from public.job_kinds where kind = any (p_kinds));
  v_wanted   int := least(greatest(coalesce(p_limit, 0), 0), 100);
  v_rescued  int := 0;
  v_company  text;
  v_turned   boolean := false;
  v_priority smallint := -1;
  v_kind     text;
  v_chosen   kizu.job_ref[] := '{}';
  v_jobs     jsonb;
  v_next_due timestamptz;
begin
  if p_worker is null or p_worker = '' or p_kinds is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'p_worker and p_kinds are required';
  elsif length(p_worker) > 200 or cardinality(p_kinds) > c_most_kinds then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('expected a p_worker of at most 200 characters and at most %s kinds', c_most_kinds);
  end if;

  -- The same claim sent twice, the second time before the first has answered, waits here for the first.
  perform pg_advisory_xact_lock(hashtextextended(p_claim_id::text, 0));
  -- And claims of one worker's lanes wait for each other: what runs alone is alone in the whole worker.
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'claims of', v_scope, p_worker), 0));

  v_jobs := kizu.jobs_under_claim(p_worker, p_claim_id, v_scope);

  if v_jobs = '[]' then
    v_rescued := kizu.rescue(v_kinds, v_scope, 100);

    if v_scope is not null then
      v_wanted := least(v_wanted, c_most_held - (
        select sum(running.jobs)
          from public.job_kinds
         cross join lateral (
                 select count(*) as jobs
                   from public.jobs
                  where status = 'processing'
                    and job_type = job_kinds.kind
                    and user_id = v_scope
               ) as running
      ));
    end if;
    v_company := kizu.company(p_worker, v_kinds, v_scope, v_now);
    -- Not before somebody who is waiting for an answer, who has to wait for no more than one of them.
    if v_company = 'empty' and v_wanted > 0 and not kizu.somebody_waits(v_kinds, c_turns - 1, v_now) then
      v_chosen := array(select pick from kizu.pick_suspect(v_kinds, v_scope, v_now) as pick);
    end if;
    if v_company in ('alone', 'make_room') or v_chosen <> '{}' then
      v_wanted := 0;
    end if;

    while v_wanted > cardinality(v_chosen) loop
      select min(next.priority)
        into v_priority
        from unnest(v_kinds) as kind
       cross join lateral (
               select priority
                 from public.jobs
                where status = 'pending'
                  and not suspect
                  and job_type = kind
                  and priority > v_priority
                order by priority
                limit 1
             ) as next;
      exit when v_priority is null;

      if v_scope is null and v_priority < c_turns then
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_by_turn(v_kinds, v_priority, v_priority, v_wanted - cardinality(v_chosen), v_now) as pick
        );
      elsif v_scope is null and not v_turned then
        v_turned := true;
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_by_turn(v_kinds, c_turns, c_last, v_wanted - cardinality(v_chosen), v_now) as pick
        );
      end if;

      foreach v_kind in array v_kinds loop
        exit when cardinality(v_chosen) >= v_wanted;
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_in_line(v_kind, v_priority, v_scope, v_wanted - cardinality(v_chosen), v_now, v_chosen)
              as pick
        );
      end loop;
    end loop;

    if cardinality(v_chosen) > 0 then
      update public.jobs as job
         set status = 'processing',
             attempts = job.attempts + 1,
             lease_epoch = 1 + case job.lease_epoch
                                 -- A job may have the id of one that was deleted: its epochs are spent.
                                 when 0 then (select coalesce(max(epoch), 0) from public.runs where job_id = job.id)
                                 else job.lease_epoch
                               end,
             lease_expires_at = v_now + v_lease,
             claim_id = p_claim_id,
             worker_id = p_worker,
             claimed_by = v_scope,
             picked_up_at = v_now,
             progress = 0,
             current_step = null,
             error_code = null,
             error_message = null
        from unnest(v_chosen) as chosen
       where job.tableoid = chosen.job_table
         and job.id = chosen.id
         and job.id = any (array(select id from unnest(v_chosen)));

      v_jobs := kizu.jobs_under_claim(p_worker, p_claim_id, v_scope);
    end if;
  end if;

  v_next_due := kizu.next_due(v_kinds, v_scope, v_now + c_look_again);
  if v_wanted <= 0 and v_next_due is not null then
    v_next_due := greatest(v_next_due, v_now + c_look_again);
  end if;

  return jsonb_build_object(
    'jobs',             v_jobs,
    'next_due_seconds', case
                          when v_next_due <= v_now then 0
                          else extract(epoch from v_next_due - v_now)
                        end,
    'rescued',          v_rescued
  );
end;
$$;

select kizu.keep_internal('kizu.waiting_users(text, smallint, int)');
select kizu.keep_internal('kizu.levels(text, int, int)');
select kizu.keep_internal('kizu.pick_by_turn(text[], int, int, int, timestamptz)');
select kizu.keep_internal('kizu.pick_in_line(text, smallint, uuid, int, timestamptz, kizu.job_ref[])');
select kizu.keep_internal('kizu.pick_suspect(text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.somebody_waits(text[], int, timestamptz)');
select kizu.keep_internal('kizu.company(text, text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.next_due(text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.jobs_under_claim(text, uuid, uuid)');

select kizu.pin_plans('public.claim_jobs(text, text[], int, int, uuid)');

select kizu.let_call('public.claim_jobs(text, text[], int, int, uuid)',
                     'authenticated', 'kizu_worker', 'service_role');
