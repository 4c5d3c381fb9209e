-- Giving work back: by a worker that ends, and for a worker that was lost.
--
-- A released job costs nothing. A lease that ran out counts as a crash; the first is put down to the
-- machine and the job is due again at once, the third to the job, which then fails as `worker_lost`
-- so that it cannot kill workers for ever.

-- Puts back up to p_limit jobs of these kinds (null: any) whose lease has run out, and answers how many.
create function kizu.rescue(p_kinds text[], p_scope uuid, p_limit int)
returns int
language plpgsql
set search_path = ''
set enable_sort = off
set enable_incremental_sort = off
as $$
declare
  c_crashes_allowed constant int := 2;
  v_now     constant timestamptz := kizu.now();
  v_rescued int;
begin
  with
  lost as materialized (
    select tableoid as job_table,
           id,
           case
             when cancel_requested_at is not null then 'cancelled'
             when crashes >= c_crashes_allowed    then 'failed'
             else 'pending'
           end as status
      from public.jobs
     where status = 'processing'
       and lease_expires_at < v_now
       and (p_kinds is null or job_type = any (p_kinds))
       and (p_scope is null or user_id = p_scope)
     order by job_type, user_id  -- only the index of running jobs gives this order
     limit p_limit
       for update skip locked
  ),
  ended as (
    update public.jobs as job
       set status = lost.status,
           crashes = job.crashes + 1,
           run_at = case
                      when lost.status <> 'pending' or job.crashes = 0 then job.run_at
                      else v_now + random() * make_interval(secs => 5 * 2 ^ job.crashes)
                    end,
           lease_expires_at = null,
           claim_id = null,
           error_code = 'worker_lost',
           error_message = format('%s stopped extending its lease.', job.worker_id),
           errors = kizu.with_error(job.errors, jsonb_build_object(
                      'at',      v_now,
                      'attempt', job.attempts,
                      'epoch',   job.lease_epoch,
                      'worker',  job.worker_id,
                      'code',    'worker_lost',
                      'message', format('%s stopped extending its lease.', job.worker_id)
                    )),
           completed_at = case when lost.status <> 'pending' then v_now end
      from lost
     where job.tableoid = lost.job_table
       and job.id = lost.id
       and job.id = any (array(select id from lost))
    returning job.tableoid, job.*
  )
  insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, params, worker_id,
                           outcome, error_code, error_message, started_at, finished_at)
  select ended.id,
         job_table.relname,
         ended.lease_epoch,
         ended.attempts,
         ended.user_id,
         ended.asset_id,
         ended.job_type,
         ended.params,
         ended.worker_id,
         'worker_lost',
         ended.error_code,
         ended.error_message,
         ended.picked_up_at,
         v_now
    from ended
    join pg_catalog.pg_class as job_table on job_table.oid = ended.tableoid;

  get diagnostics v_rescued = row_count;
  return v_rescued;
end;
$$;

-- Puts back up to p_limit jobs of any kind whose lease has run out, and answers how many. Workers do a
-- bounded part of this with every claim; a schedule may call it where no worker runs.
create function public.rescue_jobs(p_limit int default 100)
returns int
language plpgsql
security definer
set search_path = ''
as $$
begin
  return kizu.rescue(null, kizu.caller_scope(), least(greatest(coalesce(p_limit, 0), 0), 1000));
end;
$$;

-- Gives back everything p_worker still holds, claims whose answer was lost included, and answers how
-- many jobs that were. The attempt does not count. A job that should be cancelled ends instead.
create function public.release_jobs(p_worker text)
returns int
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope    constant uuid := kizu.caller_scope();
  v_now      constant timestamptz := kizu.now();
  v_released int;
begin
  with
  held as materialized (
    select tableoid, id
      from public.jobs
     where worker_id = p_worker
       and claim_id is not null
       and (v_scope is null or user_id = v_scope)
     order by id
       for update
  ),
  ended as (
    update public.jobs as job
       set status = case when job.cancel_requested_at is null then 'pending' else 'cancelled' end,
           attempts = greatest(job.attempts - 1, 0),
           lease_expires_at = null,
           claim_id = null,
           completed_at = case when job.cancel_requested_at is not null then v_now end
      from held
     where job.tableoid = held.tableoid
       and job.id = held.id
       and job.id = any (array(select id from held))
    returning job.tableoid, job.*
  )
  insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, params, worker_id,
                           outcome, started_at, finished_at)
  select ended.id,
         job_table.relname,
         ended.lease_epoch,
         ended.attempts + 1,
         ended.user_id,
         ended.asset_id,
         ended.job_type,
         ended.params,
         ended.worker_id,
         case ended.status when 'pending' then 'released' else 'cancelled' end,
         ended.picked_up_at,
         v_now
    from ended
    join pg_catalog.pg_class as job_table on job_table.oid = ended.tableoid;

  get diagnostics v_released = row_count;
  return v_released;
end;
$$;

select kizu.pin_plans('public.rescue_jobs(int)');
select kizu.pin_plans('public.release_jobs(text)');

revoke execute on function kizu.rescue(text[], uuid, int) from public, anon, authenticated, service_role;

revoke execute on function public.rescue_jobs(int) from public, anon, authenticated;
grant execute on function public.rescue_jobs(int) to kizu_worker, service_role;

revoke execute on function public.release_jobs(text) from public, anon;
grant execute on function public.release_jobs(text) to authenticated, kizu_worker, service_role;
