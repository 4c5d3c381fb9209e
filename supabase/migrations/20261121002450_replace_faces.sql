-- A new look at a photo replaces its faces, and keeps what people said about them: a face found where one
-- was before is the same face, with its id, its cluster and the contact somebody named.

-- Intersection over union of two boxes {x, y, width, height}: 0 apart, 1 the same.
create function kizu.iou(p_one jsonb, p_other jsonb)
returns float8
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_x1 constant float8 := (p_one ->> 'x')::float8;
  v_y1 constant float8 := (p_one ->> 'y')::float8;
  v_w1 constant float8 := (p_one ->> 'width')::float8;
  v_h1 constant float8 := (p_one ->> 'height')::float8;
  v_x2 constant float8 := (p_other ->> 'x')::float8;
  v_y2 constant float8 := (p_other ->> 'y')::float8;
  v_w2 constant float8 := (p_other ->> 'width')::float8;
  v_h2 constant float8 := (p_other ->> 'height')::float8;
  v_both constant float8 :=
    greatest(least(v_x1 + v_w1, v_x2 + v_w2) - greatest(v_x1, v_x2), 0)
    * greatest(least(v_y1 + v_h1, v_y2 + v_h2) - greatest(v_y1, v_y2), 0);
begin
  return coalesce(v_both / nullif(v_w1 * v_h1 + v_w2 * v_h2 - v_both, 0), 0);
end;
$$;

-- The faces of a photo whose contact is not known get the one whose named faces they are most like, if they
-- are alike enough; a person is in a photo once. Only faces that people named are compared with: what was
-- recognised teaches nothing, or one mistake would lead to the next.
create function kizu.recognise_faces(p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_alike constant float8 := 0.55; -- cosine; what existing apps were tuned to
begin
  with
  here as materialized (
    select id, embedding, model_version
      from public.face_embeddings
     where asset_id = p_asset
       and user_id = p_user
       and contact_id is null
  ),
  known as materialized (
    select contact_id, cluster_id, model_version, embedding
      from public.face_embeddings
     where user_id = p_user
       and contact_id is not null
       and not recognised
       and model_version in (select model_version from here)
       and contact_id not in (
             select contact_id
               from public.face_embeddings
              where asset_id = p_asset
                and contact_id is not null
           )
  ),
  alike as (
    select here.id, known.contact_id, known.cluster_id,
           1 - (here.embedding operator(extensions.<=>) known.embedding) as similarity
      from here
      join known using (model_version)
  ),
  best_of_each_face as (
    select distinct on (id) *
      from alike
     where similarity >= c_alike
     order by id, similarity desc, contact_id
  ),
  best_of_each_contact as (
    select distinct on (contact_id) *
      from best_of_each_face
     order by contact_id, similarity desc, id
  ),
  named as (
    update public.face_embeddings as face
       set contact_id = best.contact_id,
           cluster_id = coalesce(face.cluster_id, best.cluster_id),
           recognised = true
      from best_of_each_contact as best
     where face.id = best.id
 returning face.contact_id, face.face_index, face.bounding_box, face.model_version, best.similarity
  )
  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id,
                                 bounding_box, face_index, created_by, tagged_by)
  select p_user, p_asset, p_run, 'person', left(contact.display_name, 500), contact.id,
         named.bounding_box, named.face_index, null,
         jsonb_build_object('source', 'kizu',
                            'model', named.model_version,
                            'similarity', round(named.similarity::numeric, 3))
    from named
    join public.contacts as contact on contact.id = named.contact_id
   where contact.display_name <> '';
end;
$$;

-- Replaces the faces of a photo. Each old face goes on as the new one that covers it best, one to one and
-- above half; what is left over goes, or is new.
create function kizu.replace_faces(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_same_face constant float8 := 0.5;
  v_old     public.face_embeddings[];
  v_kept    jsonb := '{}'; -- {face_index of the new: id of the old}
  v_pair    record;
begin
  v_old := array(
    select face
      from public.face_embeddings as face
     where asset_id = p_asset
       and user_id = p_user
       and not is_from_video
     order by id
       for update
  );

  for v_pair in
    select row.face_index, old.id, kizu.iou(row.bounding_box, old.bounding_box) as overlap
      from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
     cross join unnest(v_old) as old
     where kizu.iou(row.bounding_box, old.bounding_box) > c_same_face
     order by overlap desc, row.face_index, old.id
  loop
    if not v_kept ? v_pair.face_index::text
       and not exists (select from jsonb_each_text(v_kept) where value = v_pair.id::text) then
      v_kept := v_kept || jsonb_build_object(v_pair.face_index::text, v_pair.id);
    end if;
  end loop;

  delete from public.face_embeddings where id in (select id from unnest(v_old));
  delete from public.asset_tags
   where asset_id = p_asset
     and user_id = p_user
     and tag_type = 'person'
     and created_by is null;

  insert into public.face_embeddings (id, user_id, asset_id, run_id, face_index, embedding, bounding_box,
                                      landmarks, confidence, face_thumbnail_url, model_version,
                                      weights_digest, cluster_id, contact_id, created_at)
  select coalesce(old.id, gen_random_uuid()), p_user, p_asset, p_run, row.face_index, row.embedding,
         row.bounding_box, row.landmarks, row.confidence, row.face_thumbnail_url, row.model_version,
         row.weights_digest, old.cluster_id, case when not old.recognised then old.contact_id end,
         coalesce(old.created_at, now())
    from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
    left join unnest(v_old) as old on old.id = (v_kept ->> row.face_index::text)::uuid;

  perform kizu.recognise_faces(p_user, p_asset, p_run);
end;
$$;

revoke execute on function kizu.iou(jsonb, jsonb) from public, anon, authenticated, service_role;
revoke execute on function kizu.recognise_faces(uuid, uuid, uuid)
  from public, anon, authenticated, service_role;
revoke execute on function kizu.replace_faces(jsonb, uuid, uuid, uuid)
  from public, anon, authenticated, service_role;

insert into public.result_tables (table_name, mode, columns, writer)
values ('face_embeddings', 'replace',
        array['face_index', 'embedding', 'bounding_box', 'landmarks', 'confidence', 'face_thumbnail_url',
              'model_version', 'weights_digest'],
        'replace_faces');
