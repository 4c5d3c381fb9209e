-- Who may call a function: the same few words for every one, so that none is left open. Repeatable.
--
-- Postgres lets everybody execute a new function, and projects may hand out more. These take all of it back, and
-- what is granted is what a migration names.

-- Keeps a function for other functions of ours: nobody calls it.
create or replace function kizu.keep_internal(p_function regprocedure)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('revoke execute on function %s from public, anon, authenticated, service_role', p_function);
end;
$$;

-- Lets just these roles call a function.
create or replace function kizu.let_call(p_function regprocedure, variadic p_roles name[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform kizu.keep_internal(p_function);
  execute format(
    'grant execute on function %s to %s',
    p_function, (select string_agg(format('%I', role), ', ') from unnest(p_roles) as role)
  );
end;
$$;

select kizu.keep_internal('kizu.keep_internal(regprocedure)');
select kizu.keep_internal('kizu.let_call(regprocedure, name[])');
