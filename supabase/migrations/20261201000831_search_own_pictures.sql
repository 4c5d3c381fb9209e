-- A search of a small library reads its own pictures alone, whatever the planner believes. Where it took the table for
-- empty, another index that holds versions behind photos cost no more than the user's, and everybody's pictures were
-- read. A comparison of user and version as one value is answered by an index that begins with the user, and no other.

-- As before.
create or replace function public.search_image_embeddings(
  query_embedding      extensions.vector,
  match_count          int default 10,
  match_threshold      double precision default 0.5,
  filter_user_id       uuid default null,
  filter_model_version text default null
)
returns table (asset_id uuid, similarity double precision, metadata jsonb)
language plpgsql
stable
security definer
set search_path = ''
set hnsw.iterative_scan = relaxed_order -- the few that are found are put in order by their exact distances
set hnsw.ef_search = 120
set enable_sort = off  -- an order is the vectors' index's, except over the few rows of a materialized CTE
as $$
declare
  -- As a unit vector: halves do not hold numbers that are large or very small.
  v_query constant extensions.vector := extensions.l2_normalize(query_embedding);
  -- So many vectors are compared one by one, which misses nothing; the index, with more, may miss a few.
  c_exact constant int := coalesce(nullif(current_setting('kizu.test_exact', true), '')::int, 10000);
  c_most  constant int := 1000;   -- PostgREST cuts longer answers
  v_scope constant uuid := kizu.caller_scope();
  v_user  constant uuid := coalesce(v_scope, filter_user_id);
  v_count constant int := least(greatest(coalesce(match_count, 10), 0), c_most);
  v_generation public.generations;
  v_version    text;
  v_farthest   double precision; -- as a distance: where a vector is zero it is NaN, above every number
  v_few        boolean;
begin
  select *
    into v_generation
    from public.generations
   where kind = 'pictures'
     and case
           when filter_model_version is null then state = 'active'
           else model_version = filter_model_version and state not in ('dropping', 'dropped')
         end;
  if not found and filter_model_version is null then
    return;
  elsif not found then
    raise sqlstate 'PT409'
      using message = 'unknown_generation',
            detail  = format('%s is no generation of pictures that can be searched', left(filter_model_version, 200));
  end if;
  if query_embedding is null
     or extensions.vector_dims(query_embedding) <> v_generation.dimension
     or extensions.vector_norm(query_embedding) = 0 then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail  = format('query_embedding: expected %s numbers, not all of them zero', v_generation.dimension);
  end if;
  if filter_user_id <> v_scope then
    return;
  end if;

  v_version  := v_generation.model_version;
  -- What a user's own worker measured, whom nobody vouches for, is no cut-off to others.
  v_farthest := 1 - coalesce(
    match_threshold,
    case when v_generation.measured_by is null or v_generation.measured_by = v_user then v_generation.cutoff end,
    -1
  );
  v_few := v_user is not null and c_exact >= (
    select count(*)
      from (select
              from public.image_embeddings as own
             where (own.user_id, own.model_version) >= (v_user, v_version)
               and (own.user_id, own.model_version) <= (v_user, v_version)
             limit c_exact + 1) as counted
  );

  if v_few then
    return query
    with
    own as materialized (
      select own.asset_id,
             own.created_at,
             own.embedding operator(extensions.<=>) v_query as distance
        from public.image_embeddings as own
       where (own.user_id, own.model_version) >= (v_user, v_version)
         and (own.user_id, own.model_version) <= (v_user, v_version)
    )
    select own.asset_id,
           1 - own.distance,
           jsonb_build_object('model_version', v_version, 'created_at', own.created_at)
      from own
     where own.distance <= v_farthest
     order by own.distance, own.asset_id
     limit v_count;
  else
    -- Among everybody's, a user's are rarely met: more is looked at, or near ones would be missed.
    if v_user is not null then
      perform set_config('hnsw.ef_search', '400', true);
    end if;
    -- The threshold is asked about last: the index would go on looking for more after the last that passes.
    return query execute format(
      $sql$
        with
        nearest as materialized (
          select near.asset_id, near.created_at, near.embedding
            from public.image_embeddings as near
           where near.model_version = %1$L
             and ($2 is null or near.user_id = $2)
           order by near.embedding::extensions.halfvec(%2$s)
                    operator(extensions.<=>) $1::extensions.halfvec(%2$s)
           limit $3 * 3
        ),
        exact as materialized (
          select asset_id, created_at, embedding operator(extensions.<=>) $1 as distance from nearest
        )
        select asset_id,
               1 - distance,
               jsonb_build_object('model_version', %1$L::text, 'created_at', created_at)
          from exact
         where distance <= $4
         order by distance, asset_id
         limit $3
      $sql$,
      v_version, v_generation.dimension
    )
    using v_query, v_user, v_count, v_farthest;
  end if;
end;
$$;

select kizu.pin_plans('public.search_image_embeddings(extensions.vector, int, double precision, uuid, text)');
