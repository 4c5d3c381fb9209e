-- digest and looks are the file's, and each face lies where one was drawn
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
