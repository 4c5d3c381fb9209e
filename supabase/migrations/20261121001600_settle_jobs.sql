-- Ending work: the fence, the results, the outcome and the ledger's line in one transaction, so that a
-- job is done exactly when its rows are there, and a worker that lost its lease changes nothing.

-- Rows and scopes cannot say whose they are: these columns are the job's, whatever was sent.
create function kizu.forced_columns(p_target public.result_tables)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_target.owner
           when 'asset' then array['user_id', 'asset_id', 'run_id']
           else array['user_id', 'run_id']
         end;
end;
$$;

-- p_keys, each once and in order. Raises for one that is no registered column.
create function kizu.written_columns(p_target public.result_tables, p_keys text[])
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_given   constant text[] := array(select distinct key from unnest(p_keys) as key order by key);
  v_unknown text;
begin
  select min(key) into v_unknown from unnest(v_given) as key where key <> all (p_target.columns);
  if v_unknown is not null then
    raise exception 'jobs do not write %.%', p_target.table_name, v_unknown;
  end if;
  return v_given;
end;
$$;

-- Inserts rows of the job's user (and asset), and below each the rows of its `children`. With p_replacing, a
-- row takes the place of the one with the same keys. p_scope holds columns that all rows share.
create function kizu.insert_rows(p_target public.result_tables, p_rows jsonb, p_scope jsonb,
                                 p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_children constant text := 'children';
  v_own     constant text[] := kizu.forced_columns(p_target);
  v_columns text[] := kizu.written_columns(p_target, array(
    select key
      from jsonb_array_elements(p_rows) as row
     cross join jsonb_object_keys(row) as key
     where key <> all (v_own || array[c_children, coalesce(p_target.parent_column, '')])
     union
    select jsonb_object_keys(p_scope)
  ));
  v_rows  jsonb := p_rows;
  v_child public.result_tables;
  v_wrong text;
begin
  if p_target.parent_column is not null then
    v_columns := v_columns || p_target.parent_column::text;
  end if;

  select min(name)
    into v_wrong
    from jsonb_array_elements(v_rows) as row
   cross join jsonb_object_keys(coalesce(row -> c_children, '{}')) as name
   where not exists (select from public.result_tables where table_name = name and parent = p_target.table_name);
  if v_wrong is not null then
    raise exception 'rows of % have no children in %', p_target.table_name, v_wrong;
  end if;

  -- Children need their parents' ids before anything is inserted.
  if exists (select from public.result_tables where parent = p_target.table_name) then
    v_columns := v_columns || 'id'::text;
    v_rows := (select coalesce(jsonb_agg(row || jsonb_build_object('id', gen_random_uuid())), '[]')
                 from jsonb_array_elements(v_rows) as row);
  end if;

  execute format(
    'insert into public.%1$I (%2$s) select %3$s'
    '  from jsonb_array_elements($1) as item'
    ' cross join lateral jsonb_populate_record(null::public.%1$I, item || $5) as row %4$s',
    p_target.table_name,
    (select string_agg(format('%I', name), ', ') from unnest(v_own || v_columns) as name),
    concat_ws(', ', '$2', case when 'asset_id' = any (v_own) then '$3' end, '$4',
              (select string_agg(format('row.%I', name), ', ') from unnest(v_columns) as name)),
    case when p_target.mode = 'upsert' then format(
      'on conflict (asset_id, %s) do update set %s',
      (select string_agg(format('%I', name), ', ') from unnest(p_target.key_columns) as name),
      (select string_agg(format('%1$I = excluded.%1$I', name), ', ')
         from unnest(p_target.columns || array['run_id']) as name
        where name <> all (p_target.key_columns))
    ) end
  )
  using v_rows, p_user, p_asset, p_run, p_scope;

  for v_child in
    select * from public.result_tables where parent = p_target.table_name order by table_name
  loop
    perform kizu.insert_rows(v_child, children, '{}', p_user, p_asset, p_run)
       from (select jsonb_agg(child || jsonb_build_object(v_child.parent_column, parent ->> 'id')) as children
               from jsonb_array_elements(v_rows) as parent
              cross join jsonb_array_elements(parent -> c_children -> v_child.table_name) as child) as found
      where children is not null;
  end loop;
end;
$$;

-- Puts rows in place of those of the job's asset, or user, that match the scope.
create function kizu.replace_rows(p_target public.result_tables, p_write jsonb,
                                  p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_scope constant jsonb := coalesce(p_write -> 'scope', '{}') - kizu.forced_columns(p_target);
  v_rows  constant jsonb := coalesce(p_write -> 'rows', '[]');
  v_wrong text;
begin
  select min(key)
    into v_wrong
    from jsonb_object_keys(v_scope) as key
   where key <> all (p_target.scope_columns);
  if v_wrong is not null then
    raise exception 'jobs do not write %.%', p_target.table_name, v_wrong;
  end if;

  execute format(
    'delete from public.%1$I as t using jsonb_populate_record(null::public.%1$I, $1) as scope'
    ' where t.user_id = $2 %2$s %3$s',
    p_target.table_name,
    case p_target.owner when 'asset' then 'and t.asset_id is not distinct from $3' end,
    (select string_agg(format('and t.%1$I is not distinct from scope.%1$I', key), ' ')
       from jsonb_object_keys(v_scope) as key)
  )
  using v_scope, p_user, p_asset;

  if jsonb_array_length(v_rows) > 0 then
    perform kizu.insert_rows(p_target, v_rows, v_scope, p_user, p_asset, p_run);
  end if;
end;
$$;

-- Changes columns of the row that is the job's asset.
create function kizu.update_asset(p_target public.result_tables, p_write jsonb, p_user uuid, p_asset uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_set     constant jsonb := coalesce(p_write -> 'set', '{}');
  v_fill    constant jsonb := coalesce(p_write -> 'fill', '{}');
  v_merge   constant jsonb := coalesce(p_write -> 'merge', '{}');
  v_columns constant text[] := array(select jsonb_object_keys(v_set || v_fill || v_merge) order by 1);
  v_wrong   text;
  v_touched bigint;
begin
  if kizu.written_columns(p_target, v_columns) = '{}' then
    return;
  end if;
  select min(key) into v_wrong from jsonb_each(v_merge) where jsonb_typeof(value) <> 'object';
  if v_wrong is not null then
    raise exception 'merge: expected an object for %', v_wrong;
  end if;

  execute format(
    'update public.%1$I as t set %2$s from jsonb_populate_record(null::public.%1$I, $1) as new'
    ' where t.id = $3 and t.user_id = $2',
    p_target.table_name,
    (select string_agg(
              case when v_merge ? key then format('%1$I = coalesce(t.%1$I, ''{}'') || new.%1$I', key)
                   when v_set ? key   then format('%1$I = new.%1$I', key)
                   else format('%1$I = coalesce(t.%1$I, new.%1$I)', key)
              end, ', ' order by key)
       from unnest(v_columns) as key)
  )
  using v_fill || v_set || v_merge, p_user, p_asset;

  get diagnostics v_touched = row_count;
  if v_touched = 0 then
    raise exception 'the job has no row in %', p_target.table_name;
  end if;
end;
$$;

-- Applies one write of a job, under the job's own user, asset and run whatever its rows say.
-- Raises when the table or a column is not registered, or when a row breaks a rule.
create function kizu.apply_write(p_write jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_rows   constant jsonb := coalesce(p_write -> 'rows', '[]');
  v_target public.result_tables;
begin
  select *
    into v_target
    from public.result_tables
   where table_name = p_write ->> 'table';
  if not found then
    raise exception 'results are not written to %', coalesce(p_write ->> 'table', 'a table without a name');
  elsif v_target.parent is not null then
    raise exception 'rows of % are written with those of %', v_target.table_name, v_target.parent;
  end if;

  if v_target.writer is not null then
    perform kizu.written_columns(v_target, array(
      select key
        from jsonb_array_elements(v_rows) as row
       cross join jsonb_object_keys(row) as key
       where key <> all (kizu.forced_columns(v_target))
    ));
    execute format('select kizu.%I($1, $2, $3, $4)', v_target.writer)
      using v_rows, p_user, p_asset, p_run;
  else
    case v_target.mode
      when 'replace' then perform kizu.replace_rows(v_target, p_write, p_user, p_asset, p_run);
      when 'upsert'  then perform kizu.insert_rows(v_target, v_rows, '{}', p_user, p_asset, p_run);
      when 'update'  then perform kizu.update_asset(v_target, p_write, p_user, p_asset);
    end case;
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
  c_longest_delay   constant int := 7 * 24 * 60 * 60;
  c_longest_code    constant int := 100;
  c_longest_message constant int := 2000;
  c_largest_result  constant int := 4 * 1024 * 1024;
  c_largest_run     constant int := 64 * 1024;
  v_table   constant regclass := kizu.job_table(p_item ->> 'table');
  v_id      constant uuid := (p_item ->> 'id')::uuid;
  v_epoch   constant bigint := (p_item ->> 'epoch')::bigint;
  v_said    constant jsonb := coalesce(p_item -> 'outcome', '{}');
  v_attempt constant jsonb := kizu.attempt(p_item);
  v_delay   constant float8 :=
    least(greatest(coalesce((v_said ->> 'delay_seconds')::float8, 0), 0), c_longest_delay);
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
      return v_attempt || jsonb_build_object('answer', 'repeated', 'status', kizu.status_after(v_earlier));
    end if;
    return v_attempt || '{"answer": "lost", "status": null}';
  end if;

  if v_outcome is null or v_outcome not in ('done', 'retry', 'failed', 'released', 'cancelled') then
    raise exception 'a job does not end as %', coalesce(v_outcome, 'nothing');
  end if;
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

  perform kizu.apply_write(write, v_job.user_id, v_job.asset_id, v_run_id)
     from jsonb_array_elements(coalesce(nullif(p_item -> 'writes', 'null'), '[]')) as write;

  if v_outcome = 'done' and coalesce(nullif(p_item -> 'next', 'null'), '[]') <> '[]' then
    perform kizu.ask(p_item -> 'next', v_job);
  end if;

  return v_attempt || jsonb_build_object('answer', 'settled', 'status', v_status);
end;
$$;

-- Locks the assets of the jobs about to be settled, in id order and before any job. Two batches that
-- touch the same assets then wait for each other instead of deadlocking, and so does the removal of an
-- asset, which takes its jobs with it.
create function kizu.lock_assets(p_worker text, p_scope uuid, p_settlements jsonb)
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
               and (p_scope is null or job.user_id = p_scope)
          ))
    order by asset.id
      for no key update;
end;
$$;

-- Locks what the settlements ask for, before any job and in one order for all callers: batches that ask for the
-- same jobs in different orders wait for each other instead of deadlocking, and kizu.enqueue sees every `dedupe`
-- that was asked for before.
create function kizu.lock_asked(p_worker text, p_scope uuid, p_settlements jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  v_ids constant uuid[] := array(select (item ->> 'id')::uuid from jsonb_array_elements(p_settlements) as item);
begin
  perform pg_advisory_xact_lock(key)
     from (select distinct hashtextextended(concat_ws(':', 'asked', job_kinds.kind, job.user_id), 0) as key
             from jsonb_array_elements(p_settlements) as item
             join public.jobs as job
               on job.id = (item ->> 'id')::uuid
              and job.id = any (v_ids)
              and job.lease_epoch = (item ->> 'epoch')::bigint
            cross join jsonb_array_elements(
                    case jsonb_typeof(item -> 'next') when 'array' then item -> 'next' else '[]' end
                  ) as ask
             join public.job_kinds on job_kinds.kind = ask ->> 'kind'
            where job.status = c_processing
              and job.worker_id = p_worker
              and (p_scope is null or job.user_id = p_scope)
            order by key) as keys;
end;
$$;

-- Ends jobs. p_settlements is [{table, id, epoch, outcome, writes, next, run}…], and each is all or
-- nothing: its rows are written, the job ends, the next are enqueued and the ledger gets its line, or nothing
-- of it happens.
--
--   outcome  {"kind": "done", "result": {…}}
--            {"kind": "retry", "code", "message", "delay_seconds"}   out of attempts: failed
--            {"kind": "failed", "code", "message"}
--            {"kind": "released", "code", "message", "delay_seconds"}
--                 costs no attempt and, without a delay, no place; the code says what was missing
--            {"kind": "cancelled"}
--   writes   [{"table", "scope": {…}, "rows": [{…, "children": {table: [{…}]}}]}
--             | {"table", "set": {…}, "fill": {…}, "merge": {…}}]
--   next     [{"kind", "asset_id", "params", "delay_seconds", "dedupe"}]    jobs to enqueue when this one is done
--   run      {"handler", "handler_version", "models", "timings", "counts", "started_seconds_ago"}
--
-- Answers [{table, id, epoch, answer, status, error}…] in id order: `settled`; `repeated`, with the status it got then;
-- `lost`, and nothing changed; or `refused`, with the rule that its writes broke, and it is still held.
-- Deadlocks, timeouts and the like fail the whole call, which may be sent again as it was.
create function public.settle_jobs(p_worker text, p_settlements jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_most    constant int := 1000;
  v_scope   constant uuid := kizu.caller_scope();
  v_now     constant timestamptz := kizu.now();
  v_item    jsonb;
  v_answer  jsonb;
  v_answers jsonb := '[]';
begin
  if jsonb_typeof(p_settlements) is distinct from 'array' or jsonb_array_length(p_settlements) > c_most then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('settlements: expected a list of at most %s', c_most);
  end if;

  perform kizu.lock_assets(p_worker, v_scope, p_settlements);
  if p_settlements @? '$[*].next[*]' then
    perform kizu.lock_asked(p_worker, v_scope, p_settlements);
  end if;

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
        or cardinality_violation -- one upsert names the same row twice
        or syntax_error_or_access_rule_violation
        or program_limit_exceeded
        or raise_exception
      then
        v_answer := kizu.attempt(v_item)
          || jsonb_build_object('answer', 'refused', 'status', 'processing', 'error', sqlerrm);
    end;
    v_answers := v_answers || v_answer;
  end loop;

  return v_answers;
end;
$$;

select kizu.pin_plans('public.settle_jobs(text, jsonb)');

select kizu.keep_internal('kizu.forced_columns(public.result_tables)');
select kizu.keep_internal('kizu.written_columns(public.result_tables, text[])');
select kizu.keep_internal('kizu.insert_rows(public.result_tables, jsonb, jsonb, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.replace_rows(public.result_tables, jsonb, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.update_asset(public.result_tables, jsonb, uuid, uuid)');
select kizu.keep_internal('kizu.apply_write(jsonb, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.settle(text, uuid, jsonb, timestamptz)');
select kizu.keep_internal('kizu.lock_assets(text, uuid, jsonb)');
select kizu.keep_internal('kizu.lock_asked(text, uuid, jsonb)');

select kizu.let_call('public.settle_jobs(text, jsonb)', 'authenticated', 'kizu_worker', 'service_role');
