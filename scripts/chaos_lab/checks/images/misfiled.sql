-- every face has its own crop, made by the attempt that found it; Storage has each file as its row says, and the
-- originals as they were
select coalesce(face.asset_id, crop.asset_id)
  from (select * from public.face_embeddings
         where asset_id in (select asset_id from chaos.photos)) as face
  full join (select * from public.derived_assets
              where asset_id in (select asset_id from chaos.photos)
                and kind = 'face_crop') as crop
    on crop.asset_id = face.asset_id
   and crop.run_id = face.run_id
   and face.face_thumbnail_url like '%/' || crop.bucket || '/' || crop.key
   and crop.key like '%-' || face.face_index || '.jpg'
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
