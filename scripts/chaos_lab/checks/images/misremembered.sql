-- a photo knows what was found out about it, by which model and when, and nothing is missing
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
