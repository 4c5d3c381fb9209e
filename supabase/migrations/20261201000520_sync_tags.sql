-- People draw boxes around others in their photos and say who they are: tags of theirs with a contact and a box. The
-- face in such a box is that person. So says the tag when it is drawn, and when faces are found in a photo that has
-- tags; and for photos from before, apply_tag_sync, of which preview_tag_sync answers what it would do. One function
-- matches tags and faces for all of them.

create index asset_tags_drawn_by_people on public.asset_tags (user_id, asset_id)
  where tag_type = 'person' and created_by is not null and contact_id is not null and bounding_box is not null;

-- A box as shares of its picture, {left, top, right, bottom}. Numbers of at most 1 are shares already; others are
-- pixels of the upright picture of p_width × p_height. What cannot be told is told by `why`, and not guessed:
-- 'bad_box': not {x, y, width, height} with an area; 'size_unknown': pixels of nobody knows how many; 'outside': its
-- middle is not in the picture.
create function kizu.box_as_shares(p_box jsonb, p_width int, p_height int, out shares float8[], out why text)
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_x      float8;
  v_y      float8;
  v_width  float8;
  v_height float8;
begin
  if exists (select from unnest(array['x', 'y', 'width', 'height']) as name
              where jsonb_typeof(p_box -> name) is distinct from 'number') then
    why := 'bad_box';
    return;
  end if;
  v_x      := (p_box ->> 'x')::float8;
  v_y      := (p_box ->> 'y')::float8;
  v_width  := (p_box ->> 'width')::float8;
  v_height := (p_box ->> 'height')::float8;
  if v_width <= 0 or v_height <= 0 then
    why := 'bad_box';
    return;
  end if;

  if greatest(v_x, v_y, v_width, v_height) > 1 then
    if p_width is null or p_height is null then
      why := 'size_unknown';
      return;
    end if;
    v_x      := v_x / p_width;
    v_width  := v_width / p_width;
    v_y      := v_y / p_height;
    v_height := v_height / p_height;
  end if;
  if v_x + v_width / 2 not between 0 and 1 or v_y + v_height / 2 not between 0 and 1 then
    why := 'outside';
    return;
  end if;
  shares := array[v_x, v_y, v_x + v_width, v_y + v_height];
end;
$$;

-- How much two boxes {left, top, right, bottom} have in common, 0 to 1: of the smaller one's area, or 'iou': of the
-- area that either covers.
create function kizu.overlap_of(p_one float8[], p_other float8[], p_measure text)
returns float8
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_one   constant float8 := (p_one[3] - p_one[1]) * (p_one[4] - p_one[2]);
  v_other constant float8 := (p_other[3] - p_other[1]) * (p_other[4] - p_other[2]);
  v_both  constant float8 := greatest(least(p_one[3], p_other[3]) - greatest(p_one[1], p_other[1]), 0)
                             * greatest(least(p_one[4], p_other[4]) - greatest(p_one[2], p_other[2]), 0);
begin
  return v_both / case p_measure when 'iou' then v_one + v_other - v_both else least(v_one, v_other) end;
end;
$$;

-- The column of each row, such that no two have the same one and the sum of their weights is the largest there is;
-- null for a row that adds nothing. p_weights has p_rows × p_columns numbers, row by row, none negative. By the
-- Hungarian algorithm, row after row along shortest augmenting paths.
create function kizu.assign_columns(p_rows int, p_columns int, p_weights float8[])
returns int[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_width   constant int := greatest(p_rows, p_columns); -- columns beyond the last weigh nothing
  v_rows    float8[] := array_fill(0::float8, array[p_rows + 1], array[0]);  -- what a row is worth
  v_columns float8[] := array_fill(0::float8, array[v_width + 1], array[0]); -- and a column
  v_row_of  int[]    := array_fill(0, array[v_width + 1], array[0]);
  v_from    int[]    := array_fill(0, array[v_width + 1], array[0]);
  v_least   float8[];
  v_done    boolean[];
  v_at      int;
  v_next    int;
  v_row     int;
  v_step    float8;
  v_cost    float8;
  v_found   int[] := array_fill(null::int, array[p_rows]);
begin
  for v_start in 1 .. p_rows loop
    v_row_of[0] := v_start;
    v_at    := 0;
    v_least := array_fill('infinity'::float8, array[v_width + 1], array[0]);
    v_done  := array_fill(false, array[v_width + 1], array[0]);
    loop
      v_done[v_at] := true;
      v_row  := v_row_of[v_at];
      v_step := 'infinity';
      for v_column in 1 .. v_width loop
        continue when v_done[v_column];
        v_cost := -case when v_column <= p_columns then p_weights[(v_row - 1) * p_columns + v_column] else 0 end
                  - v_rows[v_row] - v_columns[v_column];
        if v_cost < v_least[v_column] then
          v_least[v_column] := v_cost;
          v_from[v_column]  := v_at;
        end if;
        if v_least[v_column] < v_step then
          v_step := v_least[v_column];
          v_next := v_column;
        end if;
      end loop;
      for v_column in 0 .. v_width loop
        if v_done[v_column] then
          v_rows[v_row_of[v_column]] := v_rows[v_row_of[v_column]] + v_step;
          v_columns[v_column] := v_columns[v_column] - v_step;
        else
          v_least[v_column] := v_least[v_column] - v_step;
        end if;
      end loop;
      v_at := v_next;
      exit when v_row_of[v_at] = 0;
    end loop;
    while v_at <> 0 loop
      v_row_of[v_at] := v_row_of[v_from[v_at]];
      v_at := v_from[v_at];
    end loop;
  end loop;

  for v_column in 1 .. p_columns loop
    v_row := v_row_of[v_column];
    if v_row > 0 and p_weights[(v_row - 1) * p_columns + v_column] > 0 then
      v_found[v_row] := v_column;
    end if;
  end loop;
  return v_found;
end;
$$;

-- Which tags that people drew in these photos of theirs are about which faces of the generation that answers: a row for
-- each tag, and one for each face that no tag is about. Of a photo's faces and contacts those are matched one to one
-- whose overlaps have the largest sum; of several tags of one contact the one counts that fits its face best.
--
-- p_measure is 'smaller' (a match from 0.4 on) or 'iou' (a match from 0.3 on, and weak from 0.1 on).
--
-- status: 'link': the face is to be named; 'linked': it was said to be the contact already; 'weak': too little in
-- common to be sure; 'conflict', and why: 'somebody_else' was said, 'not_them' was said after the tag was drawn, the
-- contact is said to be 'another_face' of the photo, the face is 'marked' as none or of nobody; 'no_face'; 'no_tag';
-- 'skipped', and why: see kizu.box_as_shares.
create function kizu.match_tags(p_user uuid, p_assets uuid[], p_measure text)
returns table (asset_id uuid, tag_id uuid, contact_id uuid, face_id uuid, overlap real, status text, why text)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a photo's faces and tags are found by an index
as $$
declare
  c_match constant float8 := case p_measure when 'iou' then 0.3 else 0.4 end;
  c_least constant float8 := case p_measure when 'iou' then 0.1 else 0.4 end;
  c_most  constant int    := 200; -- contacts of a photo that are matched, those of the largest overlaps
  v_version constant text := kizu.answering('faces');
  v_photo    record;
  v_contacts uuid[];
  v_faces    uuid[];
  v_weights  float8[];
  v_tags     uuid[];
  v_places   int[];
begin
  for v_photo in
    select asset.id, asset.width, asset.height
      from public.assets as asset
     where asset.id = any (p_assets)
       and asset.user_id = p_user
     order by asset.id
  loop
    -- Pairs of a contact and a face that have something in common, with the tag that has most.
    with
    fits as materialized (
      select distinct on (tag.contact_id, face.face_id) tag.contact_id, face.face_id, tag.id as tag_id, shared.much
        from public.asset_tags as tag
       cross join lateral kizu.box_as_shares(tag.bounding_box, v_photo.width, v_photo.height) as drawn
        join public.face_embeddings as face on face.asset_id = tag.asset_id
       cross join lateral kizu.box_as_shares(face.bounding_box, v_photo.width, v_photo.height) as found
       cross join lateral kizu.overlap_of(drawn.shares, found.shares, p_measure) as shared (much)
       where tag.asset_id = v_photo.id
         and tag.user_id = p_user
         and tag.tag_type = 'person'
         and tag.created_by is not null
         and tag.contact_id is not null
         and tag.bounding_box is not null
         and face.user_id = p_user
         and face.model_version = v_version
         and not face.is_from_video
         and shared.much >= c_least
       order by tag.contact_id, face.face_id, shared.much desc, tag.id
    ),
    asking as (
      select fit.contact_id, row_number() over (order by fit.contact_id) as place
        from (select fits.contact_id from fits group by 1 order by max(much) desc, 1 limit c_most) as fit
    ),
    asked as (
      select fit.face_id, row_number() over (order by fit.face_id) as place
        from (select distinct fits.face_id from fits) as fit
    )
    select (select array_agg(asking.contact_id order by place) from asking),
           (select array_agg(asked.face_id order by place) from asked),
           array_agg(coalesce(fits.much, 0) order by asking.place, asked.place),
           array_agg(fits.tag_id order by asking.place, asked.place)
      into v_contacts, v_faces, v_weights, v_tags
      from asking
     cross join asked
      left join fits on fits.contact_id = asking.contact_id and fits.face_id = asked.face_id;
    v_places := kizu.assign_columns(coalesce(cardinality(v_contacts), 0), coalesce(cardinality(v_faces), 0), v_weights);

    return query
    with
    matched as materialized (
      select v_contacts[place] as contact_id, v_faces[v_places[place]] as face_id,
             v_tags[(place - 1) * cardinality(v_faces) + v_places[place]] as tag_id,
             v_weights[(place - 1) * cardinality(v_faces) + v_places[place]] as much
        from generate_subscripts(v_places, 1) as place
       where v_places[place] is not null
    ),
    faces as materialized (
      select face.face_id, face.contact_id, face.recognised, face.face_index
        from public.face_embeddings as face
       where face.asset_id = v_photo.id
         and face.user_id = p_user
         and face.model_version = v_version
         and not face.is_from_video
    )
    select v_photo.id, tag.id, tag.contact_id, fit.face_id, fit.much::real,
           case
             when drawn.why is not null then 'skipped'
             when fit.tag_id is null then 'no_face'
             when is_linked then 'linked'
             when fit.much < c_match then 'weak'
             when against.why is not null then 'conflict'
             else 'link'
           end,
           case
             when drawn.why is not null then drawn.why
             when fit.much >= c_match and not is_linked then against.why
           end
      from public.asset_tags as tag
     cross join lateral kizu.box_as_shares(tag.bounding_box, v_photo.width, v_photo.height) as drawn
      left join matched as fit on fit.tag_id = tag.id
      left join faces as face on face.face_id = fit.face_id
     cross join lateral coalesce(face.contact_id = tag.contact_id and not face.recognised, false) as is_linked
      left join lateral (
             select case
                      when face.contact_id <> tag.contact_id and not face.recognised then 'somebody_else'
                      when exists (select from kizu.face_marks as mark where mark.face_id = fit.face_id) then 'marked'
                      when exists (select from kizu.exclusions as excluded
                                    where excluded.face_id = fit.face_id
                                      and excluded.contact_id = tag.contact_id
                                      and excluded.at >= tag.created_at)
                        or exists (select
                                     from public.face_verdict_faces as meant
                                     join public.face_verdicts as said on said.id = meant.verdict_id
                                     join public.face_verdicts as undone on undone.undoes = said.id
                                    where meant.face_id = fit.face_id
                                      and said.contact_id = tag.contact_id
                                      and undone.at >= tag.created_at) then 'not_them'
                      when exists (select from faces as another
                                    where another.contact_id = tag.contact_id
                                      and not another.recognised
                                      and another.face_id <> fit.face_id) then 'another_face'
                    end as why
           ) as against on true
     where tag.asset_id = v_photo.id
       and tag.user_id = p_user
       and tag.tag_type = 'person'
       and tag.created_by is not null
       and tag.contact_id is not null
       and tag.bounding_box is not null
     union all
    select v_photo.id, null, face.contact_id, face.face_id, null, 'no_tag', null
      from faces as face
     where not exists (select from matched as fit where fit.face_id = face.face_id)
     order by 2 nulls last, 4;
  end loop;
end;
$$;

-- Says of faces that they are whom tags about them name: p_links is [{"tag_id", "face_id"}…]. That others are like them
-- is found by spread_names. Who calls it holds kizu.faces_of(user) and the photos.
create function kizu.name_by_tags(p_user uuid, p_links jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  v_name    record;
  v_verdict bigint;
begin
  for v_name in
    select tag.contact_id, array_agg(link.face_id order by link.face_id) as faces,
           jsonb_object_agg(link.face_id, c_first) as left_over,
           (array_agg(tag.created_by order by tag.created_at desc, tag.id))[1] as author
      from jsonb_to_recordset(p_links) as link (tag_id uuid, face_id uuid)
      join public.asset_tags as tag on tag.id = link.tag_id and tag.user_id = p_user
     group by tag.contact_id
     order by tag.contact_id
  loop
    v_verdict := kizu.begin_verdict(p_user, 'is', v_name.contact_id);
    update public.face_verdicts set said_by = v_name.author where id = v_verdict;
    perform kizu.bring_faces(p_user, v_name.faces, kizu.cluster_of(p_user, v_name.contact_id, v_name.faces[1]),
                             v_name.faces);
    perform kizu.end_verdict(v_verdict, v_name.faces);
    perform kizu.leave_names(p_user, v_name.faces, v_name.left_over);
  end loop;
end;
$$;

-- The photos of a page of tag sync, in order of id, and where to go on. Raises PT400 `bad_params`, PT404 `not_found`.
create function kizu.photos_with_tags(p_asset_ids uuid[], p_after jsonb, p_limit int, p_user uuid,
                                      out of_user uuid, out photos uuid[], out next jsonb)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, one user's tags are found by an index
as $$
declare
  c_most  constant int  := 1000;
  c_first constant text := '00000000-0000-0000-0000-000000000000';
  v_limit constant int  := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_after constant text := coalesce(p_after ->> 'asset_id', c_first);
begin
  of_user := coalesce(kizu.caller_scope(), p_user);
  perform kizu.check_cursor(p_after, '{"asset_id": "string"}');
  if of_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'user: expected whose photos';
  elsif cardinality(p_asset_ids) > c_most then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('asset_ids: expected at most %s', c_most);
  elsif not pg_input_is_valid(v_after, 'uuid') then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected what was answered as next';
  elsif exists (select from unnest(p_asset_ids) as wanted (id)
                 where not exists (select from public.assets as asset
                                    where asset.id = wanted.id and asset.user_id = of_user)) then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such photo';
  end if;

  photos := array(
    select distinct asset_id
      from public.asset_tags
     where user_id = of_user
       and tag_type = 'person'
       and created_by is not null
       and contact_id is not null
       and bounding_box is not null
       and asset_id > v_after::uuid
       and (p_asset_ids is null or asset_id = any (p_asset_ids))
     order by asset_id
     limit v_limit
  );
  next := case when cardinality(photos) = v_limit then jsonb_build_object('asset_id', photos[v_limit]) end;
end;
$$;

create function kizu.tell_tag_sync(p_user uuid, p_photos uuid[], p_next jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    with
    matched as materialized (
      select * from kizu.match_tags(p_user, p_photos, 'iou')
    ),
    told as (
      select asset.id,
             jsonb_build_object(
               'asset_id',      asset.id,
               'thumbnail_url', asset.thumbnail,
               'image_width',   asset.width,
               'image_height',  asset.height,
               'tags', (
                 select coalesce(jsonb_agg(jsonb_build_object(
                          'tag_id', tag.id, 'contact_id', tag.contact_id, 'name', contact.display_name,
                          'bounding_box', tag.bounding_box, 'face_id', matched.face_id, 'overlap', matched.overlap,
                          'status', matched.status, 'why', matched.why) order by tag.id), '[]')
                   from matched
                   join public.asset_tags as tag on tag.id = matched.tag_id
                   join public.contacts as contact on contact.id = tag.contact_id
                  where matched.asset_id = asset.id
               ),
               'faces', (
                 select coalesce(jsonb_agg(jsonb_build_object(
                          'face_id', face.face_id, 'contact_id', face.contact_id,
                          'said', face.contact_id is not null and not face.recognised,
                          'bounding_box', face.bounding_box, 'thumbnail_url', face.face_thumbnail_url,
                          'tag_id', matched.tag_id) order by face.face_index, face.face_id), '[]')
                   from matched
                   join public.face_embeddings as face
                     on face.face_id = matched.face_id
                    and face.asset_id = asset.id
                    and face.model_version = kizu.answering('faces')
                  where matched.asset_id = asset.id
               )
             ) as photo
        from public.assets as asset
       where asset.id = any (p_photos)
         and asset.user_id = p_user
    )
    select jsonb_build_object(
             'assets',  (select coalesce(jsonb_agg(photo order by id), '[]') from told),
             'summary', (select jsonb_build_object(
                                  'assets',   cardinality(p_photos),
                                  'tags',     count(tag_id),
                                  'faces',    count(face_id),
                                  'link',     count(*) filter (where status = 'link'),
                                  'linked',   count(*) filter (where status = 'linked'),
                                  'weak',     count(*) filter (where status = 'weak'),
                                  'conflict', count(*) filter (where status = 'conflict'),
                                  'no_face',  count(*) filter (where status = 'no_face'),
                                  'skipped',  count(*) filter (where status = 'skipped'),
                                  'no_tag',   count(*) filter (where status = 'no_tag'))
                           from matched),
             'next',    p_next
           )
  );
end;
$$;

-- What apply_tag_sync would do with a page of a user's photos with tags of theirs, at most p_limit (up to 200), of
-- p_asset_ids or of all: {"assets": [{"asset_id", "thumbnail_url", "image_width", "image_height", "tags": [{"tag_id",
-- "contact_id", "name", "bounding_box", "face_id", "overlap", "status", "why"}…], "faces": [{"face_id", "contact_id",
-- "said", "bounding_box", "thumbnail_url", "tag_id"}…]}…], "summary": how many of each status, "next": where to go on,
-- null at the end}. See kizu.match_tags for what a status means; boxes match by what they cover together (IoU).
--
-- Users see their own photos; the service says whose, by p_user. Raises PT400 `bad_params`; PT404 `not_found` for a
-- photo that is not there or is somebody else's.
create function public.preview_tag_sync(
  p_asset_ids uuid[] default null,
  p_after     jsonb  default null,
  p_limit     int    default 50,
  p_user      uuid   default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_page constant record := kizu.photos_with_tags(p_asset_ids, p_after, p_limit, p_user);
begin
  return kizu.tell_tag_sync(v_page.of_user, v_page.photos, v_page.next);
end;
$$;

-- Names the faces that preview_tag_sync answers as 'link', all of a page in one transaction, and answers as it does.
-- Called again it finds them linked. Raises PT503 `database_busy`, to be asked again, and as preview_tag_sync does.
create function public.apply_tag_sync(
  p_asset_ids uuid[] default null,
  p_after     jsonb  default null,
  p_limit     int    default 50,
  p_user      uuid   default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_page   record := kizu.photos_with_tags(p_asset_ids, p_after, p_limit, p_user);
  v_answer jsonb;
  v_links  jsonb;
begin
  perform pg_advisory_xact_lock(kizu.faces_of(v_page.of_user));
  v_page := kizu.photos_with_tags(p_asset_ids, p_after, p_limit, p_user);
  perform kizu.lock_photos(v_page.photos);
  v_answer := kizu.tell_tag_sync(v_page.of_user, v_page.photos, v_page.next);
  v_links  := jsonb_path_query_array(v_answer, '$.assets[*].tags[*] ? (@.status == "link")');
  if v_links <> '[]' then
    perform kizu.name_by_tags(v_page.of_user, v_links);
    perform kizu.recognise_again(v_page.of_user, v_page.photos);
  end if;
  return v_answer;
exception
  when lock_not_available or deadlock_detected
    or foreign_key_violation then -- a contact was deleted meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Names by the tags that are about them, as far as people have not said who they are, the faces of a photo that were
-- just found. What settles them holds the locks, and recognises them afterwards.
create function kizu.name_found_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_user   uuid;
  v_photos uuid[];
begin
  for v_user, v_photos in
    select face.user_id, array_agg(distinct face.asset_id)
      from found as face
     where face.model_version = kizu.answering('faces')
       and exists (select from public.asset_tags as tag
                    where tag.user_id = face.user_id
                      and tag.asset_id = face.asset_id
                      and tag.tag_type = 'person'
                      and tag.created_by is not null
                      and tag.contact_id is not null
                      and tag.bounding_box is not null)
     group by face.user_id
  loop
    perform kizu.name_by_tags(v_user, coalesce((
      select jsonb_agg(to_jsonb(matched))
        from kizu.match_tags(v_user, v_photos, 'smaller') as matched
       where status = 'link'
    ), '[]'));
  end loop;
  return null;
end;
$$;

create trigger faces_are_named_by_tags
  after insert on public.face_embeddings
  referencing new table as found
  for each statement execute function kizu.name_found_faces();

-- Names the face that a tag is about as it is drawn. Raises PT503 `database_busy`, so that no tag is there whose face
-- was not looked for.
create function kizu.name_by_new_tag()
returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_links jsonb;
begin
  if exists (select from public.face_embeddings where asset_id = new.asset_id and user_id = new.user_id) then
    perform pg_advisory_xact_lock(kizu.faces_of(new.user_id));
    perform kizu.lock_photos(array[new.asset_id]);
    select jsonb_agg(to_jsonb(matched))
      into v_links
      from kizu.match_tags(new.user_id, array[new.asset_id], 'smaller') as matched
     where status = 'link'
       and tag_id = new.id;
    if v_links is not null then
      perform kizu.name_by_tags(new.user_id, v_links);
      perform kizu.recognise_again(new.user_id, array[new.asset_id]);
    end if;
  end if;
  return null;
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'this photo is being worked on; try again';
end;
$$;

create trigger faces_are_named_by_a_new_tag
  after insert or update of tag_type, contact_id, bounding_box, asset_id on public.asset_tags
  for each row when (new.tag_type = 'person' and new.created_by is not null
                     and new.contact_id is not null and new.bounding_box is not null)
  execute function kizu.name_by_new_tag();

select kizu.keep_internal('kizu.box_as_shares(jsonb, int, int)');
select kizu.keep_internal('kizu.overlap_of(float8[], float8[], text)');
select kizu.keep_internal('kizu.assign_columns(int, int, float8[])');
select kizu.keep_internal('kizu.match_tags(uuid, uuid[], text)');
select kizu.keep_internal('kizu.name_by_tags(uuid, jsonb)');
select kizu.keep_internal('kizu.photos_with_tags(uuid[], jsonb, int, uuid)');
select kizu.keep_internal('kizu.tell_tag_sync(uuid, uuid[], jsonb)');
select kizu.keep_internal('kizu.name_found_faces()');
select kizu.keep_internal('kizu.name_by_new_tag()');

select kizu.let_call('public.preview_tag_sync(uuid[], jsonb, int, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.apply_tag_sync(uuid[], jsonb, int, uuid)', 'authenticated', 'service_role');
