-- Whose job is next: fair between users, and first things first.
--
-- Below level 100 somebody is waiting for an answer: those jobs go by level, whosever they are. From there on users
-- take turns: the one with the fewest running jobs of the kinds asked for goes first, then the one who was served
-- least recently, then chance; a level orders the jobs of one user. So neither 20,000 waiting jobs of somebody nor
-- their level delay another user's single job, not even on a worker with one slot.
--
-- The cost does not grow with the backlog: users are walked by a loose index scan (one index descent
-- each, at most 64 for a kind and level, from a random user on), and each brings only the head of their line.

-- When the oldest job of a line with this floor (kizu.floors) is due, or was taken; null when there is none.
create function kizu.oldest_in_line(p_kind text, p_priority int, p_floor timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
begin
  if p_priority < 0 then
    return (
      select picked_up_at
        from public.jobs
       where status = 'processing'
         and job_type = p_kind
         and picked_up_at >= p_floor
       order by picked_up_at
       limit 1
    );
  end if;
  return (
    select run_at
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and priority = p_priority
       and run_at >= p_floor
     order by run_at
     limit 1
  );
end;
$$;

-- Up to p_limit users who have pending jobs of one kind and priority, from a random one on, around the circle.
create function kizu.waiting_users(p_kind text, p_priority smallint, p_floor timestamptz, p_limit int)
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
    -- Compared as a pair, so that only the index by priority and user gives this order. Jobs below the floor are
    -- passed over within the index, which knows run_at.
    select priority, user_id
      into v_priority, v_user
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and (priority, user_id) > (p_priority, v_user)
       and priority <= p_priority
       and run_at >= p_floor
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

-- Locks and answers up to p_limit due jobs of the levels from p_first to p_last, by turn. May answer fewer than are
-- due: when others hold the candidates at this very moment, or when the 64 users it looked at have nothing due.
-- What a user's own workers run does not count against them.
create function kizu.pick_by_turn(p_kinds text[], p_first int, p_last int, p_limit int, p_now timestamptz)
returns setof kizu.job_ref
language plpgsql
set search_path = ''
as $$
declare
  c_most constant int := 32; -- running jobs of a user and a kind that are told apart from more
begin
  return query
  with
  kinds as materialized (
    select kind, kizu.floor_of(kind, -1) as taken_since
      from unnest(p_kinds) as kind
  ),
  lines as materialized (
    select kind, line.level, line.floor, waiting.user_id
      from unnest(p_kinds) as kind
     cross join lateral kizu.levels(kind, p_first, p_last) as line
     cross join lateral kizu.waiting_users(kind, line.level, line.floor, 64) as waiting (user_id)
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
               from kinds
              cross join lateral (
                      select count(*) as jobs
                        from (select
                                from public.jobs
                               where status = 'processing'
                                 and job_type = kind
                                 and (user_id, picked_up_at) >= (waiting.user_id, taken_since)
                                 and (user_id, picked_up_at) <= (waiting.user_id, 'infinity')
                                 and claimed_by is null
                               order by user_id, picked_up_at -- only the index of what a user runs gives this order
                               limit c_most) as told
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
                and (user_id, run_at) >= (lines.user_id, lines.floor)
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
declare
  v_floor constant timestamptz := kizu.floor_of(p_kind, p_priority);
begin
  if p_user is null then
    return query
    select tableoid::regclass, id
      from public.jobs
     where status = 'pending'
       and not suspect
       and job_type = p_kind
       and priority = p_priority
       and run_at >= v_floor
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
       and (user_id, run_at) >= (p_user, v_floor)
       and (user_id, run_at) <= (p_user, p_now)
       and crashes = 0 -- others by pick_suspect
     order by user_id, run_at, id
     limit p_limit
       for update skip locked;
  end if;
end;
$$;

select kizu.keep_internal('kizu.oldest_in_line(text, int, timestamptz)');
select kizu.keep_internal('kizu.waiting_users(text, smallint, timestamptz, int)');
select kizu.keep_internal('kizu.pick_by_turn(text[], int, int, int, timestamptz)');
select kizu.keep_internal('kizu.pick_in_line(text, smallint, uuid, int, timestamptz, kizu.job_ref[])');
