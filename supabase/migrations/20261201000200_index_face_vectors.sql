-- The vector indexes of faces are of kizu.face_vectors: who a face is and which cluster it is in changes without that
-- an index of vectors is told. Searches go on meanwhile; writes wait until this is done.

set local statement_timeout = 0;

alter table public.vector_kinds add column indexed regclass; -- the table whose `embedding` has the generations' indexes

update public.vector_kinds
   set indexed = case kind when 'faces' then 'kizu.face_vectors' else 'public.' || table_name end::regclass;

alter table public.vector_kinds alter column indexed set not null;

-- Indexes have been made under the name of the other table.
do $$
declare
  v_generation public.generations;
begin
  for v_generation in select * from public.generations where kind = 'faces' loop
    execute format('drop index if exists public.face_embeddings_of_generation_%s', v_generation.id);
  end loop;
end;
$$;

create or replace function kizu.index_of(p_generation public.generations)
returns name
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select relname || '_of_generation_' || p_generation.id
            from public.vector_kinds
            join pg_catalog.pg_class on pg_class.oid = indexed
           where kind = p_generation.kind);
end;
$$;

-- As before, of the table that has the kind's indexes.
create or replace function kizu.index_generation(p_generation public.generations)
returns void
language plpgsql
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_table constant regclass := (select indexed from public.vector_kinds where kind = p_generation.kind);
  v_empty boolean;
begin
  execute format('select not exists (select from %s where model_version = $1)', v_table)
     into v_empty
    using p_generation.model_version;
  if v_empty then
    perform set_config('max_parallel_maintenance_workers', '0', true);
  end if;
  execute format(
    'create index if not exists %I on %s'
    ' using hnsw ((embedding::extensions.halfvec(%s)) extensions.halfvec_cosine_ops)'
    ' with (m = 24, ef_construction = 128) where model_version = %L',
    kizu.index_of(p_generation),
    v_table,
    p_generation.dimension,
    p_generation.model_version
  );
end;
$$;

-- Drops the index of a generation's vectors, if it is there.
create function kizu.unindex_generation(p_generation public.generations)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'drop index if exists %s.%I',
    (select relnamespace::regnamespace
       from public.vector_kinds
       join pg_catalog.pg_class on pg_class.oid = indexed
      where kind = p_generation.kind),
    kizu.index_of(p_generation)
  );
end;
$$;

-- As before, with the index where it is now.
create or replace function public.drop_generation(p_id int, p_limit int default 1000)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_limit constant int := least(greatest(coalesce(p_limit, 1000), 1), 10000);
  v_generation public.generations;
  v_vector     public.vector_kinds;
  v_deleted    int := 0;
  v_here       int;
  v_kept       bigint := 0;
begin
  perform kizu.caller_scope();
  v_generation := kizu.hold_generation(p_id);
  select * into v_vector from public.vector_kinds where kind = v_generation.kind;
  if v_generation.state = 'active' then
    raise sqlstate 'PT409'
      using message = 'generation_answers', detail = format('%s answers: flip to another first', v_generation.model_version);
  elsif v_generation.state in ('filling', 'former') then
    update public.generations set state = 'dropping' where id = p_id;
    return jsonb_build_object('deleted', 0, 'kept', 0, 'done', false);
  end if;

  if v_generation.state = 'dropping' then
    v_deleted := kizu.forget_generation(v_generation, v_vector, v_limit);
    if v_deleted = 0 then
      -- Waits for who writes at this moment, and may not have known: what came of that is deleted too.
      perform kizu.unindex_generation(v_generation);
      v_deleted := kizu.forget_generation(v_generation, v_vector, v_limit);
    end if;
    if v_deleted = 0 then
      update public.generations set state = 'dropped' where id = p_id;
      v_generation.state := 'dropped';
    end if;
  end if;
  if v_generation.kind = 'faces' and v_generation.state = 'dropped' then
    v_kept := (select count(*) from public.face_embeddings where model_version = v_generation.model_version);
  end if;
  return jsonb_build_object('deleted', v_deleted, 'kept', v_kept, 'done', v_generation.state = 'dropped');
exception
  when lock_not_available then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'the table of vectors is in use without a pause; try again';
end;
$$;

select kizu.index_generation(generation) from public.generations as generation where kind = 'faces' order by id;

select kizu.keep_internal('kizu.unindex_generation(public.generations)');
