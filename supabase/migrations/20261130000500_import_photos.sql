-- Photos come from folders together with what belongs to them: known again by their content, whatever the path
-- that it was stored under ends in, and made rows in one step, so that no worker sees a photo without its sidecar.

-- The digest in the path of an original that is named after its content, `{user}/originals/{sha256}…`, is what
-- find_originals and import_photos look for; both say it just like this.
create index assets_by_content on public.assets (user_id, (substring(path from '/originals/([0-9a-f]{64})')))
  where substring(path from '/originals/([0-9a-f]{64})') is not null;
create index asset_parts_by_content on public.asset_parts (user_id, sha256) where sha256 is not null;

-- The user's asset that is made of these bytes, or that they are a part of (then `kind` says of which kind), and where
-- they are stored; null for neither. An asset goes before a part.
create function kizu.original(p_user_id uuid, p_sha256 text, out asset_id uuid, out kind text, out path text)
language plpgsql
stable
set search_path = ''
as $$
begin
  select asset.id, asset.path into asset_id, path
    from public.assets as asset
   where asset.user_id = p_user_id
     and substring(asset.path from '/originals/([0-9a-f]{64})') = p_sha256
     and substring(asset.path from '/originals/([0-9a-f]{64})') is not null
   limit 1;

  if asset_id is null then
    select part.asset_id, part.kind, part.path into asset_id, kind, path
      from public.asset_parts as part
     where part.user_id = p_user_id
       and part.sha256 = p_sha256
     limit 1;
  end if;
end;
$$;

-- Whether Storage holds a file there that is not to be deleted, nor may just be.
create function kizu.is_kept(p_path text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (select from storage.objects where bucket_id = 'assets' and name = p_path)
     and not exists (select from kizu.trash where key = p_path and bucket = 'assets');
end;
$$;

-- Which of these digests (at most 10,000) are files of the caller's library: {sha256: kind}, where the kind is that
-- of a part, and null for an asset's own file. One that Storage has lost is not among them.
create function public.find_originals(p_sha256s text[])
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_most constant int := 10000;
  v_user constant uuid := kizu.caller_scope();
begin
  if v_user is null then
    raise insufficient_privilege using message = 'only a user has a library';
  end if;
  if cardinality(p_sha256s) > c_most then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('p_sha256s: expected at most %s', c_most);
  end if;
  return coalesce(
    (select jsonb_object_agg(asked.sha256, known.kind)
       from (select distinct unnest(p_sha256s)) as asked (sha256)
      cross join lateral kizu.original(v_user, asked.sha256) as known
      where known.asset_id is not null
        and kizu.is_kept(known.path)),
    '{}'
  );
end;
$$;

-- Makes assets of photos whose files are stored, and parts of the files that belong to them; again, nothing more.
--
-- p_photos is a list of at most 500 {sha256, path, file_name, folder, file_modified_at, parts}, parts a list of
-- {sha256, kind, path, mime_type, file_name}. Answers for each photo, in order, {"asset_id", "added", "parts",
-- "look_again", "missing"}: whether the asset is new, how many parts are, whether an asset that was there has learned
-- something that its files do not say (a sidecar; or a name or a time of its file, while its date is unknown) and is
-- looked at again for it, by a job that is there with the rows, whatever becomes of who imports; and which digests are not in Storage: their rows name them now, and they are to be stored once more.
--
-- An asset whose file is lost is told where it is stored from now on.
-- What a row says already stays; what it does not say is filled in. A photo whose bytes are a part of another asset
-- is that asset. A part whose bytes are an asset of their own, or a part already, stays what it is: people may have
-- named it, or put it into albums.
create function public.import_photos(p_photos jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_most   constant int := 500;
  c_look   constant text := 'optimize_image';
  v_user   constant uuid := kizu.caller_scope();
  v_answer jsonb := '[]';
  v_added  uuid[];
  v_photo  record;
  v_asset  uuid;
  v_parts  text[];
  v_learns boolean;
  v_again  boolean;
begin
  if v_user is null then
    raise insufficient_privilege using message = 'only a user has a library';
  end if;
  if jsonb_typeof(p_photos) <> 'array' or jsonb_array_length(p_photos) > c_most then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('p_photos: expected a list of at most %s', c_most);
  end if;

  -- One import of a user's at a time, or the same bytes would become two photos; and photos that are there in id
  -- order, as settlements take them.
  perform pg_advisory_xact_lock(hashtextextended('imports of ' || v_user, 0));
  perform id
     from public.assets
    where id = any (array(
            select known.asset_id
              from jsonb_to_recordset(p_photos) as photo (sha256 text)
             cross join lateral kizu.original(v_user, photo.sha256) as known
          ))
    order by id
      for no key update;

  -- All at once, so that their jobs come in one statement, too.
  with
  photos as (
    select distinct on (sha256) *
      from jsonb_to_recordset(p_photos)
             as photo (sha256 text, path text, file_name text, folder text, file_modified_at timestamptz)
  ),
  fresh as (
    select photos.*
      from photos
     cross join lateral kizu.original(v_user, photos.sha256) as known
     where known.asset_id is null
  ),
  added as (
    insert into public.assets (user_id, path, media_type, file_name, folder, file_modified_at)
    select v_user, path, 'photo', file_name, folder, file_modified_at
      from fresh
     order by path
    on conflict on constraint path_is_stored_once do nothing
    returning id
  )
  select coalesce(array_agg(id), '{}') into v_added from added;

  for v_photo in
    select *
      from jsonb_to_recordset(p_photos)
             as photo (sha256 text, path text, file_name text, folder text, file_modified_at timestamptz, parts jsonb)
  loop
    v_asset := coalesce(
      (select known.asset_id from kizu.original(v_user, v_photo.sha256) as known),
      (select id from public.assets where user_id = v_user and path = v_photo.path)
    );

    update public.assets
       set file_name        = coalesce(file_name, v_photo.file_name),
           folder           = coalesce(folder, v_photo.folder),
           file_modified_at = coalesce(file_modified_at, v_photo.file_modified_at)
     where id = v_asset
       -- and not of an asset that this file is a part of
       and (path = v_photo.path or substring(path from '/originals/([0-9a-f]{64})') = v_photo.sha256)
       and (   (file_name        is null and v_photo.file_name        is not null)
            or (folder           is null and v_photo.folder           is not null)
            or (file_modified_at is null and v_photo.file_modified_at is not null))
    returning taken_at is null into v_learns;

    update public.assets
       set path = v_photo.path
     where id = v_asset
       and path <> v_photo.path
       and substring(path from '/originals/([0-9a-f]{64})') = v_photo.sha256
       and not kizu.is_kept(path)
       and not exists (select from public.assets where user_id = v_user and path = v_photo.path);

    with
    parts as (
      select distinct on (sha256) *
        from jsonb_to_recordset(coalesce(v_photo.parts, '[]'))
               as part (sha256 text, kind text, path text, mime_type text, file_name text)
    ),
    fresh as (
      select parts.*
        from parts
       cross join lateral kizu.original(v_user, parts.sha256) as known
       where known.asset_id is null
    ),
    added as (
      insert into public.asset_parts (user_id, asset_id, kind, path, mime_type, file_name, sha256)
      select v_user, v_asset, kind, path, mime_type, file_name, sha256
        from fresh
       order by path
      on conflict on constraint a_file_is_part_of_one_asset do nothing
      returning kind
    )
    select coalesce(array_agg(kind), '{}') into v_parts from added;

    v_again := not v_asset = any (v_added) and (coalesce(v_learns, false) or 'sidecar' = any (v_parts));
    if v_again then
      -- One that runs may have looked already; one that is just being claimed is waited for.
      perform id
         from public.jobs
        where asset_id = v_asset
          and job_type = c_look
          and status = 'pending'
        limit 1
          for share;
      if not found then
        perform kizu.enqueue(row(c_look, v_asset, '{}', null, null, null, true, c_look)::kizu.request, v_user);
      end if;
    end if;

    v_answer := v_answer || jsonb_build_object(
      'asset_id',   v_asset,
      'added',      v_asset = any (v_added),
      'parts',      cardinality(v_parts),
      'look_again', v_again,
      'missing',    array(
                      select given.sha256
                        from (select v_photo.sha256
                               union
                              select part ->> 'sha256'
                                from jsonb_array_elements(coalesce(v_photo.parts, '[]')) as part) as given
                       cross join lateral kizu.original(v_user, given.sha256) as known
                       where known.path is not null
                         and not kizu.is_kept(known.path)
                       order by given.sha256
                    )
    );
  end loop;
  return v_answer;
end;
$$;

select kizu.keep_internal('kizu.original(uuid, text)');
select kizu.keep_internal('kizu.is_kept(text)');

select kizu.pin_plans('public.find_originals(text[])');
select kizu.pin_plans('public.import_photos(jsonb)');

select kizu.let_call('public.find_originals(text[])', 'authenticated');
select kizu.let_call('public.import_photos(jsonb)', 'authenticated');
