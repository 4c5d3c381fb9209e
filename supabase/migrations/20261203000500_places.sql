-- Where a photo was taken gets a name, and its time the zone of that place, where nobody said so: from data that comes
-- with the worker. What people say stays, and better data may take the place of what earlier data said.

alter table public.assets
  add column location_source text, -- what said location_name; null where it was there before this was kept
  add column located_by      text, -- the data in which latitude and longitude were last looked up; null: in none
  add column taken_at_zone   text, -- the zone that taken_at_offset_minutes is of, if only the place says so
  add constraint location_source_is_known
    check (location_source in ('person', 'map') and pg_column_size(location_source) <= 100),
  add constraint located_by_is_bounded check (pg_column_size(located_by) <= 104),
  add constraint taken_at_zone_is_bounded check (pg_column_size(taken_at_zone) <= 104);

create index assets_to_locate on public.assets (user_id, id)
  where latitude is not null and longitude is not null and located_by is null;
create index assets_with_a_place on public.assets (user_id, id) where latitude is not null and longitude is not null;

insert into public.job_kinds (kind, table_name)
values ('locate_photos', 'ai_processing_jobs')
on conflict (kind) do nothing;

-- The language in which p_user wants to read names of places, as their settings say it.
create function kizu.language_of(p_user uuid)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  c_usual constant text := 'en';
begin
  return coalesce((select language from kizu.moment_settings where user_id = p_user), c_usual);
end;
$$;

-- What a claim holds, as its worker is told; a job has a claim_id only while it is processing. Where the asset's file
-- lies comes along, because a worker with the narrow role reads no table, and what is known of the file beside its
-- bytes: name, time, and the paths of its first four sidecars; and the language in which its owner has names of places.
create or replace function kizu.jobs_under_claim(p_worker text, p_claim_id uuid, p_scope uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return (
    select coalesce(
             jsonb_agg(
               jsonb_build_object(
                 'table',        job_table.relname,
                 'id',           job.id,
                 'kind',         job.job_type,
                 'user_id',      job.user_id,
                 'asset_id',     job.asset_id,
                 'asset',        jsonb_build_object(
                                   'path',             asset.path,
                                   'web_uri',          asset.web_uri,
                                   'file_name',        asset.file_name,
                                   'file_modified_at', asset.file_modified_at,
                                   'sidecars',         asset.sidecars,
                                   'language',         kizu.language_of(job.user_id)
                                 ),
                 'params',       job.params,
                 'attempt',      job.attempts,
                 'max_attempts', job.max_attempts,
                 'epoch',        job.lease_epoch,
                 'crashes',      job.crashes,
                 'priority',     job.priority
               )
               order by job.priority, job.run_at, job.id
             ),
             '[]'
           )
      from public.jobs as job
      join pg_catalog.pg_class as job_table on job_table.oid = job.tableoid
      left join lateral (
             select path, web_uri, file_name, file_modified_at,
                    array(
                      select path
                        from public.asset_parts
                       where asset_id = job.asset_id
                         and kind = 'sidecar'
                         and path is not null
                       order by created_at, id
                       limit 4
                    ) as sidecars
               from public.assets
              where id = job.asset_id
                and user_id = job.user_id
             offset 0  -- planned by itself: by its id
           ) as asset on true
     where job.worker_id = p_worker
       and job.claim_id = p_claim_id
       and (p_scope is null or job.user_id = p_scope)
  );
end;
$$;


-- Asks that p_user's photos be looked up that are in no data yet, or, with p_again, in other data; one request waits at
-- most, and one that has begun does not count, as it may have passed by. Answers as enqueue_job does.
create function kizu.ask_to_locate(p_user uuid, p_again boolean, p_run_at timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_kind   constant text := 'locate_photos';
  c_status constant text := 'pending';
  c_behind constant int := 200; -- priority: behind photos that wait
  v_params constant jsonb := case when p_again then '{"again": true}'::jsonb else '{}' end;
  v_answer jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(':', 'asked', c_kind, p_user), 0));
  v_answer := kizu.enqueue(row(c_kind, null, v_params, c_behind, p_run_at, p_user, true, null)::kizu.request, null);
  if v_answer ->> 'status' = 'already_queued' then
    -- It stays where it is until what this is about is there for whoever claims it.
    perform from public.jobs where id = (v_answer ->> 'id')::uuid and status = c_status for share;
    if not found then
      v_answer := kizu.enqueue(
        row(c_kind, null, v_params, c_behind, p_run_at, p_user, true, 'after ' || p_again)::kizu.request, null
      );
    end if;
  end if;
  return v_answer;
end;
$$;

-- An asset with the name that some data has for its place, unless somebody said one.
create function kizu.name_place(p_asset public.assets, p_name text, p_located_by text)
returns public.assets
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_map constant text := 'map';
begin
  p_asset.located_by := p_located_by;
  if p_asset.location_name is null or p_asset.location_source = c_map then
    p_asset.location_name := nullif(p_name, '');
    p_asset.location_source := case when p_asset.location_name is not null then c_map end;
  end if;
  return p_asset;
end;
$$;

-- As before, and a name of the place that an app writes is what a person says. Of a place that is another now, neither
-- the name that data had for it nor the look into the data counts.
create or replace function kizu.note_corrections()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  c_person constant text := 'person';
  v_timed  boolean := new.taken_at is not null;
  v_placed boolean := new.latitude is not null or new.longitude is not null;
  v_named  boolean := new.location_name is not null;
begin
  if current_user not in ('authenticated', 'service_role') then
    return new;
  end if;

  if tg_op = 'UPDATE' then
    v_timed := (new.taken_at, new.taken_at_offset_minutes, new.taken_at_precision)
                 is distinct from (old.taken_at, old.taken_at_offset_minutes, old.taken_at_precision)
               and new.taken_at_source is not distinct from old.taken_at_source;
    v_placed := (new.latitude, new.longitude) is distinct from (old.latitude, old.longitude)
                and new.place_source is not distinct from old.place_source;
    v_named := new.location_name is distinct from old.location_name
               and new.location_source is not distinct from old.location_source;
    if (new.latitude, new.longitude) is distinct from (old.latitude, old.longitude) then
      new.located_by := null;
      if new.location_source <> c_person and not v_named then
        new.location_name := null; -- it was that of the other place
        new.location_source := null;
      end if;
    end if;
    if v_named then
      new.location_source := null;
      new.located_by := null;
    end if;
    if v_timed then
      new.taken_at_source := null;
      new.taken_at_zone := null;
      if new.taken_at is distinct from old.taken_at
         and new.taken_at_precision is not distinct from old.taken_at_precision then
        new.taken_at_precision := null; -- it was that of the other time
      end if;
    end if;
    if v_placed then
      new.place_source := null;
    end if;
  end if;

  if v_timed and new.taken_at is not null then
    new.taken_at_source := coalesce(new.taken_at_source, c_person);
  end if;
  if v_placed and (new.latitude is not null or new.longitude is not null) then
    new.place_source := coalesce(new.place_source, c_person);
  end if;
  if v_named and new.location_name is not null then
    new.location_source := coalesce(new.location_source, c_person);
  end if;
  return new;
end;
$$;


create or replace trigger corrections_are_noted
  before insert or update of taken_at, taken_at_offset_minutes, taken_at_precision, latitude, longitude, location_name
  on public.assets
  for each row
  execute function kizu.note_corrections();

-- Asks that places be looked up that apps bring or correct. It waits for a while, since they come in crowds.
create function kizu.note_new_places()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_pause constant interval := '2 minutes';
begin
  perform kizu.ask_to_locate(user_id, false, kizu.now() + c_pause)
     from (select distinct user_id
             from added
            where latitude is not null
              and longitude is not null
              and located_by is null
            order by user_id) as owner;
  return null;
end;
$$;

create trigger new_places_are_noted
  after insert on public.assets
  referencing new table as added
  for each statement
  when (current_user in ('authenticated', 'service_role'))
  execute function kizu.note_new_places();

-- As above of those that apps move or name anew; it is asked once for all of them, since they may be thousands.
create function kizu.note_other_places()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_pause constant interval := '2 minutes';
begin
  perform kizu.ask_to_locate(user_id, false, kizu.now() + c_pause)
     from (select distinct latter.user_id
             from latter
             join former on former.id = latter.id
            where latter.latitude is not null
              and latter.longitude is not null
              and latter.located_by is null
              and (former.latitude, former.longitude, former.location_name)
                  is distinct from (latter.latitude, latter.longitude, latter.location_name)
            order by latter.user_id) as owner;
  return null;
end;
$$;

create trigger other_places_are_noted
  after update on public.assets
  referencing old table as former new table as latter
  for each statement
  when (current_user in ('authenticated', 'service_role'))
  execute function kizu.note_other_places();

create or replace view public.asset_captures
with (security_invoker = true) as
select id as asset_id, user_id, taken_at, taken_at_offset_minutes, taken_at_precision, taken_at_source, latitude,
       longitude, place_source, camera, location_name, located_by, taken_at_zone
  from public.assets;

-- As before, with the zone of a time and the name of a place.
create or replace function kizu.forget_capture()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  c_person constant text := 'person';
  c_map    constant text := 'map';
begin
  update public.assets
     set taken_at = null,
         taken_at_offset_minutes = null,
         taken_at_precision = null,
         taken_at_source = null,
         taken_at_zone = null
   where id = old.asset_id
     and taken_at_source <> c_person;
  update public.assets
     set latitude = null,
         longitude = null,
         place_source = null,
         located_by = null,
         location_name = case when location_source is distinct from c_map then location_name end,
         location_source = case when location_source is distinct from c_map then location_source end
   where id = old.asset_id
     and place_source <> c_person;
  update public.assets
     set camera = null
   where id = old.asset_id
     and camera is not null;
  return old;
end;
$$;

-- As before: what one look at a file says takes the place of what an earlier one said. A time says the zone of its
-- offset if only the place told it; a place its name, which counts where nobody said another, and the data it is from.
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
    v_new.taken_at_zone := v_time.taken_at_zone;
  end if;

  if v_asset.latitude is null and v_asset.longitude is null and v_asset.place_source is null
     or v_asset.place_source <> c_person
     or v_asset.place_source is null
        and (v_asset.latitude, v_asset.longitude) = (v_place.latitude, v_place.longitude) then
    v_new.latitude := v_place.latitude;
    v_new.longitude := v_place.longitude;
    v_new.place_source := v_place.place_source;
    if v_place.located_by is not null
       or (v_new.latitude, v_new.longitude) is distinct from (v_asset.latitude, v_asset.longitude) then
      v_new := kizu.name_place(v_new, v_place.location_name, v_place.located_by);
    else
      v_new.located_by := null; -- a worker without data looked at it: somebody has still to
    end if;
  elsif v_new.taken_at_zone is not null then
    v_new.located_by := null; -- the zone is that of a place of which a person says that it is another
    perform kizu.ask_to_locate(p_user, false, kizu.now());
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
           camera = v_new.camera,
           location_name = v_new.location_name,
           location_source = v_new.location_source,
           located_by = v_new.located_by,
           taken_at_zone = v_new.taken_at_zone
     where id = p_asset;
  end if;
end;
$$;


update public.result_tables
   set columns = columns || array['location_name', 'located_by', 'taken_at_zone']
 where table_name = 'asset_captures';

-- Where assets are and by which clock, which jobs that look them up write as below; for whoever reads `assets`, it is
-- all there.
create view public.asset_places
with (security_invoker = true) as
select id as asset_id, user_id, latitude, longitude, location_name, located_by, taken_at, taken_at_offset_minutes,
       taken_at_zone
  from public.assets;

revoke all on public.asset_places from public, anon, authenticated, service_role;

-- The verb `places`: assets with a place that is in no data yet, with `again` those too that other data than `version`
-- has. Of a time that the place has to say the offset of, `wall` is what its clock showed, or `taken_at` the instant
-- where that is known; both null where a file or a person said it all, or no calendar has it. Args: `version`, `again`,
-- `limit`, `after`.
create function kizu.read_places(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, places are read in the order of their index, and each by its id
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  c_first    constant uuid := '00000000-0000-0000-0000-000000000000';
  c_clocks   constant text[] := array['original', 'digitised', 'modified']; -- what a camera's clock showed
  c_instants constant text[] := array['satellite', 'file_time'];            -- what is the same everywhere
  c_exact    constant text[] := array['second', 'minute'];
  c_earliest constant timestamptz := '0001-01-03'; -- what any calendar of a program has, by any clock
  c_latest   constant timestamptz := '9999-12-29';
  v_limit constant int := kizu.page_limit(p_args);
  v_after constant uuid := coalesce((p_args #>> '{after,asset_id}')::uuid, c_first);
  v_again constant boolean := coalesce((p_args ->> 'again')::boolean, false);
  v_found uuid[];
begin
  if v_again then
    v_found := array(
      select id
        from public.assets
       where user_id = p_user
         and id > v_after
         and latitude is not null
         and longitude is not null
         and located_by is distinct from p_args ->> 'version'
       order by user_id, id
       limit v_limit
    );
  else
    v_found := array(
      select id
        from public.assets
       where user_id = p_user
         and id > v_after
         and latitude is not null
         and longitude is not null
         and located_by is null
       order by user_id, id
       limit v_limit
    );
  end if;
  return kizu.page((
    select coalesce(jsonb_agg(jsonb_build_object(
             'asset_id',  asset.id,
             'latitude',  asset.latitude,
             'longitude', asset.longitude,
             'was',       asset.taken_at,
             'wall',      case when asset.taken_at_precision = any (c_exact)
                                    and asset.taken_at between c_earliest and c_latest
                                    and (asset.taken_at_zone is not null
                                         and asset.taken_at_source <> all (c_instants)
                                         or asset.taken_at_offset_minutes is null
                                         and asset.taken_at_source = any (c_clocks))
                               then (kizu.on_the_wall(asset.taken_at, asset.taken_at_offset_minutes)
                                     at time zone 'UTC')::text
                          end,
             'taken_at',  case when asset.taken_at_precision = any (c_exact)
                                    and asset.taken_at between c_earliest and c_latest
                                    and (asset.taken_at_zone is not null or asset.taken_at_offset_minutes is null)
                                    and asset.taken_at_source = any (c_instants)
                               then asset.taken_at
                          end
           ) order by asset.id), '[]')
      from unnest(v_found) as found (id)
      join public.assets as asset on asset.id = found.id
  ), v_limit, 'asset_id');
end;
$$;

insert into public.read_verbs (verb, reader) values ('places', 'read_places');

-- Writes where p_user's assets are, as looked up: {asset_id, latitude, longitude, location_name, located_by} and, where
-- the place says the offset of its time, {was, taken_at, taken_at_offset_minutes, taken_at_zone}. An asset that is
-- elsewhere by now stays as it is, to be looked up again, as does a time that is not the one that `was`.
create function kizu.write_places(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_row   record;
  v_asset public.assets;
  v_new   public.assets;
begin
  for v_row in
    select *
      from jsonb_to_recordset(p_rows)
           as told (asset_id uuid, latitude float8, longitude float8, location_name text, located_by text,
                    was timestamptz, taken_at timestamptz, taken_at_offset_minutes smallint, taken_at_zone text)
     order by asset_id
  loop
    select *
      into v_asset
      from public.assets
     where id = v_row.asset_id
       and user_id = p_user
       and (latitude, longitude) = (v_row.latitude, v_row.longitude)
       for no key update;
    continue when not found;
    v_new := kizu.name_place(v_asset, v_row.location_name, v_row.located_by);
    if v_row.taken_at_zone is not null
       and v_asset.taken_at = v_row.was
       and (v_asset.taken_at_offset_minutes is null or v_asset.taken_at_zone is not null) then
      v_new.taken_at := v_row.taken_at;
      v_new.taken_at_offset_minutes := v_row.taken_at_offset_minutes;
      v_new.taken_at_zone := v_row.taken_at_zone;
    end if;
    if v_new is distinct from v_asset then
      update public.assets
         set location_name = v_new.location_name,
             location_source = v_new.location_source,
             located_by = v_new.located_by,
             taken_at = v_new.taken_at,
             taken_at_offset_minutes = v_new.taken_at_offset_minutes,
             taken_at_zone = v_new.taken_at_zone
       where id = v_new.id;
    end if;
  end loop;
end;
$$;

insert into public.result_tables (table_name, mode, owner, columns, writer)
values ('asset_places', 'replace', 'user',
        array['asset_id', 'latitude', 'longitude', 'location_name', 'located_by', 'was', 'taken_at',
              'taken_at_offset_minutes', 'taken_at_zone'],
        'write_places');

-- Asks that one's photos be looked up whose place is in no data yet; with p_again also those that other data had, or in
-- another language than one wants by now. Answers {"id", "status": "enqueued" or "already_queued"}. Users ask for their
-- own, the service for p_user's. Raises PT400 `bad_params` where the service names no user, PT404 `not_found`, PT429
-- `too_many_jobs`.
create function public.locate_photos(p_user uuid default null, p_again boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_answer jsonb;
begin
  if v_scope is not null and p_user <> v_scope then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
  elsif v_scope is null and p_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'p_user: expected the user whose photos they are';
  end if;
  v_answer := kizu.ask_to_locate(coalesce(v_scope, p_user), coalesce(p_again, false), kizu.now());
  if v_scope is not null and v_answer ->> 'status' = 'enqueued' then
    perform kizu.check_quota(v_scope, 1);
  end if;
  return v_answer;
end;
$$;

-- What libraries have already is looked up once: a request for each user with a place.
do $$
declare
  v_user uuid := '00000000-0000-0000-0000-000000000000';
begin
  loop
    v_user := (select user_id
                 from public.assets
                where user_id > v_user
                  and latitude is not null
                  and longitude is not null
                order by user_id
                limit 1);
    exit when v_user is null;
    perform kizu.ask_to_locate(v_user, false, kizu.now());
  end loop;
end;
$$;

create function kizu.note_other_language()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (select from public.assets
              where user_id = new.user_id and latitude is not null and longitude is not null) then
    perform kizu.ask_to_locate(new.user_id, true, kizu.now());
  end if;
  return null;
end;
$$;

create trigger other_language_names_places_anew
  after update of language on kizu.moment_settings
  for each row
  when (new.language is distinct from old.language)
  execute function kizu.note_other_language();

select kizu.keep_internal('kizu.note_other_language()');
select kizu.keep_internal('kizu.language_of(uuid)');
select kizu.keep_internal('kizu.ask_to_locate(uuid, boolean, timestamptz)');
select kizu.keep_internal('kizu.name_place(public.assets, text, text)');
select kizu.keep_internal('kizu.note_new_places()');
select kizu.keep_internal('kizu.note_other_places()');
select kizu.keep_internal('kizu.read_places(uuid, jsonb)');
select kizu.keep_internal('kizu.write_places(jsonb, uuid, uuid, uuid)');

select kizu.let_call('public.locate_photos(uuid, boolean)', 'authenticated', 'service_role');
