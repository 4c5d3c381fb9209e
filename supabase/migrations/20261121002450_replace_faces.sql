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

-- Tags of ours for the people that faces of a photo show: p_faces is {id: cosine to a named face, or null}.
create function kizu.tag_people(p_asset uuid, p_run uuid, p_faces jsonb)
returns void
language sql
set search_path = ''
as $$
  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id,
                                 bounding_box, face_index, created_by, tagged_by)
  select distinct on (contact.id)
         face.user_id, face.asset_id, p_run, 'person', left(contact.display_name, 500), contact.id,
         face.bounding_box, face.face_index, null,
         jsonb_strip_nulls(jsonb_build_object('source', 'kizu',
                                              'model', face.model_version,
                                              'similarity', round(similarity::numeric, 3)))
    from jsonb_each_text(coalesce(p_faces, '{}')) as named (id, similarity)
    join public.face_embeddings as face on face.id = named.id::uuid
    join public.contacts as contact on contact.id = face.contact_id
   where face.asset_id = p_asset
     and contact.display_name <> ''
   order by contact.id, face.face_index;
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
  c_alike constant float8 := 0.55; -- cosine, where the model says nothing; what existing apps were tuned to
  v_named jsonb; -- {id of a face: similarity}
begin
  with
  here as materialized (
    select id, embedding, model_version, coalesce(same_face, c_alike) as same_face
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
    select here.id, here.same_face, known.contact_id, known.cluster_id,
           1 - (here.embedding operator(extensions.<=>) known.embedding) as similarity
      from here
      join known using (model_version)
  ),
  best_of_each_face as (
    select distinct on (id) *
      from alike
     where 1 - similarity <= 1 - same_face -- as a distance: where a vector is zero it is NaN, above every number
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
 returning face.id, best.similarity
  )
  select jsonb_object_agg(id, similarity) into v_named from named;

  perform kizu.tag_people(p_asset, p_run, v_named);
end;
$$;

-- Replaces the faces of a photo. Each old face goes on as the new one that covers it best, one to one and
-- above half, unless the same model sees somebody else there; what is left over goes, or is new.
--
-- A face found again keeps what people said of it. Whom we took it for is found out anew, but stays while the
-- new look is another model's, in which nobody has been named yet.
create function kizu.replace_faces(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_same_face   constant float8 := 0.5;
  c_same_person constant float8 := 0.3; -- cosine; well below what one face in two renderings has
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
       and (row.model_version <> old.model_version
            or (row.embedding operator(extensions.<=>) old.embedding) <= 1 - c_same_person)
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
                                      landmarks, confidence, same_face, face_thumbnail_url, model_version,
                                      weights_digest, cluster_id, contact_id, recognised, created_at)
  select coalesce(old.id, gen_random_uuid()), p_user, p_asset, p_run, row.face_index, row.embedding,
         row.bounding_box, row.landmarks, row.confidence, row.same_face, row.face_thumbnail_url, row.model_version,
         row.weights_digest, case when stays then old.cluster_id end, case when stays then old.contact_id end,
         coalesce(stays and old.recognised, false), coalesce(old.created_at, now())
    from jsonb_populate_recordset(null::public.face_embeddings, p_rows) as row
    left join unnest(v_old) as old on old.id = (v_kept ->> row.face_index::text)::uuid
   cross join lateral (
           select not old.recognised
                  or (old.model_version <> row.model_version
                      and not exists (
                            select from public.face_embeddings as named
                             where named.user_id = p_user
                               and named.contact_id = old.contact_id
                               and named.model_version = row.model_version
                               and not named.recognised
                          )) as stays
         ) as kept;

  perform kizu.tag_people(p_asset, p_run, (select jsonb_object_agg(id, null::float8)
                                             from public.face_embeddings
                                            where asset_id = p_asset
                                              and contact_id is not null
                                              and not is_from_video));
  perform kizu.recognise_faces(p_user, p_asset, p_run);
end;
$$;

select kizu.keep_internal('kizu.iou(jsonb, jsonb)');
select kizu.keep_internal('kizu.tag_people(uuid, uuid, jsonb)');
select kizu.keep_internal('kizu.recognise_faces(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.replace_faces(jsonb, uuid, uuid, uuid)');

insert into public.result_tables (table_name, mode, columns, writer)
values ('face_embeddings', 'replace',
        array['face_index', 'embedding', 'bounding_box', 'landmarks', 'confidence', 'same_face', 'face_thumbnail_url',
              'model_version', 'weights_digest'],
        'replace_faces');
