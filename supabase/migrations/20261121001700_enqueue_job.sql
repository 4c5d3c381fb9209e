-- Asking for work: asked again, the same request is the same job; and only for one's own assets.

-- One kind, about one asset (or, where there is none, for one user), with the same params: with this key
-- enqueue_job and the upload trigger agree on what is the same request.
create function kizu.dedupe_key(p_kind text, p_subject uuid, p_params jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return concat_ws(':', p_kind, p_subject, md5(p_params::text));
end;
$$;

-- What is asked for: one job of a kind, about an asset or for a user.
create type kizu.request as (
  kind     text,
  asset_id uuid,
  params   jsonb,
  priority smallint,
  run_at   timestamptz,
  user_id  uuid,
  force    boolean,
  dedupe   text
);

-- The kind, if p_request is in order; the params it gets are bounded, as every worker that claims the job reads
-- them. Raises PT400 `unknown_job_type` or `bad_params`.
create function kizu.kind_of(p_request kizu.request)
returns public.job_kinds
language plpgsql
stable
set search_path = ''
as $$
declare
  c_largest_params constant int := 32768;
  v_kind public.job_kinds;
begin
  select * into v_kind from public.job_kinds where kind = p_request.kind;
  if not found then
    raise sqlstate 'PT400'
      using message = 'unknown_job_type', detail = format('there is no kind %L', p_request.kind);
  end if;

  if jsonb_typeof(p_request.params) <> 'object' then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'params: expected an object';
  end if;
  if octet_length(p_request.params::text) > c_largest_params then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('params: expected at most %s bytes', c_largest_params);
  end if;
  if jsonb_path_exists(p_request.params, 'strict $.**{17 to last}')
     or jsonb_path_exists(p_request.params, '$.** ? (@.type() == "number" && (@ > 1e15 || @ < -1e15))') then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'params: expected at most 16 levels, and numbers up to 1e15';
  end if;
  return v_kind;
end;
$$;

-- Whose job it will be: the asset's owner, else p_scope, else the user that the service names.
-- Raises PT404 `not_found` for an asset that is not there or not p_scope's, PT400 `bad_params` without a user.
create function kizu.user_of(p_request kizu.request, p_kind public.job_kinds, p_scope uuid)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  v_user  constant uuid := coalesce(p_scope, p_request.user_id);
  v_owner uuid;
begin
  if p_request.asset_id is not null then
    select user_id into v_owner from public.assets where id = p_request.asset_id;
    if v_owner is null or v_owner <> coalesce(v_user, v_owner) then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such asset';
    end if;
    return v_owner;
  elsif p_kind.needs_asset then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('asset_id: %s needs an asset', p_kind.kind);
  elsif v_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'user_id: expected the user the job is for';
  end if;
  return v_user;
end;
$$;

-- Moves a pending job forward to p_run_at and p_priority, where it was to wait for longer: asked for again, it is
-- wanted sooner than it was put off to, be that by a schedule or by a failure.
create function kizu.hurry(p_id uuid, p_run_at timestamptz, p_priority int)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_pending constant text := 'pending';
begin
  update public.jobs
     set run_at = least(run_at, p_run_at),
         priority = least(priority, p_priority)
   where id = p_id
     and status = c_pending
     and (run_at > p_run_at or priority > p_priority);
end;
$$;

-- Adds a job as enqueue_job does, for a caller that p_scope confines to one user (null: to nobody).
create function kizu.enqueue(p_request kizu.request, p_scope uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_kind     constant public.job_kinds := kizu.kind_of(p_request);
  v_user     constant uuid := kizu.user_of(p_request, v_kind, p_scope);
  v_params   constant jsonb := v_kind.default_params || p_request.params;
  v_subject  constant uuid := coalesce(p_request.asset_id, v_user);
  v_earliest constant timestamptz := kizu.now() - case when p_scope is null then interval '1 year'
                                                       else interval '0' end;
  v_run_at   constant timestamptz :=
    least(greatest(coalesce(p_request.run_at, kizu.now()), v_earliest), kizu.now() + interval '1 year');
  v_family   constant text := concat_ws(':', v_kind.kind, v_subject, 'as', md5(p_request.dedupe)) || ':';
  v_key      constant text := case
                                when p_request.dedupe is null then kizu.dedupe_key(v_kind.kind, v_subject, v_params)
                                else v_family || gen_random_uuid()
                              end;
  v_priority int := coalesce(p_request.priority, v_kind.priority);
  v_id       uuid;
  v_ended    text;
begin
  if p_scope is not null and v_priority <> v_kind.priority then
    v_priority := greatest(v_kind.priority, ceil(v_priority / 100.0) * 100);
  end if;
  v_priority := least(greatest(v_priority, 0), 1000);

  if p_request.asset_id is not null and not coalesce(p_request.force, false) then
    select id, case status when 'completed' then 'already_done' else 'already_failed' end
      into v_id, v_ended
      from public.jobs
     where asset_id = p_request.asset_id
       and status in ('completed', 'failed')
       and dedupe_key = v_key
       and not exists (
             select from public.jobs
              where dedupe_key = v_key
                and status in ('pending', 'processing')
           )
     order by completed_at desc
     limit 1;

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', v_ended);
    end if;
  end if;

  -- A twin that has begun may have looked before there was what this request is about, and one that a claim holds
  -- is about to begin: the lock waits for that claim. Two callers do not pass here at once: kizu.lock_asked.
  if p_request.dedupe is not null then
    select id
      into v_id
      from public.jobs
     where dedupe_key >= v_family
       and dedupe_key < rtrim(v_family, ':') || ';'
       and status = 'pending'
     limit 1
       for share;
    if v_id is not null then
      perform kizu.hurry(v_id, v_run_at, v_priority);
      return jsonb_build_object('id', v_id, 'status', 'already_queued');
    end if;
  end if;

  -- The twin may end between our insert and our look at it; then the insert succeeds the second time.
  loop
    begin
      execute format(
        'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, run_at, dedupe_key)'
        ' values ($1, $2, $3, $4, $5, $6, $7, $8)'
        ' on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing'
        ' returning id',
        kizu.job_table(v_kind.table_name)
      )
      into v_id
      using v_user, p_request.asset_id, v_kind.kind, v_params, v_priority, v_kind.max_attempts, v_run_at, v_key;
    exception
      when foreign_key_violation then -- it was there a moment ago
        raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such asset, or user';
    end;

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', 'enqueued');
    end if;

    select id
      into v_id
      from public.jobs
     where dedupe_key = v_key
       and status in ('pending', 'processing');

    if v_id is not null then
      perform kizu.hurry(v_id, v_run_at, v_priority);
      return jsonb_build_object('id', v_id, 'status', 'already_queued');
    end if;
  end loop;
end;
$$;

-- Adds a job and answers {"id", "status": "enqueued"}. While the same request is pending or running,
-- answers with that job and "already_queued"; a pending one is moved forward if it was to wait for longer. Once it has ended for this asset, answers "already_done" or
-- "already_failed" (retry_jobs puts that one back), unless p_force asks for a new job.
--
-- A signed-in user asks for their own assets only, never before the kind's own priority, and later only
-- by full hundreds, because every level in use is one that claims have to look at.
-- Raises PT400 `unknown_job_type` or `bad_params` (the detail says which and what was expected), and
-- PT404 `not_found` for an asset that is not there or not theirs, and PT429 `too_many_jobs` for a new job of a user
-- who has as many pending as kizu.check_quota allows.
create function public.enqueue_job(
  p_kind     text,
  p_asset_id uuid default null,
  p_params   jsonb default '{}',
  p_priority smallint default null,
  p_run_at   timestamptz default null,
  p_user_id  uuid default null,
  p_force    boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_answer constant jsonb := kizu.enqueue(
    row(p_kind, p_asset_id, coalesce(nullif(p_params, 'null'), '{}'), p_priority, p_run_at, p_user_id, p_force,
        null)::kizu.request,
    v_scope
  );
begin
  if v_scope is not null and v_answer ->> 'status' = 'enqueued' then
    perform kizu.check_quota(v_scope, 1);
  end if;
  return v_answer;
end;
$$;

-- Enqueues what a job that is done asks for: p_next as in settle_jobs, for the job's user and within what
-- that user could ask for. Without an `asset_id` it is about the job's asset, with null about none.
--
-- Asked again, it is done again, but no request waits twice: the same params, or, where given, the same
-- `dedupe` (at most 100 characters) is one request. A job that has begun no longer counts for the latter, since
-- what it is asked to look at may be newer; so one more waits behind it, and two only where a job that had begun
-- was put back.
create function kizu.ask(p_next jsonb, p_job public.jobs)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_most           constant int := 100;
  c_longest_dedupe constant int := 100;
  v_ask    jsonb;
  v_detail text;
begin
  if jsonb_typeof(p_next) <> 'array' or jsonb_array_length(p_next) > c_most then
    raise exception 'next: expected a list of at most % jobs', c_most;
  end if;
  for v_ask in select * from jsonb_array_elements(p_next)
  loop
    if length(v_ask ->> 'dedupe') > c_longest_dedupe then
      raise exception 'next: dedupe has more than % characters', c_longest_dedupe;
    end if;
    begin
      perform kizu.enqueue(
        row(v_ask ->> 'kind',
            case when v_ask ? 'asset_id' then (v_ask ->> 'asset_id')::uuid else p_job.asset_id end,
            coalesce(nullif(v_ask -> 'params', 'null'), '{}'),
            null,
            kizu.now() + make_interval(secs => coalesce((v_ask ->> 'delay_seconds')::float8, 0)),
            null,
            true,
            v_ask ->> 'dedupe')::kizu.request,
        p_job.user_id
      );
      if p_job.claimed_by is not null then -- what a user's own worker asks for, the user asks for
        perform kizu.check_quota(p_job.user_id, 1);
      end if;
    exception
      when sqlstate 'PT400' or sqlstate 'PT404' or sqlstate 'PT429' then
        get stacked diagnostics v_detail = pg_exception_detail;
        raise exception 'next: %', v_detail;
    end;
  end loop;
end;
$$;

select kizu.keep_internal('kizu.dedupe_key(text, uuid, jsonb)');
select kizu.keep_internal('kizu.kind_of(kizu.request)');
select kizu.keep_internal('kizu.user_of(kizu.request, public.job_kinds, uuid)');
select kizu.keep_internal('kizu.hurry(uuid, timestamptz, int)');
select kizu.keep_internal('kizu.enqueue(kizu.request, uuid)');
select kizu.keep_internal('kizu.ask(jsonb, public.jobs)');

select kizu.pin_plans('public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)');

select kizu.let_call('public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)',
                     'authenticated', 'service_role');
