-- A new photo or video gets its jobs by itself, once, and an upload never fails because of it.

-- 'image' or 'video' for what apps write into media_type (photo, image, video, a MIME type); null for the rest.
create function kizu.media_class(p_media_type text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
           when lower(p_media_type) in ('photo', 'image') or p_media_type ilike 'image/%' then 'image'
           when lower(p_media_type) = 'video'             or p_media_type ilike 'video/%' then 'video'
         end;
end;
$$;

-- Adds the jobs of every kind that wants the uploaded assets: one insert per kind, however many assets.
-- A kind that cannot be enqueued is a warning; the others and the upload go on.
create function kizu.enqueue_uploads()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_kind public.job_kinds;
begin
  for v_kind in
    select * from public.job_kinds where on_upload <> '{}' order by kind
  loop
    begin
      execute format(
        'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)'
        ' select user_id, id, $1, $2, $3, $4, kizu.dedupe_key($1, id, $2)'
        '   from uploaded'
        '  where kizu.media_class(media_type) = any ($5)'
        ' on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing',
        kizu.job_table(v_kind.table_name)
      )
      using v_kind.kind, v_kind.default_params, v_kind.priority, v_kind.max_attempts, v_kind.on_upload;
    exception
      when others then
        raise warning 'could not enqueue % for an upload: %', v_kind.kind, sqlerrm;
    end;
  end loop;
  return null;
end;
$$;

select kizu.keep_internal('kizu.media_class(text)');
select kizu.keep_internal('kizu.enqueue_uploads()');

create trigger uploads_are_enqueued
  after insert on public.assets
  referencing new table as uploaded
  for each statement
  execute function kizu.enqueue_uploads();
