-- What an operator, or an owner, does to jobs: stop one, put failed ones back, delete old ones.

-- Asks a job to stop. Answers `cancelled` (it will not run, or no longer does), `cancelling` (its worker
-- hears of it with the next extend_leases), `already_finished`, or `not_found` (also: not the caller's).
create function public.cancel_job(p_id uuid)
returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_active constant text[] := array['pending', 'processing'];
  v_scope  constant uuid := kizu.caller_scope();
  v_now    constant timestamptz := kizu.now();
  v_ended  kizu.ending[];
  v_status text;
begin
  -- An id may be in use in more than one job table; then all of them are meant.
  v_ended := array(
    with
    active as materialized (
      select tableoid, id, status
        from public.jobs
       where id = p_id
         and status = any (c_active)
         and (v_scope is null or user_id = v_scope)
         for update
    )
    select row(tableoid, id, null, 'cancelled', null, null, null, null, null)::kizu.ending
      from active
     where status = 'pending'
  );
  perform kizu.end_jobs(v_ended, v_now);

  update public.jobs
     set cancel_requested_at = coalesce(cancel_requested_at, v_now)
   where id = p_id
     and status = any (c_active)
     and (v_scope is null or user_id = v_scope);

  select status
    into v_status
    from public.jobs
   where id = p_id
     and (v_scope is null or user_id = v_scope);

  return case v_status
           when 'cancelled'  then 'cancelled'
           when 'processing' then 'cancelling'
           when 'completed'  then 'already_finished'
           when 'failed'     then 'already_finished'
           else 'not_found'
         end;
end;
$$;

-- Puts failed jobs back, or with p_dry_run only says which it would. The filter is an object with any of
-- ids, kinds, codes (lists), user_id and limit (at most 1,000, the default 100); the oldest go first.
-- Cancelled jobs are put back only when named in ids. A job whose twin is pending or running again, or
-- that is not the newest of its twins, stays where it is.
--
-- For a user whose quota they exceed, PT429 `too_many_jobs`, and all stay where they are.
--
-- Attempts and crashes start again; history and epoch stay. Answers {"dry_run", "ids", "count"}: those that were put
-- back, or would be.
create function public.retry_jobs(p_filter jsonb, p_dry_run boolean default true)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_most    constant int := 1000;
  v_scope   constant uuid := kizu.caller_scope();
  v_now     constant timestamptz := kizu.now();
  v_ids     uuid[];
  v_kinds   text[];
  v_codes   text[];
  v_user    uuid;
  v_limit   int;
  v_unknown text;
  v_chosen  kizu.job_ref[];
  v_job     kizu.job_ref;
  v_back    uuid[] := '{}';
begin
  if jsonb_typeof(p_filter) is distinct from 'object' then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'filter: expected an object';
  end if;
  select min(key)
    into v_unknown
    from jsonb_object_keys(p_filter) as key
   where key not in ('ids', 'kinds', 'codes', 'user_id', 'limit');
  if v_unknown is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = format('filter: there is no %L', v_unknown);
  end if;

  select min(key)
    into v_unknown
    from jsonb_each(p_filter) as given
   where key in ('ids', 'kinds', 'codes')
     and case jsonb_typeof(value) when 'array' then jsonb_array_length(value) > c_most else true end;
  if v_unknown is not null then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('filter: %s: expected a list of at most %s', v_unknown, c_most);
  end if;

  if p_filter ? 'ids' then
    v_ids := array(select jsonb_array_elements_text(p_filter -> 'ids')::uuid);
  end if;
  if p_filter ? 'kinds' then
    v_kinds := array(select jsonb_array_elements_text(p_filter -> 'kinds'));
  end if;
  if p_filter ? 'codes' then
    v_codes := array(select jsonb_array_elements_text(p_filter -> 'codes'));
  end if;
  v_user  := (p_filter ->> 'user_id')::uuid;
  v_limit := least(greatest(coalesce((p_filter ->> 'limit')::int, 100), 0), 1000);

  v_chosen := array(
    with
    candidates as materialized (
      select tableoid, id, completed_at, dedupe_key
        from public.jobs
       where (status = 'failed' or (status = 'cancelled' and v_ids is not null))
         and (v_ids is null or id = any (v_ids))
         and (v_kinds is null or job_type = any (v_kinds))
         and (v_codes is null or error_code = any (v_codes))
         and (v_user is null or user_id = v_user)
         and (v_scope is null or user_id = v_scope)
    ),
    newest as (
      select distinct on (coalesce(dedupe_key, id::text)) tableoid, id, completed_at
        from candidates
       where not exists (
               select from public.jobs as twin
                where twin.dedupe_key = candidates.dedupe_key
                  and twin.status in ('pending', 'processing')
             )
       order by coalesce(dedupe_key, id::text), completed_at desc, id
    )
    select (tableoid::regclass, id)::kizu.job_ref
      from newest
     order by completed_at, id
     limit v_limit
  );

  if p_dry_run then
    v_back := array(select id from unnest(v_chosen));
  else
    for v_job in select * from unnest(v_chosen) order by id
    loop
      begin
        update public.jobs
           set status = 'pending',
               attempts = 0,
               crashes = 0,
               run_at = v_now,
               progress = 0,
               current_step = null,
               error_code = null,
               error_message = null,
               result = null,
               cancel_requested_at = null,
               completed_at = null
         where tableoid = v_job.job_table
           and id = v_job.id
           and status in ('failed', 'cancelled');
        if found then
          v_back := v_back || v_job.id;
        end if;
      exception
        when unique_violation then
          null; -- its twin was enqueued meanwhile
      end;
    end loop;
  end if;

  if v_scope is not null and not p_dry_run and v_back <> '{}' then
    perform kizu.check_quota(v_scope, cardinality(v_back));
  end if;
  return jsonb_build_object('dry_run', p_dry_run, 'ids', to_jsonb(v_back), 'count', cardinality(v_back));
end;
$$;

-- Deletes up to p_limit (at most 10,000) jobs that were completed or cancelled longer ago than
-- p_older_than, with their events, and answers how many; call it until it answers 0. Failed jobs are the
-- dead letters and stay until somebody has looked. The ledger (runs) stays too.
create function public.prune_jobs(p_older_than interval, p_limit int default 1000)
returns int
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_before constant timestamptz := kizu.now() - p_older_than;
  v_pruned int;
begin
  with
  old as materialized (
    select tableoid, id
      from public.jobs
     where status in ('completed', 'cancelled')
       and completed_at < v_before
     order by completed_at
     limit least(greatest(coalesce(p_limit, 0), 0), 10000)
       for update skip locked
  )
  delete from public.jobs as job
   using old
   where job.tableoid = old.tableoid
     and job.id = old.id
     and job.id = any (array(select id from old));

  get diagnostics v_pruned = row_count;
  return v_pruned;
end;
$$;

select kizu.pin_plans('public.cancel_job(uuid)');

select kizu.let_call('public.cancel_job(uuid)', 'authenticated', 'service_role');

select kizu.let_call('public.retry_jobs(jsonb, boolean)', 'authenticated', 'service_role');

select kizu.let_call('public.prune_jobs(interval, int)', 'service_role');
