-- The camera of a photo, as its file names it, is kept with the photo, so that it is searched by it.

alter table public.assets
  add column camera text, -- maker and model; null where no file said so, or it was looked at before this was kept
  add constraint camera_is_short check (length(camera) between 1 and 100 and pg_column_size(camera) <= 500);

create index assets_by_camera on public.assets (user_id, camera) where camera is not null;

create or replace view public.asset_captures
with (security_invoker = true) as
select id as asset_id, user_id, taken_at, taken_at_offset_minutes, taken_at_precision, taken_at_source, latitude,
       longitude, place_source, camera
  from public.assets;

-- As before, with the camera.
create or replace function kizu.forget_capture()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  c_person constant text := 'person';
begin
  update public.assets
     set taken_at = null,
         taken_at_offset_minutes = null,
         taken_at_precision = null,
         taken_at_source = null
   where id = old.asset_id
     and taken_at_source <> c_person;
  update public.assets
     set latitude = null,
         longitude = null,
         place_source = null
   where id = old.asset_id
     and place_source <> c_person;
  update public.assets
     set camera = null
   where id = old.asset_id
     and camera is not null;
  return old;
end;
$$;

-- As before, with a row {camera}: what the file says, and no other.
create or replace function kizu.write_capture(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_person        constant text := 'person';
  c_clocks_differ constant interval := '1 day'; -- and a time without a zone may be 14 hours ahead of itself
  v_latest constant timestamptz := kizu.now() + c_clocks_differ;
  v_asset  public.assets;
  v_new    public.assets;
  v_time   public.asset_captures;
  v_place  public.asset_captures;
begin
  select * into v_asset from public.assets where id = p_asset and user_id = p_user for no key update;
  if not found then
    raise exception 'the job has no row in assets';
  end if;
  if exists (
       select
         from jsonb_populate_recordset(null::public.asset_captures, p_rows)
        where c_person in (taken_at_source, place_source)
     ) then
    raise exception 'no job says what a person says';
  end if;

  select told.*
    into v_time
    from jsonb_array_elements(p_rows) with ordinality as listed (item, place)
   cross join jsonb_populate_record(null::public.asset_captures, listed.item) as told
   where told.taken_at <= v_latest
   order by listed.place
   limit 1;
  select told.*
    into v_place
    from jsonb_array_elements(p_rows) with ordinality as listed (item, place)
   cross join jsonb_populate_record(null::public.asset_captures, listed.item) as told
   where told.latitude is not null
     and told.longitude is not null
   order by listed.place
   limit 1;
  v_new := v_asset;
  v_new.camera := (
    select min(told.camera) filter (where told.camera <> '')
      from jsonb_populate_recordset(null::public.asset_captures, p_rows) as told
  );

  if v_asset.taken_at is null and v_asset.taken_at_source is null
     or v_asset.taken_at_source <> c_person
     or v_asset.taken_at_source is null
        and exists (
              select
                from jsonb_populate_recordset(null::public.asset_captures, p_rows) as told
               where told.taken_at = v_asset.taken_at
                  or kizu.on_the_wall(told.taken_at, told.taken_at_offset_minutes)
                     = kizu.on_the_wall(v_asset.taken_at, v_asset.taken_at_offset_minutes)
            ) then
    v_new.taken_at := v_time.taken_at;
    v_new.taken_at_offset_minutes := v_time.taken_at_offset_minutes;
    v_new.taken_at_precision := v_time.taken_at_precision;
    v_new.taken_at_source := v_time.taken_at_source;
  end if;

  if v_asset.latitude is null and v_asset.longitude is null and v_asset.place_source is null
     or v_asset.place_source <> c_person
     or v_asset.place_source is null
        and (v_asset.latitude, v_asset.longitude) = (v_place.latitude, v_place.longitude) then
    v_new.latitude := v_place.latitude;
    v_new.longitude := v_place.longitude;
    v_new.place_source := v_place.place_source;
  end if;

  if v_new is distinct from v_asset then
    update public.assets
       set taken_at = v_new.taken_at,
           taken_at_offset_minutes = v_new.taken_at_offset_minutes,
           taken_at_precision = v_new.taken_at_precision,
           taken_at_source = v_new.taken_at_source,
           latitude = v_new.latitude,
           longitude = v_new.longitude,
           place_source = v_new.place_source,
           camera = v_new.camera
     where id = p_asset;
  end if;
end;
$$;

update public.result_tables set columns = columns || 'camera'::text where table_name = 'asset_captures';

-- The cameras of a user's photos in the order of their names, up to p_limit of them after one: each costs one descent of
-- the index, however many photos it took.
create function kizu.cameras_of(p_user uuid, p_limit int, p_after text default '')
returns setof text
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, cameras are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  v_camera text := p_after;
begin
  for v_number in 1 .. p_limit loop
    select asset.camera
      into v_camera
      from public.assets as asset
     where asset.user_id = p_user
       and asset.camera is not null
       and asset.camera > v_camera
     order by asset.user_id, asset.camera
     limit 1;
    exit when not found;
    return next v_camera;
  end loop;
end;
$$;

select kizu.keep_internal('kizu.cameras_of(uuid, int, text)');
