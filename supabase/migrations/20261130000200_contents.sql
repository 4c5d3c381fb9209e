-- What is known of an asset is about certain bytes. When its file has been replaced, or its row points at another, what
-- was known is about a picture that is no more: it is forgotten at once, and found out anew.
--
-- Bytes are told apart by the ETag that Storage keeps of each object and sends with each download: of a file that came
-- in one piece it is a digest, so that the same bytes under the same path, or moved to another, are no change. Files
-- elsewhere (web_uri, an address in a job's params) have none: what workers made of those is renewed by `force` only.

create table kizu.contents (
  asset_id uuid primary key references public.assets on delete cascade,
  content  text,                                      -- of the file in Storage that all facts are about
  since    timestamptz not null default '-infinity',  -- when it took the place of another

  constraint content_is_short check (length(content) <= 200)
);

-- Faces that people named in a picture that has been replaced: not seen by anybody, until the same place of the new
-- picture has been looked at by the same model.
create table kizu.former_faces (
  id            uuid primary key,
  face_id       uuid not null,
  user_id       uuid not null,
  asset_id      uuid not null,
  embedding     extensions.vector not null,
  bounding_box  jsonb not null,
  model_version text not null,
  cluster_id    uuid references public.face_clusters on delete set null,
  contact_id    uuid references public.contacts on delete set null,
  created_at    timestamptz not null,

  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index former_faces_of_an_asset on kizu.former_faces (asset_id, model_version);
create index former_faces_of_a_cluster on kizu.former_faces (cluster_id);
create index former_faces_of_a_contact on kizu.former_faces (contact_id);

alter table public.runs add column content text;

comment on column public.runs.content is
  'Which bytes of its asset''s file it looked at, as Storage names them; null where they came from elsewhere.';

-- `peoples`: which rows of the table are people's own, as a condition; null: none.
alter table public.result_tables add column peoples text;

update public.result_tables set peoples = 'created_by is not null' where table_name = 'asset_tags';
update public.result_tables set peoples = 'path is not null' where table_name = 'asset_parts'; -- files of their own

-- Puts rows in place of those of the job's asset, or user, that match the scope and are not people's own.
create or replace function kizu.replace_rows(p_target public.result_tables, p_write jsonb,
                                             p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_scope constant jsonb := coalesce(p_write -> 'scope', '{}') - kizu.forced_columns(p_target);
  v_rows  constant jsonb := coalesce(p_write -> 'rows', '[]');
  v_wrong text;
begin
  select min(key)
    into v_wrong
    from jsonb_object_keys(v_scope) as key
   where key <> all (p_target.scope_columns);
  if v_wrong is not null then
    raise exception 'jobs do not write %.%', p_target.table_name, v_wrong;
  end if;

  execute format(
    'delete from public.%1$I as t using (select jsonb_populate_record(null::public.%1$I, $1) as scope) as given'
    ' where t.user_id = $2 %2$s %3$s %4$s',
    p_target.table_name,
    case p_target.owner when 'asset' then 'and t.asset_id is not distinct from $3' end,
    (select string_agg(format('and t.%1$I is not distinct from (given.scope).%1$I', key), ' ')
       from jsonb_object_keys(v_scope) as key),
    'and not (' || p_target.peoples || ')'
  )
  using v_scope, p_user, p_asset;

  if jsonb_array_length(v_rows) > 0 then
    perform kizu.insert_rows(p_target, v_rows, v_scope, p_user, p_asset, p_run);
  end if;
end;
$$;

-- An ETag without what servers and proxies put around it.
create function kizu.content_of(p_etag text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return nullif(left(btrim(p_etag, 'W/"'), 200), '');
end;
$$;

-- What Storage holds under an asset's path now; null where it holds nothing. A path begins with its owner's id.
create function kizu.stored(p_path text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select kizu.content_of(metadata ->> 'eTag')
      from storage.objects
     where bucket_id = 'assets'
       and name = p_path
  );
end;
$$;

-- Forgets what workers found out of an asset, because its file is p_content now, and asks for all that an upload is
-- asked for; answers the jobs that were added. The caller has locked the asset's row.
--
-- This is what a change means. Gone at once are vectors, texts, objects, descriptions, hashes, faces, our tags, derived
-- files (their rows: the files are orphans then), facts and misses, the size, and the date and the place that a worker
-- read: what is no longer in the picture is not found by it. People's work stays: their tags, albums, a date or a
-- place that they said or corrected. Names that they gave to faces wait, unseen, for the new picture's faces (see
-- kizu.replace_faces_and_former). Columns in p_said have just been written by an app, and stay.
--
-- Jobs are not doubled: one that waits looks at the new bytes, and one that runs looks again (see kizu.settle).
create function kizu.renew(p_asset uuid, p_content text, p_said text[] default '{}')
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_now   constant timestamptz := kizu.now();
  v_asset public.assets;
  v_gone  text[];
  v_name  text;
  v_own   text;
  v_kind  public.job_kinds;
  v_key   text;
  v_id    uuid;
  v_added uuid[] := '{}';
begin
  select * into v_asset from public.assets where id = p_asset;
  v_gone := array[
      'width', 'height', 'image_processing_status', 'transcoding_status', 'ai_processed_at', 'ai_processed_date',
      'ai_processed_by', 'ai_processed_operations', 'ai_model_versions'
    ]
    -- Addresses of files that we made.
    || array(
         select name
           from (values ('thumbnail', v_asset.thumbnail), ('web_uri', v_asset.web_uri)) as address (name, url)
          where exists (
                  select from public.derived_assets
                   where asset_id = p_asset
                     and right(url, length(key) + 1) = '/' || key
                )
       );

  insert into kizu.contents (asset_id, content, since)
  values (p_asset, p_content, v_now)
      on conflict (asset_id) do update
     set content = excluded.content, since = excluded.since;

  insert into kizu.former_faces (id, face_id, user_id, asset_id, embedding, bounding_box, model_version, cluster_id,
                                 contact_id, created_at)
  select id, face_id, user_id, asset_id, embedding, bounding_box, model_version, cluster_id, contact_id, created_at
    from public.face_embeddings as face
   where asset_id = p_asset
     and not is_from_video
     and kizu.is_named(face)
      on conflict (id) do nothing;

  for v_name, v_own in
    select table_name, peoples
      from public.result_tables
     where owner = 'asset'
       and mode <> 'update'
       and parent is null
     order by table_name
  loop
    execute format('delete from public.%I where asset_id = $1 %s', v_name, 'and not (' || v_own || ')') using p_asset;
  end loop;
  delete from kizu.misses where asset_id = p_asset;

  execute (
    select format('update public.assets set ai_operations = ''{}'' %s where id = $1',
                  string_agg(format(', %I = null', name), '' order by name))
      from unnest(v_gone) as name
     where name <> all (p_said)
  )
  using p_asset;

  for v_kind in
    select *
      from public.job_kinds
     where on_upload <> '{}'
       and kizu.media_class(v_asset.media_type) = any (on_upload)
     order by kind
  loop
    v_key := kizu.dedupe_key(v_kind.kind, p_asset, v_kind.default_params);
    execute format(
      'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)'
      ' values ($1, $2, $3, $4, $5, $6, $7)'
      ' on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing'
      ' returning id',
      kizu.job_table(v_kind.table_name)
    )
    into v_id
    using v_asset.user_id, p_asset, v_kind.kind, v_kind.default_params, v_kind.priority, v_kind.max_attempts, v_key;
    if v_id is not null then
      v_added := v_added || v_id;
    else -- one that was put off had failed with the old bytes
      perform kizu.hurry(id, v_now, v_kind.priority) from public.jobs where dedupe_key = v_key and status = 'pending';
    end if;
  end loop;
  return v_added;
end;
$$;

-- Looks at what Storage holds of an asset, of p_user or, for null, of anybody: if that has changed since somebody last
-- looked, what is known of the asset is forgotten. Answers the jobs that were added; null where nothing has changed, or
-- no file is there.
create function kizu.notice(p_asset uuid, p_user uuid default null)
returns uuid[]
language plpgsql
set search_path = ''
as $$
declare
  v_path   text;
  v_known  text;
  v_stored text;
begin
  select path into v_path from public.assets where id = p_asset and (p_user is null or user_id = p_user);
  v_stored := kizu.stored(v_path);
  select content into v_known from kizu.contents where asset_id = p_asset;
  if v_stored is null or v_stored = v_known then
    return null;
  end if;

  if v_known is null then
    insert into kizu.contents as here (asset_id, content)
    values (p_asset, v_stored)
        on conflict (asset_id) do update
       set content = excluded.content
     where here.content is null;
    return null;
  end if;

  -- Somebody else may have noticed, and the file may have changed again, until the row is ours.
  select path into v_path from public.assets where id = p_asset for no key update;
  v_stored := kizu.stored(v_path);
  select content into v_known from kizu.contents where asset_id = p_asset;
  if v_path is null or v_stored is null or v_stored = v_known then
    return null;
  end if;
  return kizu.renew(p_asset, v_stored);
end;
$$;

-- Another path is another file, unless it holds the same bytes: a file that was moved. Where nothing is stored yet,
-- it is noticed when it comes.
create function kizu.notice_path()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_stored constant text := kizu.stored(new.path);
  v_known  text;
begin
  if v_stored is null then
    return null;
  end if;
  select content into v_known from kizu.contents where asset_id = new.id;
  if coalesce(v_known, kizu.stored(old.path)) is distinct from v_stored then
    perform kizu.renew(new.id, v_stored, array(
      select key from jsonb_each(to_jsonb(new)) where value is distinct from to_jsonb(old) -> key
    ));
  end if;
  return null;
end;
$$;

create trigger other_paths_are_noticed
  after update of path on public.assets
  for each row
  when (old.path is distinct from new.path)
  execute function kizu.notice_path();

-- Other bytes in the place of an asset's are noticed with the upload that brings them. It never fails because of that,
-- nor waits for long: what is not noticed here is when a job about the asset is asked for or settled.
create function kizu.notice_object()
returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '2s'
as $$
declare
  v_owner  constant text := split_part(new.name, '/', 1);
  v_stored constant text := kizu.content_of(new.metadata ->> 'eTag');
  v_asset  uuid;
  v_said   text[] := '{}';
begin
  if v_owner !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
     or (tg_op = 'UPDATE' and old.name = new.name and kizu.content_of(old.metadata ->> 'eTag') = v_stored) then
    return null;
  end if;
  select id into v_asset from public.assets where user_id = v_owner::uuid and path = new.name for no key update;
  if v_asset is not null
     and not exists (select from kizu.contents where asset_id = v_asset and content = v_stored) then
    -- Where nothing was stored there before, apps have said what is said.
    if not exists (select from kizu.contents where asset_id = v_asset) then
      v_said := array(select jsonb_object_keys(to_jsonb(asset)) from public.assets as asset where id = v_asset);
    end if;
    perform kizu.renew(v_asset, v_stored, v_said);
  end if;
  return null;
exception
  when others then
    raise warning 'could not look at what %/% is now: %', new.bucket_id, new.name, sqlerrm;
    return null;
end;
$$;

-- A project may not let us.
do $$
begin
  create or replace trigger kizu_other_bytes_are_noticed
    after insert or update of name, metadata on storage.objects
    for each row
    when (new.bucket_id = 'assets'
          and new.metadata ->> 'eTag' is not null  -- Storage tries whether it may, first, and names no bytes
          and split_part(new.name, '/', 2) <> 'processed')
    execute function kizu.notice_object();
exception
  when insufficient_privilege then
    raise notice 'no trigger on storage.objects: replaced files are noticed when a job about them is asked for or ends';
end;
$$;

-- What is known today counts as known of what is there today.
insert into kizu.contents (asset_id, content)
select asset.id, kizu.content_of(object.metadata ->> 'eTag')
  from public.assets as asset
  join storage.objects as object
    on object.bucket_id = 'assets'
   and object.name = asset.path
 where kizu.content_of(object.metadata ->> 'eTag') is not null;

-- Replaces the faces of a photo as kizu.replace_faces, where those that people named in the picture before, if it was
-- another, count as the old ones: who is in the same place and is the same person keeps the name. Whoever is deleted
-- meanwhile breaks no rule: the settlement gives way and is sent again.
create function kizu.replace_faces_and_former(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
  with
  back as (
    delete from kizu.former_faces as former
     where asset_id = p_asset
       and model_version = coalesce(p_scope ->> 'model_version', p_rows -> 0 ->> 'model_version',
                                    kizu.answering('faces'))
       and not kizu.is_dropped('faces', model_version)
    returning *
  )
  insert into public.face_embeddings (id, face_id, user_id, asset_id, face_index, embedding, bounding_box,
                                      model_version, cluster_id, contact_id, created_at)
  select id, face_id, user_id, asset_id, -row_number() over (order by id), embedding, bounding_box, model_version,
         cluster_id, contact_id, created_at
    from back
   where cluster_id is not null
      or contact_id is not null;

  perform kizu.replace_faces(p_rows, p_user, p_asset, p_run, p_scope);
exception
  when foreign_key_violation then
    raise lock_not_available using message = 'a contact or a cluster was deleted meanwhile';
end;
$$;

update public.result_tables set writer = 'replace_faces_and_former' where table_name = 'face_embeddings';

select kizu.pin_plans('kizu.notice_path()');
select kizu.pin_plans('kizu.notice_object()');

select kizu.keep_internal('kizu.content_of(text)');
select kizu.keep_internal('kizu.stored(text)');
select kizu.keep_internal('kizu.renew(uuid, text, text[])');
select kizu.keep_internal('kizu.notice(uuid, uuid)');
select kizu.keep_internal('kizu.notice_path()');
select kizu.keep_internal('kizu.notice_object()');
select kizu.keep_internal('kizu.replace_faces_and_former(jsonb, uuid, uuid, uuid, jsonb)');
