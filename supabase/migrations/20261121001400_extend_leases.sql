-- Keeping work: one call for all jobs a worker runs. Leases and progress are in no index, so each row is
-- updated where it lies (HOT).

-- Keeps the leases of [{table, id, epoch, progress, step}…] for p_lease_seconds (1 to 3600) from now and
-- notes progress, which never goes back. Answers [{table, id, epoch, verdict}…] in the order asked: `kept`, `cancel`
-- (kept too, but somebody wants it stopped) or `lost` (another's, or ended; nothing changed).
create function public.extend_leases(p_worker text, p_lease_seconds int, p_jobs jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_processing   constant text := 'processing';
  c_longest_step constant int := 200;
  c_most_jobs    constant int := 1000;
  v_scope    constant uuid := kizu.caller_scope();
  v_until    constant timestamptz :=
    kizu.now() + make_interval(secs => least(greatest(coalesce(p_lease_seconds, 60), 1), 3600));
  v_verdicts jsonb;
begin
  if jsonb_typeof(p_jobs) is distinct from 'array' or jsonb_array_length(p_jobs) > c_most_jobs then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('jobs: expected a list of at most %s', c_most_jobs);
  end if;

  with
  asked as materialized (
    select place,
           item,
           kizu.job_table(item ->> 'table')::oid as job_table,
           (item ->> 'id')::uuid as id,
           (item ->> 'epoch')::bigint as epoch,
           least(greatest((item ->> 'progress')::numeric, 0), 100)::smallint as progress,
           left(item ->> 'step', c_longest_step) as step
      from jsonb_array_elements(p_jobs) with ordinality as t (item, place)
  ),
  held as materialized (
    select job.tableoid, job.id, asked.progress, asked.step
      from asked
      join public.jobs as job
        on job.tableoid = asked.job_table
       and job.id = asked.id
       and job.id = any (array(select id from asked))
     where job.status = c_processing
       and job.worker_id = p_worker
       and job.lease_epoch = asked.epoch
       and (v_scope is null or job.user_id = v_scope)
     order by job.id
       for update of job
  ),
  kept as (
    update public.jobs as job
       set lease_expires_at = v_until,
           progress = greatest(job.progress, held.progress),
           current_step = coalesce(held.step, job.current_step)
      from held
     where job.tableoid = held.tableoid
       and job.id = held.id
       and job.id = any (array(select id from held))
    returning job.tableoid as job_table, job.id, job.lease_epoch as epoch, job.cancel_requested_at
  )
  select coalesce(
           jsonb_agg(
             kizu.attempt(asked.item) || jsonb_build_object(
               'verdict', case
                            when kept.id is null                     then 'lost'
                            when kept.cancel_requested_at is not null then 'cancel'
                            else 'kept'
                          end
             )
             order by asked.place
           ),
           '[]'
         )
    into v_verdicts
    from asked
    left join kept
      on kept.job_table = asked.job_table
     and kept.id = asked.id
     and kept.epoch = asked.epoch;

  return v_verdicts;
end;
$$;

select kizu.pin_plans('public.extend_leases(text, int, jsonb)');

select kizu.let_call('public.extend_leases(text, int, jsonb)', 'authenticated', 'kizu_worker', 'service_role');
