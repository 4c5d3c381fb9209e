-- a job's rows and its mark on the asset are all there, from one settled run, or not at all
select applied.job_id
  from chaos.applied
  join chaos.jobs as job on job.id = applied.job_id
 group by applied.job_id, applied.run_id, job.rows
having count(*) <> job.rows or count(distinct applied.place) <> job.rows
 union
select fact.job_id
  from public.chaos_facts as fact
  join chaos.jobs as job on job.id = fact.job_id
 group by fact.job_id, job.rows
having count(*) <> job.rows or count(distinct fact.run_id) > 1
 union
select applied.job_id
  from chaos.applied
  left join chaos.done on done.id = applied.run_id and done.job_id = applied.job_id
  left join chaos.jobs as job on job.id = applied.job_id
 where done.id is null or job.status is distinct from 'completed'
 union
select coalesce(done.job_id, marked.job_id)
  from chaos.done
  full join chaos.marked on marked.job_id = done.job_id and marked.epoch = done.epoch
 where done.id is null or marked.id is null
