-- The verbs by which people say who is who. Each is one transaction, in which nobody else changes that user's people, and
-- one verdict, which can be taken back.
--
-- Users speak of their own people; the service of everybody's or, with p_user, of that user's. All raise PT404
-- `not_found` for what is not there or somebody else's, PT400 `bad_params`, and PT503 `database_busy`, to be asked again.
--
-- Where two words contradict the latest holds, and what was said before is said no more.

-- Says of faces, up to 1,000, that they are a contact, by id or by name, who is added if they are not there yet; or,
-- with neither, that they are not who they were taken for, which is never said of them again by itself. Faces are meant
-- by the ids of any of their rows or their face_ids, and are one each through all generations. They go to the contact's
-- cluster; where the contact has none, that of the first face becomes theirs, if it is nobody's.
--
-- A named face teaches its name: faces of the same owner that are like it, and that people did not name, are recognised
-- anew; with a name that is taken away or changed goes what had come of it. That is done at once for a page of photos;
-- where it was not all, spread_names goes on, and so do workers by themselves.
--
-- Answers {"status": "assigned" or "removed", "verdict_id": null if all was so before, "faces": how many changed,
-- "contact_id", "cluster_id", "recognised": how many other faces got a contact by it, "taken_back": how many lost theirs,
-- "left": how many have not been compared yet}.
create function public.assign_faces(
  p_face_ids   uuid[],
  p_contact_id uuid default null,
  p_name       text default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_name    constant text := kizu.checked_name(p_contact_id, p_name);
  v_found   record;
begin
  v_found := kizu.find_faces(p_face_ids, coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_found.user_id));
  v_found := kizu.find_faces(p_face_ids, v_found.user_id);
  return kizu.say_they_are(v_found.user_id, v_found.faces,
                           kizu.find_contact(v_found.user_id, p_contact_id, v_name));
exception
  when lock_not_available or deadlock_detected
    or foreign_key_violation or unique_violation then -- a contact was deleted, or a photo, meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Says of faces that they are a contact, or for null not who they were taken for. Who calls it holds kizu.faces_of(user).
-- Answers as assign_faces does.
create function kizu.say_they_are(p_user uuid, p_faces uuid[], p_contact uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_nobody  constant uuid := '00000000-0000-0000-0000-000000000000';
  v_cluster uuid;
  v_faces   uuid[];
  v_taught  uuid[];
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb := '{"recognised": 0, "taken_back": 0}';
  v_left    bigint;
begin
  perform from kizu.namings where face_id = any (p_faces) order by face_id for update;
  v_faces := array(
    select face_id
      from public.face_embeddings
     where face_id = any (p_faces)
     group by face_id
    having not bool_and(contact_id is not distinct from p_contact and (p_contact is null or not recognised))
     order by face_id
  );
  v_taught := array(
    select distinct face_id
      from public.face_embeddings
     where face_id = any (v_faces)
       and (p_contact is not null or (contact_id is not null and not recognised))
  );

  if cardinality(v_faces) = 0 then
    v_left := kizu.faces_after(p_user, (
      select after from kizu.namings where face_id = any (p_faces) order by after limit 1
    ));
  else
    v_names := kizu.photos_of_names(p_user, v_taught, p_contact);
    v_photos := v_names.photos || kizu.photos_of(p_user, kizu.same_faces(p_user, v_faces));
    perform kizu.lock_photos(v_photos);

    v_verdict := kizu.begin_verdict(p_user, case when p_contact is null then 'is_not' else 'is' end,
                                    p_contact, null);
    insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)
    select distinct face_id, contact_id, asset_id, user_id
      from public.face_embeddings
     where face_id = any (v_faces)
       and contact_id <> coalesce(p_contact, c_nobody)
        on conflict do nothing;
    if p_contact is null then
      perform kizu.let_go(p_user, v_faces);
    else
      v_cluster := kizu.cluster_of(p_user, p_contact, v_faces[1]);
      perform kizu.bring_faces(p_user, v_faces, v_cluster, v_faces);
    end if;
    v_done := kizu.look_again(p_user, v_photos);
    perform kizu.end_verdict(v_verdict, v_faces);
    v_left := kizu.leave_names(p_user, v_faces, v_names.left_over);
  end if;

  return jsonb_build_object(
    'status',     case when p_contact is null then 'removed' else 'assigned' end,
    'verdict_id', v_verdict,
    'faces',      cardinality(v_faces),
    'contact_id', p_contact,
    'cluster_id', (select id from public.face_clusters where contact_id = p_contact),
    'left',       v_left
  ) || v_done;
end;
$$;

-- As assign_faces, of one face. Answers {"status", "face_id", "contact_id", "recognised", "taken_back", "left"}.
create or replace function public.assign_face(
  p_face_id    uuid,
  p_contact_id uuid default null,
  p_name       text default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_done constant jsonb := public.assign_faces(array[p_face_id], p_contact_id, p_name, p_user);
begin
  return jsonb_build_object(
    'face_id', (kizu.find_face(p_face_id, coalesce(kizu.caller_scope(), p_user))).face_id
  ) || (v_done - array['verdict_id', 'faces', 'cluster_id']);
end;
$$;

alter function public.assign_face(uuid, uuid, text, uuid) reset lock_timeout;
alter function public.assign_face(uuid, uuid, text, uuid) reset enable_seqscan;

-- Says of faces, up to 1,000, that they are not a contact, or not the person of a cluster: they leave it, and do not
-- come back by themselves. Answers {"verdict_id", "faces", "recognised", "taken_back", "left"}, as assign_faces does.
create function public.exclude_faces(
  p_face_ids   uuid[],
  p_contact_id uuid default null,
  p_cluster_id uuid default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_scope   constant uuid := coalesce(kizu.caller_scope(), p_user);
  v_found   record;
  v_contact uuid;
  v_cluster uuid;
begin
  if (p_contact_id is null) = (p_cluster_id is null) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'expected a contact or a person';
  end if;
  v_found := kizu.find_faces(p_face_ids, v_scope);
  perform pg_advisory_xact_lock(kizu.faces_of(v_found.user_id));
  v_found := kizu.find_faces(p_face_ids, v_found.user_id);
  if p_cluster_id is not null then
    perform kizu.find_clusters(array[p_cluster_id], v_found.user_id);
  end if;
  v_contact := coalesce(kizu.find_contact(v_found.user_id, p_contact_id, null),
                        (select contact_id from public.face_clusters where id = p_cluster_id));
  v_cluster := coalesce(p_cluster_id, (select id from public.face_clusters where contact_id = v_contact));
  return kizu.say_they_are_not(v_found.user_id, v_found.faces, v_contact, v_cluster, 'is_not',
                               p_apart => p_cluster_id is not null);
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Takes faces, up to 1,000, out of the clusters that they are in; they do not come back by themselves. Answers
-- {"verdict_id": null if they were in none, "faces", "recognised", "taken_back", "left"}.
create function public.remove_faces(p_face_ids uuid[], p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_found record;
begin
  v_found := kizu.find_faces(p_face_ids, coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_found.user_id));
  v_found := kizu.find_faces(p_face_ids, v_found.user_id);
  return kizu.say_they_are_not(v_found.user_id, v_found.faces, null, null, 'remove');
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Says of faces that they are not the contact and not the person of a cluster; without either not those of the clusters
-- that they are in. With p_apart it is said of the person of the cluster, whatever their name is or will be: it does not
-- go with the contact. Who calls it holds kizu.faces_of(user). Answers as exclude_faces does.
create function kizu.say_they_are_not(p_user uuid, p_faces uuid[], p_contact uuid, p_cluster uuid, p_verdict text,
                                      p_apart boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_nobody  constant uuid := '00000000-0000-0000-0000-000000000000';
  v_any     constant boolean := p_contact is null and p_cluster is null;
  v_faces   uuid[] := p_faces;
  v_leaving uuid[];
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb;
begin
  if v_any then
    v_faces := array(
      select distinct face_id from public.face_embeddings
       where face_id = any (p_faces) and cluster_id is not null
       order by face_id
    );
  end if;
  if cardinality(v_faces) = 0 then
    return '{"verdict_id": null, "faces": 0, "recognised": 0, "taken_back": 0, "left": 0}';
  end if;
  v_leaving := array(
    select distinct face_id
      from public.face_embeddings
     where face_id = any (v_faces)
       and (v_any or contact_id = p_contact or cluster_id = p_cluster)
     order by face_id
  );
  v_names := kizu.photos_of_names(p_user, array(
    select distinct face_id
      from public.face_embeddings
     where face_id = any (v_leaving)
       and contact_id is not null
       and not recognised
  ), null);
  v_photos := v_names.photos || kizu.photos_of(p_user, v_faces);
  perform kizu.lock_photos(v_photos);

  v_verdict := kizu.begin_verdict(
    p_user, p_verdict, case when not p_apart then p_contact end,
    coalesce(p_cluster, (select cluster_id from public.face_embeddings where face_id = any (v_faces) limit 1))
  );
  insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)
  select distinct face.face_id, contact.id, face.asset_id, p_user
    from public.face_embeddings as face
    left join public.face_clusters as cluster on cluster.id = face.cluster_id
   cross join unnest(case when v_any then array[face.contact_id, cluster.contact_id] else array[p_contact] end)
           as contact (id)
   where face.face_id = any (v_faces)
     and contact.id is not null
      on conflict do nothing;
  if p_apart or p_contact is null then
    perform kizu.tell_apart(p_user, array_agg(face_id), cluster_id, v_verdict)
       from (select distinct face_id, coalesce(p_cluster, cluster_id) as cluster_id
               from public.face_embeddings
              where face_id = any (v_faces)) as face
      where cluster_id is not null
      group by cluster_id;
  end if;
  perform kizu.let_go(p_user, v_leaving);
  v_done := kizu.look_again(p_user, v_photos);
  perform kizu.end_verdict(v_verdict, v_faces);
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'faces',      cardinality(v_faces),
    'left',       kizu.leave_names(p_user, v_leaving, v_names.left_over)
  ) || v_done;
end;
$$;

-- Says that clusters, up to 100, are all one person: their faces come to p_into, which keeps its id and its name; if it
-- has no contact it gets the first that one of them has, or else the first name. Of the faces that come, those that were
-- said to be a contact are said to be that of p_into; and of each cluster the best near its middle, 16 at most, are said to
-- be the same as the face that stands for p_into, and its contact.
--
-- A face stays behind, in its cluster, where p_into has another face of its photo already: one person is in a photo
-- once. Clusters of which nothing is left are gone.
--
-- Answers {"verdict_id", "cluster_id", "contact_id", "moved": faces, "left_behind": faces, "recognised", "taken_back",
-- "left"}. Raises PT409 `conflict` where all faces would stay behind.
create function public.merge_people(p_into uuid, p_others uuid[], p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  c_most   constant int := 100;
  v_others constant uuid[] := array(select distinct id from unnest(p_others) as id order by id);
  v_scope  constant uuid := coalesce(kizu.caller_scope(), p_user);
  v_user   uuid;
begin
  if cardinality(v_others) not between 1 and c_most or p_into is null or p_into = any (v_others)
     or array_position(v_others, null) is not null then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('others: expected 1 to %s people to merge into another', c_most);
  end if;
  v_user := kizu.find_clusters(p_into || v_others, v_scope);
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  perform kizu.find_clusters(p_into || v_others, v_user);
  return kizu.say_they_are_one(v_user, p_into, v_others);
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

create function kizu.say_they_are_one(p_user uuid, p_into uuid, p_others uuid[])
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_core    constant int := 16;
  v_contact uuid := (select contact_id from public.face_clusters where id = p_into);
  v_gets    constant uuid := case when v_contact is null then (
    select contact_id
      from public.face_clusters
     where id = any (p_others)
       and contact_id is not null
     order by array_position(p_others, id)
     limit 1
  ) end;
  v_name     constant text := (
    select name
      from public.face_clusters
     where id = any (p_others)
       and contact_id is null
       and name is not null
     order by array_position(p_others, id)
     limit 1
  );
  v_faces    uuid[]; -- of the others
  v_other    uuid;
  v_former   uuid;
  v_all      uuid[];
  v_come     uuid[];
  v_core     uuid[];
  v_kept     uuid[];
  v_said     uuid[];
  v_taught   uuid[] := '{}';
  v_moved    uuid[] := '{}';
  v_photos   uuid[];
  v_best     uuid;
  v_verdict  bigint;
  v_behind   int := 0;
  v_names    record;
  v_done     jsonb;
begin
  v_faces := array(select face_id from public.face_embeddings where cluster_id = any (p_others));
  v_photos := kizu.photos_of(p_user, v_faces);
  perform kizu.lock_photos(v_photos);
  v_verdict := kizu.begin_verdict(p_user, 'merge', null, p_into);
  perform kizu.give_way_soon();
  v_best := (
    select face.face_id
      from public.face_clusters as cluster
      join public.face_embeddings as face on face.id = cluster.representative_face_id
     where cluster.id = p_into
  );
  v_kept := kizu.core_faces(p_user, p_into, c_core);

  foreach v_other in array p_others loop
    select contact_id into v_former from public.face_clusters where id = v_other;
    v_all := array(
      select distinct face_id from public.face_embeddings where cluster_id = v_other order by face_id
    );
    -- Where it is the contact of these that p_into gets, who was said to be them comes anyway.
    v_come := array(
      select face_id
        from unnest(v_all) as one (face_id)
       where not exists (
               select
                 from public.face_embeddings as face
                 join public.face_embeddings as neighbour on neighbour.asset_id = face.asset_id
                where face.face_id = one.face_id
                  and (neighbour.cluster_id = p_into) is true -- found by its photo, not by the cluster
                  and not face.is_from_video
                  and not neighbour.is_from_video
             )
          or (v_former = v_gets
              and exists (
                    select
                      from public.face_embeddings as face
                     where face.face_id = one.face_id
                       and face.contact_id = v_gets
                       and not face.recognised
                  ))
    );
    v_behind := v_behind + cardinality(v_all) - cardinality(v_come);
    continue when cardinality(v_come) = 0 and cardinality(v_all) > 0;

    v_core := array(select id from unnest(kizu.core_faces(p_user, v_other, c_core)) as id where id = any (v_come));
    v_said := '{}';
    if v_former = v_gets then
      update public.face_clusters set contact_id = null where id = v_other;
      update public.face_clusters
         set contact_id = v_gets
       where id = p_into;
      v_contact := v_gets;
      -- Who is not them does not stay among them.
      perform kizu.let_go(p_user, array(
        select distinct face.face_id
          from public.face_embeddings as face
          join kizu.exclusions as excluded on excluded.face_id = face.face_id and excluded.contact_id = v_gets
         where face.cluster_id = p_into
      ));
      v_taught := v_taught || kizu.core_faces(p_user, p_into, c_core);
      perform kizu.bring_faces(p_user, v_taught, p_into, v_taught);
    end if;
    if v_contact is not null then
      v_said := array(
        select face_id
          from unnest(v_come) as one (face_id)
         where face_id = any (v_core)
            or exists (
                 select
                   from public.face_embeddings as face
                  where face.face_id = one.face_id
                    and face.contact_id is not null
                    and not face.recognised
               )
      );
    end if;

    if cardinality(v_come) > 0 then
      perform kizu.bring_faces(p_user, v_come, p_into, v_said);
    end if;
    if not exists (select from public.face_embeddings where face_id = v_best and cluster_id = p_into) then
      v_best := (kizu.core_faces(p_user, p_into, 1))[1];
    end if;
    -- Whose own faces nothing holds together would else lose them to the average of those who come.
    perform kizu.tell_same(p_user, v_best, v_core || case when v_contact is null then v_kept end, v_verdict);
    v_taught := v_taught || v_said;
    v_moved  := v_moved || v_come;
    if cardinality(v_come) = cardinality(v_all) then
      update public.face_clusters set contact_id = null, name = null where id = v_other;
    end if;
    perform kizu.count_people(p_user, array[v_other]);
  end loop;

  -- Of clusters that people named before there were contacts the name is kept.
  update public.face_clusters
     set name = v_name
   where id = p_into
     and contact_id is null
     and name is null
     and v_name is not null;
  if cardinality(v_moved) = 0 and v_behind > 0 then
    raise sqlstate 'PT409'
      using message = 'conflict', detail = 'these people are in the same photos, and one person is in a photo once';
  end if;

  v_names := kizu.photos_of_names(p_user, v_taught, v_contact);
  perform kizu.lock_photos(v_names.photos);
  v_done := kizu.look_again(p_user, v_names.photos || v_photos);
  perform kizu.end_verdict(v_verdict, v_faces);
  return jsonb_build_object(
    'verdict_id',  v_verdict,
    'cluster_id',  p_into,
    'contact_id',  v_contact,
    'moved',       cardinality(v_moved),
    'left_behind', v_behind,
    'left',        kizu.leave_names(p_user, v_taught, v_names.left_over)
  ) || v_done;
end;
$$;

-- Says that faces of a cluster, up to 1,000 and not all, are another person, all the same one: they leave it for a new
-- cluster, or with a name for that of the contact of this name, and do not come back by themselves. Answers
-- {"verdict_id", "cluster_id": where they are, "contact_id", "moved", "recognised", "taken_back", "left"}. Raises PT409
-- `conflict` for faces that are not in the cluster, and for two of one photo.
create function public.split_person(
  p_cluster_id uuid,
  p_face_ids   uuid[],
  p_name       text default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_name    constant text := kizu.checked_name(null, p_name);
  v_user    uuid;
  v_faces   uuid[];
  v_owner   uuid; -- the contact of the cluster that they leave
  v_contact uuid;
  v_cluster uuid;
  v_best    uuid;
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb;
begin
  v_user := kizu.find_clusters(array[p_cluster_id], coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  perform kizu.find_clusters(array[p_cluster_id], v_user);
  v_faces := (kizu.find_faces(p_face_ids, v_user)).faces;
  select contact_id into v_owner from public.face_clusters where id = p_cluster_id;

  if exists (
       select from public.face_embeddings
        where face_id = any (v_faces)
          and cluster_id is distinct from p_cluster_id
     ) then
    raise sqlstate 'PT409' using message = 'conflict', detail = 'not all of these faces are of this person';
  elsif exists (
       select from public.face_embeddings
        where face_id = any (v_faces)
          and not is_from_video
        group by asset_id
       having count(distinct face_id) > 1
     ) then
    raise sqlstate 'PT409'
      using message = 'conflict', detail = 'two of these faces are in one photo, and one person is in a photo once';
  elsif not exists (
       select from public.face_embeddings
        where cluster_id = p_cluster_id
          and face_id <> all (v_faces)
     ) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'face_ids: expected some of the faces, not all';
  end if;
  v_contact := kizu.find_contact(v_user, null, v_name);
  if v_contact = v_owner then
    raise sqlstate 'PT409' using message = 'conflict', detail = 'that is who they are now';
  end if;

  v_names := kizu.photos_of_names(v_user, v_faces, v_contact);
  v_photos := v_names.photos || kizu.photos_of(v_user, v_faces);
  perform kizu.lock_photos(v_photos);
  v_verdict := kizu.begin_verdict(v_user, 'split', null, p_cluster_id);
  insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)
  select distinct face_id, v_owner, asset_id, user_id
    from public.face_embeddings
   where face_id = any (v_faces)
     and v_owner is not null
      on conflict do nothing;
  perform kizu.let_go(v_user, v_faces);
  if v_contact is null then
    insert into public.face_clusters (user_id) values (v_user) returning id into v_cluster;
  else
    v_cluster := kizu.cluster_of(v_user, v_contact);
  end if;
  perform kizu.bring_faces(v_user, v_faces, v_cluster, case when v_contact is null then '{}' else v_faces end);
  v_best := (kizu.core_faces(v_user, v_cluster, 1))[1];
  perform kizu.tell_same(v_user, v_best, v_faces, v_verdict);
  perform kizu.tell_apart(v_user, v_faces, p_cluster_id, v_verdict);
  perform kizu.exclude_strangers(v_user, v_cluster);
  v_done := kizu.look_again(v_user, v_photos);
  perform kizu.end_verdict(v_verdict, v_faces);
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'cluster_id', v_cluster,
    'contact_id', v_contact,
    'moved',      cardinality(v_faces),
    'left',       kizu.leave_names(v_user, v_faces, v_names.left_over)
  ) || v_done;
exception
  when lock_not_available or deadlock_detected or foreign_key_violation or unique_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Says who a cluster is: a contact by id or by name, who is added if they are not there yet; with neither, that it is
-- nobody in particular. Its best faces near its middle, 16 at most, are said to be the contact, as are those that were
-- said to be the one before; others are recognised as far as they are like these. Who was said not to be the contact
-- leaves. If the contact has another cluster, this one is merged into it. Answers {"verdict_id", "cluster_id",
-- "contact_id", "recognised", "taken_back", "left"}.
create function public.name_person(
  p_cluster_id uuid,
  p_contact_id uuid default null,
  p_name       text default null,
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  c_core    constant int := 16;
  v_name    constant text := kizu.checked_name(p_contact_id, p_name);
  v_user    uuid;
  v_former  uuid;
  v_contact uuid;
  v_cluster uuid;
  v_faces   uuid[];
  v_said    uuid[];
  v_photos  uuid[];
  v_names   record;
  v_verdict bigint;
  v_done    jsonb := '{"recognised": 0, "taken_back": 0}';
  v_left    bigint := 0;
begin
  v_user := kizu.find_clusters(array[p_cluster_id], coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  perform kizu.find_clusters(array[p_cluster_id], v_user);
  v_contact := kizu.find_contact(v_user, p_contact_id, v_name);
  select id into v_cluster from public.face_clusters where contact_id = v_contact and user_id = v_user;
  if v_cluster <> p_cluster_id then
    return kizu.say_they_are_one(v_user, v_cluster, array[p_cluster_id]) - array['moved', 'left_behind'];
  end if;

  select contact_id into v_former from public.face_clusters where id = p_cluster_id;
  if v_cluster is null and (v_contact is not null or v_former is not null
                            or (select name from public.face_clusters where id = p_cluster_id) is not null) then
    v_said := array(
      select distinct face_id
        from public.face_embeddings
       where cluster_id = p_cluster_id
         and contact_id = v_former
         and not recognised
    );
    v_faces := array(select face_id from public.face_embeddings where cluster_id = p_cluster_id);
    v_photos := kizu.photos_of(v_user, v_faces);
    perform kizu.lock_photos(v_photos);
    v_verdict := kizu.begin_verdict(v_user, 'name', v_contact, p_cluster_id);
    perform kizu.give_way_soon();
    update public.face_clusters
       set contact_id = v_contact,
           name = null, -- or their contact's
           updated_at = kizu.now()
     where id = p_cluster_id;
    if v_contact is null then
      perform kizu.unname(v_user, p_cluster_id);
      perform kizu.count_people(v_user, array[p_cluster_id]);
    else
      perform kizu.let_go(v_user, array(
        select distinct face.face_id
          from public.face_embeddings as face
          join kizu.exclusions as excluded on excluded.face_id = face.face_id and excluded.contact_id = v_contact
         where face.cluster_id = p_cluster_id
      ));
      v_said := array(
        select face_id from unnest(v_said) as one (face_id)
         where exists (select from public.face_embeddings as face
                        where face.face_id = one.face_id and (face.cluster_id = p_cluster_id) is true)
         union
        select unnest(kizu.core_faces(v_user, p_cluster_id, c_core))
      );
      perform kizu.unname(v_user, p_cluster_id);
      if cardinality(v_said) > 0 then
        perform kizu.bring_faces(v_user, v_said, p_cluster_id, v_said);
      end if;
    end if;
    v_names := kizu.photos_of_names(v_user, v_said, v_contact);
    perform kizu.lock_photos(v_names.photos);
    v_done := kizu.look_again(v_user, v_names.photos || v_photos);
    perform kizu.end_verdict(v_verdict, v_faces);
    v_left := kizu.leave_names(v_user, v_said, v_names.left_over);
  end if;

  return jsonb_build_object(
    'verdict_id', v_verdict,
    'cluster_id', p_cluster_id,
    'contact_id', v_contact,
    'left',       v_left
  ) || v_done;
exception
  when lock_not_available or deadlock_detected or foreign_key_violation or unique_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- The faces of a cluster are nobody's that was said before or recognised.
create function kizu.unname(p_user uuid, p_cluster uuid)
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
begin
  update public.face_embeddings
     set contact_id = null, recognised = false
   where cluster_id = p_cluster
     and user_id = p_user
     and contact_id is not null;
  perform kizu.part_doubles(p_user, array[p_cluster]);
end;
$$;

-- Of faces of one photo in a cluster the best one stays, and any that is said to be its person: a name that is taken
-- away may have been said of several.
create function kizu.part_doubles(p_user uuid, p_clusters uuid[])
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a cluster's faces are found by an index
as $$
begin
  perform kizu.let_go(p_user, array(
    select distinct face_id
      from (select face_id, contact_id is not null and not recognised as is_said,
                   row_number() over (
                     partition by cluster_id, asset_id, model_version
                     order by contact_id is not null and not recognised desc, coalesce(quality, 1) desc, face_id
                   ) as place
              from public.face_embeddings
             where cluster_id = any (p_clusters)
               and user_id = p_user
               and not is_from_video) as face
     where place > 1
       and not is_said
  ));
end;
$$;

-- Hides a person from lists and questions, or shows them again. Answers {"verdict_id": null if it was so before,
-- "cluster_id", "hidden"}.
create function public.hide_person(p_cluster_id uuid, p_hidden boolean default true, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_hidden constant boolean := coalesce(p_hidden, true);
  v_user   uuid;
  v_verdict bigint;
begin
  v_user := kizu.find_clusters(array[p_cluster_id], coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  perform kizu.find_clusters(array[p_cluster_id], v_user);
  if exists (select from public.face_clusters where id = p_cluster_id and hidden <> v_hidden) then
    v_verdict := kizu.begin_verdict(v_user, case when v_hidden then 'hide' else 'show' end, null, p_cluster_id);
    update public.face_clusters set hidden = v_hidden, updated_at = kizu.now() where id = p_cluster_id;
    perform kizu.end_verdict(v_verdict);
  end if;
  return jsonb_build_object('verdict_id', v_verdict, 'cluster_id', p_cluster_id, 'hidden', v_hidden);
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503' using message = 'database_busy', detail = 'these people are being worked on; try again';
end;
$$;

-- Locks a person, so that by itself no face comes to them or leaves them, or lets faces come and go again. Answers
-- {"verdict_id": null if it was so before, "cluster_id", "locked"}.
create function public.lock_person(p_cluster_id uuid, p_locked boolean default true, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_locked constant boolean := coalesce(p_locked, true);
  v_user   uuid;
  v_verdict bigint;
begin
  v_user := kizu.find_clusters(array[p_cluster_id], coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  perform kizu.find_clusters(array[p_cluster_id], v_user);
  if exists (select from public.face_clusters where id = p_cluster_id and locked <> v_locked) then
    v_verdict := kizu.begin_verdict(v_user, case when v_locked then 'lock' else 'unlock' end, null, p_cluster_id);
    update public.face_clusters set locked = v_locked, updated_at = kizu.now() where id = p_cluster_id;
    perform kizu.end_verdict(v_verdict);
  end if;
  return jsonb_build_object('verdict_id', v_verdict, 'cluster_id', p_cluster_id, 'locked', v_locked);
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503' using message = 'database_busy', detail = 'these people are being worked on; try again';
end;
$$;

-- Marks faces, up to 1,000, as `ignored`, strangers that nobody wants to hear of, or `not_a_face`: they leave their
-- clusters and lose their names. With null they are faces like others again, and nobody yet. Answers {"verdict_id": null
-- if it was so before, "faces", "recognised", "taken_back", "left"}.
create function public.mark_faces(p_face_ids uuid[], p_mark text, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_found   record;
  v_faces   uuid[];
  v_taught  uuid[];
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb;
begin
  if p_mark not in ('ignored', 'not_a_face') then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'mark: expected ignored, not_a_face or null';
  end if;
  v_found := kizu.find_faces(p_face_ids, coalesce(kizu.caller_scope(), p_user));
  perform pg_advisory_xact_lock(kizu.faces_of(v_found.user_id));
  v_found := kizu.find_faces(p_face_ids, v_found.user_id);
  v_faces := array(
    select face_id
      from unnest(v_found.faces) as one (face_id)
      left join kizu.face_marks as mark using (face_id)
     where mark.mark is distinct from p_mark
     order by face_id
  );
  if cardinality(v_faces) = 0 then
    return '{"verdict_id": null, "faces": 0, "recognised": 0, "taken_back": 0, "left": 0}';
  end if;
  v_taught := array(
    select distinct face_id
      from public.face_embeddings
     where face_id = any (v_faces)
       and contact_id is not null
       and not recognised
  );
  v_names := kizu.photos_of_names(v_found.user_id, v_taught, null);
  v_photos := v_names.photos || kizu.photos_of(v_found.user_id, v_faces);
  perform kizu.lock_photos(v_photos);

  v_verdict := kizu.begin_verdict(
    v_found.user_id, case p_mark when 'ignored' then 'ignore' when 'not_a_face' then 'not_a_face' else 'unmark' end
  );
  if p_mark is null then
    delete from kizu.face_marks where face_id = any (v_faces) and user_id = v_found.user_id;
  else
    perform kizu.let_go(v_found.user_id, v_faces);
    insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)
    select distinct face_id, user_id, asset_id, p_mark, v_verdict
      from public.face_embeddings
     where face_id = any (v_faces)
        on conflict (face_id) do update
       set mark = excluded.mark, verdict_id = excluded.verdict_id;
  end if;
  v_done := kizu.look_again(v_found.user_id, v_photos);
  perform kizu.end_verdict(v_verdict, v_faces);
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'faces',      cardinality(v_faces),
    'left',       kizu.leave_names(v_found.user_id, v_taught, v_names.left_over)
  ) || v_done;
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Begins anew with a user's people: clusters that nobody named are gone, and others keep just the faces that people put
-- there: by name, or as the same as another. Locked clusters stay as they are, as do contacts. A call clears up to 2,000
-- faces. Answers {"verdict_id": null if there was nothing to clear, "faces", "more": whether to call again}.
create function public.clear_people(p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  c_most    constant int  := 2000;
  v_user    constant uuid := kizu.one_user(p_user);
  v_faces   uuid[];
  v_photos  uuid[];
  v_verdict bigint;
begin
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));
  v_faces := array(
    select distinct face.face_id
      from public.face_embeddings as face
      join public.face_clusters as cluster on cluster.id = face.cluster_id
     where face.user_id = v_user
       and not cluster.locked
       and (face.contact_id is null or face.recognised)
       and not exists (select from kizu.face_pairs as pair where pair.face_id = face.face_id and pair.same)
       and not exists (select from kizu.face_pairs as pair where pair.other_id = face.face_id and pair.same)
       and not exists (select from public.face_embeddings as said
                        where said.face_id = face.face_id and said.contact_id is not null and not said.recognised)
     limit c_most + 1
  );
  if cardinality(v_faces) > 0 then
    v_photos := kizu.photos_of(v_user, v_faces[:c_most]);
    perform kizu.lock_photos(v_photos);
    v_verdict := kizu.begin_verdict(v_user, 'clear');
    perform kizu.let_go(v_user, v_faces[:c_most]);
    perform kizu.tag_people(v_photos, null, model_version, null)
       from public.generations
      where kind = 'faces'
        and state in ('active', 'filling', 'former');
    perform kizu.end_verdict(v_verdict, v_faces[:c_most]);
  end if;
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'faces',      least(cardinality(v_faces), c_most),
    'more',       cardinality(v_faces) > c_most
  );
exception
  when lock_not_available or deadlock_detected or foreign_key_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Whose people are meant: the caller's own, or p_user's for the service. Raises PT400 `bad_params` where nobody is.
create function kizu.one_user(p_user uuid)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  v_user constant uuid := coalesce(kizu.caller_scope(), p_user);
begin
  if v_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'user: expected whose people are meant';
  end if;
  return v_user;
end;
$$;

select kizu.keep_internal('kizu.say_they_are(uuid, uuid[], uuid)');
select kizu.keep_internal('kizu.say_they_are_not(uuid, uuid[], uuid, uuid, text, boolean)');
select kizu.keep_internal('kizu.say_they_are_one(uuid, uuid, uuid[])');
select kizu.keep_internal('kizu.unname(uuid, uuid)');
select kizu.keep_internal('kizu.part_doubles(uuid, uuid[])');
select kizu.keep_internal('kizu.one_user(uuid)');

select kizu.let_call('public.assign_faces(uuid[], uuid, text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.assign_face(uuid, uuid, text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.exclude_faces(uuid[], uuid, uuid, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.remove_faces(uuid[], uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.merge_people(uuid, uuid[], uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.split_person(uuid, uuid[], text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.name_person(uuid, uuid, text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.hide_person(uuid, boolean, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.lock_person(uuid, boolean, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.mark_faces(uuid[], text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.clear_people(uuid)', 'authenticated', 'service_role');
