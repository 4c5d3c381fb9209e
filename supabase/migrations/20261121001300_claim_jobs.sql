-- Taking work: the worker that asks gets what is next, and nobody gets it twice.

-- When the next pending job of these kinds is due, overdue ones included, but those that wait to run alone not
-- before p_suspects; null when none is pending.
create function kizu.next_due(p_kinds text[], p_user uuid, p_suspects timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  v_kind  text;
  v_line  record;
  v_next  timestamptz;
  v_first timestamptz;
begin
  foreach v_kind in array p_kinds loop
    for v_line in select level, floor from kizu.levels(v_kind, 0, 1000) loop
      if p_user is null then
        v_first := kizu.oldest_in_line(v_kind, v_line.level, v_line.floor);
      else
        select run_at
          into v_first
          from public.jobs
         where status = 'pending'
           and not suspect
           and job_type = v_kind
           and priority = v_line.level
           and (user_id, run_at) >= (p_user, v_line.floor)
           and (user_id, run_at) <= (p_user, 'infinity')
           and crashes = 0
         order by user_id, run_at
         limit 1;
      end if;
      v_next := least(v_next, v_first);
    end loop;

    continue when p_user is not null;
    select run_at
      into v_first
      from public.jobs
     where status = 'pending'
       and suspect
       and job_type = v_kind
     order by priority, run_at
     limit 1;
    v_next := least(v_next, greatest(v_first, case when v_first is not null then p_suspects end));
  end loop;
  return v_next;
end;
$$;

-- What a claim holds, as its worker is told; a job has a claim_id only while it is processing. Where the
-- asset's file lies comes along, because a worker with the narrow role reads no table.
create function kizu.jobs_under_claim(p_worker text, p_claim_id uuid, p_scope uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return (
    select coalesce(
             jsonb_agg(
               jsonb_build_object(
                 'table',        job_table.relname,
                 'id',           job.id,
                 'kind',         job.job_type,
                 'user_id',      job.user_id,
                 'asset_id',     job.asset_id,
                 'asset',        jsonb_build_object('path', asset.path, 'web_uri', asset.web_uri),
                 'params',       job.params,
                 'attempt',      job.attempts,
                 'max_attempts', job.max_attempts,
                 'epoch',        job.lease_epoch,
                 'crashes',      job.crashes,
                 'priority',     job.priority
               )
               order by job.priority, job.run_at, job.id
             ),
             '[]'
           )
      from public.jobs as job
      join pg_catalog.pg_class as job_table on job_table.oid = job.tableoid
      left join lateral (
             select path, web_uri
               from public.assets
              where id = job.asset_id
                and user_id = job.user_id
             offset 0  -- planned by itself: by its id
           ) as asset on true
     where job.worker_id = p_worker
       and job.claim_id = p_claim_id
       and (p_scope is null or job.user_id = p_scope)
  );
end;
$$;

-- Makes the chosen jobs, which are locked, those of a claim until p_until. It keeps the rule of kizu.floors for all of
-- them at once: their trigger need not do so for each.
create function kizu.take(
  p_chosen   kizu.job_ref[],
  p_worker   text,
  p_claim_id uuid,
  p_scope    uuid,
  p_now      timestamptz,
  p_until    timestamptz
)
returns void
language plpgsql
set search_path = ''
set kizu.enters_lines = 'itself'
as $$
declare
  v_kinds text[];
begin
  with
  taken as (
    update public.jobs as job
       set status = 'processing',
           attempts = job.attempts + 1,
           lease_epoch = 1 + case job.lease_epoch
                               -- A job may have the id of one that was deleted: its epochs are spent.
                               when 0 then (select coalesce(max(epoch), 0) from public.runs where job_id = job.id)
                               else job.lease_epoch
                             end,
           lease_expires_at = p_until,
           claim_id = p_claim_id,
           worker_id = p_worker,
           claimed_by = p_scope,
           picked_up_at = p_now,
           progress = 0,
           current_step = null,
           error_code = null,
           error_message = null
      from unnest(p_chosen) as chosen
     where job.tableoid = chosen.job_table
       and job.id = chosen.id
       and job.id = any (array(select id from unnest(p_chosen)))
    returning job.job_type
  )
  select array_agg(distinct job_type) into v_kinds from taken;
  perform kizu.enter_line(kind, -1, p_now) from unnest(v_kinds) as kind;
end;
$$;

-- Takes up to p_limit (at most 100) due jobs of p_kinds for p_lease_seconds (1 to 3600), by level or by turn as said
-- above, after putting back a bounded number of jobs whose workers were lost.
--
-- Answers {"jobs": […], "next_due_seconds": n, "rescued": n}: the jobs this claim holds, how long until
-- more is due (0: now, null: nothing pending), and how many were put back. The same p_claim_id again
-- answers with the jobs it still holds and takes no others, so that a lost answer loses nothing.
-- A signed-in user gets only their own jobs. A job that has lost a worker is answered alone, and only to a worker
-- that holds no other.
create function public.claim_jobs(
  p_worker        text,
  p_kinds         text[],
  p_limit         int,
  p_lease_seconds int,
  p_claim_id      uuid default gen_random_uuid()
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set enable_sort = off
set enable_incremental_sort = off
as $$
declare
  c_turns      constant int := 100;  -- from this level on users take turns
  c_last       constant int := 1000;
  c_look_again constant interval := '1 second';
  c_raises     constant float8 := 0.125; -- of all claims
  c_most_kinds constant int := 1000;
  c_most_held  constant int := 500; -- by the workers of a user, of which claims of all others read every one
  v_scope    constant uuid := kizu.caller_scope();
  v_now      constant timestamptz := kizu.now();
  v_lease    constant interval := make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 1), 3600));
  v_kinds    constant text[] := array(select kind from public.job_kinds where kind = any (p_kinds));
  v_wanted   int := least(greatest(coalesce(p_limit, 0), 0), 100);
  v_rescued  int := 0;
  v_company  text;
  v_turned   boolean := false;
  v_priority smallint;
  v_kind     text;
  v_chosen   kizu.job_ref[] := '{}';
  v_jobs     jsonb;
  v_next_due timestamptz;
begin
  if p_worker is null or p_worker = '' or p_kinds is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'p_worker and p_kinds are required';
  elsif length(p_worker) > 200 or cardinality(p_kinds) > c_most_kinds then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('expected a p_worker of at most 200 characters and at most %s kinds', c_most_kinds);
  end if;

  -- The same claim sent twice, the second time before the first has answered, waits here for the first.
  perform pg_advisory_xact_lock(hashtextextended(p_claim_id::text, 0));
  -- And claims of one worker's lanes wait for each other: what runs alone is alone in the whole worker.
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'claims of', v_scope, p_worker), 0));

  v_jobs := kizu.jobs_under_claim(p_worker, p_claim_id, v_scope);

  if v_jobs = '[]' then
    v_rescued := kizu.rescue(kizu.some_expired(v_kinds, v_scope, v_now), v_kinds, v_scope, v_now);

    if v_scope is not null then
      v_wanted := least(v_wanted, c_most_held - (
        select sum(running.jobs)
          from public.job_kinds
         cross join lateral (select kizu.floor_of(kind, -1) as floor) as line
         cross join lateral (
                 select count(*) as jobs
                   from (select
                           from public.jobs
                          where status = 'processing'
                            and job_type = job_kinds.kind
                            and (user_id, picked_up_at) >= (v_scope, line.floor)
                            and (user_id, picked_up_at) <= (v_scope, 'infinity')
                          order by user_id, picked_up_at
                          limit c_most_held) as told
               ) as running
      ));
    end if;
    v_company := kizu.company(p_worker, v_kinds, v_scope, v_now);
    -- Not before somebody who is waiting for an answer, who has to wait for no more than one of them.
    if v_company = 'empty' and v_wanted > 0 and not kizu.somebody_waits(v_kinds, c_turns - 1, v_now) then
      v_chosen := array(select pick from kizu.pick_suspect(v_kinds, v_scope, v_now) as pick);
    end if;
    if v_company in ('alone', 'make_room') or v_chosen <> '{}' then
      v_wanted := 0;
    end if;

    for v_priority in
      select distinct line.level
        from unnest(v_kinds) as kind
       cross join lateral kizu.levels(kind, 0, c_last) as line
       order by line.level
    loop
      exit when cardinality(v_chosen) >= v_wanted;

      if v_scope is null and v_priority < c_turns then
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_by_turn(v_kinds, v_priority, v_priority, v_wanted - cardinality(v_chosen), v_now) as pick
        );
      elsif v_scope is null and not v_turned then
        v_turned := true;
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_by_turn(v_kinds, c_turns, c_last, v_wanted - cardinality(v_chosen), v_now) as pick
        );
      end if;

      foreach v_kind in array v_kinds loop
        exit when cardinality(v_chosen) >= v_wanted;
        v_chosen := v_chosen || array(
          select pick
            from kizu.pick_in_line(v_kind, v_priority, v_scope, v_wanted - cardinality(v_chosen), v_now, v_chosen)
              as pick
        );
      end loop;
    end loop;

    if cardinality(v_chosen) > 0 then
      perform kizu.take(v_chosen, p_worker, p_claim_id, v_scope, v_now, v_now + v_lease);
      v_jobs := kizu.jobs_under_claim(p_worker, p_claim_id, v_scope);
    end if;
  end if;

  v_next_due := kizu.next_due(v_kinds, v_scope, v_now + c_look_again);
  if v_wanted <= 0 and v_next_due is not null then
    v_next_due := greatest(v_next_due, v_now + c_look_again);
  end if;
  if random() < c_raises then
    perform kizu.raise_floors(v_kinds, v_now); -- last: from here on it only commits
  end if;

  return jsonb_build_object(
    'jobs',             v_jobs,
    'next_due_seconds', case
                          when v_next_due <= v_now then 0
                          else extract(epoch from v_next_due - v_now)
                        end,
    'rescued',          v_rescued
  );
end;
$$;

select kizu.keep_internal('kizu.next_due(text[], uuid, timestamptz)');
select kizu.keep_internal('kizu.jobs_under_claim(text, uuid, uuid)');
select kizu.keep_internal('kizu.take(kizu.job_ref[], text, uuid, uuid, timestamptz, timestamptz)');

select kizu.pin_plans('public.claim_jobs(text, text[], int, int, uuid)');

select kizu.let_call('public.claim_jobs(text, text[], int, int, uuid)',
                     'authenticated', 'kizu_worker', 'service_role');
