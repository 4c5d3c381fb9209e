-- How the queue is doing, in one look.

-- Answers [{kind, status, count, oldest_seconds}…] over the caller's jobs, oldest_seconds being how long
-- the oldest has been in that status; pending ones also say how many are due and how many wait for their
-- time, failed ones are told apart by error_code. Counts, so it costs a scan: for people, not for workers.
create function public.job_stats()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_scope constant uuid := kizu.caller_scope();
  v_now   constant timestamptz := kizu.now();
begin
  return (
    with
    counted as (
      select job_type as kind,
             status,
             case status when 'failed' then error_code end as error_code,
             count(*) as count,
             count(*) filter (where status = 'pending' and run_at <= v_now) as due,
             count(*) filter (where status = 'pending' and run_at > v_now) as waiting,
             min(case status
                   when 'pending'    then created_at
                   when 'processing' then picked_up_at
                   else completed_at
                 end) as since
        from public.jobs
       where v_scope is null or user_id = v_scope
       group by 1, 2, 3
    )
    select coalesce(
             jsonb_agg(
               jsonb_build_object(
                 'kind',           kind,
                 'status',         status,
                 'count',          count,
                 'oldest_seconds', round(extract(epoch from v_now - since), 3)
               )
               || case status
                    when 'pending' then jsonb_build_object('due', due, 'waiting', waiting)
                    when 'failed'  then jsonb_build_object('error_code', error_code)
                    else '{}'
                  end
               order by kind, status, error_code
             ),
             '[]'
           )
      from counted
  );
end;
$$;

select kizu.let_call('public.job_stats()', 'authenticated', 'service_role');
