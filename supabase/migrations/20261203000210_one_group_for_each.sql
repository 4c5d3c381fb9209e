-- Every photo is in one group of duplicates, on one page: a group is the photos that are alike one another over any
-- number of steps, and is shown at the newest of them. What more than a hundred are alike has pages of its own.

drop function kizu.group_of(uuid, uuid, text[], text);
drop function kizu.links_of(uuid, uuid, text[], text);
drop function kizu.shown_group(uuid, jsonb);

drop index kizu.alike_of_another;
create index alike_of_another on kizu.alike (other_id, at);

-- A photo of a group, with the one before it that it is most alike; null for the first.
create type kizu.member as (
  asset_id   uuid,
  like_id    uuid,
  kind       text,
  similarity real
);

-- Photos that these are alike, but for those that are done with, with what the vectors of the generation that answers
-- say: the same file needs none, and others that have none are not shown. `place` is that of the photo among p_assets.
-- Of those that found a photo the newest p_most: of 10,000 copies all find the same twenty.
create function kizu.links_of(p_user uuid, p_assets uuid[], p_done uuid[], p_kinds text[], p_version text, p_most int)
returns table (place bigint, asset_id uuid, other_id uuid, kind text, similarity real)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  -- Cosines of vectors. Measured with the model of packages (ConSE) on the variants and moved views that kizu.likeness
  -- was measured on: variants other than grey at least 0.82, in nine of ten cases 0.89; views moved by up to 20 % at
  -- least 0.90; two photos of one place minutes apart 0.80 and 0.92; any two photos 0.69 in the middle.
  c_near  constant real := 0.8;
  c_burst constant real := 0.9;
begin
  return query
    select found.place, found.asset_id, found.id, found.kind, found.similarity
      from (
        select wanted.place, wanted.id as asset_id, near.id, near.kind,
               (-(own.embedding operator(extensions.<#>) their.embedding))::real as similarity
          from unnest(p_assets) with ordinality as wanted (id, place)
         cross join lateral (
                 select pair.other_id as id, pair.kind from kizu.alike as pair where pair.asset_id = wanted.id
                 union
                 (select pair.asset_id, pair.kind from kizu.alike as pair
                   where pair.other_id = wanted.id
                     and pair.kind = any (p_kinds)
                   order by pair.at desc
                   limit p_most)
               ) as near
         cross join lateral (
                 select from public.assets as asset
                  where asset.id = near.id and asset.id = any (array[near.id]) and (asset.user_id = p_user) is true
                 offset 0 -- planned by itself: by its id
               ) as there
          left join lateral (
                 select image.embedding from public.image_embeddings as image
                  where image.asset_id = wanted.id
                    and (image.model_version = p_version) is true -- or all of the model's would be looked at
                    and near.kind <> 'exact'
                 offset 0
               ) as own on true
          left join lateral (
                 select image.embedding from public.image_embeddings as image
                  where image.asset_id = near.id
                    and (image.model_version = p_version) is true
                    and near.kind <> 'exact'
                 offset 0
               ) as their on true
         where near.kind = any (p_kinds)
           and near.id <> all (p_done)
      ) as found
     where case found.kind
             when 'exact' then true
             when 'near'  then found.similarity >= c_near
             else found.similarity >= c_burst
           end;
end;
$$;

-- Whether one of these is newer, by its pairs of p_kind (for null of any kind), than p_asset, which is of p_at.
create function kizu.has_newer(p_ids uuid[], p_at timestamptz, p_asset uuid, p_kind text)
returns boolean
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
set enable_bitmapscan = off
set jit = off
as $$
begin
  return exists (
    select
      from unnest(p_ids) as listed (id)
     cross join lateral (
             select pair.at, pair.asset_id from kizu.alike as pair
              where pair.asset_id = listed.id
                and (p_kind is null or pair.kind = p_kind)
              limit 1
           ) as first
     where (first.at, first.asset_id) > (p_at, p_asset)
  );
end;
$$;

-- Whoever is alike a photo, or alike those, and so on: itself first, up to 500, and whether there are `more`. `members` is
-- null where one of them is newer by its pairs of p_kind (for null of any kind) than p_asset, which is of p_at: then the
-- group is shown elsewhere. `looked` says how many photos' pairs that cost, about.
create function kizu.find_members(p_user uuid, p_asset uuid, p_at timestamptz, p_kinds text[], p_kind text,
                                  p_version text, out members kizu.member[], out more boolean, out looked int)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
set enable_bitmapscan = off
set jit = off
as $$
declare
  c_most constant int := 500;
  c_many constant int := 10;
  c_kept constant int := 20; -- pairs of a photo
  v_done  uuid[] := '{}';
  v_front kizu.member[] := array[row(p_asset, null, null, null)::kizu.member];
  v_new   kizu.member[];
  v_near  uuid[];
  v_links int;
begin
  looked := 1;
  -- Of very many copies all know the same few, and these the newest.
  if exists (
       select
         from kizu.alike as own
        cross join lateral (
                select pair.at, pair.asset_id
                  from kizu.alike as pair
                 where pair.other_id = own.other_id
                   and pair.kind = 'exact'
                 order by pair.at desc
                 limit 1
              ) as newest
        where own.asset_id = p_asset
          and own.kind = 'exact'
          and coalesce(p_kind, 'exact') = 'exact'
          and (newest.at, newest.asset_id) > (p_at, p_asset)
     ) then
    return;
  end if;

  -- Nor are all pairs of those looked at that very many are like, where the newest are enough.
  v_near := array(select link.other_id
                    from kizu.links_of(p_user, array[p_asset], '{}', p_kinds, p_version, 1) as link);
  if cardinality(v_near) >= c_many then
    v_near := v_near || array(select link.other_id
                                from kizu.links_of(p_user, v_near, v_near || p_asset, p_kinds, p_version, 1) as link);
    looked := cardinality(v_near);
  end if;
  if kizu.has_newer(v_near, p_at, p_asset, p_kind) then
    return;
  end if;

  members := '{}';
  more := false;
  loop
    with
    front as materialized (
      select place, asset_id, like_id, kind, similarity
        from unnest(v_front) with ordinality as member (asset_id, like_id, kind, similarity, place)
    ),
    link as materialized (
      select found.*, array_position(p_kinds, found.kind) as rank
        from kizu.links_of(p_user, array(select asset_id from front order by place), v_done, p_kinds, p_version, c_most) as found
    ),
    known as (
      select place, asset_id, like_id, kind, similarity, array_position(p_kinds, kind) as rank, 0 as by
        from front
       union all
      select front.place, front.asset_id, link.asset_id, link.kind, link.similarity, link.rank, link.place
        from link
        join front on front.asset_id = link.other_id
       where link.place < front.place
    ),
    better as (
      select distinct on (place) *
        from known
       order by place, rank, similarity desc nulls last, by
    ),
    fresh as (
      select distinct on (link.other_id) link.*
        from link
       where not exists (select from front where front.asset_id = link.other_id)
       order by link.other_id, link.rank, link.similarity desc nulls last, link.place
    )
    select (select array_agg(row(asset_id, like_id, kind, similarity)::kizu.member order by place) from better),
           (select array_agg(row(other_id, asset_id, kind, similarity)::kizu.member
                             order by rank, similarity desc nulls last, other_id)
              from fresh),
           (select count(*) from link)
      into v_front, v_new, v_links;
    looked := looked + v_links / c_kept;
    members := members || v_front;
    exit when v_new is null;

    if kizu.has_newer(array(select asset_id from unnest(v_new)), p_at, p_asset, p_kind) then
      members := null;
      return;
    end if;
    v_done := v_done || array(select asset_id from unnest(v_front));
    more := more or cardinality(members) + cardinality(v_new) > c_most;
    v_front := v_new[1 : c_most - cardinality(members)];
    exit when v_front = '{}';
  end loop;
end;
$$;

-- The members of a group without those of it that their owner said are no duplicates: these are groups of their own,
-- each with whoever is like them, or alone.
create function kizu.part_members(p_members kizu.member[])
returns table (part int, members kizu.member[])
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
set jit = off
as $$
declare
  v_ids   constant uuid[] := array(select asset_id from unnest(p_members) with ordinality as member order by ordinality);
  v_parts int[] := '{}';
  v_ones  uuid[];
  v_others uuid[];
  v_part  int;
  v_most  int := 0;
  v_member kizu.member;
begin
  select array_agg(kept.asset_id), array_agg(kept.other_id)
    into v_ones, v_others
    from kizu.kept_duplicates as kept
   where kept.asset_id = any (v_ids)
     and kept.other_id = any (v_ids)
     and not exists (
           select from kizu.contents as content
            where content.asset_id in (kept.asset_id, kept.other_id)
              and content.since > kept.at -- it was said of another picture
         );
  if v_ones is null then
    part := 1;
    members := p_members;
    return next;
    return;
  end if;

  foreach v_member in array p_members loop
    v_part := v_parts[array_position(v_ids, v_member.like_id)];
    if v_part is null
       or exists (
            select
              from unnest(v_ones, v_others) as kept (one, other)
              join unnest(v_ids, v_parts) as before (id, part)
                on before.id = case v_member.asset_id when kept.one then kept.other when kept.other then kept.one end
             where before.part = v_part
          ) then
      v_most := v_most + 1;
      v_part := v_most;
    end if;
    v_parts := v_parts || v_part;
  end loop;
  return query
    select parted.part,
           array_agg(case when parted.nth = 1 then row(parted.id, null, null, null)::kizu.member
                          else row(parted.id, parted.like_id, parted.kind, parted.similarity)::kizu.member end
                     order by parted.nth)
      from (select label.part, member.asset_id as id, member.like_id, member.kind, member.similarity,
                   row_number() over (partition by label.part order by label.place) as nth
              from unnest(v_parts) with ordinality as label (part, place)
              join unnest(p_members) with ordinality as member (asset_id, like_id, kind, similarity, place)
                on member.place = label.place) as parted
     group by parted.part
     order by parted.part;
end;
$$;

-- A group as it is shown, the best to keep first: a hundred members from the place p_from on, of up to 500. A member's `score`, 0 to 1, is made of shares of the most that one
-- of them has: of sharpness (by contrast: a lighter picture has steeper edges), of size (the root of its pixels), of
-- exposure, and, where there are faces, of the quality of the worst; what is not known of one counts as the mean of
-- the others. All within 0.02 of the best are as good, and the one with most pixels is first, then the largest file,
-- then what was there first. Those whose file is not in Storage come last.
--
-- Weights and 0.02 are measured: of 30 photos, each among six worse versions (JPEG of quality 50 and 20, half and a
-- third of the size, 2 % cut off, enlarged from a quarter), the original is first 28 times, and of each among five
-- other shots (blurred by 1 and 2 pixels of 1600, shaken, too dark, too light) 26 times: the four that are not are
-- dark themselves, and the lighter shot is preferred.
create function kizu.shown_group(p_user uuid, p_members kizu.member[], p_from int)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, members are found by their ids
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  c_sharpness constant float8 := 0.35;
  c_size      constant float8 := 0.25;
  c_exposure  constant float8 := 0.4;
  c_faces     constant float8 := 0.2;
  c_as_good   constant numeric := 0.02;
  c_shown     constant int := 100;
  v_version   constant text := kizu.answering('faces');
begin
  return (
    with
    members as (
      select asset.id, asset.file_name, asset.path, asset.thumbnail, asset.taken_at, asset.width, asset.height,
             asset.created_at, listed.like_id, listed.kind, listed.similarity, quality.sharpness, quality.exposure,
             quality.sharpness / greatest(quality.contrast, 1) as clarity, face.quality as faces, object.bytes, coalesce(object.stored, false) as stored,
             sqrt(asset.width::float8 * asset.height) as size
        from unnest(p_members) as listed
       cross join lateral (
               select * from public.assets
                where id = listed.asset_id and id = any (array[listed.asset_id]) and (user_id = p_user) is true
               offset 0 -- planned by itself: by its id
             ) as asset
        left join lateral (
               select * from public.asset_quality where asset_id = listed.asset_id offset 0
             ) as quality on true
       cross join lateral (
               select min(quality) as quality from public.face_embeddings
                where asset_id = listed.asset_id and (model_version = v_version) is true
               offset 0
             ) as face
        left join lateral (
               select (metadata ->> 'size')::bigint as bytes, true as stored from storage.objects
                where bucket_id = 'assets' and name = asset.path
               offset 0
             ) as object on true
    ),
    shares as (
      select members.*, clarity / nullif(max(clarity) over (), 0) as of_clarity, size / nullif(max(size) over (), 0) as of_size,
             exposure / nullif(max(exposure) over (), 0) as of_exposure, faces / nullif(max(faces) over (), 0) as of_faces
        from members
    ),
    scored as (
      select shares.*,
             round(((c_sharpness * coalesce(of_clarity, avg(of_clarity) over (), 0)
                     + c_size * coalesce(of_size, avg(of_size) over (), 0)
                     + c_exposure * coalesce(of_exposure, avg(of_exposure) over (), 0)
                     + c_faces * coalesce(of_faces, avg(of_faces) over (), 0))
                    / (c_sharpness + c_size + c_exposure + case when max(faces) over () > 0 then c_faces else 0 end)
                   )::numeric, 3) as score
        from shares
    ),
    ranked as (
      select scored.*, row_number() over (
               order by stored desc, good desc, case when good then size end desc nulls last,
                        case when good then bytes end desc nulls last, case when not good then score end desc,
                        created_at, id
             ) as place
        from (select *, score >= max(score) over (partition by stored) - c_as_good as good from scored) as scored
    )
    select jsonb_build_object(
             'kind',    (array['exact', 'near', 'burst'])[max(array_position(array['exact', 'near', 'burst'], kind))],
             'best',    min(id::text) filter (where place = 1),
             'count',   count(*),
             'members', coalesce(jsonb_agg(jsonb_build_object(
               'asset_id',      id,
               'file_name',     file_name,
               'path',          path,
               'thumbnail_url', thumbnail,
               'taken_at',      taken_at,
               'width',         width,
               'height',        height,
               'bytes',         bytes,
               'sharpness',     sharpness,
               'exposure',      exposure,
               'face_quality',  faces,
               'score',         score,
               'why',           case when like_id is not null then jsonb_build_object(
                 'kind', kind, 'like', like_id, 'similarity', similarity
               ) end
             ) order by place) filter (where place > p_from and place <= p_from + c_shown), '[]')
           )
      from ranked
  );
end;
$$;

-- A user's groups of duplicates, p_limit (1 to 100) at a time, those with the newest photos first. p_kind is exact
-- (the same bytes), near (the same picture: scaled, compressed, toned, hardly cut) or burst (taken within three
-- seconds of each other, and alike); for null they are shown together, a group with everything in it. A photo is in one
-- group, on one page.
--
-- Answers {"groups": [{"kind": that of the least alike, "best": which to keep, "count": of its members, at most 500,
-- "more": whether there are others, who come when these are resolved, "members": [{"asset_id", "file_name", "path",
-- "thumbnail_url", "taken_at", "width", "height", "bytes", "sharpness", "exposure", "face_quality", "score", "why":
-- {"kind", "like": the member it was found by, "similarity": of vectors}}…], up to a hundred, the best first, "next":
-- what p_after is for the same group from there on, null at its end}…], "next": what p_after is for the next page, null
-- at the end, "left": how many photos have not been compared yet, at most 10,000}. A page looks at no more than some 500
-- photos that are alike others, so that it may have fewer groups than asked for, or none, though there are more; what
-- was one group but for what its owner said comes together, though it were more than asked for. Raises PT400
-- `bad_params`.
--
-- What waits to be compared is, some of it, before the answer: up to 300 photos.
create or replace function public.list_duplicates(
  p_kind  text  default null,
  p_limit int   default 20,
  p_after jsonb default null,
  p_user  uuid  default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are read in the order of their index
set enable_sort = off
set enable_bitmapscan = off
set jit = off
as $$
declare
  c_matched constant int := 300;
  c_looked  constant int := 500;
  c_left    constant int := 10000;
  v_user    constant uuid := kizu.one_user(p_user);
  v_limit   constant int  := kizu.checked_limit(p_limit, 100);
  v_kinds   constant text[] := kizu.kinds_within(p_kind);
  v_scanned constant text[] := case when p_kind is null then v_kinds else array[p_kind] end;
  v_version constant text := kizu.answering('pictures');
  v_at      timestamptz;
  v_id      uuid;
  v_part    int; -- of which only members are asked for, from the place v_from on
  v_from    int := 0;
  v_next    jsonb;
  v_seen    uuid[] := '{}';
  v_looked  int := 0;
  v_groups  jsonb := '[]';
  v_shown   jsonb;
  v_members kizu.member[];
  v_more    boolean;
begin
  perform kizu.check_cursor(p_after, '{"at": "string", "id": "string"}');
  if p_after ? 'part' then
    perform kizu.check_cursor(p_after, '{"part": "number", "from": "number"}');
  end if;
  begin
    v_at := coalesce((p_after ->> 'at')::timestamptz, 'infinity');
    v_id := coalesce((p_after ->> 'id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    v_part := (p_after ->> 'part')::int;
    v_from := coalesce((p_after ->> 'from')::int, 0);
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end;
  perform kizu.match_photos(v_user, c_matched);

  loop
    if v_part is null then
      select newest.at, newest.asset_id
        into v_at, v_id
        from unnest(v_scanned) as scanned (kind)
       cross join lateral (
               select pair.at, pair.asset_id
                 from kizu.alike as pair
                where pair.user_id = v_user
                  and pair.kind = scanned.kind
                  and (pair.at, pair.asset_id) < (v_at, v_id)
                order by pair.at desc, pair.asset_id desc
                limit 1
             ) as newest
       order by newest.at desc, newest.asset_id desc
       limit 1;
      if v_id is null then
        v_next := null;
        exit;
      end if;
    end if;
    exit when jsonb_array_length(v_groups) >= v_limit or v_looked >= c_looked;
    if v_id <> all (v_seen) then
      select found.members, found.more, v_looked + found.looked
        into v_members, v_more, v_looked
        from kizu.find_members(v_user, v_id, v_at, v_kinds, p_kind, v_version) as found;
      v_seen := v_seen || array(select asset_id from unnest(v_members));
      v_looked := v_looked + coalesce(cardinality(v_members), 0);
      v_shown := (
        select coalesce(jsonb_agg(shown.said || jsonb_build_object(
                 'more', v_more,
                 'next', case
                           when v_from + jsonb_array_length(shown.said -> 'members') < (shown.said ->> 'count')::int
                                and jsonb_array_length(shown.said -> 'members') > 0
                           then jsonb_build_object('at', v_at, 'id', v_id, 'part', shown.part,
                                                   'from', v_from + jsonb_array_length(shown.said -> 'members'))
                         end
               ) order by shown.part), '[]')
          from (select parted.part, kizu.shown_group(v_user, parted.members, v_from) as said
                  from kizu.part_members(v_members) as parted
                 where cardinality(v_members) > 1 -- and so not null
                   and cardinality(parted.members) > 1
                   and (v_part is null or parted.part = v_part)
                   and (p_kind is null or exists (select from unnest(parted.members) as member where member.kind = p_kind))
               ) as shown
      );
      v_groups := v_groups || v_shown;
    else
      v_looked := v_looked + 1;
    end if;
    exit when v_part is not null;
    v_next := jsonb_build_object('at', v_at, 'id', v_id);
  end loop;

  return jsonb_build_object(
    'groups', v_groups,
    'next',   v_next,
    'left',   (select count(*) from (select from kizu.unmatched where user_id = v_user limit c_left) as line)
  );
end;
$$;

select kizu.keep_internal('kizu.links_of(uuid, uuid[], uuid[], text[], text, int)');
select kizu.keep_internal('kizu.has_newer(uuid[], timestamptz, uuid, text)');
select kizu.keep_internal('kizu.find_members(uuid, uuid, timestamptz, text[], text, text)');
select kizu.keep_internal('kizu.part_members(kizu.member[])');
select kizu.keep_internal('kizu.shown_group(uuid, kizu.member[], int)');
