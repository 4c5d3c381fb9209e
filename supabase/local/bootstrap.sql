-- What a hosted project has before its first migration: roles, schemas, privileges, and the
-- database half of Realtime. Runs at every start of the gateway, after Auth and Storage have made
-- their own tables, and changes nothing the second time.

-- Lifted while this file runs; the end of it locks the schema again.
drop event trigger if exists realtime_is_locked;

do $$
declare
  role_name text;
begin
  foreach role_name in array array[
    'anon', 'authenticated', 'service_role', 'supabase_realtime_admin', 'supabase_auth_admin'
  ] loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      execute format('create role %I nologin noinherit', role_name);
    end if;
  end loop;
  if not exists (select from pg_catalog.pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit;
  end if;
end;
$$;

alter role service_role bypassrls;
grant anon, authenticated, service_role to authenticator;

-- How long one statement may take, as on a hosted project. `authenticator` has it from signing in, and
-- service_role from authenticator; the gateway gives a request the settings of its own role. A role that has
-- been given another limit keeps it.
do $$
declare
  v_limit record;
begin
  for v_limit in
    select *
      from (values ('anon', '3s'), ('authenticated', '8s'), ('authenticator', '8s')) as l(role_name, value)
  loop
    if not exists (
      select from pg_catalog.pg_roles, unnest(rolconfig) as s(setting)
       where rolname = v_limit.role_name and setting like 'statement_timeout=%'
    ) then
      execute format('alter role %I set statement_timeout = %L', v_limit.role_name, v_limit.value);
    end if;
  end loop;
end;
$$;

create schema if not exists extensions;
create schema if not exists realtime;
create schema if not exists supabase_migrations;

-- Extensions live in their own schema, and unqualified names find them there.
alter database postgres set search_path = "$user", public, extensions;
alter role authenticator set search_path = public, extensions;

grant usage on schema public, extensions, auth, storage, realtime to anon, authenticated, service_role;

-- Since 30 October 2026 projects hand nothing out by themselves: what a migration does not grant, nobody has. Taken
-- back, because an older stack handed it out.
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke execute on functions from anon, authenticated, service_role;

-- Postgres itself lets everybody execute a new function, and takes that back for all schemas at once or not at all.
-- Extensions keep it: on a hosted project they belong to somebody else, and their operators are for everybody.
alter default privileges revoke execute on functions from public;
alter default privileges in schema extensions grant execute on functions to public;

-- Auth works as this role, also when it calls a hook.
grant usage on schema auth to supabase_auth_admin;
grant all on all tables in schema auth to supabase_auth_admin;

-- Auth's own tables stay out of reach; a project sees its callers through these four functions,
-- which read the claims in either of the two places PostgREST has kept them.
revoke all on all tables in schema auth from anon, authenticated;
grant all on all tables in schema auth to service_role;

create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb;
$$;

create or replace function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid;
$$;

create or replace function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )::text;
$$;

create or replace function auth.email() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )::text;
$$;

grant execute on all functions in schema auth to public;

-- Storage: row policies decide, as on a hosted project.
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
grant execute on all functions in schema storage to public;

-- Broadcast from the database. realtime.send inserts a row; the gateway reads it from the write-ahead
-- log and delivers it to the channels of that topic whose role may select it.
create table if not exists realtime.messages (
  id          uuid not null default gen_random_uuid() primary key,
  topic       text not null,
  extension   text not null,
  payload     jsonb,
  event       text,
  private     boolean default false,
  updated_at  timestamp not null default now(),
  inserted_at timestamp not null default now()
);
create index if not exists messages_inserted_at on realtime.messages (inserted_at);
alter table realtime.messages enable row level security;
grant select, insert on realtime.messages to anon, authenticated;
grant all on realtime.messages to service_role;

create or replace function realtime.topic() returns text language sql stable as $$
  select nullif(current_setting('realtime.topic', true), '')::text;
$$;

create or replace function realtime.send(
  payload jsonb, event text, topic text, private boolean default true
) returns void language plpgsql as $$
begin
  insert into realtime.messages (payload, event, topic, private, extension)
  values (send.payload, send.event, send.topic, send.private, 'broadcast');
exception when others then
  -- As in the real thing: a broadcast that cannot be written never breaks the write it announces.
  raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end;
$$;

grant execute on all functions in schema realtime to anon, authenticated, service_role;

do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime_messages_publication') then
    create publication supabase_realtime_messages_publication
      for table realtime.messages with (publish = 'insert');
  end if;
end;
$$;

-- The ledger of migrations, as the Supabase CLI keeps it.
create table if not exists supabase_migrations.schema_migrations (
  version    text not null primary key,
  statements text[],
  name       text
);

-- REST keeps a picture of the schema; a change of the schema tells it to look again.
create or replace function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
declare
  command record;
begin
  for command in select * from pg_event_trigger_ddl_commands() loop
    if command.schema_name is distinct from 'pg_temp' then
      notify pgrst, 'reload schema';
      return;
    end if;
  end loop;
end;
$$;

create or replace function extensions.pgrst_drop_watch() returns event_trigger language plpgsql as $$
begin
  if exists (select from pg_event_trigger_dropped_objects() where not is_temporary) then
    notify pgrst, 'reload schema';
  end if;
end;
$$;

do $$
begin
  if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgrst_ddl_watch') then
    create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
  end if;
  if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgrst_drop_watch') then
    create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
  end if;
end;
$$;

-- The schema realtime is the platform's. A project may say in policies who may read and send on realtime.messages;
-- any other change there is refused, as a hosted project refuses it, so that no migration comes to rely on one.

-- All that DDL could change there, but for policies. Looked at as a whole, because Postgres does not tell an event
-- trigger what a grant, a renaming or a trigger was about.
create or replace function extensions.state_of_realtime() returns text language sql stable as $$
  with
  relations as (
    select * from pg_catalog.pg_class where relnamespace = to_regnamespace('realtime')
  ),
  facts (fact) as (
    select row(nspowner, nspacl)::text from pg_catalog.pg_namespace where nspname = 'realtime'
    union all
    select row(oid, relname, relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, reloptions,
               relhasrules, relispartition)::text
      from relations
    union all
    select row(attrelid, attname, atttypid, attnotnull, atthasdef, attacl)::text
      from pg_catalog.pg_attribute
     where attrelid in (select oid from relations)
    union all
    select row(tgrelid, tgname, tgenabled)::text
      from pg_catalog.pg_trigger
     where tgrelid in (select oid from relations) and not tgisinternal
    union all
    select pg_get_constraintdef(oid)
      from pg_catalog.pg_constraint
     where connamespace = to_regnamespace('realtime')
    union all
    select row(oid, proname, proowner, proacl, proconfig, prosecdef, prosrc)::text
      from pg_catalog.pg_proc
     where pronamespace = to_regnamespace('realtime')
    union all
    select row(oid, typname, typacl)::text from pg_catalog.pg_type where typnamespace = to_regnamespace('realtime')
  )
  select md5(string_agg(fact, ',' order by fact)) from facts;
$$;

do $$
begin
  execute format(
    $function$
      create or replace function extensions.refuse_changes_of_realtime() returns event_trigger language plpgsql as $body$
      begin
        if extensions.state_of_realtime() is distinct from %L then
          raise insufficient_privilege
            using message = format('permission denied for schema realtime: %%s', lower(tg_tag));
        end if;
      end;
      $body$;
    $function$,
    extensions.state_of_realtime()
  );
end;
$$;

create event trigger realtime_is_locked on ddl_command_end execute function extensions.refuse_changes_of_realtime();
