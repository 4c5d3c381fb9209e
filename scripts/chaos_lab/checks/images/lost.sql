-- every wish has a job that was completed, and its facts are there; so are all faces drawn, each as the same row
-- through all looks, or what people said of it would be gone
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
 union
select asset_id
  from chaos.written
 where fact = 'face_embeddings'
 group by asset_id
having count(distinct detail ->> 'row') > (select count(*) from chaos.faces where asset_id = written.asset_id)
