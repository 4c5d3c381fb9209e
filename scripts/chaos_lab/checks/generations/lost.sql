-- every photo has its vectors of each generation that was kept, and its jobs were done
with
wanted as (
  select moment.name as moment, living.kind, living.model_version, photo.asset_id,
         case living.kind
           when 'pictures' then 1
           else (select count(*) from chaos.faces where asset_id = photo.asset_id)
         end as vectors
    from chaos.living
    join chaos.moments as moment on moment.name = living.moment
    join chaos.photos as photo on photo.uploaded_at < moment.at
)
select wanted.asset_id
  from wanted
  left join chaos.kept using (moment, kind, model_version, asset_id)
 where coalesce(kept.vectors, 0) < wanted.vectors
 union
select asset_id
  from public.jobs
 where asset_id in (select asset_id from chaos.photos)
   and job_type = 'image_ai'
   and status <> 'completed'
   and not (status = 'cancelled'
            and exists (
                  select
                    from chaos.dropped
                    join public.vector_kinds using (kind)
                   where jobs.params -> 'versions' ->> vector_kinds.fact = dropped.model_version
                ))
