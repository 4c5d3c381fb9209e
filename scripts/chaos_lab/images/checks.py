"""What SQL finds about the photos afterwards."""

from __future__ import annotations

from scripts.chaos_lab.verdict import QUEUE_CHECKS, Check

CHECKS = (
    Check(
        name="lost",
        promise="every wish has a job that was completed, and its facts are there; so are all faces drawn",
        sql="""
        select wish.asset_id
          from chaos.wishes as wish
         where not exists (
                 select from chaos.jobs as job where job.asset_id = wish.asset_id and job.slot = wish.slot
               )
         union
        select id from chaos.jobs where status <> 'completed'
         union
        select wish.asset_id
          from chaos.wishes as wish
          join chaos.facts_of on facts_of.operation = any (wish.operations)
         where facts_of.how_many = 'one'
           and not exists (
                 select
                   from chaos.facts as fact
                  where fact.asset_id = wish.asset_id
                    and fact.fact = facts_of.fact
                    and coalesce(fact.level, wish.level) = wish.level
               )
         union
        select photo.asset_id
          from chaos.photos as photo
          join chaos.facts_of on facts_of.how_many = 'drawn'
         where (select count(*) from chaos.faces where asset_id = photo.asset_id)
             > (select count(*)
                  from chaos.facts as fact
                 where fact.asset_id = photo.asset_id
                   and fact.fact = facts_of.fact)
        """,
    ),
    Check(
        name="doubled",
        promise="a wish is one job unless it was asked for again, a job is settled by one run, and no fact is"
        " there twice",
        sql="""
        select max(id::text)::uuid from chaos.jobs where not again group by asset_id, slot having count(*) > 1
         union
        select job_id from chaos.done group by job_id having count(*) > 1
         union
        select fact.asset_id
          from chaos.facts as fact
          join chaos.facts_of using (fact)
         where facts_of.how_many = 'one'
         group by fact.asset_id, fact.fact, fact.level
        having count(*) > 1
         union
        select fact.asset_id
          from chaos.facts as fact
          join chaos.facts_of using (fact)
         where facts_of.how_many = 'drawn'
         group by fact.asset_id, fact.fact
        having count(*) > (select count(*) from chaos.faces where asset_id = fact.asset_id)
         union
        select asset_id
          from public.detected_objects
         where asset_id in (select asset_id from chaos.photos)
         group by asset_id, object_class, bounding_box
        having count(*) > 1
        """,
    ),
    Check(
        name="half_written",
        promise="a run has written all that it had to, nothing else and noted it once, or nothing at all; and"
        " what the last one wrote is still there",
        sql="""
        with
        written as materialized (select * from chaos.written),
        had_to_write as (
          select done.id as run_id, done.asset_id, facts_of.fact,
                 case
                   when facts_of.operation <> all (done.operations) then 0
                   else case facts_of.how_many
                          when 'one'     then 1
                          when 'drawn'   then (select count(*)
                                                 from chaos.faces
                                                where asset_id = done.asset_id)
                          when 'counted' then (done.counts ->> facts_of.operation)::bigint
                        end
                 end as rows
            from chaos.done
           cross join chaos.facts_of
           union all
          select id, asset_id, 'assets', 1 from chaos.done
        )
        select had_to_write.asset_id
          from had_to_write
         where had_to_write.rows <> (select count(*)
                                       from written
                                      where written.run_id = had_to_write.run_id
                                        and written.fact = had_to_write.fact)
         union
        select written.asset_id
          from written
          left join chaos.done on done.id = written.run_id
         where done.id is null
            or done.asset_id <> written.asset_id
            or written.fact = 'image_descriptions'
           and written.detail ->> 'level' is distinct from done.level
         union
        select winner.asset_id
          from chaos.winners as winner
          join chaos.facts_of using (operation)
         where (select count(*) from written where run_id = winner.run_id and fact = facts_of.fact)
            <> (select count(*)
                  from chaos.facts as fact
                 where fact.asset_id = winner.asset_id
                   and fact.run_id = winner.run_id
                   and fact.fact = facts_of.fact
                   and fact.level is not distinct from winner.level)
         union
        select asset_id
          from public.face_embeddings
         where asset_id in (select asset_id from chaos.photos)
         group by asset_id
        having min(face_index) <> 0 or max(face_index) <> count(*) - 1
         union
        select photo.asset_id
          from chaos.photos as photo
         where array(select distinct object_class
                       from public.detected_objects
                      where asset_id = photo.asset_id
                      order by object_class)
            <> array(select tag_value
                       from public.asset_tags
                      where asset_id = photo.asset_id
                        and created_by is null
                      order by tag_value)
        """,
    ),
    Check(
        name="stale",
        promise="each operation's rows are those of its last run, which ran under the job's last claim",
        sql="""
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
        """,
    ),
    Check(
        name="mistaken",
        promise="digest and looks are the file's, and each face lies where one was drawn",
        sql="""
        select photo.asset_id
          from chaos.photos as photo
          join public.asset_hashes as hash on hash.asset_id = photo.asset_id
         where hash.sha256 <> photo.sha256
            or hash.perceptual_hash is null
            or bit_count(hash.perceptual_hash # photo.perceptual_hash) > 6
         union
        select drawn.asset_id
          from chaos.faces as drawn
         where (select count(*)
                  from public.face_embeddings as face
                 cross join jsonb_to_record(face.bounding_box)
                         as box (x float8, y float8, width float8, height float8)
                 where face.asset_id = drawn.asset_id
                   and abs(box.x + box.width / 2 - drawn.x) < 0.05
                   and abs(box.y + box.height / 2 - drawn.y) < 0.05)
            <> 1
        """,
    ),
    Check(
        name="misfiled",
        promise="every face has its crop, made by the attempt that found it; Storage has each file as its row"
        " says, and the originals as they were",
        sql="""
        select coalesce(face.asset_id, crop.asset_id)
          from (select * from public.face_embeddings
                 where asset_id in (select asset_id from chaos.photos)) as face
          full join (select * from public.derived_assets
                      where asset_id in (select asset_id from chaos.photos)
                        and kind = 'face_crop') as crop
            on crop.asset_id = face.asset_id
           and crop.run_id = face.run_id
           and face.face_thumbnail_url like '%/' || crop.bucket || '/' || crop.key
         where face.id is null or crop.id is null
         union
        select crop.asset_id
          from public.derived_assets as crop
          join chaos.done on done.id = crop.run_id
         where position(format('/%s.%s/', done.job_id, done.epoch) in crop.key) = 0
         union
        select crop.asset_id
          from public.derived_assets as crop
          left join chaos.files as file on file.key = crop.key
         where crop.asset_id in (select asset_id from chaos.photos)
           and (file.sha256 is distinct from crop.sha256 or file.bytes is distinct from crop.bytes)
         union
        select photo.asset_id
          from chaos.photos as photo
          left join chaos.files as file on file.key = photo.path
         where file.sha256 is distinct from photo.sha256
        """,
    ),
    Check(
        name="misremembered",
        promise="a photo knows what was found out about it, by which model and when, and nothing is missing",
        sql="""
        select photo.asset_id
          from chaos.photos as photo
          join public.assets as asset on asset.id = photo.asset_id
         where array(select key
                       from jsonb_each(asset.ai_operations)
                      where value @> '{"ok": true}'
                      order by key)
            <> array(select distinct operation
                       from chaos.done
                      cross join unnest(done.operations) as operation
                      where done.asset_id = photo.asset_id
                      order by operation)
         union
        select fact.asset_id
          from chaos.facts as fact
          join public.assets as asset on asset.id = fact.asset_id
         where fact.model_version <> coalesce(asset.ai_operations -> fact.operation ->> 'version', '')
         union
        select last.asset_id
          from (select distinct on (asset_id, operation) asset_id, operation, id
                  from chaos.done
                 cross join unnest(done.operations) as operation
                 order by asset_id, operation, place desc) as last
          join public.assets as asset on asset.id = last.asset_id
          left join chaos.written as noted on noted.run_id = last.id and noted.fact = 'assets'
         where asset.ai_operations -> last.operation is distinct from noted.detail -> last.operation
         union
        select owner.user_id
          from (select distinct user_id from chaos.photos) as owner
         where public.enqueue_missing(
                 (select jsonb_object_agg(operation, version)
                    from (select 'hashes' as operation, '1' as version
                           union
                          select operation, model_version from chaos.facts where model_version is not null)),
                 owner.user_id, null, 5000, false, true
               ) ->> 'missing' <> '0'
        """,
    ),
    Check(
        name="survived",
        promise="no process with models is left of a worker that has ended",
        sql="select pid from chaos.survivors",
    ),
    *QUEUE_CHECKS,
)
