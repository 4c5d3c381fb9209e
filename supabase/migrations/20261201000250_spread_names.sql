-- A name is spread without writing to an index of vectors, and at a cost that does not grow with the faces that have
-- names: a page is as many photos for everybody.

-- As before, by the vectors of unit length.
create or replace function kizu.photos_of_a_name(p_user uuid, p_face uuid, p_contact uuid, p_after uuid, p_limit int,
                                                 out photos uuid[], out last uuid)
language plpgsql
set search_path = ''
as $$
declare
  c_most_photos constant int := 100; -- each is recognised and tagged anew
begin
  last := (select asset_id
             from (select asset_id
                     from public.face_embeddings
                    where user_id = p_user
                      and asset_id > p_after
                    order by asset_id
                    limit p_limit) as page
            order by asset_id desc
            limit 1);
  photos := array(
    with
    named as materialized (
      select model_version, embedding, kizu.same_face(model_version) as same_face
        from kizu.face_vectors
       where face_id = p_face
         and user_id = p_user
    ),
    alike as materialized (
      select vector.id, named.same_face, -(vector.embedding operator(extensions.<#>) named.embedding) as likeness
        from named
        join kizu.face_vectors as vector
          on vector.user_id = p_user
         and vector.model_version = named.model_version
         and vector.asset_id > p_after
         and vector.asset_id <= last
         and vector.face_id <> p_face
    )
    select distinct face.asset_id
      from alike
      join public.face_embeddings as face on face.id = alike.id
     where (face.contact_id is null or face.recognised)
       and face.contact_id is distinct from p_contact
       and alike.likeness >= coalesce(face.same_face, alike.same_face)
     order by asset_id
     limit c_most_photos + 1
  );

  if cardinality(photos) > c_most_photos then
    photos := photos[1:c_most_photos];
    last := photos[c_most_photos];
  elsif not exists (select from public.face_embeddings where user_id = p_user and asset_id > last) then
    last := null;
  end if;
end;
$$;

select kizu.pin_plans('kizu.photos_of_a_name(uuid, uuid, uuid, uuid, int)');
select kizu.pin_plans('kizu.recognise_again(uuid, uuid[], boolean)');
