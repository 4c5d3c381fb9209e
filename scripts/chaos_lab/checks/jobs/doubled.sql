-- a wish is one job, and a job is executed and applied once
select max(id::text)::uuid from chaos.jobs group by asset_id, slot having count(*) > 1
 union
select job_id from chaos.done group by job_id having count(*) > 1
 union
select job_id from chaos.applied group by job_id having count(distinct run_id) > 1
 union
select job_id from chaos.marked group by job_id having count(*) > 1
