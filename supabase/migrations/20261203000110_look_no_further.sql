-- Faces near one are found in a large library without those that are not near: most faces have fewer near ones than are
-- asked for, and what fills up the number, of all who look like nobody in particular, took the index most of its time.

-- The p_limit faces of p_user that are nearest to a vector of unit length, from a cosine of p_floor on, best first; not
-- of p_asset. With p_named those that people named, are good enough to teach it and are none of p_barred; else all that
-- nobody marked. p_way as kizu.cheapest_way answers it: each the same, but that the index may miss some.
create or replace function kizu.near_faces(
  p_user uuid, p_version text, p_vector extensions.halfvec, p_asset uuid, p_floor float8, p_limit int, p_way text,
  p_named boolean, p_barred uuid[] default '{}'
)
returns setof kizu.near_face
language plpgsql
stable
set search_path = ''
set hnsw.iterative_scan = relaxed_order -- the few that are found are put in order by their exact distances
set hnsw.ef_search = 64
set hnsw.max_scan_tuples = 20000
set enable_sort = off -- an order is the vectors' index's, except over the few rows of a materialized CTE
as $$
declare
  c_farther constant int := 4; -- faces that are too far, after which there are no more near ones: it is nearly in order
  v_farther int := 0;
  v_found   refcursor;
  v_one     kizu.near_face;
  v_near    kizu.near_face[] := '{}';
  -- What is asked of a face, with the vector's table as `vector` and the other as `face`.
  v_meant constant text := case
    when p_named then
      '(face.contact_id is not null and not face.recognised) is true and face.contact_id <> all ($5)'
      ' and (face.quality is null or kizu.is_good_face(face.quality))'
    else 'not exists (select from kizu.face_marks as mark where mark.face_id = vector.face_id)'
  end;
  -- `offset 0`: by its id, one by one; as a join, all of one table would be read for each row of the other where the
  -- planner takes them for empty.
  v_its_face constant text :=
    'cross join lateral (select * from public.face_embeddings where id = vector.id offset 0) as face';
begin
  if p_way <> 'index' then
    return query execute format(
      $sql$
        with
        own as materialized (
          select vector.id, vector.face_id, vector.asset_id, -(vector.embedding operator(extensions.<#>) $1) as likeness
            from %s
             and vector.asset_id <> $3
        ),
        -- The other table has wide rows: they are read in this order, until there are enough.
        alike as materialized (
          select * from own where likeness >= $4
        )
        select vector.face_id, vector.asset_id, face.cluster_id, case when not face.recognised then face.contact_id end,
               kizu.is_good_face(face.quality), vector.likeness
          from (select * from alike order by likeness desc, face_id offset 0) as vector
          %s
         where not face.is_from_video
           and %s
         order by vector.likeness desc, vector.face_id
         limit $6
      $sql$,
      case p_way
        when 'named' then
          'public.face_embeddings as named'
          ' cross join lateral (select * from kizu.face_vectors where id = named.id offset 0) as vector'
          ' where named.user_id::text || '' '' || named.model_version = $2::text || '' '' || $7'
          ' and (named.contact_id is not null and not named.recognised) is true'
        else
          'kizu.face_vectors as vector where vector.user_id = $2 and vector.model_version = $7'
      end,
      v_its_face,
      v_meant
    )
    using p_vector, p_user, p_asset, p_floor, p_barred, p_limit, p_version;
  else
    -- One by one, nearest first, until some are too far: not asked about in the query, for whose sake the index would go
    -- on looking for more after the last that is near enough.
    open v_found for execute format(
      $sql$
        select vector.face_id, vector.asset_id, face.cluster_id, case when not face.recognised then face.contact_id end,
               kizu.is_good_face(face.quality), -(vector.embedding operator(extensions.<#>) $1)
          from kizu.face_vectors as vector
         %4$s
         where vector.model_version = %1$L
           and vector.user_id = $2
           and vector.asset_id <> $3
           and not face.is_from_video
           and %3$s
         order by vector.embedding::extensions.halfvec(%2$s) operator(extensions.<=>) $1::extensions.halfvec(%2$s)
         limit $4
      $sql$,
      p_version,
      (select dimension from public.generations where kind = 'faces' and model_version = p_version),
      v_meant,
      v_its_face
    )
    using p_vector, p_user, p_asset, p_limit, p_barred;
    while v_farther < c_farther loop
      fetch v_found into v_one;
      exit when not found;
      if v_one.likeness >= p_floor then
        v_near := v_near || v_one;
      else
        v_farther := v_farther + 1;
      end if;
    end loop;
    close v_found;
    return query select * from unnest(v_near) order by likeness desc, face_id;
  end if;
end;
$$;

-- Which faces of a user a vector is to be compared with, to find those nearest to it at the least cost: 'all' of the
-- generation, with p_named 'named', or those that an 'index' of everybody's vectors finds, which is the slower the fewer
-- of them are meant.
--
-- Measured, in milliseconds of processor time for one face of a user who has so many, all named, of 141,000 in the index:
--          1,000   10,000   30,000   100,000
--   all        9       19       54       156
--   named     14       86      263       805
--   index     53       18       18        15
-- So it is 'all' up to about 10,000 beside so many faces of others, up to 4,000 where there are none, and a named face
-- counts for four. To count 10,000 takes a few milliseconds: where the planner knows of far more, they are not.
create or replace function kizu.cheapest_way(p_user uuid, p_version text, p_named boolean)
returns text
language plpgsql
set search_path = ''
set enable_seqscan = off
as $$
declare
  c_few   constant int := coalesce(nullif(current_setting('kizu.test_few_faces', true), '')::int, 4000);
  c_most  constant int := 20000;
  -- The index looks at (all / meant) of its faces for each that is meant.
  c_cost  constant int := coalesce(nullif(current_setting('kizu.test_few_faces', true), '')::int, 700);
  c_apart constant int := 4;
  v_all   constant float8 := greatest((select reltuples from pg_catalog.pg_class where oid = 'kizu.face_vectors'::regclass), 0);
  v_few   constant int := greatest(c_few, least(c_most, sqrt(v_all * c_cost)::int));
  v_plan  jsonb;
  v_mine  int;
begin
  execute format('explain (format json) select from kizu.face_vectors where user_id = %L and model_version = %L',
                 p_user, p_version)
     into v_plan;
  v_mine := least((v_plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8, 2 * v_few + 1);
  if v_mine <= 2 * v_few then
    v_mine := (
      select count(*)
        from (select from kizu.face_vectors where user_id = p_user and model_version = p_version limit v_few + 1) as counted
    );
  end if;
  if p_named and least(v_mine, v_few) >= c_apart * (
       select count(*)
         from (select
                 from public.face_embeddings
                where user_id::text || ' ' || model_version = p_user::text || ' ' || p_version
                  and (contact_id is not null and not recognised) is true
                limit v_few / c_apart + 1) as counted
     ) then
    return 'named';
  end if;
  return case when v_mine <= v_few then 'all' else 'index' end;
end;
$$;

select kizu.pin_plans('kizu.near_faces(uuid, text, extensions.halfvec, uuid, float8, int, text, boolean, uuid[])');
select kizu.keep_internal('kizu.near_faces(uuid, text, extensions.halfvec, uuid, float8, int, text, boolean, uuid[])');
