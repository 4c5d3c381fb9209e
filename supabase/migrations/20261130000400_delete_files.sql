-- Files go with their rows. A row of Storage that is deleted in SQL leaves its bytes behind for ever, and newer Storage
-- refuses it; so what is to go is noted in the transaction that deletes an asset, a part or an account, and workers
-- ask Storage for it, again until it is gone.
--
-- A note says when: what was written to the same path later is somebody's again, and stays. So does what another
-- row names.

create table kizu.trash (
  id      bigint generated always as identity primary key,
  user_id uuid not null,                            -- whose it was; the account may be gone
  bucket  text,                                     -- null: each of ours
  key     text not null,                            -- a file or, with a slash at its end, all that lies in a folder
  at      timestamptz not null default kizu.now(),
  due_at  timestamptz not null default kizu.now(),  -- when to ask Storage, or to ask it again
  tries   int not null default 0,

  constraint key_is_in_the_owners_folder
    check (starts_with(key, user_id::text || '/') and key !~ '(^|/)\.{1,2}(/|$)')
);

create unique index trash_by_key on kizu.trash (key, coalesce(bucket, ''));
create index trash_in_order on kizu.trash (due_at, id);
create index trash_of_a_user on kizu.trash (user_id, due_at, id);

alter table kizu.trash enable row level security;
revoke all on kizu.trash from public, anon, authenticated, service_role;

-- Notes files and folders for deletion.
create function kizu.throw_away(p_user uuid, p_bucket text, p_keys text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into kizu.trash (user_id, bucket, key)
  select distinct p_user, p_bucket, key
    from unnest(p_keys) as key
   where key is not null
      on conflict (key, coalesce(bucket, ''))
      do update set at = excluded.at, due_at = excluded.due_at, tries = 0;
end;
$$;

-- Of assets, their originals and the folders of what was made of them, where an attempt that still runs may write
-- later. An account that goes takes its whole folder with it. A path that ends in a slash is no file's: noted, it would
-- be all that lies there.
create function kizu.throw_away_assets()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.throw_away(user_id, 'assets', array_agg(path) filter (where right(path, 1) <> '/')),
          kizu.throw_away(user_id, null, array_agg(format('%s/processed/%s/', user_id, id))
                                         || array_agg(format('%s/videos/%s/', user_id, id)))
     from gone
    where exists (select from auth.users where users.id = gone.user_id)
    group by user_id;
  return null;
end;
$$;

create trigger files_go_with_assets
  after delete on public.assets
  referencing old table as gone
  for each statement
  execute function kizu.throw_away_assets();

create function kizu.throw_away_parts()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.throw_away(user_id, 'assets', array_agg(path))
     from gone
    where right(path, 1) <> '/'
      and exists (select from auth.users where users.id = gone.user_id)
    group by user_id;
  return null;
end;
$$;

create trigger files_go_with_parts
  after delete on public.asset_parts
  referencing old table as gone
  for each statement
  execute function kizu.throw_away_parts();

-- A file that was made of an asset and lies in no folder of that asset; only where workers write, because workers say
-- what these rows name, and owners say the others: a user's own worker may name any bucket.
create function kizu.throw_away_derived()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (select from auth.users where id = old.user_id)
     and not exists (select from public.assets where id = old.asset_id) then
    perform kizu.throw_away(old.user_id, old.bucket, array[old.key]);
  end if;
  return null;
end;
$$;

create trigger files_go_with_what_was_made
  after delete on public.derived_assets
  for each row
  when (old.bucket in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
        and right(old.key, 1) <> '/'
        and starts_with(old.key, old.user_id::text || '/processed/')
        and not starts_with(old.key, old.user_id::text || '/processed/' || old.asset_id::text || '/'))
  execute function kizu.throw_away_derived();

create function kizu.throw_away_account()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.throw_away(old.id, null, array[old.id::text || '/']);
  return null;
end;
$$;

create trigger kizu_files_go_with_accounts
  after delete on auth.users
  for each row
  execute function kizu.throw_away_account();

-- What an account leaves goes row by row, and Auth deletes it as a role that may touch no table of ours: triggers that
-- come after act as their owner. Without, an account with facts could not be deleted.
alter function kizu.note_facts() security definer;

-- Whether a path is that of an original, a part or a file we made, of the user it begins with.
create function kizu.is_named(p_bucket text, p_key text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  c_uuid constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  v_first constant text := split_part(p_key, '/', 1);
  v_user  constant uuid := case when v_first ~ c_uuid then v_first::uuid end;
begin
  return exists (select from public.derived_assets where bucket = p_bucket and key = p_key)
      or (p_bucket = 'assets'
          and (exists (select from public.assets where user_id = v_user and path = p_key)
               or exists (select from public.asset_parts where user_id = v_user and path = p_key)));
end;
$$;

-- A name as it was before it was written into an address: `%20` is a space.
create function kizu.unquoted(p_name text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    select convert_from(
             string_agg(case
                          when piece[1] ~ '^%..$' then decode(right(piece[1], 2), 'hex')
                          else convert_to(piece[1], 'UTF8')
                        end, ''::bytea order by place),
             'UTF8'
           )
      from regexp_matches(p_name, '%[0-9A-Fa-f]{2}|[^%]+|%', 'g') with ordinality as pieces (piece, place)
  );
exception
  when character_not_in_repertoire then
    return p_name;
end;
$$;

-- The key that an address in a row of p_user's has: what begins with their folder, without what follows a `?`.
create function kizu.key_in(p_address text, p_user uuid)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_at  constant int := strpos(p_address, p_user::text || '/');
  v_key constant text := case when v_at > 0 then split_part(substr(p_address, v_at), '?', 1) end;
begin
  return case when strpos(v_key, '%') > 0 then kizu.unquoted(v_key) else v_key end;
end;
$$;

-- Whether a file of Storage is to be deleted: it was noted, nothing was written there since, and no row names it.
create function kizu.is_trash(p_bucket text, p_key text, p_written_at timestamptz)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return exists (
           select from kizu.trash
            where key in (p_key,
                          split_part(p_key, '/', 1) || '/',
                          substring(p_key from '^[^/]+/[^/]+/[^/]+/'))
              and coalesce(bucket, p_bucket) = p_bucket
              and (key <> p_key or p_written_at <= at)
         )
     and not kizu.is_named(p_bucket, p_key);
end;
$$;

-- The narrow role deletes no original but what its owner deleted.
drop policy if exists kizu_workers_empty_trash on storage.objects;
create policy kizu_workers_empty_trash on storage.objects
  for delete to kizu_worker
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and kizu.is_trash(bucket_id, name, coalesce(updated_at, created_at)));

-- Up to p_limit files in a folder that is trash, [{bucket, key}…], except p_linked.
create function kizu.files_in(p_bucket text, p_folder text, p_linked text[], p_limit int)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_buckets constant text[] := array['assets', 'thumbnails', 'avatars', 'face-thumbnails'];
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('bucket', bucket_id, 'key', name)), '[]')
      from (select bucket_id, name
              from (select bucket_id, name
                      from storage.objects
                     where name operator(pg_catalog.~>~) p_folder -- byte by byte, as Storage's index by name has it
                       and name operator(pg_catalog.~<~) (left(p_folder, -1) || '0') -- what follows a slash
                    offset 0) as inside -- planned by itself: by its name
             where bucket_id = any (c_buckets)
               and bucket_id = coalesce(p_bucket, bucket_id)
               and name <> all (p_linked)
               and not kizu.is_named(bucket_id, name)
             limit p_limit) as file
  );
end;
$$;

-- Files to ask Storage to delete, and what of those asked for before is to be forgotten: of p_done, ids answered
-- earlier, what is gone indeed. What was taken and is not done is taken again a minute later, and then after twice
-- as long each time, up to six hours. Nobody else is answered it meanwhile.
--
-- Answers {"files": up to p_limit (at most 1,000; none for 0) of [{"bucket", "key"}…], "ids": to be passed as p_done when Storage
-- has answered, "more": whether there is more to do now}. Users are answered their own; those of accounts that
-- are gone, workers of the project and the service only.
create function public.take_trash(p_done bigint[] default '{}', p_limit int default 500)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_again   constant interval := '1 minute';
  c_longest constant interval := '6 hours';
  c_late    constant interval := '1 day'; -- until when attempts that ran may have written
  v_scope   constant uuid := kizu.caller_scope();
  v_now     constant timestamptz := kizu.now();
  v_limit   constant int := least(greatest(coalesce(p_limit, 500), 0), 1000);
  v_taken   kizu.trash[];
  v_row     kizu.trash;
  v_keys    text[];
  v_linked  text[];
  v_here    jsonb;
  v_files   jsonb := '[]';
  v_ids     bigint[] := '{}';
begin
  -- A folder is looked into again; more may lie in it than was answered.
  update kizu.trash
     set due_at = v_now, tries = 0
   where id = any (p_done[1:1000])
     and (v_scope is null or user_id = v_scope)
     and right(key, 1) = '/';
  delete from kizu.trash
   where id = any (p_done[1:1000])
     and (v_scope is null or user_id = v_scope)
     and right(key, 1) <> '/'
     and not exists (select from storage.objects where bucket_id = bucket and name = key);

  v_taken := array(
    select trash
      from kizu.trash as trash
     where due_at <= v_now
       and (v_scope is null or user_id = v_scope)
     order by due_at, id
     limit v_limit
       for update skip locked
  );
  -- What other assets of these users show as their thumbnail or picture.
  v_keys   := array(select key from unnest(v_taken));
  v_linked := array(
    select link
      from (select distinct user_id from unnest(v_taken)) as owner
      join public.assets as asset on asset.user_id = owner.user_id
     cross join lateral unnest(array[asset.thumbnail, asset.web_uri]) as address
     cross join lateral kizu.key_in(address, asset.user_id) as link
     where strpos(address, '/' || asset.id || '/') = 0
       and (link = any (v_keys) or substring(link from '^[^/]+/[^/]+/[^/]+/') = any (v_keys))
  );

  foreach v_row in array v_taken loop
    if right(v_row.key, 1) <> '/' then
      v_here := (
        select jsonb_agg(jsonb_build_object('bucket', v_row.bucket, 'key', v_row.key))
          from storage.objects
         where bucket_id = v_row.bucket
           and name = v_row.key
           and coalesce(updated_at, created_at) <= v_row.at
           and name <> all (v_linked)
           and not kizu.is_named(bucket_id, name)
      );
    elsif split_part(v_row.key, '/', 3) <> ''
          and exists (select from public.assets where id = split_part(v_row.key, '/', 3)::uuid) then
      v_here := null; -- it is there again
    else
      v_here := kizu.files_in(v_row.bucket, v_row.key, v_linked, v_limit - jsonb_array_length(v_files));
    end if;

    if v_here is null or (v_here = '[]' and v_row.at <= v_now - c_late) then
      delete from kizu.trash where id = v_row.id;
    elsif v_here = '[]' then
      update kizu.trash set due_at = v_row.at + c_late, tries = 0 where id = v_row.id;
    else
      update kizu.trash
         set due_at = v_now + least(c_again * 2 ^ least(v_row.tries, 10), c_longest), tries = v_row.tries + 1
       where id = v_row.id;
      v_files := v_files || v_here;
      v_ids   := v_ids || v_row.id;
      exit when jsonb_array_length(v_files) >= v_limit;
    end if;
  end loop;

  return jsonb_build_object(
    'files', v_files,
    'ids',   v_ids,
    'more',  exists (
               select from kizu.trash
                where due_at <= v_now
                  and (v_scope is null or user_id = v_scope)
                  and (v_files <> '[]' or cardinality(v_taken) = v_limit)
             )
  );
end;
$$;

select kizu.pin_plans('public.take_trash(bigint[], int)');

select kizu.keep_internal('kizu.throw_away(uuid, text, text[])');
select kizu.keep_internal('kizu.throw_away_assets()');
select kizu.keep_internal('kizu.throw_away_parts()');
select kizu.keep_internal('kizu.throw_away_derived()');
select kizu.keep_internal('kizu.throw_away_account()');
select kizu.keep_internal('kizu.is_named(text, text)');
select kizu.keep_internal('kizu.unquoted(text)');
select kizu.keep_internal('kizu.key_in(text, uuid)');
select kizu.keep_internal('kizu.files_in(text, text, text[], int)');

select kizu.let_call('kizu.is_trash(text, text, timestamptz)', 'kizu_worker');
select kizu.let_call('public.take_trash(bigint[], int)', 'authenticated', 'kizu_worker', 'service_role');
