-- A tag of who was recognised keeps the similarity that it was written with for as long as it stays.

-- As before, but for that: p_faces has only those who were recognised just now.
create or replace function kizu.tag_people(p_assets uuid[], p_run uuid, p_version text, p_faces jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_similar jsonb; -- {photo, contact and version of a tag: its similarity}
begin
  with
  gone as (
    delete from public.asset_tags as tag
     where tag.asset_id = any (p_assets)
       and (tag.tag_type = 'person' and tag.created_by is null) is true -- by the photo alone
       and (tag.model_version is null
            or tag.model_version = p_version
            or exists (
                 select from public.face_embeddings as face
                  where face.asset_id = tag.asset_id
                    and (face.contact_id = tag.contact_id and not face.recognised) is true -- by the photo alone
               ))
    returning tag.asset_id, tag.contact_id, tag.model_version, tag.tagged_by -> 'similarity' as similarity
  )
  select jsonb_object_agg(concat_ws(' ', asset_id, contact_id, model_version), similarity)
    into v_similar
    from gone
   where similarity is not null
     and contact_id is not null
     and model_version is not null;

  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id, bounding_box, face_index,
                                 created_by, model_version, tagged_by)
  select distinct on (face.asset_id, contact.id)
         face.user_id, face.asset_id, coalesce(p_run, face.run_id), 'person', left(contact.display_name, 500),
         contact.id, face.bounding_box, face.face_index, null,
         case when face.recognised then face.model_version end,
         jsonb_strip_nulls(jsonb_build_object(
           'source', 'kizu',
           'model', face.model_version,
           'similarity', coalesce(
             to_jsonb(round((p_faces ->> face.id::text)::numeric, 3)),
             case when face.recognised
                  then v_similar -> concat_ws(' ', face.asset_id, contact.id, face.model_version) end
           )
         ))
    from public.face_embeddings as face
   cross join lateral (select * from public.contacts where id = face.contact_id offset 0) as contact -- not all of theirs
   where face.asset_id = any (p_assets)
     and not face.is_from_video
     and (not face.recognised or face.model_version = p_version)
     and contact.display_name <> ''
   order by face.asset_id, contact.id, face.recognised, (face.model_version = p_version) desc, face.face_index;
end;
$$;
