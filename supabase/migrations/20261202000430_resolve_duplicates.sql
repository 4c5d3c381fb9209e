-- What owners say of duplicates: which one to keep, so that nothing is lost with the others; or that they are none.

-- What has been removed in favour of what, so that to say it again is no mistake.
create table kizu.resolved_duplicates (
  asset_id uuid primary key,             -- is gone
  kept_id  uuid not null,
  user_id  uuid not null,
  at       timestamptz not null default kizu.now(),

  constraint kept_belongs_to_the_same_user foreign key (kept_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index resolved_duplicates_of_a_kept on kizu.resolved_duplicates (kept_id);

alter table kizu.resolved_duplicates enable row level security;
revoke all on kizu.resolved_duplicates from public, anon, authenticated, service_role;

-- Ids of photos as they were given, each once, in order. Raises PT400 `bad_params` for fewer than p_least or more than
-- a hundred.
create function kizu.checked_photos(p_ids uuid[], p_field text, p_least int)
returns uuid[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_most constant int := 100;
  v_ids  constant uuid[] := array(select distinct id from unnest(p_ids) as id order by id);
begin
  if cardinality(v_ids) not between p_least and c_most or array_position(v_ids, null) is not null then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('%s: expected %s to %s photos', p_field, p_least, c_most);
  end if;
  return v_ids;
end;
$$;

-- Names faces of the photo that is kept by those of the others that people named, where both are in the same place; of
-- whoever is nowhere in it then, a tag remains. Answers how many names came. Who calls it holds kizu.faces_of(user).
create function kizu.keep_names(p_user uuid, p_keep uuid, p_remove uuid[])
returns int
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a photo's faces are found by an index
as $$
declare
  c_same_place constant float8 := 0.5; -- of what either box covers, as for a photo that is looked at again
  v_named   record;
  v_count   int := 0;
  v_tagged  int;
begin
  for v_named in
    select contact_id, array_agg(distinct face_id) as faces
      from (
        select distinct on (own.face_id) own.face_id, their.contact_id
          from public.face_embeddings as their
          join public.face_embeddings as own
            on own.asset_id = p_keep
           and own.model_version = their.model_version
           and kizu.iou(own.bounding_box, their.bounding_box) >= c_same_place
         where their.asset_id = any (p_remove)
           and (their.user_id = p_user) is true
           and their.contact_id is not null
           and not their.recognised
           and (own.contact_id is null or own.recognised)
           and not exists (select from kizu.face_marks as mark where mark.face_id = own.face_id)
           and not exists (
                 select from kizu.exclusions as excluded
                  where excluded.face_id = own.face_id and excluded.contact_id = their.contact_id
               )
           and not exists (
                 select from public.face_embeddings as other
                  where other.asset_id = p_keep and other.contact_id = their.contact_id and not other.recognised
               )
         order by own.face_id, kizu.iou(own.bounding_box, their.bounding_box) desc
      ) as named
     group by contact_id
     order by contact_id
  loop
    perform kizu.say_they_are(p_user, v_named.faces[:1], v_named.contact_id); -- one person has one face in a photo
    v_count := v_count + 1;
  end loop;

  insert into public.asset_tags (user_id, asset_id, tag_type, tag_value, contact_id, bounding_box, created_by)
  select distinct on (contact.id) p_user, p_keep, 'person', left(contact.display_name, 500), contact.id,
         face.bounding_box, p_user
    from public.face_embeddings as face
    join public.contacts as contact on contact.id = face.contact_id
   where face.asset_id = any (p_remove)
     and (face.user_id = p_user) is true
     and not face.recognised
     and contact.display_name <> ''
     and not exists (
           select from public.face_embeddings as own where own.asset_id = p_keep and own.contact_id = contact.id
         )
     and not exists (
           select from public.asset_tags as tag where tag.asset_id = p_keep and tag.contact_id = contact.id
         )
   order by contact.id, face.id;
  get diagnostics v_tagged = row_count;
  return v_count + v_tagged;
end;
$$;

-- Gives a photo what others alone have: people's tags, places in albums and moments, files that belong to it, a name,
-- and when and where it was taken where nobody said so of it: that stays whatever its own file says later. A sidecar
-- comes only to a photo without one. Answers how much of each.
create function kizu.keep_belongings(p_user uuid, p_keep uuid, p_remove uuid[])
returns jsonb
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, what belongs to a photo is found by its id
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  c_person constant text := 'person';
  v_kept    public.assets;
  v_other   public.assets;
  v_tags    int;
  v_albums  int;
  v_moments int;
  v_parts   int;
begin
  update public.asset_tags
     set asset_id = p_keep
   where id = any (array(
           select distinct on (tag.tag_type, tag.tag_value, tag.contact_id) tag.id
             from public.asset_tags as tag
            where tag.asset_id = any (p_remove)
              and tag.created_by is not null
              and not exists (
                    select from public.asset_tags as own
                     where own.asset_id = p_keep
                       and own.created_by is not null
                       and (own.tag_type, own.tag_value) = (tag.tag_type, tag.tag_value)
                       and own.contact_id is not distinct from tag.contact_id
                       and (own.bounding_box is not null or tag.bounding_box is null)
                  )
            order by tag.tag_type, tag.tag_value, tag.contact_id, tag.bounding_box nulls last, tag.created_at
         ));
  get diagnostics v_tags = row_count;

  select * into v_kept from public.assets where id = any (array[p_keep]);
  update public.album_assets as item
     set asset_id = p_keep,
         asset_uri = case when asset_uri is not null then coalesce(v_kept.web_uri, v_kept.path, asset_uri) end,
         thumbnail_uri = case when thumbnail_uri is not null then coalesce(v_kept.thumbnail, thumbnail_uri) end
   where item.id = any (array(
           select distinct on (album_id) id
             from public.album_assets as placed
            where placed.asset_id = any (p_remove)
              and not exists (
                    select from public.album_assets as own
                     where own.album_id = placed.album_id and own.asset_id = p_keep
                  )
            order by album_id, display_order, id
         ));
  get diagnostics v_albums = row_count;
  update public.albums as album
     set keyphoto = case
                      when keyphoto = removed.id::text then p_keep::text
                      when keyphoto = removed.path then v_kept.path
                      when keyphoto = removed.web_uri then coalesce(v_kept.web_uri, v_kept.path)
                      else coalesce(v_kept.thumbnail, v_kept.web_uri, v_kept.path)
                    end
    from public.assets as removed
   where album.user_id = p_user
     and removed.id = any (p_remove)
     and album.keyphoto is not null
     and (strpos(album.keyphoto, removed.id::text) > 0
          or album.keyphoto in (removed.path, removed.web_uri, removed.thumbnail)
          or kizu.key_in(album.keyphoto, p_user) = removed.path);
  update public.albums set video_asset_id = p_keep where video_asset_id = any (p_remove);

  update public.moment_assets as item
     set asset_id = p_keep
   where item.id = any (array(
           select distinct on (moment_id) id
             from public.moment_assets as placed
            where placed.asset_id = any (p_remove)
              and not exists (
                    select from public.moment_assets as own
                     where own.moment_id = placed.moment_id and own.asset_id = p_keep
                  )
            order by moment_id, display_order, id
         ));
  get diagnostics v_moments = row_count;
  update public.moments
     set cover_asset_ids = array(
           select cover.id
             from (select case when shown.id = any (p_remove) then p_keep else shown.id end as id, min(shown.place) as place
                     from unnest(cover_asset_ids) with ordinality as shown (id, place)
                    group by 1) as cover
            order by cover.place
         )
   where user_id = p_user
     and cover_asset_ids && p_remove;

  update public.asset_parts as part
     set asset_id = p_keep
   where part.asset_id = any (p_remove)
     and part.path is not null
     and not exists (
           select from public.asset_parts as own
            where own.asset_id = p_keep
              and own.kind = part.kind
              and (own.kind = 'sidecar' or own.sha256 = part.sha256)
         );
  get diagnostics v_parts = row_count;

  if v_kept.taken_at is null or v_kept.taken_at_source is distinct from c_person then
    select * into v_other
      from public.assets
     where id = any (p_remove)
       and taken_at is not null
       and (v_kept.taken_at is null or taken_at_source = c_person)
     order by taken_at_source is not distinct from c_person desc, taken_at, id
     limit 1;
    if found then
      update public.assets
         set taken_at = v_other.taken_at,
             taken_at_offset_minutes = v_other.taken_at_offset_minutes,
             taken_at_precision = v_other.taken_at_precision,
             taken_at_source = c_person
       where id = any (array[p_keep]);
    end if;
  end if;
  if v_kept.latitude is null or v_kept.longitude is null or v_kept.place_source is distinct from c_person then
    select * into v_other
      from public.assets
     where id = any (p_remove)
       and latitude is not null
       and longitude is not null
       and (v_kept.latitude is null or v_kept.longitude is null or place_source = c_person)
     order by place_source is not distinct from c_person desc, id
     limit 1;
    if found then
      update public.assets
         set latitude = v_other.latitude,
             longitude = v_other.longitude,
             place_source = c_person,
             location_name = coalesce(v_other.location_name, location_name)
       where id = any (array[p_keep]);
    end if;
  end if;
  update public.assets as kept
     set file_name     = coalesce(kept.file_name, other.file_name),
         folder        = coalesce(kept.folder, other.folder),
         location_name = coalesce(kept.location_name, other.location_name)
    from (select (array_agg(file_name order by id) filter (where file_name is not null))[1] as file_name,
                 (array_agg(folder order by id) filter (where folder is not null))[1] as folder,
                 (array_agg(location_name order by id) filter (where location_name is not null))[1] as location_name
            from public.assets
           where id = any (p_remove)) as other
   where kept.id = any (array[p_keep])
     and (   (kept.file_name     is null and other.file_name     is not null)
          or (kept.folder        is null and other.folder        is not null)
          or (kept.location_name is null and other.location_name is not null));

  return jsonb_build_object('tags', v_tags, 'albums', v_albums, 'moments', v_moments, 'parts', v_parts);
end;
$$;

-- Keeps one photo and removes others, up to a hundred, of the same user; what these alone have goes to the one that is
-- kept: see kizu.keep_names and kizu.keep_belongings. Their files go as those of any photo that is deleted. Said
-- again, it changes nothing.
--
-- Answers {"status": "resolved", "kept": its id, "removed": how many were, "gone": how many had been before, "moved":
-- {"names", "tags", "albums", "moments", "parts"}}. Raises PT400 `bad_params`, also where the one to keep is among the
-- others; PT404 `not_found` for one that is not there, unless it was removed for this one, or is somebody else's;
-- PT409 `conflict` where Storage lacks the file that is kept, but not all of the others'; PT503 `database_busy`, to be
-- asked again.
create function public.resolve_duplicates(p_keep uuid, p_remove uuid[], p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, photos are found by their ids
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_user   constant uuid   := kizu.one_user(p_user);
  v_remove constant uuid[] := kizu.checked_photos(p_remove, 'remove', 1);
  v_there  uuid[];
  v_names  int := 0;
  v_moved  jsonb := '{"tags": 0, "albums": 0, "moments": 0, "parts": 0}';
begin
  if p_keep is null or p_keep = any (v_remove) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'keep: expected a photo that is not to be removed';
  end if;

  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  v_there := array(select id from public.assets where id = any (p_keep || v_remove) and (user_id = v_user) is true);
  if not p_keep = any (v_there)
     or exists (
          select from unnest(v_remove) as wanted (id)
           where wanted.id <> all (v_there)
             and not exists (
                   select from kizu.resolved_duplicates as resolved
                    where resolved.asset_id = wanted.id
                      and resolved.kept_id = p_keep
                      and resolved.user_id = v_user
                 )
        ) then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such photo';
  end if;
  v_there := array_remove(v_there, p_keep);

  if cardinality(v_there) > 0 then
    v_names := kizu.keep_names(v_user, p_keep, v_there);
    perform kizu.lock_photos(p_keep || v_there);
    if exists (select from public.assets where id = any (array[p_keep]) and path is not null and not kizu.is_kept(path))
       and exists (select from public.assets where id = any (v_there) and kizu.is_kept(path)) then
      raise sqlstate 'PT409' using message = 'conflict', detail = 'the file of the photo to keep is not in Storage';
    end if;
    v_moved := kizu.keep_belongings(v_user, p_keep, v_there);
    insert into kizu.resolved_duplicates (asset_id, kept_id, user_id)
    select id, p_keep, v_user from unnest(v_there) as id
        on conflict (asset_id) do nothing;
    delete from public.assets where id = any (v_there);
  end if;

  return jsonb_build_object(
    'status',  'resolved',
    'kept',    p_keep,
    'removed', cardinality(v_there),
    'gone',    cardinality(v_remove) - cardinality(v_there),
    'moved',   v_moved || jsonb_build_object('names', v_names)
  );
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then -- a contact was deleted meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Says of 2 to 100 photos that none is another's duplicate: they are not shown together again, whatever is found out
-- anew of the same files; or, with p_kept false, takes that back. Answers {"status": "kept" or "forgotten", "pairs":
-- how many changed}. Raises PT400 `bad_params`; PT404 `not_found` for one that is not there, or is somebody else's;
-- PT503 `database_busy`, to be asked again.
create function public.keep_duplicates(p_asset_ids uuid[], p_kept boolean default true, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, photos are found by their ids
as $$
declare
  v_user  constant uuid   := kizu.one_user(p_user);
  v_ids   constant uuid[] := kizu.checked_photos(p_asset_ids, 'asset_ids', 2);
  v_pairs int;
begin
  if (select count(*) from public.assets where id = any (v_ids) and (user_id = v_user) is true) < cardinality(v_ids) then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such photo';
  end if;
  if coalesce(p_kept, true) then
    insert into kizu.kept_duplicates as kept (asset_id, other_id, user_id)
    select one, other, v_user
      from unnest(v_ids) as one
      join unnest(v_ids) as other on other > one
     order by one, other
        on conflict (asset_id, other_id) do update
       set at = excluded.at
     where exists (
             select from kizu.contents as content
              where content.asset_id in (kept.asset_id, kept.other_id) and content.since > kept.at
           );
  else
    delete from kizu.kept_duplicates where asset_id = any (v_ids) and other_id = any (v_ids);
  end if;
  get diagnostics v_pairs = row_count;
  return jsonb_build_object(
    'status', case when coalesce(p_kept, true) then 'kept' else 'forgotten' end,
    'pairs',  v_pairs
  );
exception
  when foreign_key_violation then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such photo';
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

select kizu.keep_internal('kizu.checked_photos(uuid[], text, int)');
select kizu.keep_internal('kizu.keep_names(uuid, uuid, uuid[])');
select kizu.keep_internal('kizu.keep_belongings(uuid, uuid, uuid[])');

select kizu.let_call('public.resolve_duplicates(uuid, uuid[], uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.keep_duplicates(uuid[], boolean, uuid)', 'authenticated', 'service_role');
