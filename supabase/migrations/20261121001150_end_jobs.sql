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

create type kizu.ended as (
  job_table oid,
  id        uuid,
  run_id    uuid
);

-- Ends jobs that the caller has locked, and answers each that a worker had begun with its line in the ledger.
create function kizu.end_jobs(p_endings kizu.ending[], p_now timestamptz)
returns setof kizu.ended
language plpgsql
set search_path = ''
as $$
begin
  return query
  with
  ended as (
    update public.jobs as job
       set status = ending.status,
           attempts = job.attempts - (ending.outcome is not distinct from 'released')::int,
           crashes = case ending.outcome
                       when 'worker_lost' then job.crashes + 1
                       else 0 -- an orderly answer: whatever killed its worker was another job
                     end,
           -- What its user's own worker made of it must not slow the workers of all.
           suspect = ending.outcome is not distinct from 'worker_lost' and job.claimed_by is null,
           run_at = coalesce(ending.run_at, job.run_at),
           lease_expires_at = null,
           claim_id = null,
           progress = case ending.status when 'completed' then 100 else job.progress end,
           current_step = case ending.status when 'completed' then 'completed' else job.current_step end,
           error_code = ending.code,
           error_message = ending.message,
           errors = case
                      when ending.code is null or ending.outcome = 'released' then job.errors
                      else kizu.with_error(job.errors, jsonb_build_object(
                             'at',      p_now,
                             'attempt', job.attempts,
                             'epoch',   job.lease_epoch,
                             'worker',  job.worker_id,
                             'code',    ending.code,
                             'message', ending.message
                           ))
                    end,
           result = case ending.outcome when 'done' then ending.result else job.result end,
           cancel_requested_at = case ending.status
                                   when 'cancelled' then coalesce(job.cancel_requested_at, p_now)
                                   else job.cancel_requested_at
                                 end,
           completed_at = case when ending.status <> 'pending' then p_now end
      from unnest(p_endings) as ending
     where job.tableoid = ending.job_table
       and job.id = ending.id
       and job.id = any (array(select id from unnest(p_endings)))
    returning job.tableoid as job_table, job.*, ending.outcome, coalesce(ending.run, '{}') as run
  ),
  noted as (
    insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, params, worker_id,
                             handler, handler_version, models, timings, counts,
                             outcome, error_code, error_message, started_at, finished_at)
    select ended.id,
           kept_in.relname,
           ended.lease_epoch,
           ended.attempts + (ended.outcome = 'released')::int,
           ended.user_id,
           ended.asset_id,
           ended.job_type,
           ended.params,
           ended.worker_id,
           ended.run ->> 'handler',
           ended.run ->> 'handler_version',
           coalesce(ended.run -> 'models', '[]'),
           coalesce(ended.run -> 'timings', '{}'),
           coalesce(ended.run -> 'counts', '{}'),
           ended.outcome,
           ended.error_code,
           ended.error_message,
           least(p_now, coalesce(p_now - make_interval(secs => (ended.run ->> 'started_seconds_ago')::float8),
                                 ended.picked_up_at)),
           p_now
      from ended
      join pg_catalog.pg_class as kept_in on kept_in.oid = ended.job_table
     where ended.outcome is not null
    returning runs.id as run_id, runs.job_id, runs.job_table, runs.epoch
  )
  select ended.job_table, ended.id, noted.run_id
    from ended
    join noted
      on noted.job_id = ended.id
     and noted.epoch = ended.lease_epoch
     and noted.job_table = (select relname from pg_catalog.pg_class where oid = ended.job_table);
end;
$$;

select kizu.keep_internal('kizu.end_jobs(kizu.ending[], timestamptz)');
