-- Of a picture more than twice as long as wide a vector told of its middle, faces were looked for at a tenth of their
-- size, and objects in a ribbon of pixels. These facts are no longer known, so that enqueue_missing finds such pictures;
-- what they led to stays until then, and what people said of it.

delete from public.asset_facts
 using public.assets as asset
 where asset_facts.asset_id = asset.id
   and greatest(asset.width, asset.height) > 2 * least(asset.width, asset.height)
   and asset_facts.fact in ('embedding', 'faces', 'objects');
