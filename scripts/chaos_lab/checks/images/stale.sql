-- each operation's rows are those of its last run, which ran under the job's last claim
select fact.asset_id
  from chaos.facts as fact
  left join chaos.winners as winner
    on winner.asset_id = fact.asset_id
   and winner.operation = fact.operation
   and winner.level is not distinct from fact.level
 where fact.run_id is distinct from winner.run_id
 union
select job.id
  from chaos.jobs as job
  join chaos.done on done.job_id = job.id
 where done.epoch <> job.lease_epoch
