-- a personal worker never had another user's job
select run.job_id
  from public.runs as run
  join chaos.jobs as job on job.id = run.job_id
  join public.workers as worker on worker.worker_id = run.worker_id
 where worker.owner is not null
   and run.user_id <> worker.owner
