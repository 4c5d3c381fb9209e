-- a run has written all that it had to, nothing else and noted it once, or nothing at all: a face also where it
-- was there before, and none in place of another; and what the last one wrote is still there
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
select asset_id
  from written
 where fact = 'face_embeddings'
 group by asset_id, run_id
having count(*) > count(distinct detail ->> 'row')
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
                and sure
              order by object_class)
    <> array(select tag_value
               from public.asset_tags
              where asset_id = photo.asset_id
                and created_by is null
              order by tag_value)
