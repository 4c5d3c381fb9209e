-- Every text and every JSON has a size that it cannot exceed, whoever writes it: what one user stores is read by
-- claims, by lists, by Realtime, and by whoever looks.

-- Bounds each column of p_table that can grow: texts to 4,100 bytes, JSON and arrays to 64 KiB, or as p_limits
-- ({column: bytes}) says. A row that breaks a bound is refused with the constraint's name, <column>_is_bounded.
-- Sizes are those that Postgres keeps, with a header of four bytes: told without reading what is stored elsewhere.
create function kizu.bound_columns(p_table regclass, p_limits jsonb default '{}')
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_text constant int := 4100;
  c_json constant int := 65536;
  v_column record;
begin
  for v_column in
    select attname as name,
           coalesce(
             (p_limits ->> attname)::int,
             case when atttypid = 'text'::regtype then c_text else c_json end
           ) as bytes
      from pg_catalog.pg_attribute
      join pg_catalog.pg_type on pg_type.oid = atttypid
     where attrelid = p_table
       and attnum > 0
       and not attisdropped
       and attislocal
       and attgenerated = ''
       and (atttypid in ('text'::regtype, 'json'::regtype, 'jsonb'::regtype) or typcategory = 'A')
  loop
    execute format('alter table %s add constraint %I check (pg_column_size(%I) <= %s)',
                   p_table, v_column.name || '_is_bounded', v_column.name, v_column.bytes);
  end loop;
end;
$$;

select kizu.keep_internal('kizu.bound_columns(regclass, jsonb)');

-- Jobs, their events and the ledger have no bounds of their own: nobody but our verbs and the service's key writes
-- them, and each verb bounds what it is given, once, where these rows are written several times for each job.
select kizu.bound_columns('public.queue_settings');
select kizu.bound_columns('public.workers');
select kizu.bound_columns('public.assets', '{"web_uri": 16400, "thumbnail": 16400}');
select kizu.bound_columns('public.derived_assets');
select kizu.bound_columns('public.asset_facts');
select kizu.bound_columns('public.asset_hashes');
select kizu.bound_columns('public.asset_tags');
select kizu.bound_columns('public.detected_objects');
select kizu.bound_columns('public.face_embeddings');
select kizu.bound_columns('public.face_clusters');
select kizu.bound_columns('public.image_embeddings');
select kizu.bound_columns('public.image_descriptions', '{"description": 65536}');
select kizu.bound_columns('public.image_text', '{"extracted_text": 4194304, "text_regions": 16777216}');
select kizu.bound_columns('public.albums', '{"description": 65536}');
select kizu.bound_columns('public.album_assets');
select kizu.bound_columns('public.contacts');
select kizu.bound_columns('public.profiles');
select kizu.bound_columns('public.moments');
select kizu.bound_columns('public.moment_assets');
