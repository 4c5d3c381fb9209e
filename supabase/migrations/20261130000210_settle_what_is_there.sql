-- What a worker found is written only if it was found in the bytes that the asset's file is now, and the ledger says
-- which these were.

-- Ends one job that the caller has locked, and answers its line in the ledger if a worker had begun it.
create or replace function kizu.end_job(p_ending kizu.ending, p_now timestamptz)
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
                           outcome, error_code, error_message, started_at, finished_at, content)
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
          p_now,
          kizu.content_of(v_run ->> 'content'))
  returning id into v_run_id;
  return v_run_id;
end;
$$;

-- In how many seconds a job that looked at p_seen (null: nobody says) may be claimed again, because that is not what
-- its asset's file is now; null if it is, or there is no telling.
--
-- Where nobody says, the job has looked at the old bytes if it was claimed before they gave way. A worker may be sent
-- bytes that have long given way, by a cache between it and Storage, and what it is told of them may, on the way, have
-- become something that Storage never said: so one that was claimed after the change is believed in the end.
create function kizu.put_off(p_job public.jobs, p_seen text)
returns float8
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most    constant int := 7;  -- 2 minutes in all; caches of hosted projects are told of a change within one
  c_longest constant float8 := 300;
  v_content text;
  v_since   timestamptz;
  v_before  int;
begin
  select content, since into v_content, v_since from kizu.contents where asset_id = p_job.asset_id;
  if v_content is null or p_seen = v_content or (p_seen is null and p_job.picked_up_at >= v_since) then
    return null;
  end if;
  v_before := (select count(*) from public.runs where job_id = p_job.id and error_code = 'source_changed');
  if p_job.picked_up_at >= v_since and v_before >= c_most then
    return null;
  end if;
  return least(2 ^ least(v_before, 10) - 1, c_longest);
end;
$$;

-- Settles one item of settle_jobs and answers its line; raises when its writes break a rule.
--
-- What was found in bytes that are no longer the asset's is not written: the job goes back, costs no attempt and is
-- `source_changed` in the ledger. The first time it may be claimed at once; each time after, later, up to 5 minutes.
create or replace function kizu.settle(p_worker text, p_scope uuid, p_item jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_processing    constant text := 'processing';
  c_longest_delay   constant int := 7 * 24 * 60 * 60;
  c_longest_code    constant int := 100;
  c_longest_message constant int := 2000;
  c_largest_result  constant int := 4 * 1024 * 1024;
  c_largest_run     constant int := 64 * 1024;
  v_table   constant regclass := kizu.job_table(p_item ->> 'table');
  v_id      constant uuid := (p_item ->> 'id')::uuid;
  v_epoch   constant bigint := (p_item ->> 'epoch')::bigint;
  v_given   constant jsonb := coalesce(p_item -> 'outcome', '{}');
  v_attempt constant jsonb := kizu.attempt(p_item);
  v_job     public.jobs;
  v_said    jsonb := v_given;
  v_outcome text := v_given ->> 'kind';
  v_delay   float8;
  v_put_off float8;
  v_code    text;
  v_message text;
  v_status  text;
  v_run_id  uuid;
  v_earlier text;
begin
  select *
    into v_job
    from public.jobs
   where tableoid = v_table
     and id = v_id
     and status = c_processing
     and worker_id = p_worker
     and lease_epoch = v_epoch
     and (p_scope is null or user_id = p_scope)
     for update;

  if not found then
    select outcome
      into v_earlier
      from public.runs
     where job_id = v_id
       and epoch = v_epoch
       and job_table = p_item ->> 'table'
       and worker_id = p_worker
       and outcome <> 'worker_lost'
       and (outcome <> 'released' or v_outcome = 'released') -- given back meanwhile: this result is lost
       and (p_scope is null or user_id = p_scope);
    if found then
      return v_attempt || jsonb_build_object('answer', 'repeated', 'status', kizu.status_after(v_earlier));
    end if;
    return v_attempt || '{"answer": "lost", "status": null}';
  end if;

  if v_outcome is null or v_outcome not in ('done', 'retry', 'failed', 'released', 'cancelled') then
    raise exception 'a job does not end as %', coalesce(v_outcome, 'nothing');
  end if;
  if v_job.asset_id is not null and v_outcome in ('done', 'retry', 'failed') then
    perform kizu.notice(v_job.asset_id);
    v_put_off := kizu.put_off(v_job, kizu.content_of(p_item -> 'run' ->> 'content'));
    if v_put_off is not null then
      v_outcome := 'released';
      v_said := jsonb_build_object('kind', v_outcome, 'code', 'source_changed', 'delay_seconds', v_put_off,
                                   'message', 'The file has changed since this attempt read it');
    end if;
  end if;
  v_delay := least(greatest(coalesce((v_said ->> 'delay_seconds')::float8, 0), 0), c_longest_delay);
  if v_outcome in ('retry', 'released') and v_job.cancel_requested_at is not null then
    v_outcome := 'cancelled';
  elsif v_outcome = 'retry' and v_job.attempts >= v_job.max_attempts then
    v_outcome := 'failed';
  end if;
  if v_said ->> 'kind' in ('retry', 'failed') or (v_outcome = 'released' and v_said ? 'code') then
    v_code    := left(coalesce(v_said ->> 'code', 'error'), c_longest_code);
    v_message := left(v_said ->> 'message', c_longest_message);
  end if;
  if pg_column_size(v_said -> 'result') > c_largest_result then
    raise exception 'result: expected at most % bytes', c_largest_result;
  elsif pg_column_size(p_item -> 'run') > c_largest_run then
    raise exception 'run: expected at most % bytes', c_largest_run;
  end if;
  v_status := kizu.status_after(v_outcome);

  v_run_id := kizu.end_job(row(
    v_table,
    v_id,
    v_outcome,
    v_status,
    v_code,
    v_message,
    case
      when v_outcome = 'retry' or (v_outcome = 'released' and v_delay > 0)
      then p_now + make_interval(secs => v_delay)
    end,
    v_said -> 'result',
    p_item -> 'run'
  )::kizu.ending, p_now);

  if v_put_off is null then
    perform kizu.apply_write(write, v_job.user_id, v_job.asset_id, v_run_id)
       from jsonb_array_elements(coalesce(nullif(p_item -> 'writes', 'null'), '[]')) as write;
  end if;

  if v_outcome = 'done' and coalesce(nullif(p_item -> 'next', 'null'), '[]') <> '[]' then
    perform kizu.ask(p_item -> 'next', v_job);
  end if;

  return v_attempt || jsonb_build_object('answer', 'settled', 'status', v_status);
end;
$$;

select kizu.keep_internal('kizu.put_off(public.jobs, text)');
