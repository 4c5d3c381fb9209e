-- every wish has a job that ended as it had to: completed, with rows, or failed with its code
select wish.asset_id
  from chaos.wishes as wish
 where not exists (
         select from chaos.jobs as job where job.asset_id = wish.asset_id and job.slot = wish.slot
       )
 union
select id
  from chaos.jobs
 where case expected
         when 'completed' then status <> 'completed'
         else status <> 'failed' or error_code is distinct from expected
       end
 union
select id
  from chaos.jobs as job
 where status = 'completed'
   and not exists (select from public.chaos_facts where job_id = job.id)
