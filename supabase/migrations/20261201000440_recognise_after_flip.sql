-- A generation of faces that begins to answer has seen its photos in no order: some before the faces that people named,
-- so that nobody in them was recognised. They are looked through once more, after the names that wait to be spread.

-- Whose photos have still to be looked through: those that come after `after`.
create table kizu.unrecognised (
  user_id  uuid primary key references auth.users on delete cascade,
  after    uuid not null,
  asked_at timestamptz not null default kizu.now()
);

create index unrecognised_in_order on kizu.unrecognised (asked_at, user_id);

alter table kizu.unrecognised enable row level security;
revoke all on kizu.unrecognised from public, anon, authenticated, service_role;

-- As before; who has named faces has their photos looked through, too.
create or replace function public.cluster_after_flip(p_limit int default 200)
returns jsonb
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- each user is found by an index
as $$
declare
  c_behind  constant int  := 200;
  c_first   constant uuid := '00000000-0000-0000-0000-000000000000';
  v_limit   constant int  := least(greatest(coalesce(p_limit, 200), 1), 1000);
  v_version constant text := kizu.answering('faces');
  v_after    uuid;
  v_enqueued int := 0;
begin
  if kizu.caller_scope() is null then
    select after into v_after from kizu.reclustering where after is not null for update skip locked;
  end if;
  if v_after is null then
    return '{"enqueued": 0, "more": false}';
  end if;

  for step in 1 .. v_limit loop
    v_after := (select user_id from kizu.face_vectors where user_id > v_after order by user_id limit 1);
    exit when v_after is null;
    continue when not exists (select from kizu.face_vectors where user_id = v_after and model_version = v_version);
    if not exists (select from kizu.clusterings where user_id = v_after and model_version = v_version) then
      perform kizu.ask_to_cluster(v_after, c_behind, kizu.now());
      v_enqueued := v_enqueued + 1;
    end if;
    insert into kizu.unrecognised (user_id, after)
    select v_after, c_first
     where exists (select from public.face_embeddings as face
                    where face.user_id = v_after
                      and face.model_version = v_version
                      and face.contact_id is not null
                      and not face.recognised)
        on conflict (user_id) do update set after = excluded.after;
  end loop;
  update kizu.reclustering set after = v_after;
  return jsonb_build_object('enqueued', v_enqueued, 'more', v_after is not null);
end;
$$;

-- As before; where no name waits, the photos of who waits longest are looked through, 100 at a time.
create or replace function public.spread_names(p_limit int default 5000)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_limit  constant int := least(greatest(coalesce(p_limit, 5000), 1), 5000);
  v_naming kizu.namings;
  v_user   uuid;
  v_photos uuid[];
  v_after  uuid;
  v_done   jsonb := '{"recognised": 0, "taken_back": 0}';
begin
  select *
    into v_naming
    from kizu.namings
   where v_scope is null or user_id = v_scope
   order by asked_at, face_id
   limit 1
     for update skip locked;
  if found then
    v_user  := v_naming.user_id;
    v_after := v_naming.after;
  else
    select user_id, after
      into v_user, v_after
      from kizu.unrecognised
     where v_scope is null or user_id = v_scope
     order by asked_at, user_id
     limit 1
       for update skip locked;
  end if;

  -- It waits for nobody who waits for its row.
  if v_user is not null and pg_try_advisory_xact_lock(kizu.faces_of(v_user)) then
    if v_naming.face_id is not null then
      select photos, last
        into v_photos, v_after
        from kizu.photos_of_a_name(
               v_user,
               v_naming.face_id,
               (select contact_id
                  from public.face_embeddings
                 where face_id = v_naming.face_id
                   and not recognised
                 limit 1),
               v_after,
               v_limit
             );
    else
      select photos, last into v_photos, v_after from kizu.photos_with_strangers(v_user, v_after);
    end if;
    perform id from public.assets where id = any (v_photos) order by id for no key update;
    v_done := kizu.recognise_again(v_user, v_photos);
    if v_naming.face_id is not null and v_after is null then
      delete from kizu.namings where face_id = v_naming.face_id;
    elsif v_naming.face_id is not null then
      update kizu.namings set after = v_after where face_id = v_naming.face_id;
    elsif v_after is null then
      delete from kizu.unrecognised where user_id = v_user;
    else
      update kizu.unrecognised set after = v_after where user_id = v_user;
    end if;
  end if;

  return v_done || jsonb_build_object(
    'left', kizu.faces_after(v_user, v_after),
    'more', exists (select from kizu.namings where v_scope is null or user_id = v_scope)
            or exists (select from kizu.unrecognised where v_scope is null or user_id = v_scope)
  );
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- The next photos of a user in which the generation that answers has a face that is nobody; `last` is the photo to go
-- on after, null at the end.
create function kizu.photos_with_strangers(p_user uuid, p_after uuid, out photos uuid[], out last uuid)
language plpgsql
set search_path = ''
as $$
declare
  c_page    constant int  := 100; -- each is recognised and tagged anew
  v_version constant text := kizu.answering('faces');
  v_seen    uuid[];
begin
  v_seen := array(
    select distinct asset_id
      from public.face_embeddings
     where user_id = p_user
       and asset_id > p_after
     order by asset_id
     limit c_page
  );
  photos := array(
    select photo
      from unnest(v_seen) as photo
     where exists (select from public.face_embeddings as face
                    where face.asset_id = photo
                      and face.model_version = v_version
                      and face.contact_id is null)
     order by photo
  );
  last := case when cardinality(v_seen) = c_page then v_seen[c_page] end;
end;
$$;

select kizu.pin_plans('kizu.photos_with_strangers(uuid, uuid)');
select kizu.keep_internal('kizu.photos_with_strangers(uuid, uuid)');
