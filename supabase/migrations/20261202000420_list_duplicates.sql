-- Duplicates as their owner sees them: groups of photos that are alike, with the best to keep first.

-- Photos that their owner said are no duplicates of each other: never shown as such again, whatever is found out anew.
create table kizu.kept_duplicates (
  asset_id uuid not null,  -- the smaller id of the two
  other_id uuid not null,
  user_id  uuid not null,
  at       timestamptz not null default kizu.now(),

  primary key (asset_id, other_id),
  constraint pair_is_in_order check (asset_id < other_id),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint other_belongs_to_the_same_user foreign key (other_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index kept_duplicates_of_another on kizu.kept_duplicates (other_id);

alter table kizu.kept_duplicates enable row level security;
revoke all on kizu.kept_duplicates from public, anon, authenticated, service_role;

-- The kinds that a question about one kind is answered by: photos of a burst may be near-duplicates of each other, and
-- these the same file.
create function kizu.kinds_within(p_kind text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_kind is null or p_kind = 'burst' then
    return array['exact', 'near', 'burst'];
  elsif p_kind = 'near' then
    return array['exact', 'near'];
  elsif p_kind = 'exact' then
    return array['exact'];
  end if;
  raise sqlstate 'PT400' using message = 'bad_params', detail = 'kind: expected exact, near or burst';
end;
$$;

-- Photos that one is alike, the most alike first, with what the vectors of the generation that answers say: the same
-- file needs none, and others that have none are not shown.
create function kizu.links_of(p_user uuid, p_asset uuid, p_kinds text[], p_version text)
returns table (other_id uuid, kind text, similarity real)
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
  c_most  constant int  := 100; -- who find it: of 10,000 copies all find the same twenty
begin
  return query
    select found.id, found.kind, found.similarity
      from (
        select near.id, near.kind,
               (-(own.embedding operator(extensions.<#>) their.embedding))::real as similarity
          from (select pair.other_id as id, pair.kind from kizu.alike as pair where pair.asset_id = p_asset
                union
                (select pair.asset_id, pair.kind from kizu.alike as pair
                  where pair.other_id = p_asset
                    and pair.kind = any (p_kinds)
                  limit c_most)) as near
         cross join lateral (
                 select from public.assets as asset
                  where asset.id = near.id and asset.id = any (array[near.id]) and (asset.user_id = p_user) is true
                 offset 0 -- planned by itself: by its id
               ) as there
          left join lateral (
                 select embedding from public.image_embeddings
                  where asset_id = p_asset and (model_version = p_version) is true -- or all of the model's would be looked at
                 offset 0
               ) as own on true
          left join lateral (
                 select embedding from public.image_embeddings
                  where asset_id = near.id and (model_version = p_version) is true
                 offset 0
               ) as their on true
         where near.kind = any (p_kinds)
      ) as found
     where case found.kind
             when 'exact' then true
             when 'near'  then found.similarity >= c_near
             else found.similarity >= c_burst
           end
     order by array_position(p_kinds, found.kind), found.similarity desc nulls last, found.id;
end;
$$;

-- The group of a photo, itself first: whoever is alike somebody in it, up to a hundred, without those whom their owner
-- said are no duplicates of somebody in it. Each but the first with the member before it that it is most alike.
create function kizu.group_of(p_user uuid, p_asset uuid, p_kinds text[], p_version text)
returns table (asset_id uuid, like_id uuid, kind text, similarity real)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  c_most constant int := 100;
  v_members uuid[] := array[p_asset];
  v_likes   uuid[] := array[null::uuid];
  v_kinds   int[]  := array[null::int];
  v_cosines real[] := array[null::real];
  v_at      int := 1;
  v_place   int;
  v_rank    int;
  v_link    record;
begin
  while v_at <= cardinality(v_members) loop
    for v_link in select * from kizu.links_of(p_user, v_members[v_at], p_kinds, p_version) loop
      v_place := array_position(v_members, v_link.other_id);
      v_rank := array_position(p_kinds, v_link.kind);
      continue when v_place <= v_at or v_rank > v_kinds[v_place]
        or (v_rank = v_kinds[v_place] and coalesce(v_link.similarity <= v_cosines[v_place], true));
      if v_place is null then
        continue when cardinality(v_members) >= c_most
          or exists (
               select from unnest(v_members) as member (id)
                join kizu.kept_duplicates as kept
                  on kept.asset_id = least(member.id, v_link.other_id)
                 and kept.other_id = greatest(member.id, v_link.other_id)
               where not exists (
                       select from kizu.contents as content
                        where content.asset_id in (kept.asset_id, kept.other_id)
                          and content.since > kept.at -- it was said of another picture
                     )
             );
        v_place := cardinality(v_members) + 1;
        v_members[v_place] := v_link.other_id;
      end if;
      v_likes[v_place] := v_members[v_at];
      v_kinds[v_place] := v_rank;
      v_cosines[v_place] := v_link.similarity;
    end loop;
    v_at := v_at + 1;
  end loop;
  return query
    select member.id, member.likes, p_kinds[member.rank], member.cosine
      from unnest(v_members, v_likes, v_kinds, v_cosines) as member (id, likes, rank, cosine);
end;
$$;

-- A group as it is shown, the best to keep first. A member's `score`, 0 to 1, is made of shares of the most that one
-- of them has: of sharpness (by contrast: a lighter picture has steeper edges), of size (the root of its pixels), of
-- exposure, and, where there are faces, of the quality of the worst; what is not known of one counts as the mean of
-- the others. All within 0.02 of the best are as good, and the one with most pixels is first, then the largest file,
-- then what was there first.
--
-- Weights and 0.02 are measured: of 30 photos, each among six worse versions (JPEG of quality 50 and 20, half and a
-- third of the size, 2 % cut off, enlarged from a quarter), the original is first 28 times, and of each among five
-- other shots (blurred by 1 and 2 pixels of 1600, shaken, too dark, too light) 26 times: the four that are not are
-- dark themselves, and the lighter shot is preferred.
create function kizu.shown_group(p_user uuid, p_members jsonb)
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
  v_version   constant text := kizu.answering('faces');
begin
  return (
    with
    members as (
      select asset.id, asset.file_name, asset.path, asset.thumbnail, asset.taken_at, asset.width, asset.height,
             asset.created_at, listed.like_id, listed.kind, listed.similarity, quality.sharpness, quality.exposure,
             quality.sharpness / greatest(quality.contrast, 1) as clarity, face.quality as faces, object.bytes,
             sqrt(asset.width::float8 * asset.height) as size
        from jsonb_to_recordset(p_members) as listed (asset_id uuid, like_id uuid, kind text, similarity real)
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
               select (metadata ->> 'size')::bigint as bytes from storage.objects
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
               order by good desc, case when good then size end desc nulls last,
                        case when good then bytes end desc nulls last, case when not good then score end desc,
                        created_at, id
             ) as place
        from (select *, score >= max(score) over () - c_as_good as good from scored) as scored
    )
    select jsonb_build_object(
             'kind',    (array['exact', 'near', 'burst'])[max(array_position(array['exact', 'near', 'burst'], kind))],
             'best',    min(id::text) filter (where place = 1),
             'members', jsonb_agg(jsonb_build_object(
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
             ) order by place)
           )
      from ranked
  );
end;
$$;

-- A user's groups of duplicates, p_limit (1 to 100) at a time, those with the newest photos first. p_kind is exact
-- (the same bytes), near (the same picture: scaled, compressed, toned, hardly cut) or burst (taken within three
-- seconds of each other, and alike); for null they are shown together, a group with everything in it.
--
-- Answers {"groups": [{"kind": that of the least alike, "best": which to keep, "members": [{"asset_id", "file_name",
-- "path", "thumbnail_url", "taken_at", "width", "height", "bytes", "sharpness", "exposure", "face_quality", "score",
-- "why": {"kind", "like": the member it was found by, "similarity": of vectors}}…], the best first}…], "next": what
-- p_after is for the next page, null at the end, "left": how many photos have not been compared yet, at most 10,000}.
-- A page looks at no more than 500 photos that are alike others, so that it may have fewer groups than asked for, or
-- none, though there are more. Raises PT400 `bad_params`.
--
-- What waits to be compared is, some of it, before the answer: up to 300 photos.
create function public.list_duplicates(
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
  v_next    jsonb;
  v_seen    uuid[] := '{}';
  v_looked  int := 0;
  v_groups  jsonb := '[]';
  v_members jsonb;
begin
  perform kizu.check_cursor(p_after, '{"at": "string", "id": "string"}');
  begin
    v_at := coalesce((p_after ->> 'at')::timestamptz, 'infinity');
    v_id := coalesce((p_after ->> 'id')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end;
  perform kizu.match_photos(v_user, c_matched);

  loop
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
    elsif jsonb_array_length(v_groups) = v_limit or v_looked >= c_looked then
      exit;
    end if;
    v_next := jsonb_build_object('at', v_at, 'id', v_id);
    v_looked := v_looked + 1;
    continue when v_id = any (v_seen);

    v_members := (
      select jsonb_agg(to_jsonb(member)) from kizu.group_of(v_user, v_id, v_kinds, v_version) as member
    );
    v_looked := v_looked + jsonb_array_length(v_members) - 1;
    v_seen := v_seen || array(select (member ->> 'asset_id')::uuid from jsonb_array_elements(v_members) as member);
    -- A group is shown where the newest of those of its members is under which such a pair is kept.
    continue when not (
      case when p_kind is null then jsonb_array_length(v_members) > 1
           else jsonb_path_exists(v_members, '$[*] ? (@.kind == $kind)', jsonb_build_object('kind', p_kind)) end
    ) or exists (
      select
        from jsonb_to_recordset(v_members) as member (asset_id uuid)
       cross join lateral (
               select pair.at, pair.asset_id from kizu.alike as pair
                where pair.asset_id = member.asset_id
                  and (p_kind is null or pair.kind = p_kind)
                limit 1
             ) as first
       where (first.at, first.asset_id) > (v_at, v_id)
    );
    v_groups := v_groups || kizu.shown_group(v_user, v_members);
  end loop;

  return jsonb_build_object(
    'groups', v_groups,
    'next',   v_next,
    'left',   (select count(*) from (select from kizu.unmatched where user_id = v_user limit c_left) as line)
  );
end;
$$;

select kizu.keep_internal('kizu.kinds_within(text)');
select kizu.keep_internal('kizu.links_of(uuid, uuid, text[], text)');
select kizu.keep_internal('kizu.group_of(uuid, uuid, text[], text)');
select kizu.keep_internal('kizu.shown_group(uuid, jsonb)');

select kizu.let_call('public.list_duplicates(text, int, jsonb, uuid)', 'authenticated', 'service_role');
