-- What a clustering of all faces of a user found is written: only what it changes, and only as far as it goes together
-- with what happened since it read the faces. Clusters keep their ids, names and contacts; faces change places.

-- Each user's last clustering, and what has happened since that one was asked for.
create table kizu.clusterings (
  user_id       uuid primary key references auth.users on delete cascade,
  model_version text,
  clustered_at  timestamptz,
  faces         int not null default 0, -- that it saw
  new_faces     int not null default 0,
  new_verdicts  int not null default 0
);

alter table kizu.clusterings enable row level security;
revoke all on kizu.clusterings from public, anon, authenticated, service_role;

-- Who moves thousands of faces counts their clusters once, in the end.
drop trigger faces_that_change_are_counted on public.face_embeddings;
create trigger faces_that_change_are_counted
  after update on public.face_embeddings
  referencing old table as gone new table as come
  for each statement
  when (current_setting('kizu.counting', true) is distinct from 'once')
  execute function kizu.count_faces();

-- Moves faces of p_user to other clusters, and replaces what is worth asking about. Rows are {face_id, cluster_id: null
-- for none, was: its cluster when it was read, made: whether the cluster is new} and {face_id, other_id, likeness};
-- scope is {model_version, last_verdict, read_at} as people_state told them, how many `faces` were looked at, and whether
-- `more` faces are to move than these: then it asks for another clustering, if any of these moved. Who calls it holds
-- kizu.faces_of(user).
--
-- A face stays where it is if anything about it or its new cluster has changed since, or if by moving it would break
-- what people said or be in one cluster with another face of its photo; then others may have to stay that were to come
-- where it is, and so on, until what is left goes together. Where another generation answers by now nothing is done.
--
-- A cluster that gets all faces that people said are a contact, who had none, is that contact's. Who was only taken for
-- a contact is that no more in the cluster of another.
-- Raises for a cluster of another user.
create function kizu.replace_clusters(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid, p_scope jsonb)
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
set kizu.counting = 'once'
-- Here thousands of rows meet thousands: what settle_jobs forbids is what serves best.
set plan_cache_mode = auto
set enable_seqscan = on
set enable_bitmapscan = on
set enable_hashjoin = on
set enable_mergejoin = on
as $$
declare
  c_behind  constant int := 200; -- priority: behind photos that wait
  v_version constant text := kizu.answering('faces');
  v_last    constant bigint := coalesce((p_scope ->> 'last_verdict')::bigint, 0);
  v_stayed  int;
  v_more    int;
  v_changed uuid[];
begin
  if v_version is distinct from p_scope ->> 'model_version' then
    return;
  end if;
  if exists (
       select from jsonb_to_recordset(p_rows) as row (cluster_id uuid)
         join public.face_clusters as cluster on cluster.id = row.cluster_id
        where cluster.user_id <> p_user
     ) then
    raise exception 'face_clusters: a cluster is somebody else''s';
  end if;

  create temporary table if not exists moving (
    face_id  uuid primary key,
    asset_id uuid not null,
    was      uuid,
    cluster  uuid,
    made     boolean not null,
    contact  uuid, -- who people said it is
    owner    uuid  -- whose the cluster is
  ) on commit drop;
  truncate pg_temp.moving;

  insert into pg_temp.moving (face_id, asset_id, was, cluster, made, contact, owner)
  select distinct on (face.face_id)
         face.face_id, face.asset_id, face.cluster_id, row.cluster_id,
         row.cluster_id is not null and cluster.id is null, said.contact, cluster.contact_id
    from jsonb_to_recordset(p_rows) as row (face_id uuid, cluster_id uuid, was uuid, made boolean, other_id uuid)
    join public.face_embeddings as face
      on face.face_id = row.face_id
     and face.user_id = p_user
     and face.model_version = v_version
     and not face.is_from_video
    left join public.face_clusters as former on former.id = face.cluster_id
    left join public.face_clusters as cluster on cluster.id = row.cluster_id
   cross join lateral (select case when not face.recognised then face.contact_id end as contact) as said
   where row.other_id is null
     and row.cluster_id is distinct from face.cluster_id
     and row.was is not distinct from face.cluster_id
     and (row.cluster_id is null or row.made or cluster.id is not null)
     and former.locked is not true
     and cluster.locked is not true
     and not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id)
     and not exists (
           select from public.face_verdict_faces as touched
            where touched.face_id = face.face_id
              and touched.verdict_id > v_last
         )
     and not exists (
           select from kizu.face_pairs as pair
            where face.face_id in (pair.face_id, pair.other_id)
              and pair.verdict_id > v_last
         )
     and not exists (
           select from public.face_verdicts as verdict
            where verdict.user_id = p_user
              and verdict.id > v_last
              and verdict.cluster_id in (row.cluster_id, face.cluster_id)
         )
     and not exists (
           select from kizu.exclusions as exclusion
            where exclusion.face_id = face.face_id
              and exclusion.contact_id = cluster.contact_id
         )
     and not exists (
           select from public.contacts as contact
             join public.assets as asset on asset.id = face.asset_id
            where contact.id = cluster.contact_id
              and kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes) < contact.birth_date
         )
     and (said.contact is null
          or said.contact = cluster.contact_id
          or (row.cluster_id is not null
              and cluster.contact_id is null
              and not exists (
                    select from public.face_clusters as theirs
                     where theirs.user_id = p_user
                       and theirs.contact_id = said.contact
                  )));
  analyze pg_temp.moving;

  loop
    v_stayed := 0;

    -- One person is in a photo once, unless people said so.
    delete from pg_temp.moving
     where face_id in (
             select face.face_id
               from pg_temp.moving as face
               join pg_temp.moving as other
                 on other.asset_id = face.asset_id
                and other.cluster = face.cluster
                and other.face_id <> face.face_id
              where (other.contact = face.contact) is not true
              union all
             select face.face_id
               from pg_temp.moving as face
               join public.face_embeddings as other
                 on other.asset_id = face.asset_id
                and other.cluster_id = face.cluster
              where other.user_id = p_user
                and other.model_version = v_version
                and not other.is_from_video
                and (not other.recognised and other.contact_id = face.contact) is not true
                and not exists (select from pg_temp.moving where moving.face_id = other.face_id)
           );
    get diagnostics v_more = row_count;
    v_stayed := v_stayed + v_more;

    -- Two faces are one person, or are not; also where this generation has not found the one.
    with
    place as materialized (
      select distinct face.face_id,
             case when moving.face_id is null then face.cluster_id else moving.cluster end as cluster
        from (select face_id from kizu.face_pairs where user_id = p_user
              union
              select other_id from kizu.face_pairs where user_id = p_user) as paired
        join public.face_embeddings as face
          on face.face_id = paired.face_id
         and not face.is_from_video
        left join pg_temp.moving on moving.face_id = face.face_id
       where not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id)
    ),
    broken as (
      select pair.face_id, pair.other_id
        from kizu.face_pairs as pair
        join place as one on one.face_id = pair.face_id
        join place as other on other.face_id = pair.other_id
       where pair.user_id = p_user
         and case
               when pair.same then one.cluster is distinct from other.cluster
               else one.cluster = other.cluster
             end
    )
    delete from pg_temp.moving
     where face_id in (select face_id from broken union all select other_id from broken);
    get diagnostics v_more = row_count;
    v_stayed := v_stayed + v_more;

    -- A cluster becomes a contact's if it has all faces that people said are theirs, and no other's, and none that they
    -- said is not them.
    delete from pg_temp.moving
     where contact is not null
       and owner is null
       and (cluster, contact) in (
             select face.cluster, face.contact
               from pg_temp.moving as face
               join pg_temp.moving as other on other.cluster = face.cluster and other.contact <> face.contact
              union all
             select face.cluster, face.contact
               from pg_temp.moving as face
               join public.face_embeddings as other
                 on other.user_id = p_user
                and other.contact_id = face.contact
                and not other.recognised
                and other.model_version = v_version
                and not other.is_from_video
               left join pg_temp.moving on moving.face_id = other.face_id
              where face.owner is null
                and moving.cluster is distinct from face.cluster
              union all
             select face.cluster, face.contact
               from pg_temp.moving as face
               join kizu.exclusions as exclusion on exclusion.contact_id = face.contact
               join public.face_embeddings as other
                 on other.face_id = exclusion.face_id
                and other.model_version = v_version
               left join pg_temp.moving on moving.face_id = other.face_id
              where face.owner is null
                and case when moving.face_id is null then other.cluster_id else moving.cluster end = face.cluster
           );
    get diagnostics v_more = row_count;
    v_stayed := v_stayed + v_more;

    -- A stranger seen once has no cluster.
    delete from pg_temp.moving
     where made
       and cluster in (
             select cluster from pg_temp.moving group by cluster having count(*) = 1 and count(contact) = 0
           );
    get diagnostics v_more = row_count;
    v_stayed := v_stayed + v_more;

    exit when v_stayed = 0;
  end loop;

  insert into public.face_clusters (id, user_id) select distinct cluster, p_user from pg_temp.moving where made;
  update public.face_clusters as cluster
     set contact_id = moving.contact
    from pg_temp.moving
   where cluster.id = moving.cluster
     and moving.contact is not null
     and moving.owner is null;

  update public.face_embeddings as face
     set cluster_id = moving.cluster
    from pg_temp.moving
   where face.face_id = moving.face_id
     and face.user_id = p_user;

  v_changed := array(
    select was from pg_temp.moving where was is not null
     union
    select cluster from pg_temp.moving where cluster is not null
  );
  with
  mistaken as materialized (
    select face.id, face.asset_id, face.contact_id, face.model_version
      from public.face_clusters as cluster
      join public.face_embeddings as face on face.cluster_id = cluster.id
     where cluster.id = any (v_changed)
       and face.recognised
       and face.contact_id <> cluster.contact_id
  ),
  untagged as (
    delete from public.asset_tags as tag
     using mistaken
     where tag.asset_id = mistaken.asset_id
       and tag.contact_id = mistaken.contact_id
       and tag.model_version = mistaken.model_version
       and tag.tag_type = 'person'
       and tag.created_by is null
  )
  update public.face_embeddings as face
     set contact_id = null, recognised = false
    from mistaken
   where face.id = mistaken.id;

  perform kizu.count_people(p_user, v_changed);
  perform kizu.replace_questions(p_rows, p_user, v_version, (p_scope ->> 'read_at')::timestamptz);

  insert into kizu.clusterings as former (user_id, model_version, clustered_at, faces)
  values (p_user, v_version, kizu.now(), coalesce((p_scope ->> 'faces')::int, 0))
      on conflict (user_id) do update
     set model_version = excluded.model_version, clustered_at = excluded.clustered_at, faces = excluded.faces;

  if (p_scope ->> 'more')::boolean and v_changed <> '{}' then
    perform kizu.ask_to_cluster(p_user, c_behind, kizu.now());
  end if;
exception
  when foreign_key_violation then -- a cluster went with the last of its photos: the settlement is sent again
    raise lock_not_available using message = 'a contact or a cluster was deleted meanwhile';
end;
$$;

-- Replaces what is worth asking about p_user's faces of p_version by those rows that are {face_id, other_id, likeness}.
-- What was found worth asking after p_read_at stays; what is answered by now, or about faces that are in one cluster, gone
-- or about to go with their photo, is left out.
create function kizu.replace_questions(p_rows jsonb, p_user uuid, p_version text, p_read_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from kizu.face_questions where user_id = p_user and at <= p_read_at;

  with
  found as materialized (
    select row.face_id, row.other_id, row.likeness
      from jsonb_to_recordset(p_rows) as row (face_id uuid, other_id uuid, likeness real)
     where row.face_id <> row.other_id
  ),
  photo as materialized ( -- which no one deletes meanwhile
    select asset.id
      from public.assets as asset
     where asset.id in (select face.asset_id
                          from (select face_id from found union select other_id from found) as asked
                          join public.face_embeddings as face on face.face_id = asked.face_id)
     order by asset.id
       for key share skip locked
  )
  insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)
  select one.face_id, other.face_id, p_user, one.asset_id, other.asset_id, max(row.likeness)
    from found as row
    join public.face_embeddings as one
      on one.face_id = least(row.face_id, row.other_id)
     and one.user_id = p_user
     and one.model_version = p_version
    join public.face_embeddings as other
      on other.face_id = greatest(row.face_id, row.other_id)
     and other.user_id = p_user
     and other.model_version = p_version
   where (one.cluster_id = other.cluster_id) is not true
     and one.asset_id in (select id from photo)
     and other.asset_id in (select id from photo)
     and not exists (
           select from kizu.face_pairs as pair
            where pair.face_id = one.face_id
              and pair.other_id = other.face_id
         )
     and not exists (
           select from kizu.face_marks as mark
            where mark.face_id in (one.face_id, other.face_id)
         )
   group by one.face_id, other.face_id, one.asset_id, other.asset_id
      on conflict do nothing;
end;
$$;

insert into public.result_tables (table_name, mode, owner, columns, scope_columns, writer)
values ('face_clusters', 'replace', 'user',
        array['face_id', 'cluster_id', 'was', 'made', 'other_id', 'likeness', 'model_version', 'last_verdict',
              'read_at', 'faces', 'more'],
        array['model_version', 'last_verdict', 'read_at', 'faces', 'more'], 'replace_clusters');

select kizu.keep_internal('kizu.replace_clusters(jsonb, uuid, uuid, uuid, jsonb)');
select kizu.keep_internal('kizu.replace_questions(jsonb, uuid, text, timestamptz)');
