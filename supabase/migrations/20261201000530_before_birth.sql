-- Who was not born yet is not in a photo: whom we took for them leaves their cluster, too, when their birth date or the
-- time of the photo says so. Who people said it is stays, as does who they said is one person with somebody there, and who
-- is in a locked cluster, without the name.

create function kizu.part_from_unborn(p_user uuid, p_contact uuid, p_photos uuid[])
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, a photo's faces are found by an index
as $$
declare
  v_faces uuid[] := array(
    select distinct face_id
      from public.face_embeddings as face
     where asset_id = any (p_photos)
       and user_id = p_user
       and (contact_id = p_contact
            or cluster_id = (select id from public.face_clusters where contact_id = p_contact))
       and not exists (select from public.face_embeddings as said
                        where said.face_id = face.face_id and said.contact_id is not null and not said.recognised)
  );
begin
  update public.face_embeddings as face
     set contact_id = null,
         recognised = false,
         cluster_id = case
                        when exists (select from kizu.face_pairs as pair
                                      where face.face_id in (pair.face_id, pair.other_id) and pair.same)
                             or exists (select from public.face_clusters as cluster
                                         where cluster.id = face.cluster_id and cluster.locked)
                        then cluster_id
                      end
   where face_id = any (v_faces)
     and user_id = p_user;
  delete from public.asset_tags
   where asset_id = any (p_photos)
     and user_id = p_user
     and contact_id = p_contact
     and tag_type = 'person'
     and created_by is null
     and model_version is not null;
end;
$$;

create function kizu.part_from_unborn_contact()
returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, a contact's faces are found by an index
as $$
declare
  v_photos uuid[];
begin
  perform pg_advisory_xact_lock(kizu.faces_of(new.user_id));
  v_photos := array(
    select distinct asset.id
      from public.face_clusters as cluster
      join public.face_embeddings as face on face.cluster_id = cluster.id
      join public.assets as asset on asset.id = face.asset_id
     where cluster.contact_id = new.id
       and kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes) < new.birth_date
  );
  perform kizu.lock_photos(v_photos);
  perform kizu.part_from_unborn(new.user_id, new.id, v_photos);
  return null;
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

create trigger unborn_leave_the_cluster
  after update of birth_date on public.contacts
  for each row when (new.birth_date is distinct from old.birth_date and new.birth_date is not null)
  execute function kizu.part_from_unborn_contact();

-- Who changes a photo's time has the photo, and so nobody else changes its faces.
create function kizu.part_from_unborn_in_photo()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.part_from_unborn(new.user_id, contact.id, array[new.id])
     from public.contacts as contact
    where contact.user_id = new.user_id
      and contact.birth_date > kizu.day_of(new.taken_at, new.taken_at_offset_minutes)
      and exists (select
                    from public.face_embeddings as face
                    left join public.face_clusters as cluster on cluster.id = face.cluster_id
                   where face.asset_id = new.id
                     and contact.id in (face.contact_id, cluster.contact_id));
  return null;
end;
$$;

create trigger unborn_are_not_in_it
  after update of taken_at, taken_at_offset_minutes on public.assets
  for each row when ((new.taken_at, new.taken_at_offset_minutes)
                     is distinct from (old.taken_at, old.taken_at_offset_minutes))
  execute function kizu.part_from_unborn_in_photo();

select kizu.keep_internal('kizu.part_from_unborn(uuid, uuid, uuid[])');
select kizu.keep_internal('kizu.part_from_unborn_contact()');
select kizu.keep_internal('kizu.part_from_unborn_in_photo()');
