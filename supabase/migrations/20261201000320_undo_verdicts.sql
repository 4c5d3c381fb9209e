-- Taking a verdict back: what it changed is as it was before, as far as nothing else has changed it since.

-- Takes back a verdict of one's own: p_verdict_id or, without, the last one that holds. All that it changed is again what
-- it was: clusters with their ids, names and contacts, faces, exclusions, pairs, marks and tags; what came to be in
-- between by itself (photos, places of other faces) stays, as far as it goes together with what people said. It is a
-- verdict of its own, 'undo', and what was said has to be said again to hold again. Contacts that were added stay.
--
-- Answers {"verdict_id": of the undo, "undone": the verdict, "verdict": what it said, "faces": how many faces changed,
-- "recognised", "taken_back", "left": how many have not been compared yet}. Raises PT404 `not_found` for a verdict that
-- is not there, is somebody else's or, without an id, where none is left; PT409 `conflict` for one that was taken back
-- or takes one back itself, and while a later one that holds is about the same faces, people or contact; PT503
-- `database_busy`, to be asked again.
create function public.undo_verdict(p_verdict_id bigint default null, p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, a verdict's changes are found by an index
as $$
declare
  v_scope   constant uuid := coalesce(kizu.caller_scope(), p_user);
  v_verdict public.face_verdicts;
  v_user    uuid;
  v_undo    bigint;
  v_faces   uuid[];
  v_taught  uuid[];
  v_names   record;
  v_photos  uuid[];
  v_between uuid[];
  v_done    jsonb;
  v_again   jsonb;
begin
  if p_verdict_id is null then
    v_user := kizu.one_user(p_user);
  else
    select user_id
      into v_user
      from public.face_verdicts
     where id = p_verdict_id
       and (v_scope is null or user_id = v_scope);
    if not found then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such verdict';
    end if;
  end if;
  perform pg_advisory_xact_lock(kizu.faces_of(v_user));

  select *
    into v_verdict
    from public.face_verdicts as verdict
   where verdict.user_id = v_user
     and case when p_verdict_id is null
              then verdict.verdict <> 'undo'
                   and not exists (select from public.face_verdicts as undo where undo.undoes = verdict.id)
              else verdict.id = p_verdict_id end
   order by id desc
   limit 1;
  if not found then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such verdict';
  elsif v_verdict.verdict = 'undo' then
    raise sqlstate 'PT409'
      using message = 'conflict', detail = 'this took another back; what that said can be said again';
  elsif exists (select from public.face_verdicts where undoes = v_verdict.id) then
    raise sqlstate 'PT409' using message = 'conflict', detail = 'this was taken back before';
  elsif kizu.is_built_on(v_verdict) then
    raise sqlstate 'PT409'
      using message = 'conflict', detail = 'what was said later is about the same people; take that back first';
  end if;

  v_faces := array(
    select distinct face_id
      from kizu.verdict_changes
     where verdict_id = v_verdict.id
       and face_id is not null
     order by face_id
  );
  v_photos := kizu.photos_of(v_user, v_faces);
  perform kizu.lock_photos(v_photos);

  v_undo := kizu.begin_verdict(v_user, 'undo', v_verdict.contact_id, v_verdict.cluster_id);
  perform kizu.give_way_soon();
  update public.face_verdicts set undoes = v_verdict.id where id = v_undo;
  v_taught := kizu.restore_people(v_user, v_verdict.id);
  -- What a name had brought to photos that came since, or were told of it later, which their tags tell, goes with it; and
  -- what a name that is there again means for them is found out. In which cluster they are is no news; where the undo
  -- could not put back what was, it is. Who was recognised before stays so: what the verdict changed of them is back.
  v_names := kizu.photos_of_names(v_user, v_taught, null, p_as_said => true);
  v_names.photos := array(
    select photo
      from unnest(v_names.photos) as photo
     where photo <> all (v_photos)
       and (exists (
              select from public.face_embeddings as face
               where face.asset_id = photo
                 and face.created_at >= v_verdict.at
            )
            or exists (
                 select from public.asset_tags as tag
                  where tag.asset_id = photo
                    and tag.tag_type = 'person'
                    and tag.created_by is null
                    and tag.created_at >= v_verdict.at
               ))
  );
  v_between := kizu.photos_in_between(v_user, v_verdict.id, v_undo);
  perform kizu.lock_photos(v_names.photos || v_between);
  v_done := kizu.look_again(v_user, v_names.photos, p_placing => false);
  v_again := kizu.look_again(v_user, v_between);
  perform kizu.end_verdict(v_undo, v_faces);
  return jsonb_build_object(
    'verdict_id', v_undo,
    'undone',     v_verdict.id,
    'verdict',    v_verdict.verdict,
    'faces',      (select count(distinct face_id) from kizu.verdict_changes
                    where verdict_id = v_undo and what = 'face'),
    'left',       kizu.leave_names(v_user, v_taught, v_names.left_over),
    'recognised', (v_done ->> 'recognised')::int + (v_again ->> 'recognised')::int,
    'taken_back', (v_done ->> 'taken_back')::int + (v_again ->> 'taken_back')::int
  );
exception
  when lock_not_available or deadlock_detected or foreign_key_violation or unique_violation then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Whether a later verdict that holds is about something that this one changed.
create function kizu.is_built_on(p_verdict public.face_verdicts)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  c_undo constant text := 'undo';
begin
  return exists (
    with
    later as materialized (
      select verdict.*
        from public.face_verdicts as verdict
       where verdict.user_id = p_verdict.user_id
         and verdict.id > p_verdict.id
         and verdict.verdict <> c_undo
         and not exists (select from public.face_verdicts as undo where undo.undoes = verdict.id)
    ),
    mine as materialized (
      select face_id, cluster_id, contact_before, contact_after
        from kizu.verdict_changes
       where verdict_id = p_verdict.id
    ),
    faces as materialized (
      select face_id from mine where face_id is not null
       union
      select face_id from public.face_verdict_faces where verdict_id = p_verdict.id
    ),
    clusters as materialized (
      select cluster_id as id from mine where cluster_id is not null
       union
      select p_verdict.cluster_id where p_verdict.cluster_id is not null
    ),
    contacts as materialized (
      select p_verdict.contact_id as id where p_verdict.contact_id is not null
    )
    select from later
     where later.cluster_id in (select id from clusters)
        or later.contact_id in (select id from contacts)
        or exists (select from kizu.verdict_changes as change
                    where change.verdict_id = later.id
                      and (change.face_id in (select face_id from faces)
                           or change.cluster_id in (select id from clusters)))
        or exists (select from public.face_verdict_faces as face
                    where face.verdict_id = later.id
                      and face.face_id in (select face_id from faces))
  );
end;
$$;

-- Photos that are not quite as they were before a verdict, after p_undo has put back what was left of it: there something
-- else has come in between, and who is in them is to be found out.
create function kizu.photos_in_between(p_user uuid, p_verdict bigint, p_undo bigint)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select change.asset_id
      from kizu.verdict_changes as change
      left join public.face_embeddings as face on face.id = case change.what when 'face' then change.key::uuid end
     where change.verdict_id = p_verdict
       and change.what = 'face'
       and (face.id is null
            or face.cluster_id::text is distinct from change.before ->> 'cluster_id'
            or face.contact_id is distinct from change.contact_before
            or face.recognised <> (change.before ->> 'recognised')::boolean)
     union
    select unnest(array_agg(asset_id))
      from kizu.verdict_changes
     where verdict_id in (p_verdict, p_undo)
       and what = 'face'
       and (before, contact_before) is distinct from (after, contact_after)
     group by key
    having bool_and(verdict_id = p_undo)
  );
end;
$$;

-- Puts back what a verdict changed, where it is as the verdict left it, and then whatever else must give way for people's
-- words to hold. Answers the faces of which it is said again, or no more, who they are.
create function kizu.restore_people(p_user uuid, p_verdict bigint)
returns uuid[]
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_changes constant kizu.verdict_changes[] := array(
    select change from kizu.verdict_changes as change where verdict_id = p_verdict
  );
  v_faces    constant uuid[] := array(select distinct face_id from unnest(v_changes) where what = 'face');
  v_clusters uuid[];
begin
  -- Clusters: first who no longer owns one, as a contact has but one.
  update public.face_clusters as cluster
     set contact_id = null
    from unnest(v_changes) as change
   where change.what = 'cluster'
     and cluster.id = change.cluster_id
     and cluster.contact_id = change.contact_after
     and change.contact_before is distinct from change.contact_after;
  update public.face_clusters as cluster
     set contact_id = case when owner.is_free and cluster.contact_id is null
                           then change.contact_before else cluster.contact_id end,
         name = case
                  when cluster.name is distinct from change.after ->> 'name' then cluster.name
                  when (change.before ->> 'of_a_contact')::boolean and not owner.is_free then null
                  else change.before ->> 'name'
                end,
         hidden = case when cluster.hidden = (change.after ->> 'hidden')::boolean
                       then coalesce((change.before ->> 'hidden')::boolean, false) else cluster.hidden end,
         locked = case when cluster.locked = (change.after ->> 'locked')::boolean
                       then coalesce((change.before ->> 'locked')::boolean, false) else cluster.locked end,
         updated_at = kizu.now()
    from unnest(v_changes) as change
   cross join lateral (
           select change.contact_before is not null
                  and not exists (select from public.face_clusters as other
                                   where other.contact_id = change.contact_before
                                     and other.id <> change.cluster_id) as is_free
         ) as owner
   where change.what = 'cluster'
     and change.after is not null
     and cluster.id = change.cluster_id;
  insert into public.face_clusters (id, user_id, contact_id, name, hidden, locked, created_at)
  select change.cluster_id, p_user, case when owner.is_free then change.contact_before end,
         case when owner.is_free or not (change.before ->> 'of_a_contact')::boolean then change.before ->> 'name' end,
         (change.before ->> 'hidden')::boolean, (change.before ->> 'locked')::boolean,
         (change.before ->> 'created_at')::timestamptz
    from unnest(v_changes) as change
   cross join lateral (
           select change.contact_before is not null
                  and not exists (select from public.face_clusters as other
                                   where other.contact_id = change.contact_before) as is_free
         ) as owner
   where change.what = 'cluster'
     and change.before is not null
      on conflict (id) do nothing;

  -- What was said besides.
  delete from kizu.face_marks as mark
   using unnest(v_changes) as change
   where change.what = 'mark' and mark.face_id = change.face_id and change.after is not null;
  insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)
  select change.face_id, p_user, change.asset_id, change.before ->> 'mark', verdict.id
    from unnest(v_changes) as change
    join public.face_verdicts as verdict on verdict.id = (change.before ->> 'verdict_id')::bigint
   where change.what = 'mark';

  delete from kizu.exclusions as excluded
   using unnest(v_changes) as change
   where change.what = 'exclusion' and change.before is null
     and excluded.face_id = change.face_id and excluded.contact_id = change.contact_after;
  insert into kizu.exclusions (face_id, contact_id, asset_id, user_id, at)
  select change.face_id, change.contact_before, change.asset_id, p_user, (change.before ->> 'at')::timestamptz
    from unnest(v_changes) as change
   where change.what = 'exclusion' and change.contact_before is not null
      on conflict do nothing;

  delete from kizu.face_pairs as pair
   using unnest(v_changes) as change
   where change.what = 'pair' and change.after is not null
     and pair.face_id = change.face_id and pair.other_id = change.other_id;
  insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)
  select change.face_id, change.other_id, p_user, change.asset_id, change.other_asset,
         (change.before ->> 'same')::boolean, verdict.id
    from unnest(v_changes) as change
    join public.face_verdicts as verdict on verdict.id = (change.before ->> 'verdict_id')::bigint
   where change.what = 'pair'
      on conflict do nothing;

  -- Who faces are. What was said of a face holds for all of its rows again, whatever they were taken for since; a row
  -- that was taken for somebody is so again if it is as the verdict left it; and one that has come since is no more what
  -- the verdict said.
  update public.face_embeddings as face
     set contact_id = was.contact_id, recognised = was.recognised
    from (select distinct on (face.id)
                 face.id,
                 case when was_said or face.id::text = change.key then change.contact_before end as contact_id,
                 face.id::text = change.key and change.contact_before is not null and not was_said as recognised
            from unnest(v_changes) as change
           cross join lateral (
                   select (change.contact_before is not null
                           and not (change.before ->> 'recognised')::boolean) as was_said,
                          (change.contact_after is not null
                           and not (change.after ->> 'recognised')::boolean) as is_said,
                          (change.contact_after, (change.after ->> 'recognised')::boolean) as left_as
                 ) as word
            join public.face_embeddings as face on face.face_id = change.face_id
           where change.what = 'face'
             and (face.user_id = p_user) is true -- a row is found by its face, not by the user
             and case
                   when was_said then face.contact_id is null or face.recognised or face.contact_id = change.contact_after
                   else (face.id::text = change.key or is_said) and (face.contact_id, face.recognised) is not distinct from left_as
                 end
           order by face.id, was_said desc, face.id::text = change.key desc) as was
   where face.id = was.id
     and (face.contact_id, face.recognised) is distinct from (was.contact_id, was.recognised);
  update public.face_embeddings as face
     set cluster_id = case when exists (select from public.face_clusters where id = was.cluster_id)
                           then was.cluster_id end
    from (select distinct on (face_id)
                 face_id, (before ->> 'cluster_id')::uuid as cluster_id, (after ->> 'cluster_id')::uuid as left_in
            from unnest(v_changes)
           where what = 'face'
             and before ->> 'cluster_id' is distinct from after ->> 'cluster_id'
           order by face_id, key) as was
   where face.face_id = was.face_id
     and (face.user_id = p_user) is true
     and face.cluster_id is not distinct from was.left_in;

  v_clusters := array(
    select cluster_id from unnest(v_changes) where cluster_id is not null
     union
    select (before ->> 'cluster_id')::uuid from unnest(v_changes) where before ->> 'cluster_id' is not null
     union
    select (after ->> 'cluster_id')::uuid from unnest(v_changes) where after ->> 'cluster_id' is not null
     union
    select cluster_id from public.face_embeddings where face_id = any (v_faces) and cluster_id is not null
  );
  v_clusters := v_clusters || kizu.make_room(p_user, v_faces, array(
    select distinct face_id from unnest(v_changes) where face_id is not null
  ));
  perform kizu.count_people(p_user, v_clusters);

  delete from public.asset_tags as tag
   using unnest(v_changes) as change
   where change.what = 'tag'
     and change.after is not null
     and tag.asset_id = change.asset_id
     and tag.contact_id = change.contact_after
     and tag.model_version is not distinct from change.after ->> 'model_version'
     and tag.tag_type = 'person'
     and tag.created_by is null;
  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, contact_id, bounding_box, face_index,
                                 created_by, model_version, tagged_by)
  select p_user, change.asset_id, run.id, 'person', left(contact.display_name, 500), contact.id,
         nullif(change.before -> 'bounding_box', 'null'), (change.before ->> 'face_index')::int, null,
         change.before ->> 'model_version', change.before -> 'tagged_by'
    from unnest(v_changes) as change
    join public.contacts as contact on contact.id = change.contact_before and contact.display_name <> ''
    left join public.runs as run on run.id = (change.before ->> 'run_id')::uuid
   where change.what = 'tag'
     and exists (select from public.face_embeddings as face
                  where face.asset_id = change.asset_id and face.contact_id = contact.id)
      on conflict do nothing;

  return array(
    select distinct face_id
      from unnest(v_changes)
     where what = 'face'
       and ((contact_before is not null and not (before ->> 'recognised')::boolean)
            or (contact_after is not null and not (after ->> 'recognised')::boolean))
     order by face_id
  );
end;
$$;

-- Brings two faces that were said to be the same together, wherever one of them has gone; where the one is somebody
-- else by now, or in the other's photo, that is said no more. Answers the clusters that changed.
create function kizu.join_pair(p_user uuid, p_face uuid, p_other uuid)
returns uuid[]
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face is found by an index
as $$
declare
  v_one     record;
  v_other   record;
  v_cluster uuid;
  v_comes   uuid;
begin
  select cluster_id, asset_id, bool_or(contact_id is not null and not recognised) as is_said
    into v_one
    from public.face_embeddings where face_id = p_face group by cluster_id, asset_id;
  select cluster_id, asset_id, bool_or(contact_id is not null and not recognised) as is_said
    into v_other
    from public.face_embeddings where face_id = p_other group by cluster_id, asset_id;
  if v_one.asset_id is null or v_other.asset_id is null or v_one.cluster_id = v_other.cluster_id
     or exists (select from kizu.face_marks where face_id in (p_face, p_other)) then
    return '{}';
  end if;

  v_cluster := case when v_other.is_said or v_one.cluster_id is null then v_other.cluster_id else v_one.cluster_id end;
  v_comes := case when v_other.is_said or v_one.cluster_id is null then p_face else p_other end;
  if (v_one.is_said and v_other.is_said)
     or exists (
          select
            from public.face_embeddings as face
            join public.face_embeddings as neighbour
              on neighbour.asset_id = face.asset_id
             and neighbour.face_id <> face.face_id
             and not neighbour.is_from_video
             and neighbour.contact_id is not null
             and not neighbour.recognised
           where face.face_id = v_comes
             and neighbour.cluster_id = v_cluster
        )
     or exists (
          select from kizu.exclusions as excluded
            join public.face_clusters as cluster on cluster.contact_id = excluded.contact_id
           where excluded.face_id = v_comes
             and cluster.id = v_cluster
        ) then
    delete from kizu.face_pairs where face_id = p_face and other_id = p_other;
    return '{}';
  end if;
  if v_cluster is null then
    insert into public.face_clusters (user_id) values (p_user) returning id into v_cluster;
    perform kizu.move_faces(p_user, array[p_face, p_other], v_cluster);
  else
    perform kizu.bring_faces(p_user, array[v_comes], v_cluster, '{}');
  end if;
  return array_remove(array[v_cluster, v_one.cluster_id, v_other.cluster_id], null);
end;
$$;

-- Whatever came by itself gives way to p_faces, which are where they were again, and to what was said of
-- p_spoken, which holds again. Answers clusters that changed besides.
create function kizu.make_room(p_user uuid, p_faces uuid[], p_spoken uuid[])
returns uuid[]
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_face    record;
  v_cluster uuid;
  v_changed uuid[] := '{}';
  v_leaving uuid[];
begin
  -- Who is said to be somebody is where they are, wherever that is by now.
  for v_face in
    select distinct face.face_id, face.contact_id
      from public.face_embeddings as face
      left join public.face_clusters as cluster on cluster.id = face.cluster_id
     where face.face_id = any (p_faces)
       and face.user_id = p_user
       and face.contact_id is not null
       and not face.recognised
       and cluster.contact_id is distinct from face.contact_id
     order by face.face_id
  loop
    v_cluster := kizu.cluster_of(p_user, v_face.contact_id);
    perform kizu.move_faces(p_user, array[v_face.face_id], v_cluster);
    v_changed := v_changed || v_cluster;
  end loop;

  v_leaving := array(
    -- One person is in a photo once.
    select case
             when other.contact_id is not null and not other.recognised then one.face_id
             when (one.contact_id is not null and not one.recognised) or other.face_id <> all (p_faces)
             then other.face_id
             else greatest(one.face_id, other.face_id)
           end
      from public.face_embeddings as one
      join public.face_embeddings as other
        on other.asset_id = one.asset_id
       and other.face_id <> one.face_id
       and other.model_version = one.model_version -- which another model finds may be this very face
       and not other.is_from_video
     where one.face_id = any (p_faces)
       and one.user_id = p_user
       and not one.is_from_video
       and (other.cluster_id = one.cluster_id or other.contact_id = one.contact_id)
           is true -- or an index would find all of the cluster for each
       and (one.contact_id is distinct from other.contact_id or one.contact_id is null
            or one.recognised or other.recognised)
     union
    -- Nobody is who they are said not to be.
    select face.face_id
      from kizu.exclusions as excluded
      join public.face_embeddings as face on face.face_id = excluded.face_id
      left join public.face_clusters as cluster on cluster.id = face.cluster_id
     where excluded.face_id = any (p_spoken || p_faces)
       and excluded.contact_id in (face.contact_id, cluster.contact_id)
       and (face.contact_id is null or face.recognised)
     union
    -- Nor are two who differ one.
    select case when one.contact_id is null or one.recognised then one.face_id else other.face_id end
      from kizu.face_pairs as pair
      join public.face_embeddings as one on one.face_id = pair.face_id
      join public.face_embeddings as other
        on other.face_id = pair.other_id
       and other.model_version = one.model_version
       and (other.cluster_id = one.cluster_id or other.contact_id = one.contact_id) is true
     where not pair.same
       and (pair.face_id = any (p_spoken) or pair.other_id = any (p_spoken))
  );
  v_changed := v_changed || array(
    select cluster_id from public.face_embeddings where face_id = any (v_leaving) and cluster_id is not null
  );
  perform kizu.let_go(p_user, v_leaving);

  -- Who is one is together, if that can be.
  for v_face in
    select pair.face_id, pair.other_id
      from kizu.face_pairs as pair
     where pair.same
       and pair.user_id = p_user
       and (pair.face_id = any (p_spoken) or pair.other_id = any (p_spoken))
     order by pair.face_id, pair.other_id
  loop
    v_changed := v_changed || kizu.join_pair(p_user, v_face.face_id, v_face.other_id);
  end loop;
  return array_remove(v_changed, null);
end;
$$;

select kizu.keep_internal('kizu.is_built_on(public.face_verdicts)');
select kizu.keep_internal('kizu.photos_in_between(uuid, bigint, bigint)');
select kizu.keep_internal('kizu.restore_people(uuid, bigint)');
select kizu.keep_internal('kizu.join_pair(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.make_room(uuid, uuid[], uuid[])');

select kizu.let_call('public.undo_verdict(bigint, uuid)', 'authenticated', 'service_role');
