-- Everything below stands on two things: vectors, and one clock. Repeatable.
--
-- `kizu` holds what only our own SQL may call. PostgREST does not expose it.

create schema if not exists extensions;
create extension if not exists vector with schema extensions;

create schema if not exists kizu;
revoke all on schema kizu from public;

-- The only clock. The database's own time, so that no worker's watch matters; a test may stop it with
-- `set kizu.test_now = '2026-01-01 12:00+00'`, which no caller behind PostgREST can do.
create or replace function kizu.now()
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
  return coalesce(nullif(current_setting('kizu.test_now', true), '')::timestamptz, clock_timestamp());
end;
$$;

revoke execute on function kizu.now() from public, anon, authenticated;
grant execute on function kizu.now() to service_role;
