-- What is known of clusters as wholes (how many faces, their sum and centroid, the one that stands for them) follows
-- every change of their faces by itself, whoever makes it, at a cost that does not grow with the cluster.
--
-- Who changes people holds kizu.faces_of(user), then assets, and waits for nothing after that: a cluster or a face that
-- is in use makes it give way. Who deletes photos holds none of that and may wait for clusters, one deletion of a user
-- after the other. So neither waits for the other in a circle.

-- The best face of a cluster is the first. With the user, by whom a cluster is deleted, too: by an index of theirs all of
-- their faces would be read.
drop index public.face_embeddings_of_a_cluster;
create index face_embeddings_of_a_cluster
  on public.face_embeddings (cluster_id, model_version, (coalesce(quality, 0)) desc, id, user_id);

-- What deletions of a user's faces take one after the other.
create function kizu.deletions_of(p_user uuid)
returns bigint
language plpgsql
immutable
set search_path = ''
as $$
begin
  return hashtextextended('deletions of faces of ' || p_user, 0);
end;
$$;

-- Whether this transaction changes the people of p_user alone.
create function kizu.holds_people(p_user uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_key constant bigint := kizu.faces_of(p_user);
begin
  return exists (
    select from pg_catalog.pg_locks
     where locktype = 'advisory'
       and pid = pg_catalog.pg_backend_pid()
       and (classid::bigint << 32) + objid::bigint = v_key
       and objsubid = 1
       and mode = 'ExclusiveLock'
       and granted
  );
end;
$$;

-- Locks clusters of p_user until the transaction ends, in the order of their ids. Raises lock_not_available where they
-- are in use, for who changes people; others wait.
create function kizu.hold_clusters(p_user uuid, p_clusters uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  if kizu.holds_people(p_user) then
    perform id
       from public.face_clusters
      where id = any (p_clusters)
        and user_id = p_user
      order by id
        for no key update nowait;
  else
    perform pg_advisory_xact_lock(kizu.deletions_of(p_user));
    perform id
       from public.face_clusters
      where id = any (p_clusters)
        and user_id = p_user
      order by id
        for no key update;
  end if;
end;
$$;

-- How clusters change with some of their faces: `more` or fewer faces, `plus` and `minus` the sums of those that came
-- and went. What their owner is and whether they are there is for kizu.change_clusters to find out.
create type kizu.cluster_change as (
  user_id    uuid,
  cluster_id uuid,
  more       int,
  plus       extensions.vector,
  minus      extensions.vector
);

-- A vector as kizu.face_vectors keeps it.
create function kizu.kept_vector(p_embedding extensions.vector)
returns extensions.vector
language plpgsql
immutable
set search_path = ''
as $$
begin
  return extensions.l2_normalize(p_embedding)::extensions.halfvec::extensions.vector;
end;
$$;

-- Counts what has changed. A cluster without a face goes, unless it has a contact or a name.
create function kizu.change_clusters(p_changes kizu.cluster_change[])
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off
set enable_nestloop = on -- unlike who calls it
as $$
declare
  v_version constant text := kizu.answering('faces');
  v_change  kizu.cluster_change;
  v_user    uuid;
  v_sums    kizu.cluster_sums;
  v_total   extensions.vector;
  v_faces   int;
begin
  for v_user in select distinct user_id from unnest(p_changes) order by user_id loop
    perform kizu.hold_clusters(v_user, array(select cluster_id from unnest(p_changes) where user_id = v_user));
  end loop;

  foreach v_change in array p_changes loop
    continue when not exists (select from public.face_clusters where id = v_change.cluster_id);
    select * into v_sums from kizu.cluster_sums where cluster_id = v_change.cluster_id;
    if found and v_sums.model_version is distinct from v_version then
      perform kizu.count_people(v_change.user_id, array[v_change.cluster_id]);
      continue;
    end if;

    v_faces := coalesce(v_sums.faces, 0) + v_change.more;
    if v_faces > 0 then
      v_total := coalesce(v_sums.total operator(extensions.+) v_change.plus, v_sums.total, v_change.plus);
      v_total := coalesce(v_total operator(extensions.-) v_change.minus, v_total);
      insert into kizu.cluster_sums as former (cluster_id, user_id, model_version, faces, total)
      values (v_change.cluster_id, v_change.user_id, v_version, v_faces, v_total)
          on conflict (cluster_id) do update
         set faces = excluded.faces, total = excluded.total;
      update public.face_clusters
         set face_count = v_faces,
             centroid_embedding = extensions.l2_normalize(v_total),
             representative_face_id = kizu.best_face(id, v_version),
             updated_at = kizu.now()
       where id = v_change.cluster_id;
    else
      delete from kizu.cluster_sums where cluster_id = v_change.cluster_id;
      delete from public.face_clusters as cluster
       where id = v_change.cluster_id
         and name is null
         and contact_id is null
         and not exists (select from public.face_embeddings where cluster_id = cluster.id);
      update public.face_clusters
         set face_count = 0, centroid_embedding = null, representative_face_id = null, updated_at = kizu.now()
       where id = v_change.cluster_id
         and (face_count > 0 or centroid_embedding is not null or representative_face_id is not null);
    end if;
  end loop;
end;
$$;

-- The row of a cluster's face of the best quality in a generation; null where it has none.
create function kizu.best_face(p_cluster uuid, p_version text)
returns uuid
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  return (
    select id
      from public.face_embeddings
     where cluster_id = p_cluster
       and model_version = p_version
       and not is_from_video
     order by coalesce(quality, 0) desc, id
     limit 1
  );
end;
$$;

create function kizu.count_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_hashjoin = on -- of two transition tables, whose plan is made when they are almost empty
set enable_nestloop = off
as $$
declare
  v_version constant text := kizu.answering('faces');
  v_changes kizu.cluster_change[];
begin
  case tg_op
    when 'INSERT' then
      v_changes := array(
        select row(user_id, cluster_id, count(*), extensions.sum(kizu.kept_vector(embedding)), null)::kizu.cluster_change
          from come
         where cluster_id is not null
           and model_version = v_version
           and not is_from_video
         group by user_id, cluster_id
         order by user_id, cluster_id
      );
    when 'DELETE' then
      -- With the last row of whatever generation goes a cluster.
      v_changes := array(
        select row(user_id, cluster_id, -count(*) filter (where counts),
                   null, extensions.sum(kizu.kept_vector(embedding)) filter (where counts))::kizu.cluster_change
          from gone
         cross join lateral (select model_version = v_version and not is_from_video as counts) as whether
         where cluster_id is not null
         group by user_id, cluster_id
         order by user_id, cluster_id
      );
    when 'UPDATE' then
      v_changes := array(
        select row(user_id, cluster_id, sum(number),
                   extensions.sum(kizu.kept_vector(embedding)) filter (where number > 0),
                   extensions.sum(kizu.kept_vector(embedding)) filter (where number < 0))::kizu.cluster_change
          from (select change.*
                  from gone
                  join come using (id)
                 cross join lateral (
                         values (gone.user_id, gone.cluster_id, gone.embedding,
                                 case when gone.model_version = v_version and not gone.is_from_video then -1 else 0 end),
                                (come.user_id, come.cluster_id, come.embedding,
                                 case when come.model_version = v_version and not come.is_from_video then 1 else 0 end)
                       ) as change (user_id, cluster_id, embedding, number)
                 where (gone.user_id, gone.cluster_id, gone.model_version, gone.is_from_video, gone.quality)
                       is distinct from
                       (come.user_id, come.cluster_id, come.model_version, come.is_from_video, come.quality)
                    or (gone.cluster_id is not null
                        and gone.embedding operator(extensions.<>) come.embedding)) as each
         where cluster_id is not null
         group by user_id, cluster_id
         order by user_id, cluster_id
      );
  end case;
  if v_changes <> '{}' then
    perform kizu.change_clusters(v_changes);
  end if;
  return null;
end;
$$;

create trigger faces_that_come_are_counted
  after insert on public.face_embeddings
  referencing new table as come
  for each statement
  execute function kizu.count_faces();

create trigger faces_that_go_are_counted
  after delete on public.face_embeddings
  referencing old table as gone
  for each statement
  execute function kizu.count_faces();

create trigger faces_that_change_are_counted
  after update on public.face_embeddings
  referencing old table as gone new table as come
  for each statement
  execute function kizu.count_faces();

-- With another generation that answers, clusters are counted by its vectors.
create function kizu.count_all_people()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_user     uuid;
  v_clusters uuid[];
begin
  for v_user, v_clusters in select user_id, array_agg(id) from public.face_clusters group by user_id order by user_id
  loop
    perform kizu.count_people(v_user, v_clusters);
  end loop;
  return null;
end;
$$;

create trigger flips_are_counted
  after update of state on public.generations
  for each row
  when (new.kind = 'faces' and new.state = 'active' and old.state <> 'active')
  execute function kizu.count_all_people();

-- As before; the clusters are held first, and what is counted is what is there then.
create or replace function kizu.count_people(p_user uuid, p_clusters uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  perform kizu.hold_clusters(p_user, p_clusters);

  with
  counted as (
    select face.cluster_id, count(*)::int as faces, extensions.sum(vector.embedding::extensions.vector) as total
      from public.face_embeddings as face
      join kizu.face_vectors as vector on vector.id = face.id
     where face.cluster_id = any (p_clusters)
       and face.user_id = p_user
       and face.model_version = v_version
       and not face.is_from_video
     group by face.cluster_id
  ),
  summed as (
    insert into kizu.cluster_sums as former (cluster_id, user_id, model_version, faces, total)
    select cluster_id, p_user, v_version, faces, total from counted
        on conflict (cluster_id) do update
       set model_version = excluded.model_version, faces = excluded.faces, total = excluded.total
  )
  update public.face_clusters as cluster
     set face_count = counted.faces,
         centroid_embedding = extensions.l2_normalize(counted.total),
         representative_face_id = kizu.best_face(cluster.id, v_version),
         updated_at = kizu.now()
    from counted
   where cluster.id = counted.cluster_id;

  delete from public.face_clusters as cluster
   where id = any (p_clusters)
     and user_id = p_user
     and name is null
     and contact_id is null
     and not exists (select from public.face_embeddings where cluster_id = cluster.id);
  delete from kizu.cluster_sums as summed
   where cluster_id = any (p_clusters)
     and kizu.best_face(cluster_id, v_version) is null;
  update public.face_clusters as cluster
     set face_count = 0, centroid_embedding = null, representative_face_id = null, updated_at = kizu.now()
   where id = any (p_clusters)
     and user_id = p_user
     and face_count > 0
     and not exists (select from kizu.cluster_sums where cluster_id = cluster.id);
end;
$$;

-- As before; what they left and came to is counted by itself, and rows that are in use make it give way.
create or replace function kizu.move_faces(p_user uuid, p_faces uuid[], p_cluster uuid)
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
begin
  perform id
     from public.face_embeddings
    where face_id = any (p_faces)
      and (user_id = p_user) is true -- a row is found by its face, not by the user
      and cluster_id is distinct from p_cluster
      for no key update nowait;
  perform kizu.hold_clusters(p_user, array[p_cluster]);
  update public.face_embeddings
     set cluster_id = p_cluster
   where face_id = any (p_faces)
     and (user_id = p_user) is true
     and cluster_id is distinct from p_cluster;
end;
$$;

-- What libraries have of before.
select kizu.count_people(user_id, array_agg(id)) from public.face_clusters group by user_id;

select kizu.keep_internal('kizu.deletions_of(uuid)');
select kizu.keep_internal('kizu.holds_people(uuid)');
select kizu.keep_internal('kizu.hold_clusters(uuid, uuid[])');
select kizu.keep_internal('kizu.kept_vector(extensions.vector)');
select kizu.keep_internal('kizu.change_clusters(kizu.cluster_change[])');
select kizu.keep_internal('kizu.best_face(uuid, text)');
select kizu.keep_internal('kizu.count_faces()');
select kizu.keep_internal('kizu.count_all_people()');
