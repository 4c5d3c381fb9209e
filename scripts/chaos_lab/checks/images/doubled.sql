-- a wish is one job unless it was asked for again, a job is settled by one run, and no fact is there twice
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
