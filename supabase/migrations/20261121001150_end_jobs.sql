-- The end of an attempt, written once: whatever ends it, the job's row and the ledger's line change together.

-- How one job ends. `outcome` is the ledger's word, null for a job that no worker had begun; `run` is what the
-- worker noted, as in settle_jobs.
create type kizu.ending as (
  job_table oid,
  id        uuid,
  outcome   text,
  status    text,
  code      text,
  message   text,
  run_at    timestamptz, -- null: as before
  result    jsonb,
  run       jsonb
);

-- Ends one job that the caller has locked, and answers its line in the ledger if a worker had begun it.
create function kizu.end_job(p_ending kizu.ending, p_now timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_run constant jsonb := coalesce(nullif(p_ending.run, 'null'), '{}');
  v_job public.jobs;
  v_run_id uuid;
begin
  update public.jobs as job
     set status = p_ending.status,
         attempts = job.attempts - (p_ending.outcome is not distinct from 'released')::int,
         crashes = case p_ending.outcome
                     when 'worker_lost' then job.crashes + 1
                     else 0 -- an orderly answer: whatever killed its worker was another job
                   end,
         -- What its user's own worker made of it must not slow the workers of all.
         suspect = p_ending.outcome is not distinct from 'worker_lost' and job.claimed_by is null,
         run_at = coalesce(p_ending.run_at, job.run_at),
         lease_expires_at = null,
         claim_id = null,
         progress = case p_ending.status when 'completed' then 100 else job.progress end,
         current_step = case p_ending.status when 'completed' then 'completed' else job.current_step end,
         error_code = p_ending.code,
         error_message = p_ending.message,
         errors = case
                    when p_ending.code is null or p_ending.outcome = 'released' then job.errors
                    else kizu.with_error(job.errors, jsonb_build_object(
                           'at',      p_now,
                           'attempt', job.attempts,
                           'epoch',   job.lease_epoch,
                           'worker',  job.worker_id,
                           'code',    p_ending.code,
                           'message', p_ending.message
                         ))
                  end,
         result = case p_ending.outcome when 'done' then p_ending.result else job.result end,
         cancel_requested_at = case p_ending.status
                                 when 'cancelled' then coalesce(job.cancel_requested_at, p_now)
                                 else job.cancel_requested_at
                               end,
         completed_at = case when p_ending.status <> 'pending' then p_now end
   where job.tableoid = p_ending.job_table
     and job.id = p_ending.id
  returning job.*
    into v_job;

  if p_ending.outcome is null then
    return null;
  end if;
  if p_ending.status = 'failed' and v_job.asset_id is not null then
    perform kizu.miss_facts_of(v_job);
  end if;
  insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, params, worker_id,
                           handler, handler_version, models, timings, counts,
                           outcome, error_code, error_message, started_at, finished_at)
  values (v_job.id,
          (select relname from pg_catalog.pg_class where oid = p_ending.job_table),
          v_job.lease_epoch,
          v_job.attempts + (p_ending.outcome = 'released')::int,
          v_job.user_id,
          v_job.asset_id,
          v_job.job_type,
          v_job.params,
          v_job.worker_id,
          v_run ->> 'handler',
          v_run ->> 'handler_version',
          coalesce(v_run -> 'models', '[]'),
          coalesce(v_run -> 'timings', '{}'),
          coalesce(v_run -> 'counts', '{}'),
          p_ending.outcome,
          p_ending.code,
          p_ending.message,
          least(p_now, coalesce(p_now - make_interval(secs => (v_run ->> 'started_seconds_ago')::float8),
                                v_job.picked_up_at)),
          p_now)
  returning id into v_run_id;
  return v_run_id;
end;
$$;

-- Ends jobs that the caller has locked, and answers how many of them a worker had begun.
create function kizu.end_jobs(p_endings kizu.ending[], p_now timestamptz)
returns int
language plpgsql
set search_path = ''
as $$
declare
  v_ending kizu.ending;
  v_begun  int := 0;
begin
  foreach v_ending in array p_endings loop
    if kizu.end_job(v_ending, p_now) is not null then
      v_begun := v_begun + 1;
    end if;
  end loop;
  return v_begun;
end;
$$;

select kizu.keep_internal('kizu.end_job(kizu.ending, timestamptz)');
select kizu.keep_internal('kizu.end_jobs(kizu.ending[], timestamptz)');
