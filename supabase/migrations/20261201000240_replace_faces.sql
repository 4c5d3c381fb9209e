-- A new look at a photo leaves its faces where they are: in their clusters, with what people said of them, even of one
-- that it does not find.

-- As before, and what is as it was does not enter the index of vectors anew.
create or replace function kizu.keep_face_vector()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.face_vectors as former (id, face_id, asset_id, user_id, model_version, embedding)
  values (new.id, new.face_id, new.asset_id, new.user_id, new.model_version,
          extensions.l2_normalize(new.embedding)::extensions.halfvec)
      on conflict (id) do update
     set face_id = excluded.face_id, asset_id = excluded.asset_id, user_id = excluded.user_id,
         model_version = excluded.model_version, embedding = excluded.embedding
   where (former.face_id, former.asset_id, former.user_id, former.model_version)
         is distinct from (excluded.face_id, excluded.asset_id, excluded.user_id, excluded.model_version)
      or former.embedding operator(extensions.<>) excluded.embedding;
  return null;
end;
$$;

-- Faces of which people said something may also wait here for a later look at the same picture.
alter table kizu.former_faces add column overlooked boolean not null default false; -- the last look did not find it

create function kizu.renew_former_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update kizu.former_faces set overlooked = false where asset_id = new.asset_id and overlooked;
  return null;
end;
$$;

create trigger another_picture_decides_about_faces
  after update of since on kizu.contents
  for each row
  when (old.since is distinct from new.since)
  execute function kizu.renew_former_faces();

comment on table kizu.former_faces is
  'Faces of which people said something and that are in no row: their picture was replaced, or a look did not find them.';

-- Whether people said something of a face itself: who it is or is not, that it is the same as another or not, or that it
-- is none. Then its row stays where others go. That its cluster has a name says nothing: it may be there by itself.
create or replace function kizu.is_named(p_face public.face_embeddings)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (not p_face.recognised and p_face.contact_id is not null)
      or exists (select from kizu.exclusions where face_id = p_face.face_id)
      or exists (select from kizu.face_pairs where face_id = p_face.face_id)
      or exists (select from kizu.face_pairs where other_id = p_face.face_id)
      or exists (select from kizu.face_marks where face_id = p_face.face_id);
end;
$$;

-- A face of a photo as it was before a look.
create type kizu.old_face as (
  id           uuid,
  face_id      uuid,
  embedding    extensions.vector,
  bounding_box jsonb,
  cluster_id   uuid,
  contact_id   uuid,
  recognised   boolean,
  created_at   timestamptz,
  waited       boolean -- in kizu.former_faces
);

-- Replaces the faces that one generation has of a photo: of scope.model_version, else of the rows' own, else of the
-- one that answers.
--
-- Each old face goes on as the new one that covers it best, one to one and above half, unless the model sees somebody
-- else there; what is left over goes, or is new. Old faces are also those in kizu.former_faces, and one of which people
-- said something goes there. A new face is the same as one that other generations found where they overlap by more than
-- 0.3, as detectors draw boxes more or less wide. What people said of a face holds for all its rows, and so does its
-- cluster. Whom we took it for is found out anew, and in the generation that answers where it belongs, if it is nowhere.
create or replace function kizu.replace_faces(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_same_box    constant float8 := 0.5;
  c_same_place  constant float8 := 0.3; -- of two detectors' boxes
  c_same_person constant float8 := 0.3; -- cosine; well below what one face in two renderings has
  v_version constant text :=
    coalesce(p_scope ->> 'model_version', p_rows -> 0 ->> 'model_version', kizu.answering('faces'));
  v_old    kizu.old_face[];
  v_others public.face_embeddings[];
  v_kept   jsonb; -- {face_index of the new: id of the old}
  v_same   jsonb; -- {face_index of the new: face_id of other generations}
  v_gone   uuid[];
begin
  if exists (select from jsonb_array_elements(p_rows) as row where row ->> 'model_version' <> v_version) then
    raise exception 'faces: expected rows of %', v_version;
  end if;

  -- Of its rows only those are left that people named.
  if kizu.is_dropped('faces', v_version) then
    return;
  end if;

  -- Who names one of these faces by hand holds its row and then takes the face's others: the settlement gives way and
  -- is sent again, or each would wait for the other.
  perform id from public.face_embeddings where asset_id = p_asset and user_id = p_user for update nowait;
  v_old := array(
    select row(id, face_id, embedding, bounding_box, cluster_id, contact_id, recognised, created_at,
               false)::kizu.old_face
      from public.face_embeddings
     where asset_id = p_asset
       and user_id = p_user
       and model_version = v_version
       and not is_from_video
     union all
    select row(id, face_id, embedding, bounding_box, null, contact_id, false, created_at, true)::kizu.old_face
      from kizu.former_faces
     where asset_id = p_asset
       and model_version = v_version
  );
  v_others := array(
    select face
      from public.face_embeddings as face
     where asset_id = p_asset
       and user_id = p_user
       and model_version <> v_version
       and not is_from_video
  );

  v_kept := kizu.pair_off((
    select coalesce(jsonb_agg(jsonb_build_object('one', face_index, 'other', id, 'overlap', overlap)), '[]')
      from (select row.face_index, old.id, kizu.iou(row.bounding_box, old.bounding_box) as overlap
              from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
             cross join unnest(v_old) as old
             where (row.embedding operator(extensions.<=>) old.embedding) <= 1 - c_same_person) as pair
     where overlap > c_same_box
  ));
  v_same := kizu.pair_off((
    select coalesce(jsonb_agg(jsonb_build_object('one', face_index, 'other', face_id, 'overlap', overlap)), '[]')
      from (select row.face_index, other.face_id, max(kizu.iou(row.bounding_box, other.bounding_box)) as overlap
              from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
             cross join unnest(v_others) as other
             where not v_kept ? row.face_index::text
               and other.face_id not in (select face_id
                                           from unnest(v_old)
                                          where id::text in (select value from jsonb_each_text(v_kept)))
             group by row.face_index, other.face_id) as pair
     where overlap > c_same_place
  ));

  v_gone := array(
    select id from unnest(v_old) where not waited and id::text not in (select value from jsonb_each_text(v_kept))
  );
  delete from kizu.former_faces
   where asset_id = p_asset
     and model_version = v_version
     and (not overlooked or id::text in (select value from jsonb_each_text(v_kept)));
  insert into kizu.former_faces (id, face_id, user_id, asset_id, embedding, bounding_box, model_version, cluster_id,
                                 contact_id, created_at, overlooked)
  select id, face_id, user_id, asset_id, embedding, bounding_box, model_version, null,
         case when not recognised then contact_id end, created_at, true
    from public.face_embeddings as face
   where id = any (v_gone)
     and kizu.is_named(face)
      on conflict (id) do nothing;

  -- What goes on changes where it is, so that no cluster is without it in between. Places are given anew.
  delete from public.face_embeddings where id = any (v_gone);
  update public.face_embeddings
     set face_index = -1 - face_index
   where asset_id = p_asset
     and user_id = p_user
     and model_version = v_version
     and not is_from_video;

  insert into public.face_embeddings as face
         (id, face_id, user_id, asset_id, run_id, face_index, embedding, bounding_box, landmarks, confidence, quality,
          same_face, face_thumbnail_url, model_version, weights_digest, cluster_id, contact_id, recognised, created_at)
  select coalesce(old.id, gen_random_uuid()), coalesce(the_face.id, gen_random_uuid()), p_user, p_asset, p_run,
         row.face_index, row.embedding, row.bounding_box, row.landmarks, row.confidence, row.quality, row.same_face,
         row.face_thumbnail_url, v_version, row.weights_digest,
         coalesce(old.cluster_id, placed.cluster_id), coalesce(said.contact_id, old.contact_id),
         said.contact_id is null and old.contact_id is not null, coalesce(old.created_at, now())
    from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
    left join unnest(v_old) as old on old.id = (v_kept ->> row.face_index::text)::uuid
   cross join lateral (select coalesce(old.face_id, (v_same ->> row.face_index::text)::uuid) as id) as the_face
    left join lateral (
           select other.cluster_id from unnest(v_others) as other where other.face_id = the_face.id limit 1
         ) as placed on true
    -- What people said of the face, to whichever row of it.
    left join lateral (
           select known.contact_id
             from (select face_id, contact_id from unnest(v_old) where not recognised
                   union all
                   select face_id, contact_id from unnest(v_others) where not recognised) as known
            where known.face_id = the_face.id
              and known.contact_id is not null
            limit 1
         ) as said on true
      on conflict (id) do update
     set run_id = excluded.run_id, face_index = excluded.face_index, embedding = excluded.embedding,
         bounding_box = excluded.bounding_box, landmarks = excluded.landmarks, confidence = excluded.confidence,
         quality = excluded.quality, same_face = excluded.same_face, face_thumbnail_url = excluded.face_thumbnail_url,
         weights_digest = excluded.weights_digest, contact_id = excluded.contact_id, recognised = excluded.recognised;

  perform kizu.tag_people(array[p_asset], p_run, v_version,
                          kizu.recognise_faces(p_user, array[p_asset], v_version) -> 'alike');
  if v_version = kizu.answering('faces') then
    perform kizu.place_faces(p_user, array[p_asset]);
  end if;
exception
  when foreign_key_violation then -- whoever is deleted meanwhile breaks no rule: the settlement is sent again
    raise lock_not_available using message = 'a contact or a cluster was deleted meanwhile';
end;
$$;

update public.result_tables set writer = 'replace_faces' where table_name = 'face_embeddings';
drop function kizu.replace_faces_and_former(jsonb, uuid, uuid, uuid, jsonb);

select kizu.keep_internal('kizu.renew_former_faces()');
