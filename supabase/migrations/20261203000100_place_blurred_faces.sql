-- A blurred face is less like its own person, and less like everybody else: it joins a cluster that it is only maybe
-- like where the next one is clearly behind, as it does where all faces are clustered.

-- Places the faces of these photos that the answering generation found and that are in no cluster. With a few faces
-- near it they are clustered anew (kizu.link_nearby). Else a face joins the cluster whose faces it is most like on
-- average, if it is alike enough to one of them, too, and no other cluster is almost as likely, nor a face in none
-- liker; else, with such faces, it founds one, two at least. Clusters that it shows to be one are joined. Of what may
-- be, but is not sure, a question is left. A face of low quality only joins; where it is maybe like one cluster, and no
-- other is near, that is enough.
--
-- What is near a face that was placed, and in no cluster, is tried again, once. Who calls it holds kizu.faces_of(user).
create or replace function kizu.place_faces(p_user uuid, p_assets uuid[])
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
declare
  c_neighbours constant int := 64;
  c_candidates constant int := 6;
  c_again      constant int := 32; -- faces of before that are tried again, for each photo
  c_clearly    constant int := 2;  -- margins that the next cluster is behind where a blurred face is only maybe like one
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
      elsif not v_face.good
        and v_best.mean >= v_scale.maybe
        and coalesce(v_best.mean - v_second.mean >= c_clearly * v_scale.margin, true) then
        v_cluster := v_best.cluster_id;
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
           and likeness >= case when good then v_scale.same else v_scale.maybe end
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

select kizu.pin_plans('kizu.place_faces(uuid, uuid[])');
select kizu.keep_internal('kizu.place_faces(uuid, uuid[])');
