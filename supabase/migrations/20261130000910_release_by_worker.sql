-- Giving back what a worker holds reads what it holds and no more. The jobs were asked for in the order of their ids, to
-- be locked in it; for a planner that takes the table for an empty one, and had seen held jobs there before, that order
-- was cheapest to have by walking over the ids of all jobs. They are found by their worker first, and by their ids then.

-- Says that p_worker was cut short in the life to which p_claim_id belongs, and answers how many jobs it held: their
-- leases are over now. Claims of one life share the first half of their ids. To tell of a life is to have made
-- up that half, so a worker of the same name elsewhere is not meant.
create or replace function public.lose_claims(p_worker text, p_claim_id uuid)
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
     where id = any (array(
             select id
               from public.jobs
              where worker_id = p_worker
                and claim_id between v_first and v_last
           ))
       and worker_id = p_worker
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
create or replace function public.release_jobs(p_worker text)
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
       where id = any (array(
               select id
                 from public.jobs
                where worker_id = p_worker
                  and claim_id is not null
             ))
         and worker_id = p_worker
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

select kizu.pin_plans('public.release_jobs(text)');
select kizu.pin_plans('public.lose_claims(text, uuid)');
