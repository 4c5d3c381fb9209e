-- every wish has a job that was completed, and its facts are there; so are all faces drawn
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
