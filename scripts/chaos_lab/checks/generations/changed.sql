-- right after going back, the user sees of everything that was there just what they saw before the first flip
with
-- But for the cluster of a face: which faces are one person does not depend on which generation answers, and what
-- was uploaded or clustered meanwhile may have told more about it.
seen as (
  select moment, what, asset_id, detail - 'cluster_id' as detail from chaos.seen
),
old as (
  select asset_id from seen where moment = 'before' and what in ('search', 'contact')
),
-- Where somebody is who was only named meanwhile.
other as (
  select asset_id from chaos.faces join chaos.people using (person) where late
),
before as (
  select what, asset_id, detail
    from seen
   where moment = 'before'
     and (what in ('search', 'contact') or asset_id not in (select asset_id from other))
),
after as (
  select what, asset_id, detail
    from seen
   where moment = 'rolled back'
     and asset_id in (select asset_id from old)
     and (what in ('search', 'contact') or asset_id not in (select asset_id from other))
)
select asset_id from ((table before except all table after) union all (table after except all table before)) as changed
