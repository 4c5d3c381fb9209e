-- A place in a list that no page answered gets a word, as everywhere, and no list begins anew by it. Files of one name in
-- two buckets are two.

-- Looks at up to p_limit (at most 1,000) rows that name a file, and answers {"missing": [{"table", "id", "asset_id",
-- "bucket", "key"}…]: those whose file is not in Storage; "looked_at"; "next": where to go on, null at the end}. Users
-- see their own. Raises PT400 `bad_params`.
create or replace function public.list_missing_files(p_after jsonb default null, p_limit int default 1000)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_tables constant text[] := array['assets', 'asset_parts', 'derived_assets'];
  c_first  constant uuid := '00000000-0000-0000-0000-000000000000';
  v_scope  constant uuid := kizu.caller_scope();
  v_limit  constant int := least(greatest(coalesce(p_limit, 1000), 1), 1000);
  v_table  constant text := coalesce(p_after ->> 'table', c_tables[1]);
  v_at     int := array_position(c_tables, v_table);
  v_key    constant text := coalesce(p_after ->> 'key', '');
  v_user   uuid;
  v_rows   jsonb;
begin
  perform kizu.check_cursor(p_after, '{"table": "string"}');
  if p_after ?| array['user_id', 'key'] then
    perform kizu.check_cursor(p_after, '{"user_id": "string", "key": "string"}');
  end if;
  begin
    v_user := coalesce(v_scope, (p_after ->> 'user_id')::uuid, c_first);
  exception
    when data_exception then
      v_at := null;
  end;
  if v_at is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end if;

  execute format(
    'select coalesce(jsonb_agg(to_jsonb(page) order by user_id, key, bucket), ''[]'')'
    '  from (select id, user_id, %1$s as asset_id, %2$s as bucket, %3$I as key'
    '          from public.%4$I'
    '         where %3$I is not null'
    '           and %5$s'
    '         order by user_id, %3$I, bucket'
    '         limit $3) as page',
    case v_table when 'assets' then 'id' else 'asset_id' end,
    case v_table when 'derived_assets' then 'bucket' else '''assets''' end,
    case v_table when 'derived_assets' then 'key' else 'path' end,
    v_table,
    case
      when v_scope is not null
      then case v_table when 'derived_assets' then 'user_id = $1 and (key, bucket) > ($2, $4)'
                        else 'user_id = $1 and path > $2' end
      else case v_table when 'derived_assets' then '(user_id, key, bucket) > ($1, $2, $4)'
                        else '(user_id, path) > ($1, $2)' end
    end
  )
   into v_rows
  using v_user, v_key, v_limit, coalesce(p_after ->> 'in', '');

  return jsonb_build_object(
    'missing', (
      select coalesce(jsonb_agg(row - 'user_id' || jsonb_build_object('table', v_table)), '[]')
        from jsonb_array_elements(v_rows) as row
       where not exists (
               select from storage.objects where bucket_id = row ->> 'bucket' and name = row ->> 'key'
             )
    ),
    'looked_at', jsonb_array_length(v_rows),
    'next', case
              when jsonb_array_length(v_rows) = v_limit
              then jsonb_build_object('table', v_table, 'user_id', v_rows -> -1 -> 'user_id',
                                      'key', v_rows -> -1 -> 'key', 'in', v_rows -> -1 -> 'bucket')
              when v_at < cardinality(c_tables)
              then jsonb_build_object('table', c_tables[v_at + 1])
            end
  );
end;
$$;

-- Looks at up to p_limit (at most 1,000) files of Storage, and answers {"files": [{"bucket", "key", "bytes",
-- "written_at"}…]: those older than p_older_than that no row names as an original, a part or a file that was made,
-- shows as its picture, thumbnail, face or key photo, and that are not being written; "looked_at"; "next": where to go on, null at
-- the end}. What waits to be deleted is not among them. Users see their own. Raises
-- PT400 `bad_params`.
create or replace function public.list_unnamed_files(
  p_older_than interval default '24 hours',
  p_after      jsonb    default null,
  p_limit      int      default 1000
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_buckets constant text[] := array['assets', 'face-thumbnails', 'thumbnails']; -- avatars may be named anywhere
  c_uuid    constant text := '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  v_scope   constant uuid := kizu.caller_scope();
  v_limit   constant int := least(greatest(coalesce(p_limit, 1000), 1), 1000);
  v_before  constant timestamptz := kizu.now() - greatest(coalesce(p_older_than, '24 hours'), '0');
  v_bucket  constant text := coalesce(p_after ->> 'bucket', c_buckets[1]);
  v_at      constant int := array_position(c_buckets, v_bucket);
  v_first   constant text := coalesce(v_scope || '/', '');
  v_end     constant text := v_scope || '0'; -- what follows a slash
  v_answer  jsonb;
begin
  perform kizu.check_cursor(p_after, '{"bucket": "string"}');
  if p_after ? 'key' then
    perform kizu.check_cursor(p_after, '{"key": "string"}');
  end if;
  if v_at is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end if;

  with
  looked_at as materialized (
    select name, coalesce(updated_at, created_at) as written_at, (metadata ->> 'size')::bigint as bytes
      from storage.objects
     where bucket_id = v_bucket
       and name collate "C" > greatest(coalesce(p_after ->> 'key', '') collate "C", v_first)
       and (v_end is null or name collate "C" < v_end)
     order by name collate "C"
     limit v_limit
  ),
  unnamed as materialized (
    select *, (substring(name from '^(' || c_uuid || ')/'))::uuid as user_id
      from looked_at
     where written_at < v_before
       and not kizu.is_named(v_bucket, name)
       and not kizu.is_trash(v_bucket, name, written_at)
       and not exists (
             select from public.jobs as job
              where job.status = 'processing'
                and job.id = (substring(name from '/(' || c_uuid || ')\.[0-9]{1,18}/'))::uuid
           )
  ),
  owners as materialized (
    select distinct user_id from unnamed where user_id is not null
  ),
  linked as materialized (
    select kizu.key_in(address, asset.user_id) as key
      from owners
      join public.assets as asset on asset.user_id = owners.user_id
     cross join lateral unnest(array[asset.thumbnail, asset.web_uri]) as address
     where address is not null
     union all
    select kizu.key_in(face_thumbnail_url, face.user_id)
      from owners
      join public.face_embeddings as face on face.user_id = owners.user_id
     where face_thumbnail_url is not null
     union all
    select kizu.key_in(address, item.user_id)
      from owners
      join public.album_assets as item on item.user_id = owners.user_id
     cross join lateral unnest(array[item.asset_uri, item.thumbnail_uri]) as address
     where address is not null
     union all
    select kizu.key_in(keyphoto, album.user_id)
      from owners
      join public.albums as album on album.user_id = owners.user_id
     where keyphoto is not null
  )
  select jsonb_build_object(
           'files', coalesce((
             select jsonb_agg(jsonb_build_object('bucket', v_bucket, 'key', name, 'bytes', bytes,
                                                 'written_at', written_at)
                              order by name collate "C")
               from unnamed
              where name not in (select key from linked where key is not null)
           ), '[]'),
           'looked_at', count(*),
           'next', case
                     when count(*) = v_limit
                     then jsonb_build_object('bucket', v_bucket, 'key', max(name collate "C"))
                     when v_at < cardinality(c_buckets)
                     then jsonb_build_object('bucket', c_buckets[v_at + 1])
                   end
         )
    into v_answer
    from looked_at;

  return v_answer;
end;
$$;
