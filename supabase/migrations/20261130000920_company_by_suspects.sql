-- Whether a worker runs a job alone is asked of the index of suspects, whatever the planner believes. Of tables and indexes
-- about which it had been told different things, it chose the index of all running jobs at times, and each claim read
-- every one of them.

-- What a worker may claim, with regard to jobs that have lost a worker before, any of which may kill the next:
-- `empty`, it holds nothing and takes such a job first, and alone; `alone`, it runs one and takes nothing;
-- `free`, it takes others, as there is no such job or it is not for this worker; `make_room`, it takes nothing so that
-- it will be empty. The last is for where all workers are always busy: once such a job has waited for a minute, and for
-- ten minutes of every hour.
--
-- Whatever lease has run out is no company any more. A worker has room for all kinds that it announced, since it is
-- to be empty in all its lanes.
create or replace function kizu.company(p_worker text, p_kinds text[], p_user uuid, p_now timestamptz)
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
  perform id
     from public.jobs
    where status = 'processing'
      and (suspect or crashes > 0)
      and worker_id = p_worker
      and (suspect or p_user is not null)
      and lease_expires_at >= p_now
      and claimed_by is not distinct from p_user -- names are free: a user's worker may have this one's
    order by job_type, priority, run_at -- only the index of suspects gives this order
    limit 1;
  if found then
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
