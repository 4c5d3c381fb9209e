-- what is there was written under the last claim, and nothing older came after it
select fact.job_id
  from public.chaos_facts as fact
  join chaos.jobs as job on job.id = fact.job_id
  left join chaos.done on done.id = fact.run_id
 where done.epoch is distinct from fact.epoch or fact.epoch <> job.lease_epoch
 union
select job.id
  from chaos.jobs as job
  join chaos.done on done.job_id = job.id
 where done.epoch <> job.lease_epoch
    or (job.result ->> 'epoch')::bigint is distinct from done.epoch
 union
select job_id
  from (select job_id, epoch, max(epoch) over (partition by job_id order by id) as latest
          from chaos.applied) as history
 where epoch < latest
 union
select asset.id
  from public.assets as asset
  join lateral (
         select job_id, epoch from chaos.marked where asset_id = asset.id order by id desc limit 1
       ) as last on true
 where (asset.ai_model_versions ->> 'job')::uuid is distinct from last.job_id
    or (asset.ai_model_versions ->> 'epoch')::bigint is distinct from last.epoch
