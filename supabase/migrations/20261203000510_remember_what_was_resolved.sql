-- What was said of duplicates outlives a photo that is removed later: chains of removals, what a photo is no duplicate
-- of, and every sidecar. A user may say so much of it and no more.

insert into public.queue_settings (name, value, says)
values ('kept_duplicates_per_user', 100000, 'Pairs of photos that a user may have said are no duplicates.');

create index kept_duplicates_of_a_user on kizu.kept_duplicates (user_id);

-- Gives a photo what others alone have of a name, and of when and where it was taken where nobody said so of it. The name
-- of a place goes where the place goes, or it is looked up; a time that a person said, or that comes from another photo,
-- is by no clock of the place.
create function kizu.keep_capture(p_user uuid, p_keep uuid, p_remove uuid[])
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, photos are found by their ids
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  c_person constant text := 'person';
  c_map    constant text := 'map';
  c_pause  constant interval := '2 minutes';
  v_kept  public.assets;
  v_other public.assets;
  v_named boolean;
begin
  select * into v_kept from public.assets where id = any (array[p_keep]);
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
             taken_at_source = c_person,
             taken_at_zone = null
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
      v_named := v_other.location_name is not null
                 and (v_kept.location_source is distinct from c_person or v_other.location_source = c_person);
      update public.assets
         set latitude = v_other.latitude,
             longitude = v_other.longitude,
             place_source = c_person,
             located_by = null, -- for a time by the clocks of the other place
             location_name = case when v_named then v_other.location_name
                                  when location_source is distinct from c_map then location_name end,
             location_source = case when v_named then v_other.location_source
                                    when location_source is distinct from c_map then location_source end
       where id = any (array[p_keep]);
      perform kizu.ask_to_locate(p_user, false, kizu.now() + c_pause);
    end if;
  end if;
  update public.assets as kept
     set file_name     = coalesce(kept.file_name, other.file_name),
         folder        = coalesce(kept.folder, other.folder),
         location_name = coalesce(kept.location_name, other.location_name),
         location_source = case when kept.location_name is null then other.location_source else kept.location_source end
    from (select (array_agg(file_name order by id) filter (where file_name is not null))[1] as file_name,
                 (array_agg(folder order by id) filter (where folder is not null))[1] as folder,
                 (array_agg(location_name order by id) filter (where is_said))[1] as location_name,
                 (array_agg(location_source order by id) filter (where is_said))[1] as location_source
            from (select *, location_name is not null and location_source is distinct from c_map as is_said
                    from public.assets
                   where id = any (p_remove)) as said) as other
   where kept.id = any (array[p_keep])
     and (   (kept.file_name     is null and other.file_name     is not null)
          or (kept.folder        is null and other.folder        is not null)
          or (kept.location_name is null and other.location_name is not null));
end;
$$;

-- Gives a photo what others alone have: people's tags, places in albums and moments, files that belong to it, a name,
-- and when and where it was taken where nobody said so of it: that stays whatever its own file says later. What several
-- sidecars say counts in the order in which they came to the photo. Answers how much of each.
create or replace function kizu.keep_belongings(p_user uuid, p_keep uuid, p_remove uuid[])
returns jsonb
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, what belongs to a photo is found by its id
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_kept    public.assets;
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
     set asset_id = p_keep,
         created_at = greatest(part.created_at, kizu.now()) -- after its own
   where part.id = any (array(
           select distinct on (kind, coalesce(sha256, id::text)) id -- of the same file one is enough
             from public.asset_parts as other
            where other.asset_id = any (p_remove)
              and other.path is not null
              and not exists (
                    select from public.asset_parts as own
                     where own.asset_id = p_keep
                       and own.kind = other.kind
                       and own.sha256 = other.sha256
                  )
            order by kind, coalesce(sha256, id::text), id
         ));
  get diagnostics v_parts = row_count;

  perform kizu.keep_capture(p_user, p_keep, p_remove);
  return jsonb_build_object('tags', v_tags, 'albums', v_albums, 'moments', v_moments, 'parts', v_parts);
end;
$$;

-- What others are no duplicates of, the photo that is kept is none of, either; but for what is removed with them.
create function kizu.keep_apart(p_user uuid, p_keep uuid, p_remove uuid[])
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
as $$
begin
  insert into kizu.kept_duplicates (asset_id, other_id, user_id)
  select least(p_keep, apart.other_id), greatest(p_keep, apart.other_id), p_user
    from (select kept.asset_id, kept.other_id, kept.at from kizu.kept_duplicates as kept where kept.asset_id = any (p_remove)
          union
          select kept.other_id, kept.asset_id, kept.at from kizu.kept_duplicates as kept where kept.other_id = any (p_remove)
         ) as apart (asset_id, other_id, at)
   where apart.other_id <> all (p_keep || p_remove)
     and not exists (
           select from kizu.contents as content
            where content.asset_id in (apart.asset_id, apart.other_id) and content.since > apart.at
         )
   order by 1, 2
      on conflict (asset_id, other_id) do nothing;
end;
$$;

-- Keeps one photo and removes others, up to a hundred, of the same user; what these alone have goes to the one that is
-- kept: see kizu.keep_names and kizu.keep_belongings. Their files go as those of any photo that is deleted. Said
-- again, it changes nothing.
--
-- Answers {"status": "resolved", "kept": its id, "removed": how many were, "gone": how many had been before, "moved":
-- {"names", "tags", "albums", "moments", "parts"}}. Raises PT400 `bad_params`, also where the one to keep is among the
-- others; PT404 `not_found` for one that is not there, unless it was removed for this one or one of the others, or is somebody else's;
-- PT409 `conflict` where Storage lacks the file that is kept, but not all of the others'; PT503 `database_busy`, to be
-- asked again.
create or replace function public.resolve_duplicates(p_keep uuid, p_remove uuid[], p_user uuid default null)
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
                      and resolved.kept_id = any (p_keep || v_remove)
                      and resolved.user_id = v_user
                 )
        ) then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such photo';
  end if;
  v_there := array_remove(v_there, p_keep);

  if cardinality(v_there) > 0 then
    v_names := kizu.keep_names(v_user, p_keep, v_there);
    perform kizu.lock_photos(p_keep || v_there);
    if exists (select from public.assets where id = any (array[p_keep]) and (path is null or not kizu.is_kept(path)))
       and exists (select from public.assets where id = any (v_there) and kizu.is_kept(path)) then
      raise sqlstate 'PT409' using message = 'conflict', detail = 'the file of the photo to keep is not in Storage';
    end if;
    v_moved := kizu.keep_belongings(v_user, p_keep, v_there);
    perform kizu.keep_apart(v_user, p_keep, v_there);
    update kizu.resolved_duplicates set kept_id = p_keep where kept_id = any (v_there); -- as it would go with them
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
-- PT409 `conflict` for more than
-- `kept_duplicates_per_user` (a row of `queue_settings`) pairs of one user; PT503 `database_busy`, to be asked again.
create or replace function public.keep_duplicates(p_asset_ids uuid[], p_kept boolean default true, p_user uuid default null)
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
  v_most  constant int    := kizu.setting('kept_duplicates_per_user');
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
    get diagnostics v_pairs = row_count;
    if v_pairs > 0
       and v_most < (select count(*)
                       from (select from kizu.kept_duplicates where user_id = v_user limit v_most + 1) as kept) then
      raise sqlstate 'PT409'
        using message = 'conflict',
              detail = format('a user may keep %s pairs of photos: take some back', v_most);
    end if;
  else
    delete from kizu.kept_duplicates where asset_id = any (v_ids) and other_id = any (v_ids);
    get diagnostics v_pairs = row_count;
  end if;
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

select kizu.keep_internal('kizu.keep_apart(uuid, uuid, uuid[])');
select kizu.keep_internal('kizu.keep_capture(uuid, uuid, uuid[])');
