-- Apps show their users which of their tags are about which faces, and are told which of these matches are right: those
-- are named, also where a tag and a face have little in common.

-- Says of faces, by tags that people drew in the same photos, who they are: p_links is [{"tag_id", "face_id"}…], up to
-- 200, a face by its face_id or the id of any of its rows. That others are like them is found by spread_names. Answers
-- {"linked": how many faces are named now that were not so before, "contacts": whose they are}.
--
-- Users speak of their own photos; the service says whose, by p_user. Raises PT400 `bad_params`, also for one face that
-- is two people; PT404 `not_found` for a tag with a contact, or a face in its photo, that is not there or somebody
-- else's; PT503 `database_busy`, to be asked again.
create function public.link_tags(p_links jsonb, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, a tag and a face are found by an index
as $$
declare
  c_most constant int := 200;
  v_user constant uuid := kizu.one_user(p_user);
  v_links  jsonb;
  v_photos uuid[];
begin
  if jsonb_typeof(p_links) is distinct from 'array' or jsonb_array_length(p_links) not between 1 and c_most
     or exists (select
                  from jsonb_array_elements(p_links) as link
                 where not coalesce(pg_input_is_valid(link ->> 'tag_id', 'uuid')
                                    and pg_input_is_valid(link ->> 'face_id', 'uuid'), false)) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('links: expected 1 to %s, each with tag_id and face_id', c_most);
  end if;
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));

  with
  links as (
    select distinct tag.id as tag_id, tag.contact_id, tag.asset_id, face.face_id
      from jsonb_to_recordset(p_links) as link (tag_id uuid, face_id uuid)
      left join public.asset_tags as tag
        on tag.id = link.tag_id
       and tag.user_id = v_user
       and tag.tag_type = 'person'
       and tag.created_by is not null
       and tag.contact_id is not null
      left join public.face_embeddings as face
        on face.asset_id = tag.asset_id
       and face.user_id = v_user
       and link.face_id in (face.id, face.face_id)
  )
  select jsonb_agg(to_jsonb(links)), array_agg(distinct asset_id) into v_links, v_photos from links;
  if jsonb_path_exists(v_links, '$[*] ? (@.face_id == null)') then
    raise sqlstate 'PT404'
      using message = 'not_found', detail = 'there is no such tag with a contact, or no such face in its photo';
  elsif exists (select
                  from jsonb_to_recordset(v_links) as link (contact_id uuid, face_id uuid)
                 group by face_id
                having count(distinct contact_id) > 1) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'links: expected one person for each face';
  end if;

  perform kizu.lock_photos(v_photos);
  select jsonb_agg(to_jsonb(link))
    into v_links
    from (select distinct on (link.face_id) link.tag_id, link.face_id, link.contact_id
            from jsonb_to_recordset(v_links) as link (tag_id uuid, contact_id uuid, face_id uuid)
           where not exists (
                   select from public.face_embeddings as face
                    where face.face_id = link.face_id
                      and face.contact_id = link.contact_id
                      and not face.recognised
                 )
           order by link.face_id, link.tag_id) as link;
  if v_links is not null then
    perform kizu.name_by_tags(v_user, v_links);
    perform kizu.recognise_again(v_user, v_photos);
  end if;
  return jsonb_build_object(
    'linked',   coalesce(jsonb_array_length(v_links), 0),
    'contacts', coalesce((select jsonb_agg(distinct link -> 'contact_id') from jsonb_array_elements(v_links) as link), '[]')
  );
exception
  when lock_not_available or deadlock_detected
    or foreign_key_violation then -- a contact was deleted meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

select kizu.let_call('public.link_tags(jsonb, uuid)', 'authenticated', 'service_role');
