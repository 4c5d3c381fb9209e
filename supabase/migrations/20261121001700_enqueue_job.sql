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

-- Adds a job and answers {"id", "status": "enqueued"}. While the same request is pending or running,
-- answers with that job and "already_queued". Once it has ended for this asset, answers "already_done" or
-- "already_failed" (retry_jobs puts that one back), unless p_force asks for a new job.
--
-- A signed-in user asks for their own assets only, never before the kind's own priority, and later only
-- by full hundreds, because every level in use is one that claims have to look at.
-- Raises PT400 `unknown_job_type` or `bad_params` (the detail says which and what was expected), and
-- PT404 `not_found` for an asset that is not there or not theirs.
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
  c_largest_params constant int := 32768;
  v_scope    constant uuid := kizu.caller_scope();
  v_params   jsonb := coalesce(nullif(p_params, 'null'), '{}');
  v_priority int;
  v_kind     public.job_kinds;
  v_user     uuid;
  v_owner    uuid;
  v_key      text;
  v_id       uuid;
  v_ended    text;
  v_run_at   constant timestamptz := least(
    greatest(coalesce(p_run_at, kizu.now()), kizu.now() - case when kizu.caller_scope() is null
                                                               then interval '1 year'
                                                               else interval '0' end),
    kizu.now() + interval '1 year');
begin
  select * into v_kind from public.job_kinds where kind = p_kind;
  if not found then
    raise sqlstate 'PT400' using message = 'unknown_job_type', detail = format('there is no kind %L', p_kind);
  end if;

  if jsonb_typeof(v_params) <> 'object' then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'params: expected an object';
  end if;
  if octet_length(v_params::text) > c_largest_params then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('params: expected at most %s bytes', c_largest_params);
  end if;

  -- Every worker that claims the job has to read them.
  if jsonb_path_exists(v_params, 'strict $.**{17 to last}')
     or jsonb_path_exists(v_params, '$.** ? (@.type() == "number" && (@ > 1e15 || @ < -1e15))') then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'params: expected at most 16 levels, and numbers up to 1e15';
  end if;

  v_user := coalesce(v_scope, p_user_id);
  if p_asset_id is not null then
    select user_id into v_owner from public.assets where id = p_asset_id;
    if v_owner is null or v_owner <> coalesce(v_user, v_owner) then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such asset';
    end if;
    v_user := v_owner;
  elsif v_kind.needs_asset then
    raise sqlstate 'PT400' using message = 'bad_params', detail = format('asset_id: %s needs an asset', p_kind);
  elsif v_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'user_id: expected the user the job is for';
  end if;

  v_priority := coalesce(p_priority, v_kind.priority);
  if v_scope is not null and v_priority <> v_kind.priority then
    v_priority := greatest(v_kind.priority, ceil(v_priority / 100.0) * 100);
  end if;
  v_priority := least(greatest(v_priority, 0), 1000);

  v_params := v_kind.default_params || v_params;
  v_key    := kizu.dedupe_key(p_kind, coalesce(p_asset_id, v_user), v_params);

  if p_asset_id is not null and not coalesce(p_force, false) then
    select id, case status when 'completed' then 'already_done' else 'already_failed' end
      into v_id, v_ended
      from public.jobs
     where asset_id = p_asset_id
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

  -- The twin may end between our insert and our look at it; then the insert succeeds the second time.
  loop
    execute format(
      'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, run_at, dedupe_key)'
      ' values ($1, $2, $3, $4, $5, $6, $7, $8)'
      ' on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing'
      ' returning id',
      kizu.job_table(v_kind.table_name)
    )
    into v_id
    using v_user, p_asset_id, p_kind, v_params, v_priority, v_kind.max_attempts, v_run_at, v_key;

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', 'enqueued');
    end if;

    select id
      into v_id
      from public.jobs
     where dedupe_key = v_key
       and status in ('pending', 'processing');

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', 'already_queued');
    end if;
  end loop;
end;
$$;

revoke execute on function kizu.dedupe_key(text, uuid, jsonb) from public, anon, authenticated, service_role;

select kizu.pin_plans('public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)');

revoke execute on function public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)
  from public, anon;
grant execute on function public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)
  to authenticated, service_role;
