-- Where a new face belongs among a user's clusters, whoever those are: found from its neighbours, at a cost that does
-- not grow with the library. What a face joins or joins together by this is looked at again when all faces are
-- clustered.

-- Whether a face may be in a cluster: it is not locked, has no other face of the photo, none that its owner said is
-- somebody else, and is of nobody whom they said it is not or who was not born yet.
create function kizu.may_join(p_face uuid, p_asset uuid, p_cluster uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return not exists (
    select from public.face_clusters as cluster
     where cluster.id = p_cluster
       and (cluster.locked
            or exists (
                 select from public.face_embeddings
                  where asset_id = p_asset
                    and (cluster_id = p_cluster) is true -- whose index would find all of the cluster
                    and face_id <> p_face
                    and not is_from_video
               )
            or exists (
                 select from (select other_id as id from kizu.face_pairs where face_id = p_face and not same
                              union all
                              select face_id from kizu.face_pairs where other_id = p_face and not same) as other
                  cross join lateral (
                          select cluster_id from public.face_embeddings where face_id = other.id offset 0 -- not all of them
                        ) as face
                  where face.cluster_id = p_cluster
               )
            or exists (
                 select from kizu.exclusions where face_id = p_face and contact_id = cluster.contact_id
               )
            or exists (
                 select from public.contacts as contact
                  where contact.id = cluster.contact_id
                    and contact.birth_date > (select kizu.day_of(taken_at, taken_at_offset_minutes)
                                                from public.assets
                                               where id = p_asset)
               ))
  );
end;
$$;

-- Whether two clusters may be one: neither is locked, they are not two contacts, were never in one photo together, and
-- nobody said that a face of one is not in the other or is not the other's contact. p_other is the smaller one.
create function kizu.may_be_one(p_user uuid, p_cluster uuid, p_other uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
           select count(*) = 2 and not bool_or(locked) and count(contact_id) < 2 and count(name) < 2
             from public.face_clusters
            where id in (p_cluster, p_other)
              and user_id = p_user
         )
     -- `offset 0`: each is asked for by what is known of it; as joins, all of a table might be read for each row.
     and not exists (
           select from public.face_embeddings as face
            cross join lateral (
                    select from public.face_embeddings
                     where asset_id = face.asset_id
                       and (cluster_id = p_cluster and not is_from_video) is true
                    offset 0
                  ) as other
            where face.cluster_id = p_other
              and (not face.is_from_video) is true
         )
     and not exists (
           select from public.face_embeddings as face
            cross join lateral (
                    select other_id as face_id from kizu.face_pairs where face_id = face.face_id and (not same) is true
                     union all
                    select face_id from kizu.face_pairs where other_id = face.face_id and (not same) is true
                    offset 0
                  ) as pair
            cross join lateral (
                    select cluster_id from public.face_embeddings where face_id = pair.face_id offset 0
                  ) as other
            where face.cluster_id = p_other
              and other.cluster_id = p_cluster
         )
     and not exists (
           select from public.face_clusters as cluster
            cross join lateral (
                    select face_id from kizu.exclusions where contact_id = cluster.contact_id offset 0
                  ) as excluded
            cross join lateral (
                    select cluster_id from public.face_embeddings where face_id = excluded.face_id offset 0
                  ) as face
            where cluster.id in (p_cluster, p_other)
              and face.cluster_id in (p_cluster, p_other)
              and face.cluster_id <> cluster.id
         )
     and not exists (
           select from public.face_clusters as cluster
            cross join lateral (
                    select birth_date from public.contacts where id = cluster.contact_id and birth_date is not null offset 0
                  ) as contact
            cross join lateral (
                    select asset_id
                      from public.face_embeddings
                     where cluster_id = case cluster.id when p_cluster then p_other else p_cluster end
                    offset 0
                  ) as face
            cross join lateral (
                    select kizu.day_of(taken_at, taken_at_offset_minutes) as day from public.assets where id = face.asset_id
                    offset 0
                  ) as taken
            where cluster.id in (p_cluster, p_other)
              and contact.birth_date > taken.day
         );
end;
$$;

-- A cluster that a face may be of: by the nearest of its good faces, and by the mean cosine to all of its faces.
create type kizu.candidate as (
  cluster_id  uuid,
  other_id    uuid,
  other_asset uuid,
  nearest     float8,
  mean        float8
);

-- Joins two clusters into one if they may be and are alike enough: the mean cosine of a face of one to a face of the
-- other is p_same or more. The older one stays, but for one with a contact or a name. Answers it; null where both stay.
create function kizu.join_clusters(p_user uuid, p_cluster uuid, p_other uuid, p_same float8)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_one   kizu.cluster_sums;
  v_other kizu.cluster_sums;
  v_stays uuid;
  v_goes  uuid;
begin
  select * into v_one from kizu.cluster_sums where cluster_id = p_cluster;
  select * into v_other from kizu.cluster_sums where cluster_id = p_other;
  if p_cluster = p_other
     or not coalesce(-(v_one.total operator(extensions.<#>) v_other.total) / v_one.faces / v_other.faces >= p_same, false)
     or not kizu.may_be_one(p_user, case when v_one.faces >= v_other.faces then p_cluster else p_other end,
                            case when v_one.faces >= v_other.faces then p_other else p_cluster end) then
    return null;
  end if;
  select id
    into v_stays
    from public.face_clusters
   where id in (p_cluster, p_other)
   order by contact_id is null, name is null, created_at, id
   limit 1;
  v_goes := case v_stays when p_cluster then p_other else p_cluster end;
  perform kizu.move_faces(p_user, array(select face_id from public.face_embeddings where cluster_id = v_goes), v_stays);
  return v_stays;
end;
$$;

-- Places the faces of these photos that the answering generation found and that are in no cluster. With a few faces
-- near it they are clustered anew (kizu.link_nearby). Else a face joins the cluster whose faces it is most like on average, if it is alike enough to one of them, too, and no other cluster is
-- almost as likely, nor a face in none liker; else, with such faces, it founds one, two at least. Clusters that it shows to be
-- one are joined. Of what may be, but is not sure, a question is left. A face of low quality only joins.
--
-- What is near a face that was placed, and in no cluster, is tried again, once. Who calls it holds kizu.faces_of(user).
create function kizu.place_faces(p_user uuid, p_assets uuid[])
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
declare
  c_neighbours constant int := 64;
  c_candidates constant int := 6;
  c_again      constant int := 32; -- faces of before that are tried again, for each photo
  v_version constant text := kizu.answering('faces');
  v_scale   constant record := kizu.face_scale(v_version);
  -- Against the clusters of all faces at once, in ten orders of arrival: with less, siblings are joined; with more, who
  -- grows up falls apart.
  v_enough  constant float8 := (v_scale.same + v_scale.maybe) / 2; -- mean cosine of a face to a cluster it joins
  v_one     constant float8 := v_scale.same + v_scale.margin;      -- mean cosine of two clusters that are one
  v_way     text;
  v_alone   float8; -- cosine of the nearest good face that is in no cluster
  v_queue   uuid[];
  v_tried   uuid[];
  v_again   uuid[];
  v_most    int;
  v_id      uuid;
  v_face    record;
  v_near    kizu.near_face[];
  v_ranked  kizu.candidate[];
  v_best    kizu.candidate;
  v_second  kizu.candidate;
  v_cluster uuid;
  v_linked  boolean;
  v_joined  uuid;
  v_other   uuid;
begin
  perform kizu.follow_contacts(p_user, p_assets, v_version);
  v_queue := array(
    select face_id
      from public.face_embeddings
     where asset_id = any (p_assets)
       and (user_id = p_user and model_version = v_version and cluster_id is null) is true -- by the photo alone
       and not is_from_video
     order by coalesce(quality, 1) desc, face_id
  );
  v_tried := v_queue;
  v_most := cardinality(v_queue) + c_again * cardinality(p_assets);

  while v_queue <> '{}' loop
    v_id := v_queue[1];
    v_queue := v_queue[2:];
    select face.face_id, face.asset_id, vector.embedding, kizu.is_good_face(face.quality) as good
      into v_face
      from public.face_embeddings as face
     cross join lateral (select embedding from kizu.face_vectors where id = face.id offset 0) as vector
     where face.face_id = v_id
       and (face.model_version = v_version and face.cluster_id is null) is true
       and not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id offset 0);
    continue when not found;
    v_way := coalesce(v_way, kizu.cheapest_way(p_user, v_version, false));
    v_near := array(
      select near
        from kizu.near_faces(p_user, v_version, v_face.embedding, v_face.asset_id, v_scale.maybe, c_neighbours, v_way,
                             false) as near
    );
    v_cluster := (
      select face.cluster_id
        from (select other_id as id from kizu.face_pairs where face_id = v_id and same
              union all
              select face_id from kizu.face_pairs where other_id = v_id and same) as other
       cross join lateral (
               select cluster_id
                 from public.face_embeddings
                where face_id = other.id
                  and (model_version = v_version and cluster_id is not null) is true
               offset 0
             ) as face
       where kizu.may_join(v_id, v_face.asset_id, face.cluster_id)
       limit 1
    );
    v_best := null;
    v_second := null;
    v_alone := case
                 when v_face.good then (select max(likeness) from unnest(v_near) where cluster_id is null and good)
               end;

    v_linked := v_cluster is null
      and v_face.good
      and kizu.link_nearby(p_user, v_id, v_face.asset_id, v_face.embedding, v_near, v_scale.same, v_enough);
    if v_linked then
      v_cluster := (
        select cluster_id from public.face_embeddings where face_id = v_id and (model_version = v_version) is true limit 1
      );
      select near.cluster_id, near.face_id, near.asset_id, near.likeness
        into v_best.cluster_id, v_best.other_id, v_best.other_asset, v_best.nearest
        from unnest(v_near) as near
       where near.cluster_id is not null
         and near.good
       order by near.likeness desc, near.face_id
       limit 1;
    elsif v_cluster is null then
      v_ranked := array(
        select row(cluster_id, face_id, asset_id, likeness, mean)::kizu.candidate
          from (select near.cluster_id, near.face_id, near.asset_id, near.likeness,
                       -(sums.total operator(extensions.<#>) v_face.embedding::extensions.vector) / sums.faces as mean
                  from (select *
                          from (select distinct on (cluster_id) *
                                  from unnest(v_near)
                                 where cluster_id is not null
                                   and good
                                 order by cluster_id, likeness desc, face_id) as each
                         order by likeness desc, face_id
                         limit c_candidates) as near
                 -- `offset 0`: by its id; as a join, kizu.may_join might be asked of each with each.
                 cross join lateral (
                         select * from kizu.cluster_sums where cluster_id = near.cluster_id offset 0
                       ) as sums
                 where kizu.may_join(v_id, v_face.asset_id, near.cluster_id)) as ranked
         order by mean desc, cluster_id
      );
      v_best := v_ranked[1];
      v_second := v_ranked[2];
      if v_best.nearest >= v_scale.same and v_best.mean >= v_enough and coalesce(v_best.mean >= v_alone, true) then
        if v_face.good and v_second.nearest >= v_scale.same then
          v_joined := kizu.join_clusters(p_user, v_best.cluster_id, v_second.cluster_id, v_one);
          if v_joined is not null and kizu.may_join(v_id, v_face.asset_id, v_joined) then
            v_best.cluster_id := v_joined;
            v_second := v_ranked[3];
          end if;
        end if;
        if coalesce(v_best.mean - v_second.mean >= v_scale.margin, true) then
          v_cluster := v_best.cluster_id;
        end if;
      end if;
    end if;

    if v_linked then
      null;
    elsif v_cluster is not null then
      perform kizu.move_faces(p_user, array[v_id], v_cluster);
    elsif v_alone >= v_scale.same then
      v_cluster := kizu.found_cluster(p_user, v_id, v_face.asset_id, v_face.embedding, v_near, v_scale.same);
    end if;

    if v_cluster is null then
      if v_best.cluster_id is not null then
        perform kizu.ask_about_faces(p_user, v_id, v_face.asset_id, v_best.other_id, v_best.other_asset, v_best.nearest);
      end if;
      continue;
    end if;
    -- Who comes to somebody by other ways than by the faces that people named is not named, but asked about.
    perform kizu.ask_about_faces(p_user, v_id, v_face.asset_id, known.face_id, known.asset_id,
                                 -(known.embedding operator(extensions.<#>) v_face.embedding))
       from (select named.face_id, named.asset_id, vector.embedding
               from public.face_clusters as cluster
              cross join lateral (
                      select *
                        from public.face_embeddings
                       where user_id::text || ' ' || model_version = p_user::text || ' ' || v_version
                         and contact_id = cluster.contact_id
                         and (contact_id is not null and not recognised) is true
                      limit 1
                    ) as named
              cross join lateral (select embedding from kizu.face_vectors where id = named.id offset 0) as vector
              where cluster.id = v_cluster) as known;
    if v_face.good then
      for v_other in
        select cluster_id
          from unnest(v_near)
         where good
           and likeness >= v_scale.same
           and cluster_id <> v_cluster
         group by cluster_id
         order by max(likeness) desc
         limit c_candidates
      loop
        v_cluster := coalesce(kizu.join_clusters(p_user, v_cluster, v_other, v_one), v_cluster);
      end loop;
      v_again := array(
        select face_id
          from unnest(v_near)
         where cluster_id is null
           and likeness >= v_scale.same
           and face_id <> all (v_tried)
         order by likeness desc, face_id
         limit greatest(v_most - cardinality(v_tried), 0)
      );
      v_queue := v_queue || v_again;
      v_tried := v_tried || v_again;
    end if;
  end loop;
end;
$$;

-- Clusters a good face anew together with those near it, as the clustering of all does: average linkage down to p_same,
-- of no two faces of a photo; who is blurred goes along, where their mean cosine is p_enough. So whoever was joined
-- while too few faces were there to tell, such as siblings, is parted again by those that come. Only a few faces are
-- taken: those in no cluster, and clusters of few faces of which nobody said anything. A cluster's id stays with most of
-- its faces; of clusters that are as large the oldest one's does.
--
-- Answers false where it did nothing: nobody is that near, or the nearest cluster is large or people said something.
create function kizu.link_nearby(p_user uuid, p_face uuid, p_asset uuid, p_vector extensions.halfvec,
                                 p_near kizu.near_face[], p_same float8, p_enough float8)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  -- In libraries with many siblings, with 16 up to 0.04 (B-cubed F1) is lost against the clustering of all; with 24 as
  -- little as with 32, 0.01, which take twice the time.
  c_most      constant int := 24;
  c_clusters  constant int := 6;
  c_apart     constant float8 := -9; -- in place of a cosine
  v_version   constant text := kizu.answering('faces');
  v_clusters  uuid[] := '{}'; -- that are clustered anew
  v_faces     uuid[];         -- the good ones, then whoever is blurred
  v_photos    uuid[];
  v_former    uuid[];
  v_vectors   extensions.halfvec[];
  v_room      int;
  v_good      int;
  v_near      record;
  v_alike     float8[]; -- of each good one to each, row by row; of parts the mean
  v_part      int[];    -- of each the number of the first of its part
  v_sizes     int[];
  v_best      float8;
  v_one       int;
  v_other     int;
  v_likeness  float8;
  v_taken     int[] := '{}';
  v_kept      uuid[] := '{}';
  v_cluster   uuid;
begin
  if exists (select from kizu.face_pairs where face_id = p_face)
     or exists (select from kizu.face_pairs where other_id = p_face) then
    return false;
  end if;
  v_faces := array[p_face] || array(
    select near.face_id
      from unnest(p_near) as near
     where near.good
       and near.cluster_id is null
       and near.likeness >= p_same
       and exists (
             select from public.face_embeddings
              where face_id = near.face_id and (model_version = v_version and cluster_id is null) is true
             offset 0
           )
       and not exists (select from kizu.face_pairs where face_id = near.face_id offset 0)
       and not exists (select from kizu.face_pairs where other_id = near.face_id offset 0)
     order by near.likeness desc, near.face_id
     limit c_most / 2
  );
  v_room := c_most - cardinality(v_faces);
  for v_near in
    select face.cluster_id, sums.faces
      from (select distinct on (near.face_id) near.face_id, near.likeness from unnest(p_near) as near
             where near.good and near.likeness >= p_same) as near
     cross join lateral (
             select cluster_id
               from public.face_embeddings
              where face_id = near.face_id
                and (model_version = v_version) is true
             offset 0
           ) as face
     cross join lateral (select faces from kizu.cluster_sums where cluster_id = face.cluster_id offset 0) as sums
     group by face.cluster_id, sums.faces
     order by max(near.likeness) desc, face.cluster_id
     limit c_clusters
  loop
    if v_near.faces <= v_room and kizu.is_by_itself(v_near.cluster_id) then
      v_clusters := v_clusters || v_near.cluster_id;
      v_room := v_room - v_near.faces;
    elsif v_clusters = '{}' then
      return false;
    end if;
  end loop;

  select array_agg(face_id order by place), array_agg(asset_id order by place), array_agg(cluster_id order by place),
         array_agg(embedding order by place), count(*) filter (where good)
    into v_faces, v_photos, v_former, v_vectors, v_good
    from (select face.face_id, face.asset_id, face.cluster_id, vector.embedding, kizu.is_good_face(face.quality) as good,
                 row_number() over (order by not kizu.is_good_face(face.quality), face.face_id) as place
            from (select id from public.face_embeddings where face_id = any (v_faces)
                  union
                  select id from public.face_embeddings where cluster_id = any (v_clusters)) as taken
           cross join lateral (select * from public.face_embeddings where id = taken.id offset 0) as face
           cross join lateral (select embedding from kizu.face_vectors where id = face.id offset 0) as vector
           where face.model_version = v_version
             and not face.is_from_video) as member;
  if v_good < 2 then
    return false;
  end if;

  v_alike := array(
    select case
             when v_photos[one] = v_photos[other] then c_apart
             else -(v_vectors[one] operator(extensions.<#>) v_vectors[other])
           end
      from generate_series(1, v_good) as one
     cross join generate_series(1, v_good) as other
     order by one, other
  );
  v_part := array(select generate_series(1, v_good));
  v_sizes := array_fill(1, array[v_good]);
  loop
    v_best := p_same;
    v_one := null;
    for i in 1 .. v_good - 1 loop
      continue when v_part[i] <> i;
      for j in i + 1 .. v_good loop
        if v_alike[(i - 1) * v_good + j] >= v_best and v_part[j] = j then
          v_best := v_alike[(i - 1) * v_good + j];
          v_one := i;
          v_other := j;
        end if;
      end loop;
    end loop;
    exit when v_one is null;
    for i in 1 .. v_good loop
      if v_part[i] = v_other then
        v_part[i] := v_one;
      end if;
      continue when i = v_one or v_part[i] <> i;
      v_likeness := case
        when c_apart in (v_alike[(v_one - 1) * v_good + i], v_alike[(v_other - 1) * v_good + i]) then c_apart
        else (v_sizes[v_one] * v_alike[(v_one - 1) * v_good + i] + v_sizes[v_other] * v_alike[(v_other - 1) * v_good + i])
             / (v_sizes[v_one] + v_sizes[v_other])
      end;
      v_alike[(v_one - 1) * v_good + i] := v_likeness;
      v_alike[(i - 1) * v_good + v_one] := v_likeness;
    end loop;
    v_sizes[v_one] := v_sizes[v_one] + v_sizes[v_other];
  end loop;

  for i in v_good + 1 .. cardinality(v_faces) loop
    v_part := v_part || (
      select part
        from (select v_part[place] as part,
                     avg(-(v_vectors[place] operator(extensions.<#>) v_vectors[i])) as likeness
                from generate_series(1, i - 1) as place
               where place <= v_good
               group by part) as each
       where v_sizes[part] > 1
         and likeness >= p_enough
         and not exists (
               select from generate_series(1, i - 1) as place where v_part[place] = part and v_photos[place] = v_photos[i]
             )
       order by likeness desc, part
       limit 1
    );
  end loop;

  for v_near in
    select v_part[place] as part, former.id as cluster_id
      from generate_series(1, cardinality(v_faces)) as place
      left join lateral (
             select id, created_at from public.face_clusters where id = v_former[place] offset 0
           ) as former on true
     where v_sizes[v_part[place]] > 1
     group by 1, former.id, former.created_at
     order by former.id is null, count(*) desc, former.created_at, former.id, 1
  loop
    continue when v_near.part = any (v_taken) or v_near.cluster_id = any (v_kept);
    v_cluster := v_near.cluster_id;
    if v_cluster is null then
      insert into public.face_clusters (user_id) values (p_user) returning id into v_cluster;
    end if;
    v_taken := v_taken || v_near.part;
    v_kept := v_kept || v_cluster;
  end loop;
  for v_near in
    select part.cluster_id, array_agg(v_faces[place]) as faces
      from generate_series(1, cardinality(v_faces)) as place
      left join unnest(v_taken, v_kept) as part (number, cluster_id) on part.number = v_part[place]
     where part.cluster_id is distinct from v_former[place]
     group by part.cluster_id
     order by part.cluster_id is not null, part.cluster_id
  loop
    perform kizu.move_faces(p_user, v_near.faces, v_near.cluster_id);
  end loop;
  return true;
end;
$$;

-- Whether a cluster is what faces came to by themselves: it is nobody's, its owner said nothing of it or its faces, and
-- the answering generation found all of them.
create function kizu.is_by_itself(p_cluster uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  return exists (
           select from public.face_clusters
            where id = p_cluster and contact_id is null and name is null and not locked and not hidden
         )
     and not exists (
           select from public.face_embeddings as face
            where face.cluster_id = p_cluster
              and (face.is_from_video
                   or not exists (
                        select from public.face_embeddings
                         where face_id = face.face_id
                           and (model_version = v_version and not is_from_video) is true
                        offset 0
                      )
                   or exists (select from kizu.face_pairs where face_id = face.face_id offset 0)
                   or exists (select from kizu.face_pairs where other_id = face.face_id offset 0))
         );
end;
$$;

-- A new cluster of a face and those near it that are in none, good and alike enough to all that are in it so far, on
-- average; null if there is no such face.
create function kizu.found_cluster(p_user uuid, p_face uuid, p_asset uuid, p_vector extensions.halfvec,
                                   p_near kizu.near_face[], p_same float8)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
  v_faces   uuid[] := array[p_face];
  v_photos  uuid[] := array[p_asset];
  v_total   extensions.vector := p_vector::extensions.vector;
  v_vector  extensions.vector;
  v_near    record;
  v_cluster uuid;
begin
  for v_near in
    select near.face_id, near.asset_id, vector.embedding::extensions.vector as embedding
      from unnest(p_near) as near
     cross join lateral (
             select id
               from public.face_embeddings
              where face_id = near.face_id
                and (model_version = v_version and cluster_id is null) is true
             offset 0
           ) as face
     cross join lateral (select embedding from kizu.face_vectors where id = face.id offset 0) as vector
     where near.good
       and near.likeness >= p_same
     order by near.likeness desc, near.face_id
  loop
    continue when v_near.asset_id = any (v_photos)
      or -(v_total operator(extensions.<#>) v_near.embedding) / cardinality(v_faces) < p_same
      or exists (
           select from kizu.face_pairs
            where not same
              and ((face_id = v_near.face_id and other_id = any (v_faces))
                   or (other_id = v_near.face_id and face_id = any (v_faces)))
         );
    v_faces := v_faces || v_near.face_id;
    v_photos := v_photos || v_near.asset_id;
    v_total := v_total operator(extensions.+) v_near.embedding;
  end loop;

  if cardinality(v_faces) > 1 then
    insert into public.face_clusters (user_id) values (p_user) returning id into v_cluster;
    perform kizu.move_faces(p_user, v_faces, v_cluster);
  end if;
  return v_cluster;
end;
$$;

select kizu.pin_plans('kizu.place_faces(uuid, uuid[])');
select kizu.pin_plans('kizu.link_nearby(uuid, uuid, uuid, extensions.halfvec, kizu.near_face[], float8, float8)');
select kizu.pin_plans('kizu.is_by_itself(uuid)');

select kizu.keep_internal('kizu.may_join(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.may_be_one(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.join_clusters(uuid, uuid, uuid, float8)');
select kizu.keep_internal('kizu.place_faces(uuid, uuid[])');
select kizu.keep_internal('kizu.found_cluster(uuid, uuid, uuid, extensions.halfvec, kizu.near_face[], float8)');
select kizu.keep_internal('kizu.link_nearby(uuid, uuid, uuid, extensions.halfvec, kizu.near_face[], float8, float8)');
select kizu.keep_internal('kizu.is_by_itself(uuid)');
