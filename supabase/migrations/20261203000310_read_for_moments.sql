-- A kind of job that finds the moments of one user's photos, and what its handler reads for that, page by page.

insert into public.job_kinds (kind, table_name, priority, max_attempts)
values ('generate_moments', 'ai_processing_jobs', 100, 5)
on conflict (kind) do nothing;

-- The verb `moments_state`: the user's settings; `today` in their zone; `last_story`, the id of the last one told (0:
-- none); and `model_version`, whose vectors answer. No row of a user who never had photos. It is to be read before
-- everything else.
create function kizu.read_moments_state(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'rows', (
      select coalesce(jsonb_agg(to_jsonb(wanted) || jsonb_build_object(
               'today',         (kizu.now() at time zone wanted.zone)::date,
               'last_story',    coalesce((select id
                                            from kizu.told_stories
                                           where user_id = p_user
                                           order by id desc
                                           limit 1), 0),
               'model_version', kizu.answering('pictures')
             )), '[]')
        from kizu.moment_settings as wanted
       where user_id = p_user
    ),
    'next', null
  );
end;
$$;

-- The verb `moments_people`: who may be in the user's photos, in order of id: contacts, and clusters that are no
-- contact's: {id: as faces have it, contact_id, cluster_id, name, birth_date: of the years 1 to 9999}. Who is hidden is
-- left out. Args: `limit`, `after`.
create function kizu.read_moments_people(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := kizu.page_limit(p_args);
  v_after constant uuid := coalesce((p_args -> 'after' ->> 'id')::uuid, '00000000-0000-0000-0000-000000000000');
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select *
              from (
                (select contact.id, contact.id as contact_id, null::uuid as cluster_id,
                        contact.display_name as name,
                        case when contact.birth_date between '0001-01-01' and '9999-12-31' then contact.birth_date end
                          as birth_date
                   from public.contacts as contact
                  where contact.user_id = p_user
                    and contact.id > v_after
                    and not exists (
                          select from public.face_clusters as cluster
                           where cluster.contact_id = contact.id
                             and cluster.user_id = p_user
                             and cluster.hidden
                        )
                  order by contact.id
                  limit v_limit)
                union all
                (select cluster.id, null, cluster.id, cluster.name, null
                   from public.face_clusters as cluster
                  where cluster.user_id = p_user
                    and cluster.id > v_after
                    and cluster.contact_id is null
                    and not cluster.hidden
                  order by cluster.id
                  limit v_limit)
              ) as everybody
             order by id
             limit v_limit) as page
  ), v_limit, 'id');
end;
$$;

-- The verb `moments_photos`: the user's photos and videos by time, as columns: one row for up to `limit` (5,000) of
-- them. {ids, times: seconds since 1970, offsets: minutes, latitudes, longitudes, places, sharpness, hashes: of 64 bits,
-- as a signed number, media: image or video, precisions: of the times, names: of the files; face_photos: places in these
-- columns, face_people: ids of moments_people, face_sizes: shares of the picture}. Null is what nobody knows; a time
-- that is only the file's own is none. Args: `limit`, `after`.
create function kizu.read_moments_photos(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most    constant int := 5000;
  v_limit   constant int := least(greatest(coalesce((p_args ->> 'limit')::int, c_most), 1), c_most);
  v_at      constant timestamptz := coalesce((p_args -> 'after' ->> 'at')::timestamptz, '-infinity');
  v_id      constant uuid := coalesce((p_args -> 'after' ->> 'id')::uuid, '00000000-0000-0000-0000-000000000000');
  v_faces   constant text := kizu.answering('faces');
  v_ids     uuid[];
  v_columns jsonb;
  v_last    timestamptz;
begin
  with
  page as materialized (
    select asset.id, coalesce(asset.taken_at, asset.created_at) as at, asset.taken_at, asset.taken_at_offset_minutes,
           asset.taken_at_precision, asset.latitude, asset.longitude, asset.location_name, asset.file_name,
           asset.taken_at between '0001-01-01' and '9999-12-31'
             and coalesce(asset.taken_at_source, '') not in ('modified', 'file_time') as is_timed,
           kizu.media_class(asset.media_type) as media
      from public.assets as asset
     where asset.user_id = p_user
       and (coalesce(asset.taken_at, asset.created_at), asset.id) > (v_at, v_id)
     order by coalesce(asset.taken_at, asset.created_at), asset.id
     limit v_limit
  )
  select array_agg(photo.id),
         max(photo.at),
         jsonb_build_object(
           'ids',        jsonb_agg(photo.id),
           'times',      jsonb_agg(case when photo.is_timed then extract(epoch from photo.taken_at)::bigint end),
           'offsets',    jsonb_agg(photo.taken_at_offset_minutes),
           'latitudes',  jsonb_agg(photo.latitude),
           'longitudes', jsonb_agg(photo.longitude),
           'places',     jsonb_agg(photo.location_name),
           'sharpness',  jsonb_agg(photo.sharpness),
           'hashes',     jsonb_agg(photo.perceptual_hash::bigint),
           'media',      jsonb_agg(photo.media),
           'precisions', jsonb_agg(photo.taken_at_precision),
           'names',      jsonb_agg(photo.file_name)
         )
    into v_ids, v_last, v_columns
    from (select page.*, quality.sharpness, hash.perceptual_hash
            from page
            left join lateral (
                   select sharpness from public.asset_quality where asset_id = page.id offset 0
                 ) as quality on true
            left join lateral (
                   select perceptual_hash from public.asset_hashes where asset_id = page.id offset 0
                 ) as hash on true
           order by page.at, page.id) as photo; -- once, and not for each column

  if v_ids is null then
    return '{"rows": [], "next": null}';
  end if;
  return jsonb_build_object(
    'rows', jsonb_build_array(v_columns || (
      select jsonb_build_object(
               'face_photos', coalesce(jsonb_agg(photo.place - 1), '[]'),
               'face_people', coalesce(jsonb_agg(coalesce(face.contact_id, cluster.contact_id, cluster.id)), '[]'),
               'face_sizes',  coalesce(jsonb_agg(face.size), '[]')
             )
        from unnest(v_ids) with ordinality as photo (id, place)
       cross join lateral (
               select found.contact_id, found.cluster_id,
                      greatest((found.bounding_box ->> 'width')::float8 * (found.bounding_box ->> 'height')::float8, 0)
                        as size
                 from public.face_embeddings as found
                where found.asset_id = photo.id
                  and found.model_version = v_faces
                  and not found.is_from_video
                  and (found.contact_id is not null or found.cluster_id is not null)
                  and not exists (select from kizu.face_marks as mark where mark.face_id = found.face_id)
               offset 0
             ) as face
        left join public.face_clusters as cluster on cluster.id = face.cluster_id
    )),
    'next', case
              when cardinality(v_ids) = v_limit then jsonb_build_object('at', v_last, 'id', v_ids[v_limit])
            end
  );
end;
$$;

-- The verb `moments_earlier`: the stories that were told to the user lately or are in the feed, in order of id: {id:
-- the moment's, key, kind, told_on, is_live: in the feed and not saved, photos}. Args: `limit` (at most 100), `after`.
create function kizu.read_moments_earlier(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most  constant int := 100; -- each with up to 200 photos
  c_since constant date := kizu.now()::date - kizu.season_days() - 1; -- whatever the zone
  v_limit constant int := least(kizu.page_limit(p_args), c_most);
  v_after constant bigint := coalesce((p_args -> 'after' ->> 'story')::bigint, 0);
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select told.id as story, told.moment_id as id, told.key, told.kind, told.told_on, told.photos,
                   moment.is_live is true as is_live
              from kizu.told_stories as told
              left join lateral (
                     select not is_saved and dismissed_at is null and expires_at > kizu.now() as is_live
                       from public.moments
                      where id = told.moment_id and user_id = p_user
                     offset 0
                   ) as moment on true
             where told.user_id = p_user
               and told.id > v_after
               and (told.told_on >= c_since or moment.is_live)
             order by told.id
             limit v_limit) as page
  ), v_limit, 'story');
end;
$$;

-- The days for which a story is not told again.
create function kizu.season_days()
returns int
language plpgsql
immutable
set search_path = ''
as $$
begin
  return 90;
end;
$$;

-- The verb `moments_vectors`: of those of the user's photos that are `assets` (at most 500 ids) and have a vector of the
-- generation that answers: {asset_id, vector: halfvec_send in base64}.
create function kizu.read_moments_vectors(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most    constant int := 500;
  v_version constant text := kizu.answering('pictures');
  v_ids     constant uuid[] := array(select jsonb_array_elements_text(p_args -> 'assets') limit c_most);
begin
  return jsonb_build_object(
    'rows', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'asset_id', picture.asset_id,
               'vector',   replace(encode(extensions.halfvec_send(picture.embedding::extensions.halfvec), 'base64'),
                                   e'\n', '')
             )), '[]')
        from unnest(v_ids) as wanted (id)
       cross join lateral (
               select asset_id, embedding
                 from public.image_embeddings
                where asset_id = wanted.id
                  and (user_id = p_user) is true
                  and (model_version = v_version) is true
               offset 0
             ) as picture
    ),
    'next', null
  );
end;
$$;

insert into public.read_verbs (verb, reader)
values ('moments_state',   'read_moments_state'),
       ('moments_people',  'read_moments_people'),
       ('moments_photos',  'read_moments_photos'),
       ('moments_earlier', 'read_moments_earlier'),
       ('moments_vectors', 'read_moments_vectors');

select kizu.keep_internal('kizu.season_days()');
select kizu.keep_internal('kizu.read_moments_state(uuid, jsonb)');
select kizu.keep_internal('kizu.read_moments_people(uuid, jsonb)');
select kizu.keep_internal('kizu.read_moments_photos(uuid, jsonb)');
select kizu.keep_internal('kizu.read_moments_earlier(uuid, jsonb)');
select kizu.keep_internal('kizu.read_moments_vectors(uuid, jsonb)');
