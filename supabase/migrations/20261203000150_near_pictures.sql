-- Comparing a user's pictures with a sentence takes less time: a row holds its vector, and of a photo is read whether
-- it fits in only where it is near.

-- A vector of 512 numbers is a little longer than what Postgres keeps in a row of itself, and was read from elsewhere in
-- two pieces: five times as slow. Rows that are there already stay as they are; a new generation's are written so.
alter table public.image_embeddings set (toast_tuple_target = 8160);

-- The user's pictures that are near a vector, of those that kizu.narrow left: down to p_least, or else to the cut-off
-- of the generation, the 1,000 nearest at most. Compared one by one, which misses nothing, where the assets are named
-- or the user has no more than 50,000; else by the generation's index. p_version null is the generation that answers;
-- where there is none, nothing is near. Raises PT400 `bad_params` and PT409 `unknown_generation` as
-- search_image_embeddings does.
create or replace function kizu.near_pictures(
  p_user    uuid,
  p_vector  extensions.vector,
  p_version text,
  p_only    uuid[],
  p_except  uuid[],
  p_where   text,
  p_least   float8 default null
)
returns table (asset_id uuid, similarity float8)
language plpgsql
stable
set search_path = ''
set hnsw.iterative_scan = relaxed_order
set hnsw.ef_search = 400
set hnsw.max_scan_tuples = 200000
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_query constant extensions.vector := extensions.l2_normalize(p_vector);
  c_exact constant int := coalesce(nullif(current_setting('kizu.test_exact', true), '')::int, 50000);
  c_most  constant int := 1000;
  v_generation public.generations;
  v_farthest   float8;
  v_from       text;
begin
  select *
    into v_generation
    from public.generations
   where kind = 'pictures'
     and case
           when p_version is null then state = 'active'
           else model_version = p_version and state not in ('dropping', 'dropped')
         end;
  if not found and p_version is null then
    return;
  elsif not found then
    raise sqlstate 'PT409'
      using message = 'unknown_generation',
            detail  = format('%s is no generation of pictures that can be searched', left(p_version, 200));
  end if;
  if extensions.vector_dims(p_vector) <> v_generation.dimension or extensions.vector_norm(p_vector) = 0 then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail  = format('vector: expected %s numbers, not all of them zero', v_generation.dimension);
  end if;
  -- What a user's own worker measured, whom nobody vouches for, is no cut-off to others.
  v_farthest := 1 - coalesce(
    p_least,
    case when v_generation.measured_by is null or v_generation.measured_by = p_user then v_generation.cutoff end,
    -1
  );

  if p_only is null and c_exact < (
       select count(*)
         from (select
                 from public.image_embeddings as own
                where own.user_id = p_user
                  and (own.model_version = v_generation.model_version) is true -- or all of a version might be read
                limit c_exact + 1) as counted
     ) then
    return query execute format(
      $sql$
        with
        nearest as materialized (
          select near.asset_id, near.embedding
            from public.image_embeddings as near
           where near.model_version = %1$L
             and near.user_id = $2
             and near.asset_id <> all ($3)
             -- One row by its id: joined, the photos might be read first.
             and (select %3$s from public.assets as asset
                   where asset.id = near.asset_id and (asset.user_id = $2) is true)
           order by near.embedding::extensions.halfvec(%2$s) operator(extensions.<=>) $1::extensions.halfvec(%2$s)
           limit $4 * 3
        ),
        exact as materialized (
          select asset_id, embedding operator(extensions.<=>) $1 as distance from nearest
        )
        select asset_id, 1 - distance
          from exact
         where distance <= $5
         order by distance, asset_id
         limit $4
      $sql$,
      v_generation.model_version, v_generation.dimension, p_where
    )
    using v_query, p_user, p_except, c_most, v_farthest;
    return;
  end if;

  v_from := case
    when p_only is null then
      '(select * from public.image_embeddings'
      '  where user_id = $2 and (model_version = $7) is true offset 0) as near'
    else
      'unnest($6) as chosen (id)'
      ' cross join lateral (select * from public.image_embeddings'
      '                      where asset_id = chosen.id and model_version = $7 and (user_id = $2) is true'
      '                     offset 0) as near'
  end;
  return query execute format(
    $sql$
      with
      own as materialized (
        select near.asset_id, near.embedding operator(extensions.<=>) $1 as distance
          from %s
         where near.asset_id <> all ($3)
      ),
      ordered as materialized (
        select asset_id, distance
          from own
         where distance <= $5
         order by distance, asset_id
      )
      select ordered.asset_id, 1 - ordered.distance
        from ordered
       cross join lateral (
               select from public.assets as asset
                where asset.id = ordered.asset_id
                  and (asset.user_id = $2) is true
                  and %s
               offset 0 -- planned by itself: by its id, for one after the other until there are enough
             ) as asset
       limit $4
    $sql$,
    v_from, p_where
  )
  using v_query, p_user, p_except, c_most, v_farthest, p_only, v_generation.model_version;
end;
$$;
