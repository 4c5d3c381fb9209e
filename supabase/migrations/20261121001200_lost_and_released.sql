-- Giving work back: by a worker that ends, and for a worker that was lost.
--
-- A released job costs nothing. A lease that ran out counts as a crash. After the first the job is due again at
-- once, but runs alone (claim_jobs), so that a second is nobody else's; any orderly end clears it. After the third
-- in a row it fails as `worker_lost`, so that it cannot kill workers for ever.

-- The jobs of one kind whose lease has run out, longest first, of all of them or (p_user) of one user.
create function kizu.expired(p_kind text, p_user uuid, p_now timestamptz, p_limit int)
returns setof uuid
language plpgsql
set search_path = ''
as $$
declare
  v_floor constant timestamptz := kizu.floor_of(p_kind, -1);
begin
  return query
  with
  expired as materialized (
    select id, lease_expires_at
      from public.jobs
     where status = 'processing'
       and job_type = p_kind
       and picked_up_at >= v_floor
       and lease_expires_at < p_now
       and (p_user is null or user_id = p_user)
     order by job_type, picked_up_at -- only the index of jobs by how long they are held gives this order
  )
  select id from expired order by lease_expires_at limit p_limit;
end;
$$;

-- Some jobs of these kinds whose lease has run out: of the 200 of a kind that are held longest and, where more are
-- held, of 200 that were taken one after the other since a random time. So a claim looks at no more than 400 of a kind,
-- however many are held; rescue_jobs looks at all. Of one user's own (p_user) it looks at the 1,000 held longest.
create function kizu.some_expired(p_kinds text[], p_user uuid, p_now timestamptz)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  c_look     constant int := 200;
  c_look_own constant int := 1000;
  v_kind  text;
  v_since timestamptz;
  v_last  timestamptz;
  v_held  int;
  v_some  uuid[];
  v_found uuid[] := '{}';
begin
  foreach v_kind in array p_kinds loop
    v_since := kizu.floor_of(v_kind, -1);
    if p_user is null then
      select array_agg(id) filter (where lease_expires_at < p_now), count(*), max(picked_up_at)
        into v_some, v_held, v_last
        from (select id, lease_expires_at, picked_up_at
                from public.jobs
               where status = 'processing'
                 and job_type = v_kind
                 and picked_up_at >= v_since
               order by job_type, picked_up_at
               limit c_look) as longest;
      v_found := v_found || v_some;
      continue when v_held < c_look;
      v_since := v_last + random() * (p_now - v_last);
      select array_agg(id) filter (where lease_expires_at < p_now)
        into v_some
        from (select id, lease_expires_at
                from public.jobs
               where status = 'processing'
                 and job_type = v_kind
                 and picked_up_at >= v_since
               order by job_type, picked_up_at
               limit c_look) as others;
    else
      select array_agg(id) filter (where lease_expires_at < p_now)
        into v_some
        from (select id, lease_expires_at
                from public.jobs
               where status = 'processing'
                 and job_type = v_kind
                 and (user_id, picked_up_at) >= (p_user, v_since)
                 and (user_id, picked_up_at) <= (p_user, 'infinity')
               order by user_id, picked_up_at
               limit c_look_own) as own;
    end if;
    v_found := v_found || v_some;
  end loop;
  return array(select distinct id from unnest(v_found) as id limit 100);
end;
$$;

-- Puts back those of these jobs, of these kinds (null: any), whose lease has run out and answers how many.
create function kizu.rescue(p_found uuid[], p_kinds text[], p_scope uuid, p_now timestamptz)
returns int
language plpgsql
set search_path = ''
set enable_sort = off
set enable_incremental_sort = off
as $$
declare
  c_crashes_allowed constant int := 2;
  c_processing      constant text := 'processing';
  v_assets uuid[];
  v_lost   kizu.ending[];
begin
  if p_found = '{}' then
    return 0;
  end if;

  -- Assets before jobs, as settle_jobs locks them, since a job that fails shows on its asset.
  v_assets := array(
    select id
      from public.assets
     where id = any (array(select asset_id from public.jobs where id = any (p_found)))
     order by id
       for no key update skip locked
  );
  v_lost := array(
    with
    lost as materialized (
      select tableoid as job_table, jobs.*
        from public.jobs
       where id = any (p_found)
         and status = c_processing
         and lease_expires_at < p_now
         and (p_kinds is null or job_type = any (p_kinds))
         and (p_scope is null or user_id = p_scope)
         and (asset_id is null or asset_id = any (v_assets))
         for update skip locked
    )
    select row(job_table,
               id,
               'worker_lost',
               status_now,
               'worker_lost',
               format('%s stopped extending its lease.', worker_id),
               case
                 when status_now = 'pending' and crashes > 0
                 then p_now + random() * make_interval(secs => 5 * 2 ^ crashes)
               end,
               null,
               null)::kizu.ending
      from lost
     cross join lateral (
             select case
                      when cancel_requested_at is not null then 'cancelled'
                      when crashes >= c_crashes_allowed    then 'failed'
                      else 'pending'
                    end as status_now
           ) as judged
  );
  return kizu.end_jobs(v_lost, p_now);
end;
$$;

-- Puts back up to p_limit jobs of any kind whose lease has run out, and answers how many. Workers do a
-- bounded part of this with every claim; a schedule may call it where no worker runs.
create function public.rescue_jobs(p_limit int default 100)
returns int
language plpgsql
security definer
set search_path = ''
set enable_sort = off
set enable_incremental_sort = off
as $$
declare
  c_most  constant int := 1000;
  v_scope constant uuid := kizu.caller_scope();
  v_now   constant timestamptz := kizu.now();
  v_limit constant int := least(greatest(coalesce(p_limit, 0), 0), c_most);
begin
  return kizu.rescue(
    array(
      select id
        from public.job_kinds
       cross join lateral kizu.expired(kind, v_scope, v_now, v_limit) as id
       limit v_limit
    ),
    null,
    v_scope,
    v_now
  );
end;
$$;

-- Says that p_worker was cut short in the life to which p_claim_id belongs, and answers how many jobs it held: their
-- leases are over now. Claims of one life share the first half of their ids. To tell of a life is to have made
-- up that half, so a worker of the same name elsewhere is not meant.
create function public.lose_claims(p_worker text, p_claim_id uuid)
returns int
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope constant uuid := kizu.caller_scope();
  v_life  constant text := left(p_claim_id::text, 18);
  v_first constant uuid := v_life || '-0000-000000000000';
  v_last  constant uuid := v_life || '-ffff-ffffffffffff';
  v_lost  int;
begin
  with
  held as materialized (
    select tableoid, id
      from public.jobs
     where worker_id = p_worker
       and claim_id between v_first and v_last
       and claimed_by is not distinct from v_scope
     order by id
       for update
  )
  update public.jobs as job
     set lease_expires_at = least(job.lease_expires_at, kizu.now() - interval '1 millisecond')
    from held
   where job.tableoid = held.tableoid
     and job.id = held.id
     and job.id = any (array(select id from held));

  get diagnostics v_lost = row_count;
  return v_lost;
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
  v_scope constant uuid := kizu.caller_scope();
  v_held  kizu.ending[];
begin
  v_held := array(
    with
    held as materialized (
      select tableoid as job_table, id, cancel_requested_at is null as goes_on
        from public.jobs
       where worker_id = p_worker
         and claim_id is not null
         and lease_expires_at >= kizu.now() -- what an earlier life of that name left behind is for rescue
         and claimed_by is not distinct from v_scope
       order by id
         for update
    )
    select row(job_table,
               id,
               case when goes_on then 'released' else 'cancelled' end,
               case when goes_on then 'pending'  else 'cancelled' end,
               null, null, null, null, null)::kizu.ending
      from held
  );
  return kizu.end_jobs(v_held, kizu.now());
end;
$$;

select kizu.pin_plans('public.rescue_jobs(int)');
select kizu.pin_plans('public.release_jobs(text)');
select kizu.pin_plans('public.lose_claims(text, uuid)');

select kizu.keep_internal('kizu.expired(text, uuid, timestamptz, int)');
select kizu.keep_internal('kizu.some_expired(text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.rescue(uuid[], text[], uuid, timestamptz)');

select kizu.let_call('public.rescue_jobs(int)', 'kizu_worker', 'service_role');

select kizu.let_call('public.lose_claims(text, uuid)', 'authenticated', 'kizu_worker', 'service_role');

select kizu.let_call('public.release_jobs(text)', 'authenticated', 'kizu_worker', 'service_role');
