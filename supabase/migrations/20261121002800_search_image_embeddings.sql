-- Which pictures are nearest to a vector: what is behind searching by words and by example.
--
-- Whose pictures and which model's vectors is decided before the nearest are counted off, never after, so
-- that a small library among many large ones is searched whole. Vectors of two models have nothing to say
-- to each other: a search always stays within one model's.

-- Loaded here, because a function may only carry settings of a library that is.
select '[1]'::extensions.vector(1);

drop index public.image_embeddings_of_a_user;
create index image_embeddings_of_a_user on public.image_embeddings (user_id, model_version) include (created_at);

-- The match_count (at most 1,000) pictures most like query_embedding, best first, down to a similarity
-- (1 - cosine distance) of match_threshold. Words and pictures are less alike than two pictures are: for a
-- sentence of CLIP's, 0.2 is much.
--
-- A user searches their own pictures, and finds none with another's filter_user_id; the service searches
-- everybody's without one. filter_model_version is the model that made query_embedding; left out, it is the
-- one that most of the pictures searched have a vector of, the newest where two have as many.
--
-- metadata is {"model_version", "created_at"}.
create function public.search_image_embeddings(
  query_embedding      extensions.vector(512),
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
set hnsw.iterative_scan = strict_order
set hnsw.ef_search = 200
set enable_sort = off  -- an order is the vectors' index's, except over the few rows of a materialized CTE
as $$
declare
  -- So many vectors are compared one by one, which misses nothing; the index, with more, may miss a few.
  c_exact     constant int := coalesce(nullif(current_setting('kizu.test_exact', true), '')::int, 10000);
  c_most      constant int := 1000;   -- PostgREST cuts longer answers
  v_scope     constant uuid := kizu.caller_scope();
  v_user      constant uuid := coalesce(v_scope, filter_user_id);
  v_count     constant int := least(greatest(coalesce(match_count, 10), 0), c_most);
  v_threshold constant double precision := coalesce(match_threshold, 0.5);
  v_length    constant int := (
    select atttypmod
      from pg_catalog.pg_attribute
     where attrelid = 'public.image_embeddings'::regclass
       and attname = 'embedding'
  );
  v_version   text := filter_model_version;
  v_few       boolean;
begin
  if query_embedding is null
     or extensions.vector_dims(query_embedding) <> v_length
     or extensions.vector_norm(query_embedding) = 0 then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail  = format('query_embedding: expected %s numbers, not all of them zero', v_length);
  end if;
  if filter_user_id <> v_scope then
    return;
  end if;

  if v_version is null and v_user is not null then
    select own.model_version into v_version
      from public.image_embeddings as own
     where own.user_id = v_user
     group by own.model_version
     order by count(*) desc, max(own.created_at) desc
     limit 1;
  elsif v_version is null then
    select every.model_version into v_version
      from public.image_embeddings as every
     group by every.model_version
     order by count(*) desc, max(every.created_at) desc
     limit 1;
  end if;

  v_few := v_user is not null and c_exact >= (
    select count(*)
      from (select
              from public.image_embeddings as own
             where own.user_id = v_user
               and own.model_version = v_version
             limit c_exact + 1) as counted
  );

  if v_few then
    return query
    with
    own as materialized (
      select own.asset_id,
             own.created_at,
             own.embedding operator(extensions.<=>) query_embedding as distance
        from public.image_embeddings as own
       where own.user_id = v_user
         and own.model_version = v_version
    )
    select own.asset_id,
           1 - own.distance,
           jsonb_build_object('model_version', v_version, 'created_at', own.created_at)
      from own
     where 1 - own.distance >= v_threshold
     order by own.distance, own.asset_id
     limit v_count;
  else
    -- The threshold is asked about last: the index would go on looking for more after the last that passes.
    return query
    with
    nearest as materialized (
      select near.asset_id,
             near.created_at,
             near.embedding operator(extensions.<=>) query_embedding as distance
        from public.image_embeddings as near
       where near.model_version = v_version
         and (v_user is null or near.user_id = v_user)
       order by near.embedding operator(extensions.<=>) query_embedding
       limit v_count
    )
    select nearest.asset_id,
           1 - nearest.distance,
           jsonb_build_object('model_version', v_version, 'created_at', nearest.created_at)
      from nearest
     where 1 - nearest.distance >= v_threshold
     order by nearest.distance, nearest.asset_id;
  end if;
end;
$$;

select kizu.pin_plans('public.search_image_embeddings(extensions.vector, int, double precision, uuid, text)');

select kizu.let_call('public.search_image_embeddings(extensions.vector, int, double precision, uuid, text)',
                     'authenticated', 'service_role');
