-- Who may call, and whose rows they reach: decided once, here, and asked by every verb. Repeatable.
--
-- Three ways to work for Kizu: the service (every user's jobs), the role `kizu_worker` (every user's
-- jobs, through the worker verbs and nothing else), and a user's own account (that user's jobs only).

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'kizu_worker') then
    create role kizu_worker nologin;
  end if;
end;
$$;

alter role kizu_worker set statement_timeout = '15s';

-- PostgREST and Storage become the role a token names; what everybody may see of the project's
-- plumbing (schema usage, for instance) comes from anon, which may do nothing with our tables.
grant kizu_worker to authenticator;
grant anon to kizu_worker;

-- The user a caller is confined to; null means every user.
-- Reads the role the session has taken on, which a security definer function does not change.
-- A direct connection counts as the service when it could become the service anyway.
-- Raises 42501 for anybody else, and for a signed-in role without a user.
create or replace function kizu.caller_scope()
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  v_taken  text := nullif(current_setting('role', true), 'none');
  v_caller text := coalesce(nullif(v_taken, ''), session_user);
begin
  if v_caller = 'authenticated' then
    if auth.uid() is null then
      raise insufficient_privilege using message = 'a signed-in user is required';
    end if;
    return auth.uid();
  end if;

  if v_caller = 'kizu_worker' or pg_has_role(v_caller, 'service_role', 'member') then
    return null;
  end if;

  raise insufficient_privilege using message = format('%s may not work with jobs', v_caller);
end;
$$;

select kizu.keep_internal('kizu.caller_scope()');
