-- Ending work: the fence, the results, the outcome and the ledger's line in one transaction, so that a
-- job is done exactly when its rows are there, and a worker that lost its lease changes nothing.

-- Applies one write of a job, under the job's own user, asset and run whatever its rows say.
-- Raises when the table or a column is not registered, or when a row breaks a rule.
create function kizu.apply_write(p_write jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_forced constant text[] := array['user_id', 'asset_id', 'run_id'];
  v_target  public.result_tables;
  v_given   text[];
  v_unknown text;
  v_scope   jsonb := coalesce(p_write -> 'scope', '{}') - c_forced;
  v_rows    jsonb := coalesce(p_write -> 'rows', '[]');
  v_set     jsonb := coalesce(p_write -> 'set', '{}');
  v_fill    jsonb := coalesce(p_write -> 'fill', '{}');
  v_merge   jsonb := coalesce(p_write -> 'merge', '{}');
  v_touched bigint;
begin
  select *
    into v_target
    from public.result_tables
   where table_name = p_write ->> 'table';
  if not found then
    raise exception 'results are not written to %', coalesce(p_write ->> 'table', 'a table without a name');
  end if;

  if v_target.mode = 'replace' then
    v_given := array(
      select distinct key
        from (select jsonb_object_keys(v_scope) as key
               union all
              select jsonb_object_keys(row) from jsonb_array_elements(v_rows) as row) as keys
       where key <> all (c_forced)
       order by key
    );
  else
    v_given := array(select jsonb_object_keys(v_set || v_fill || v_merge) order by 1);
  end if;

  select min(key) into v_unknown from unnest(v_given) as key where key <> all (v_target.columns);
  if v_unknown is null and v_target.mode = 'replace' then
    select min(key)
      into v_unknown
      from jsonb_object_keys(v_scope) as key
     where key <> all (v_target.scope_columns);
  end if;
  if v_unknown is not null then
    raise exception 'jobs do not write %.%', v_target.table_name, v_unknown;
  end if;

  if v_target.writer is not null then
    execute format('select kizu.%I($1, $2, $3, $4)', v_target.writer)
      using v_rows, p_user, p_asset, p_run;

  elsif v_target.mode = 'replace' then
    execute format(
      'delete from public.%I as t using jsonb_populate_record(null::public.%I, $1) as scope'
      ' where t.user_id = $2 and t.asset_id is not distinct from $3 %s',
      v_target.table_name,
      v_target.table_name,
      (select string_agg(format(' and t.%1$I is not distinct from scope.%1$I', key), '')
         from jsonb_object_keys(v_scope) as key)
    )
    using v_scope, p_user, p_asset;

    if jsonb_array_length(v_rows) > 0 then
      execute format(
        'insert into public.%I (user_id, asset_id, run_id%s)'
        ' select $2, $3, $4%s'
        '   from jsonb_array_elements($1) as item'
        '  cross join lateral jsonb_populate_record(null::public.%I, item || $5) as row',
        v_target.table_name,
        (select string_agg(format(', %I', key), '' order by key) from unnest(v_given) as key),
        (select string_agg(format(', row.%I', key), '' order by key) from unnest(v_given) as key),
        v_target.table_name
      )
      using v_rows, p_user, p_asset, p_run, v_scope;
    end if;

  elsif cardinality(v_given) > 0 then
    execute format(
      'update public.%I as t set %s from jsonb_populate_record(null::public.%I, $1) as new'
      ' where t.id = $3 and t.user_id = $2',
      v_target.table_name,
      (select string_agg(
                case when v_merge ? key then format('%1$I = coalesce(t.%1$I, ''{}'') || new.%1$I', key)
                     when v_set ? key   then format('%1$I = new.%1$I', key)
                     else format('%1$I = coalesce(t.%1$I, new.%1$I)', key)
                end, ', ' order by key)
         from unnest(v_given) as key),
      v_target.table_name
    )
    using v_fill || v_set || v_merge, p_user, p_asset;

    get diagnostics v_touched = row_count;
    if v_touched = 0 then
      raise exception 'the job has no row in %', v_target.table_name;
    end if;
  end if;
end;
$$;

-- Settles one item of settle_jobs and answers its line; raises when its writes break a rule.
create function kizu.settle(p_worker text, p_scope uuid, p_item jsonb, p_now timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_processing    constant text := 'processing';
  c_longest_delay constant int := 7 * 24 * 60 * 60;
  v_table   constant regclass := kizu.job_table(p_item ->> 'table');
  v_id      constant uuid := (p_item ->> 'id')::uuid;
  v_epoch   constant bigint := (p_item ->> 'epoch')::bigint;
  v_said    constant jsonb := coalesce(p_item -> 'outcome', '{}');
  v_run     constant jsonb := coalesce(nullif(p_item -> 'run', 'null'), '{}');
  v_job     public.jobs;
  v_outcome text := v_said ->> 'kind';
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
      return jsonb_build_object('id', v_id, 'answer', 'repeated', 'status', kizu.status_after(v_earlier));
    end if;
    return jsonb_build_object('id', v_id, 'answer', 'lost', 'status', null);
  end if;

  if v_outcome is null or v_outcome not in ('done', 'retry', 'failed', 'released', 'cancelled') then
    raise exception 'a job does not end as %', coalesce(v_outcome, 'nothing');
  end if;
  if v_outcome in ('retry', 'released') and v_job.cancel_requested_at is not null then
    v_outcome := 'cancelled';
  elsif v_outcome = 'retry' and v_job.attempts >= v_job.max_attempts then
    v_outcome := 'failed';
  end if;
  if v_said ->> 'kind' in ('retry', 'failed') then
    v_code    := coalesce(v_said ->> 'code', 'error');
    v_message := left(v_said ->> 'message', 2000);
  end if;
  v_status := kizu.status_after(v_outcome);

  insert into public.runs (job_id, job_table, epoch, attempt, user_id, asset_id, kind, params, worker_id,
                           handler, handler_version, models, timings, counts,
                           outcome, error_code, error_message, started_at, finished_at)
  values (v_id,
          p_item ->> 'table',
          v_epoch,
          v_job.attempts,
          v_job.user_id,
          v_job.asset_id,
          v_job.job_type,
          v_job.params,
          p_worker,
          v_run ->> 'handler',
          v_run ->> 'handler_version',
          coalesce(v_run -> 'models', '[]'),
          coalesce(v_run -> 'timings', '{}'),
          coalesce(v_run -> 'counts', '{}'),
          v_outcome,
          v_code,
          v_message,
          least(p_now, coalesce(p_now - make_interval(secs => (v_run ->> 'started_seconds_ago')::float8),
                                v_job.picked_up_at)),
          p_now)
  returning id into v_run_id;

  perform kizu.apply_write(write, v_job.user_id, v_job.asset_id, v_run_id)
     from jsonb_array_elements(coalesce(nullif(p_item -> 'writes', 'null'), '[]')) as write;

  update public.jobs as job
     set status = v_status,
         attempts = job.attempts - (v_outcome = 'released')::int,
         run_at = case
                    when v_outcome = 'retry'
                    then p_now + make_interval(secs => least(greatest(
                           coalesce((v_said ->> 'delay_seconds')::float8, 0), 0), c_longest_delay))
                    else job.run_at
                  end,
         lease_expires_at = null,
         claim_id = null,
         progress = case v_status when 'completed' then 100 else job.progress end,
         current_step = case v_status when 'completed' then 'completed' else job.current_step end,
         error_code = v_code,
         error_message = v_message,
         errors = case
                    when v_code is null then job.errors
                    else kizu.with_error(job.errors, jsonb_build_object(
                           'at',      p_now,
                           'attempt', job.attempts,
                           'epoch',   job.lease_epoch,
                           'worker',  job.worker_id,
                           'code',    v_code,
                           'message', v_message
                         ))
                  end,
         result = case v_outcome when 'done' then v_said -> 'result' else job.result end,
         completed_at = case when v_status <> 'pending' then p_now end
   where job.tableoid = v_table
     and job.id = v_id;

  return jsonb_build_object('id', v_id, 'answer', 'settled', 'status', v_status);
end;
$$;

-- Locks the assets of the jobs about to be settled, in id order and before any job. Two batches that
-- touch the same assets then wait for each other instead of deadlocking, and so does the removal of an
-- asset, which takes its jobs with it.
create function kizu.lock_assets(p_worker text, p_settlements jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  v_ids constant uuid[] := array(select (item ->> 'id')::uuid from jsonb_array_elements(p_settlements) as item);
begin
  perform asset.id
     from public.assets as asset
    where asset.id = any (array(
            select job.asset_id
              from jsonb_array_elements(p_settlements) as item
              join public.jobs as job
                on job.id = (item ->> 'id')::uuid
               and job.id = any (v_ids)
               and job.lease_epoch = (item ->> 'epoch')::bigint
             where job.status = c_processing
               and job.worker_id = p_worker
          ))
    order by asset.id
      for no key update;
end;
$$;

-- Ends jobs. p_settlements is [{table, id, epoch, outcome, writes, run}…], and each is all or nothing:
-- its rows are written, the job ends and the ledger gets its line, or nothing of it happens.
--
--   outcome  {"kind": "done", "result": {…}}
--            {"kind": "retry", "code", "message", "delay_seconds"}   out of attempts: failed
--            {"kind": "failed", "code", "message"}
--            {"kind": "released"}                                    costs no attempt
--            {"kind": "cancelled"}
--   writes   [{"table", "scope": {…}, "rows": [{…}]} | {"table", "set": {…}, "fill": {…}, "merge": {…}}]
--   run      {"handler", "handler_version", "models", "timings", "counts", "started_seconds_ago"}
--
-- Answers [{id, answer, status, error}…] in id order: `settled`; `repeated`, with the status it got then;
-- `lost`, and nothing changed; or `refused`, with the rule that its writes broke, and it is still held.
-- Deadlocks, timeouts and the like fail the whole call, which may be sent again as it was.
create function public.settle_jobs(p_worker text, p_settlements jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope   constant uuid := kizu.caller_scope();
  v_now     constant timestamptz := kizu.now();
  v_item    jsonb;
  v_answer  jsonb;
  v_answers jsonb := '[]';
begin
  perform kizu.lock_assets(p_worker, p_settlements);

  for v_item in
    select item
      from jsonb_array_elements(p_settlements) as item
     order by (item ->> 'id')::uuid
  loop
    begin
      v_answer := kizu.settle(p_worker, v_scope, v_item, v_now);
    exception
      when data_exception
        or integrity_constraint_violation
        or syntax_error_or_access_rule_violation
        or program_limit_exceeded
        or raise_exception
      then
        v_answer := jsonb_build_object(
          'id', v_item ->> 'id', 'answer', 'refused', 'status', 'processing', 'error', sqlerrm
        );
    end;
    v_answers := v_answers || v_answer;
  end loop;

  return v_answers;
end;
$$;

select kizu.pin_plans('public.settle_jobs(text, jsonb)');

revoke execute on function kizu.apply_write(jsonb, uuid, uuid, uuid)
  from public, anon, authenticated, service_role;
revoke execute on function kizu.settle(text, uuid, jsonb, timestamptz)
  from public, anon, authenticated, service_role;
revoke execute on function kizu.lock_assets(text, jsonb)
  from public, anon, authenticated, service_role;

revoke execute on function public.settle_jobs(text, jsonb) from public, anon;
grant execute on function public.settle_jobs(text, jsonb) to authenticated, kizu_worker, service_role;
