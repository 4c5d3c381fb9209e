-- When and where a photo was taken: what its file, its sidecars and its name say gives way to what a person says, and
-- to what better rules make of them later; a time that is still to come is nobody's.

-- Places have a source, as times have.
alter table public.assets
  add column place_source text,
  add constraint place_source_is_known check (place_source in ('person', 'file', 'sidecar') and pg_column_size(place_source) <= 100);

comment on column public.assets.place_source is
  'What said latitude and longitude; null where the asset was made before this was kept.';

-- A time or a place that an app writes is what a person says, unless it says itself where it has it from. One that is
-- taken away is nobody's: the next look at the file may say it again. Workers write through verbs, in the name of the
-- verbs' owner.
create function kizu.note_corrections()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  c_person constant text := 'person';
  v_timed  boolean := new.taken_at is not null;
  v_placed boolean := new.latitude is not null or new.longitude is not null;
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
    if v_timed then
      new.taken_at_source := null;
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
  return new;
end;
$$;

create trigger corrections_are_noted
  before insert or update of taken_at, taken_at_offset_minutes, taken_at_precision, latitude, longitude
  on public.assets
  for each row
  execute function kizu.note_corrections();

-- When and where assets were taken, which jobs write as below; for whoever reads `assets`, it is all there.
create view public.asset_captures
with (security_invoker = true) as
select id as asset_id, user_id, taken_at, taken_at_offset_minutes, taken_at_precision, taken_at_source, latitude,
       longitude, place_source
  from public.assets;

revoke all on public.asset_captures from public, anon, authenticated, service_role;

-- Without its capture an asset is still there: what was read of files is forgotten, and what a person said stays.
create function kizu.forget_capture()
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
  return old;
end;
$$;

create trigger captures_are_forgotten
  instead of delete on public.asset_captures
  for each row
  execute function kizu.forget_capture();

-- What one look at a file says in place of what an earlier one said. p_rows are {taken_at, …, taken_at_source}, the
-- most trustworthy first, and {latitude, longitude, place_source}: the first time that is over counts, by the database's
-- clock, and the first place. What a person said stays.
--
-- A time from before sources were kept was read from the file if it is one of the times in the file now, however they
-- are trusted; otherwise somebody may have said it, and it stays, as does a place from then.
create function kizu.write_capture(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
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
           place_source = v_new.place_source
     where id = p_asset;
  end if;
end;
$$;

-- Changes columns of the row that is the job's asset. When and where it was taken is filled in where nobody knows, as
-- workers did before sources were kept, and replaced through asset_captures alone, where what people said stays.
create or replace function kizu.update_asset(p_target public.result_tables, p_write jsonb, p_user uuid, p_asset uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_captured constant text[] := array['taken_at', 'taken_at_offset_minutes', 'latitude', 'longitude'];
  v_set     constant jsonb := coalesce(p_write -> 'set', '{}');
  v_fill    constant jsonb := coalesce(p_write -> 'fill', '{}');
  v_merge   constant jsonb := coalesce(p_write -> 'merge', '{}');
  v_columns constant text[] := array(select jsonb_object_keys(v_set || v_fill || v_merge) order by 1);
  v_wrong   text;
  v_touched bigint;
begin
  if kizu.written_columns(p_target, v_columns) = '{}' then
    return;
  end if;
  select min(key) into v_wrong from jsonb_each(v_merge) where jsonb_typeof(value) <> 'object';
  if v_wrong is not null then
    raise exception 'merge: expected an object for %', v_wrong;
  end if;

  select min(key) into v_wrong from jsonb_object_keys(v_set || v_merge) as key where key = any (c_captured);
  if v_wrong is not null then
    raise exception 'jobs only fill in %.%', p_target.table_name, v_wrong;
  end if;

  execute format(
    'update public.%1$I as t set %2$s from jsonb_populate_record(null::public.%1$I, $1) as new'
    ' where t.id = $3 and t.user_id = $2',
    p_target.table_name,
    (select string_agg(
              case when v_merge ? key then format('%1$I = coalesce(t.%1$I, ''{}'') || new.%1$I', key)
                   when v_set ? key   then format('%1$I = new.%1$I', key)
                   else format('%1$I = coalesce(t.%1$I, new.%1$I)', key)
              end, ', ' order by key)
       from unnest(v_columns) as key)
  )
  using v_fill || v_set || v_merge, p_user, p_asset;

  get diagnostics v_touched = row_count;
  if v_touched = 0 then
    raise exception 'the job has no row in %', p_target.table_name;
  end if;
end;
$$;

-- What a clock at that offset from UTC showed, as if it were UTC.
create function kizu.on_the_wall(p_at timestamptz, p_offset_minutes int)
returns timestamptz
language sql
immutable
set search_path = ''
as $$
  select p_at + make_interval(mins => coalesce(p_offset_minutes, 0));
$$;

insert into public.result_tables (table_name, mode, columns, writer)
values ('asset_captures', 'replace',
        array['taken_at', 'taken_at_offset_minutes', 'taken_at_precision', 'taken_at_source', 'latitude', 'longitude',
              'place_source'],
        'write_capture');

-- What a claim holds, as its worker is told; a job has a claim_id only while it is processing. Where the asset's file
-- lies comes along, because a worker with the narrow role reads no table, and what is known of the file beside its
-- bytes: name, time, and the paths of its first four sidecars.
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
                                   'sidecars',         asset.sidecars
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

select kizu.keep_internal('kizu.note_corrections()');
select kizu.keep_internal('kizu.forget_capture()');
select kizu.keep_internal('kizu.write_capture(jsonb, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.on_the_wall(timestamptz, int)');
