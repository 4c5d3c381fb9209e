-- of a generation that was dropped nothing is left
select asset_id
  from (select 'pictures' as kind, model_version, asset_id from public.image_embeddings
         union all
        select 'faces', model_version, asset_id from public.face_embeddings
         union all
        select 'faces', model_version, asset_id from public.asset_tags
         union all
        select 'faces', model_version, asset_id from public.derived_assets
         union all
        select kind, version, asset_id from public.asset_facts join public.vector_kinds using (fact)
         union all
        select kind, version, asset_id from kizu.misses join public.vector_kinds using (fact)) as row
  join chaos.dropped using (kind, model_version)
 union
select null
  from chaos.dropped
  join public.generations as generation using (kind, model_version)
 where generation.state <> 'dropped'
    or exists (select from pg_class where relname = kizu.index_of(generation))
