-- Which photos are alike is found out photo by photo, as they become known, and kept in pairs: no page of duplicates
-- compares a library with itself.
--
-- What is new or has changed of a photo puts it into a line. Whoever settles a job of the same user, or lists their
-- duplicates, matches a few that are in the line; who is matched sees all that were committed before, so that of two
-- photos that come at the same time the one that is matched last finds the other. Nobody waits for that: one at a time
-- matches a user's photos, and others leave them in the line.
--
-- A photo is compared with those that have the same bytes, that share most of a quarter of their perceptual hash, or
-- that were taken within seconds: of 100,000 photos whose hashes are random a hundred share so much. Two hashes that
-- differ in up to 7 of 64 bits differ in at most one bit in one of four quarters; so each photo is found under 4
-- numbers, and looked for under 68, which are those of its quarters with up to one bit turned over.

-- The numbers under which a user's photo is found: of each quarter of its hash.
create function kizu.hash_keys(p_user uuid, p_hash bit(64))
returns bigint[]
language sql
immutable
set search_path = ''
as $$
  select array[uuid_hash_extended(p_user, substring(p_hash from 1 for 16)::bit(16)::int),
               uuid_hash_extended(p_user, substring(p_hash from 17 for 16)::bit(16)::int + 65536),
               uuid_hash_extended(p_user, substring(p_hash from 33 for 16)::bit(16)::int + 131072),
               uuid_hash_extended(p_user, substring(p_hash from 49 for 16)::bit(16)::int + 196608)];
$$;

-- Those under which its near-duplicates are.
create function kizu.hash_keys_near(p_user uuid, p_hash bit(64))
returns bigint[]
language sql
immutable
set search_path = ''
as $$
  select array_agg(uuid_hash_extended(
           p_user,
           (substring(p_hash from 1 + 16 * quarter for 16)::bit(16)::int # turned) + 65536 * quarter
         ))
    from generate_series(0, 3) as quarter
   cross join unnest(array[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768]) as turned;
$$;

-- The nearest of all users' hashes served nobody's question: a photo has duplicates among its owner's.
drop index public.asset_hashes_by_likeness;
create index asset_hashes_by_quarter on public.asset_hashes
  using gin (kizu.hash_keys(user_id, perceptual_hash)) with (fastupdate = off)
  where perceptual_hash is not null;

-- Of the 64 bits of two near-duplicates so many differ, at most: those are found, see above.
create function kizu.near_bits()
returns int
language sql
immutable
set search_path = ''
as $$
  select 7;
$$;

-- Between one photo of a burst and the next there is no more time.
create function kizu.moment_of_burst()
returns interval
language sql
immutable
set search_path = ''
as $$
  select interval '3 seconds';
$$;

-- What photos are compared by.
create view kizu.compared_photos as
select asset.id as asset_id, asset.user_id, hash.sha256, hash.perceptual_hash, quality.fine_hash, quality.contrast,
       greatest(asset.width, asset.height) as long_side, least(asset.width, asset.height) as short_side,
       coalesce(asset.taken_at, asset.created_at) as at,
       -- Files that are copied have times a moment apart, too, and a day is no moment.
       -- A time at the end of all times has no seconds around it.
       coalesce(asset.taken_at between '0001-01-01' and '9999-12-31', false)
         and coalesce(asset.taken_at_precision, 'second') = 'second'
         and coalesce(asset.taken_at_source, '') not in ('modified', 'file_time') as is_timed
  from public.assets as asset
  join public.asset_hashes as hash on hash.asset_id = asset.id
  left join public.asset_quality as quality on quality.asset_id = asset.id;

revoke all on kizu.compared_photos from public, anon, authenticated, service_role;

-- How two photos of a user are alike, as far as their vectors do not matter: exact, near or burst, or null.
--
-- Measured on 30 photos and 40 drawn pages and screens of four layouts. Of variants of a photo (JPEG of quality 20 to
-- 90, WebP, half the size, 200 pixels, 20 % lighter or darker, more contrast, grey, a watermark, 2 % cut off) all
-- differ in at most 6 of 64 bits and, but for 1 of 30 watermarks (48), in at most 38 of 256; with 4 % cut off, 80 % in
-- at most 7 of 64, and half in at most 34 of 256. Photos from a camera moved by 5 % of its view differ in at least 42
-- of 256, pages and screens of one layout with other words in at least 8 of 64 and 52 of 256. A page with one to four
-- lines of text differs from another such in as little as no and 4 bits, but has a contrast of less than 10, where
-- photos have at least 25; black frames and skies share no more bits than any two pictures.
create function kizu.likeness(p_one kizu.compared_photos, p_other kizu.compared_photos)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_fine_bits constant int  := 40; -- of 256
  c_contrast  constant real := 10;
begin
  return case
    when p_one.user_id <> p_other.user_id or p_one.asset_id = p_other.asset_id then null
    when p_one.sha256 = p_other.sha256 then 'exact'
    when least(p_one.contrast, p_other.contrast) >= c_contrast
         and bit_count(p_one.perceptual_hash # p_other.perceptual_hash) <= kizu.near_bits()
         and bit_count(p_one.fine_hash # p_other.fine_hash) <= c_fine_bits then 'near'
    -- One camera's photos have one size, either way up.
    when p_one.is_timed and p_other.is_timed
         and p_one.at between p_other.at - kizu.moment_of_burst() and p_other.at + kizu.moment_of_burst()
         and coalesce((p_one.long_side, p_one.short_side) = (p_other.long_side, p_other.short_side), true) then 'burst'
  end;
end;
$$;

-- Pairs that are alike, each once, under the photo that was matched last. No row here refers to another: who deletes a
-- photo waits for nobody who matches others, and triggers take the rows along.
create table kizu.alike (
  user_id  uuid not null,
  asset_id uuid not null,
  other_id uuid not null,
  kind     text not null,
  at       timestamptz not null, -- when the asset was taken

  constraint kind_is_known check (kind in ('exact', 'near', 'burst'))
);

create index alike_of_a_kind on kizu.alike (user_id, kind, at, asset_id);
create index alike_of_an_asset on kizu.alike (asset_id);
create index alike_of_another on kizu.alike (other_id);

-- Photos that have not been compared with the others of their owner since something became known of them.
create table kizu.unmatched (
  id       bigint generated always as identity primary key,
  user_id  uuid not null,
  asset_id uuid not null
);

create index unmatched_of_a_user on kizu.unmatched (user_id, id);
create index unmatched_of_an_asset on kizu.unmatched (asset_id);

alter table kizu.alike enable row level security;
alter table kizu.unmatched enable row level security;
revoke all on kizu.alike from public, anon, authenticated, service_role;
revoke all on kizu.unmatched from public, anon, authenticated, service_role;

-- Ids of photos with which one is worth comparing, up to a hundred of each kind.
create function kizu.candidates(p_photo kizu.compared_photos)
returns setof uuid
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, each kind is found by its own index
set enable_bitmapscan = on
set enable_sort = off
set jit = off
as $$
declare
  c_most constant int      := 100;
  v_keys constant bigint[] := kizu.hash_keys_near(p_photo.user_id, p_photo.perceptual_hash);
begin
  return query
    select hash.asset_id
      from public.asset_hashes as hash
     where hash.user_id = p_photo.user_id
       and hash.sha256 = p_photo.sha256
     limit c_most;
  return query
    select hash.asset_id
      from public.asset_hashes as hash
     where kizu.hash_keys(hash.user_id, hash.perceptual_hash) && v_keys
       and hash.perceptual_hash is not null
       and (hash.user_id = p_photo.user_id) is true -- or all of the user's would be looked at
       and bit_count(hash.perceptual_hash # p_photo.perceptual_hash) <= kizu.near_bits()
     limit c_most;
  if p_photo.is_timed then
    return query
      select asset.id
        from public.assets as asset
       where asset.user_id = p_photo.user_id
         and coalesce(asset.taken_at, asset.created_at) between p_photo.at - kizu.moment_of_burst()
                                                            and p_photo.at + kizu.moment_of_burst()
       order by coalesce(asset.taken_at, asset.created_at), asset.id
       limit c_most;
  end if;
  return query select pair.asset_id from kizu.alike as pair where pair.other_id = p_photo.asset_id;
end;
$$;

-- Compares a photo with the others of its owner, and keeps of each kind the twenty most alike. Who calls it holds the
-- right to match the user's photos. Rows that somebody else is deleting are left to them.
create function kizu.match_photo(p_user uuid, p_asset uuid)
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, photos are found by their ids
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  c_kept constant int := 20;
  v_photo kizu.compared_photos;
  v_found jsonb;
begin
  select photo.*
    into v_photo
    from unnest(array[p_asset]) as wanted (id)
   cross join lateral (
           select *
             from kizu.compared_photos as known
            where known.asset_id = wanted.id
              and known.asset_id = any (array[wanted.id]) -- or all would be looked at, where there seem to be none
              and (known.user_id = p_user) is true
           offset 0
         ) as photo;
  if v_photo.asset_id is not null then
    v_found := (
      select jsonb_object_agg(asset_id, kind)
        from (select distinct candidate from kizu.candidates(v_photo) as candidate) as near
       cross join lateral (
               select other.asset_id, kizu.likeness(v_photo, other) as kind
                 from kizu.compared_photos as other
                where other.asset_id = near.candidate
                  and other.asset_id = any (array[near.candidate])
               offset 0 -- planned by itself: by its id
             ) as compared
       where kind is not null
    );
  end if;
  v_found := coalesce(v_found, '{}');

  delete from kizu.alike
   where ctid = any (array(
           select ctid
             from kizu.alike
            where asset_id = p_asset
              for update skip locked
         ));
  delete from kizu.alike
   where ctid = any (array(
           select ctid
             from kizu.alike
            where other_id = p_asset
              and kind is distinct from v_found ->> asset_id::text
              for update skip locked
         ));
  insert into kizu.alike (user_id, asset_id, other_id, kind, at)
  select p_user, p_asset, ranked.id, ranked.kind, v_photo.at
    from (select found.key::uuid as id, found.value as kind,
                 row_number() over (
                   partition by found.value
                   order by bit_count(hash.perceptual_hash # v_photo.perceptual_hash), found.key
                 ) as place
            from jsonb_each_text(v_found) as found
           cross join lateral (
                   select perceptual_hash from public.asset_hashes where asset_id = found.key::uuid offset 0
                 ) as hash) as ranked
   where place <= c_kept
     and not exists (select from kizu.alike as known where known.asset_id = ranked.id and known.other_id = p_asset);
end;
$$;

-- Matches up to p_most photos of a user that are in the line; none while somebody else does.
create function kizu.match_photos(p_user uuid, p_most int)
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off -- the order is the line's
as $$
declare
  v_ids    bigint[];
  v_assets uuid[];
  v_asset  uuid;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('duplicates of ' || p_user, 0)) then
    return;
  end if;
  select array_agg(line.id), array_agg(distinct line.asset_id)
    into v_ids, v_assets
    from (select id, asset_id from kizu.unmatched where user_id = p_user order by id limit p_most
             for update skip locked) as line;
  foreach v_asset in array coalesce(v_assets, '{}') loop
    perform kizu.match_photo(p_user, v_asset);
  end loop;
  delete from kizu.unmatched where id = any (v_ids);
end;
$$;

-- What is known of a photo anew puts it into the line, and takes some from its beginning: more than are added, so that
-- the line ends.
create function kizu.line_up_known()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_taken constant int := 4;
begin
  insert into kizu.unmatched (user_id, asset_id) select user_id, asset_id from known;
  begin
    perform kizu.match_photos(user_id, c_taken * (count(*)::int)) from known group by user_id;
  exception
    when others then -- no job fails for it: they stay in the line
      raise warning 'could not match photos: %', sqlerrm;
  end;
  return null;
end;
$$;

create trigger known_photos_are_matched
  after insert on public.asset_hashes
  referencing new table as known
  for each statement execute function kizu.line_up_known();
create trigger known_photos_are_matched
  after insert on public.asset_quality
  referencing new table as known
  for each statement execute function kizu.line_up_known();

-- Another time, or another size, is another neighbourhood.
create function kizu.line_up_moved()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.unmatched (user_id, asset_id)
  select new.user_id, new.id
   where exists (select from public.asset_hashes where asset_id = new.id);
  return null;
end;
$$;

create trigger moved_photos_are_matched
  after update of taken_at, taken_at_precision, taken_at_source, width, height on public.assets
  for each row
  when ((old.taken_at, old.taken_at_precision, old.taken_at_source, old.width, old.height)
        is distinct from (new.taken_at, new.taken_at_precision, new.taken_at_source, new.width, new.height))
  execute function kizu.line_up_moved();

-- What is forgotten of a photo leaves no pair behind; those it was alike are matched anew, as it may have stood between
-- them.
create function kizu.part_forgotten()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, pairs are found by their photos
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_gone constant uuid[] := array(select asset_id from forgotten);
begin
  delete from kizu.unmatched where asset_id = any (v_gone);
  with
  parted as (
    delete from kizu.alike
     where ctid = any (array(
             select ctid from kizu.alike where asset_id = any (v_gone)
             union
             select ctid from kizu.alike where other_id = any (v_gone)
           ))
    returning user_id, asset_id, other_id
  )
  insert into kizu.unmatched (user_id, asset_id)
  select distinct parted.user_id, left_alone.id
    from parted
   cross join lateral unnest(array[parted.asset_id, parted.other_id]) as left_alone (id)
   cross join lateral (
           select from public.assets where id = left_alone.id offset 0 -- planned by itself: by its id
         ) as asset
   where left_alone.id <> all (v_gone);
  return null;
end;
$$;

create trigger forgotten_photos_are_parted
  after delete on public.asset_hashes
  referencing old table as forgotten
  for each statement execute function kizu.part_forgotten();

-- Photos that are known already.
insert into kizu.unmatched (user_id, asset_id) select user_id, asset_id from public.asset_hashes;

select kizu.keep_internal('kizu.hash_keys(uuid, bit)');
select kizu.keep_internal('kizu.hash_keys_near(uuid, bit)');
select kizu.keep_internal('kizu.near_bits()');
select kizu.keep_internal('kizu.moment_of_burst()');
select kizu.keep_internal('kizu.likeness(kizu.compared_photos, kizu.compared_photos)');
select kizu.keep_internal('kizu.candidates(kizu.compared_photos)');
select kizu.keep_internal('kizu.match_photo(uuid, uuid)');
select kizu.keep_internal('kizu.match_photos(uuid, int)');
select kizu.keep_internal('kizu.line_up_known()');
select kizu.keep_internal('kizu.line_up_moved()');
select kizu.keep_internal('kizu.part_forgotten()');
