-- Of two faces of a photo that are recognised at once, one may come to the cluster that the other is in but should leave
-- for somebody else. It leaves before: what keeps it there, such as that it was said to be one with others, keeps the
-- one who would come away.

-- Puts the faces of these photos that are somebody into that contact's cluster, and with them who people said is one
-- person with them. Another face of such a photo that is not the contact, as far as is known, leaves it. Where that
-- would part who people said is one, or join who people said differ, whoever was only taken for the contact is that no
-- more.
create or replace function kizu.follow_contacts(p_user uuid, p_assets uuid[], p_version text)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_face    record;
  v_cluster uuid;
  v_come    uuid[];
  v_leave   uuid[];
begin
  for v_face in
    select face.id, face.face_id, face.asset_id, face.contact_id, face.recognised
      from public.face_embeddings as face
      left join lateral (select contact_id from public.face_clusters where id = face.cluster_id offset 0) as cluster on true
     where face.asset_id = any (p_assets)
       and (face.user_id = p_user and face.model_version = p_version) is true
       and not face.is_from_video
       and (face.contact_id is not null) is true -- whose index would find all that have one
       and cluster.contact_id is distinct from face.contact_id
     order by face.contact_id, face.recognised, face.face_id
  loop
    v_cluster := kizu.cluster_of_contact(p_user, v_face.contact_id);
    -- They may have come with another by now.
    continue when exists (select from public.face_embeddings where id = v_face.id and (cluster_id = v_cluster) is true);
    v_come := array[v_face.face_id];
    v_leave := array(
      select face_id
        from public.face_embeddings
       where asset_id = v_face.asset_id
         -- `is true`: by the photo, as the indexes of these would find all of the cluster
         and (cluster_id = v_cluster and contact_id is distinct from v_face.contact_id) is true
         and face_id <> v_face.face_id
    );
    if v_face.recognised then
      v_come := kizu.same_faces(p_user, v_come);
      if kizu.same_faces(p_user, v_leave) <@ v_leave is not true
         or exists (
              select from (select other_id as face_id from kizu.face_pairs where face_id = v_face.face_id and not same
                           union all
                           select face_id from kizu.face_pairs where other_id = v_face.face_id and not same) as other
               cross join lateral (
                       select cluster_id from public.face_embeddings where face_id = other.face_id offset 0
                     ) as face
               where face.cluster_id = v_cluster
            )
         or (cardinality(v_come) > 1
             and exists (
                   select from public.face_embeddings
                    where face_id = any (v_come)
                      and (user_id = p_user and model_version = p_version and not is_from_video) is true
                      and (contact_id <> v_face.contact_id
                           or not kizu.may_join(face_id, asset_id, v_cluster))
                 )) then
        update public.face_embeddings set contact_id = null, recognised = false where id = v_face.id;
        continue;
      end if;
    end if;
    perform kizu.move_faces(p_user, v_leave, null);
    perform kizu.move_faces(p_user, v_come, v_cluster);
  end loop;
end;
$$;

select kizu.keep_internal('kizu.follow_contacts(uuid, uuid[], text)');
