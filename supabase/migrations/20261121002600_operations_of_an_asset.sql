-- What is known of an asset: {operation: {version, ok, at}}, one entry per operation, each written by the
-- job that ran it and none touching the others. `version` is the model's; nothing found is known, too.
-- The older columns say the same in their own words.

create function kizu.note_operations()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.ai_operations := new.ai_operations || coalesce(
    (select jsonb_object_agg(key, value || jsonb_build_object('at', kizu.now()))
       from jsonb_each(new.ai_operations)
      where jsonb_typeof(value) = 'object'
        and value is distinct from old.ai_operations -> key),
    '{}'
  );
  new.ai_processed_operations := array(
    select key
      from jsonb_each(new.ai_operations)
     where value @> '{"ok": true}'
     order by key
  );
  new.ai_processed_at   := kizu.now();
  new.ai_processed_date := (new.ai_processed_at at time zone 'UTC')::date;
  return new;
end;
$$;

revoke execute on function kizu.note_operations() from public, anon, authenticated, service_role;

create trigger operations_are_noted
  before update of ai_operations on public.assets
  for each row
  when (new.ai_operations is distinct from old.ai_operations)
  execute function kizu.note_operations();

-- How long the vectors are that our columns hold, so that a worker with another model says so at its start.
create function public.vector_dimensions()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform kizu.caller_scope();
  return (
    select jsonb_object_agg(relname, atttypmod)
      from pg_catalog.pg_attribute
      join pg_catalog.pg_class on pg_class.oid = attrelid
     where attrelid in ('public.image_embeddings'::regclass, 'public.face_embeddings'::regclass)
       and attname = 'embedding'
  );
end;
$$;

revoke execute on function public.vector_dimensions() from public, anon;
grant execute on function public.vector_dimensions() to authenticated, kizu_worker, service_role;
