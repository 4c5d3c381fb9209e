-- Jobs that have lost a worker: any of them may kill the next, so each runs alone until it has ended in good order.

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
              cross join lateral kizu.levels(kind, 0, 1000) as line
              cross join lateral (
                      select id, crashes
                        from public.jobs
                       where status = 'pending'
                         and not suspect
                         and job_type = kind
                         and priority = line.level
                         and (user_id, run_at) >= (p_user, line.floor)
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
     cross join lateral kizu.levels(kind, 0, p_last) as line
     where kizu.oldest_in_line(kind, line.level, line.floor) <= p_now
  );
end;
$$;

-- What a worker may claim, with regard to jobs that have lost a worker before, any of which may kill the next:
-- `empty`, it holds nothing and takes such a job first, and alone; `alone`, it runs one and takes nothing;
-- `free`, it takes others, as there is no such job or it is not for this worker; `make_room`, it takes nothing so that
-- it will be empty. The last is for where all workers are always busy: once such a job has waited for a minute, and for
-- ten minutes of every hour.
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
  c_most_held constant int := 1000;
  v_kinds text[];
  v_waits float8;
  v_holds boolean;
begin
  if exists (
    select
      from public.jobs
     where status = 'processing'
       and (suspect or crashes > 0)
       and worker_id = p_worker
       and (suspect or p_user is not null)
       and lease_expires_at >= p_now
       and claimed_by is not distinct from p_user -- names are free: a user's worker may have this one's
  ) then
    return 'alone';
  end if;

  if p_user is null then
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
    -- What a worker holds is worth a look only where something waits to run alone.
    if v_waits is null then
      return 'free';
    end if;
  end if;

  if p_user is null then
    v_holds := exists (
      select
        from public.jobs
       where worker_id = p_worker
         and claim_id is not null
         and lease_expires_at >= p_now
         and claimed_by is null
    );
  else
    -- By user, as that index knows since when: even under an old snapshot it is a short look.
    v_holds := exists (
      select
        from public.job_kinds as known
       cross join lateral (select kizu.floor_of(known.kind, -1) as taken_since) as line
       cross join lateral (
               select worker_id, lease_expires_at, claimed_by
                 from public.jobs
                where status = 'processing'
                  and job_type = known.kind
                  and (user_id, picked_up_at) >= (p_user, taken_since)
                  and (user_id, picked_up_at) <= (p_user, 'infinity')
                order by user_id, picked_up_at
                limit c_most_held
             ) as held
       where worker_id = p_worker
         and lease_expires_at >= p_now
         and claimed_by = p_user
    );
  end if;
  if not v_holds then
    return 'empty';
  end if;
  return case
           when v_waits >= c_wait and (v_waits - c_wait)::int % c_again < c_room then 'make_room'
           else 'free'
         end;
end;
$$;

select kizu.keep_internal('kizu.pick_suspect(text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.somebody_waits(text[], int, timestamptz)');
select kizu.keep_internal('kizu.company(text, text[], uuid, timestamptz)');
