-- every claim ended, once, in the ledger
select job.id
  from chaos.jobs as job
  left join public.runs as run on run.job_id = job.id
 group by job.id, job.lease_epoch
having count(run.id) <> job.lease_epoch
    or count(run.id) filter (where run.epoch not between 1 and job.lease_epoch) > 0
