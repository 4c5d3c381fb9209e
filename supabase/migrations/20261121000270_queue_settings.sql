-- What an operator may want otherwise about the queue, in one table: limits for users, and how long what is over is
-- kept. Change a row with the service's key, or in the dashboard; it counts from the next call on.

create table public.queue_settings (
  name  text primary key,
  value bigint not null,
  says  text not null,

  constraint value_is_not_negative check (value >= 0)
);

alter table public.queue_settings enable row level security;
revoke all on public.queue_settings from public, anon, authenticated, service_role;
grant select, update on public.queue_settings to service_role;

create function kizu.setting(p_name text)
returns bigint
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select value from public.queue_settings where name = p_name);
end;
$$;

select kizu.keep_internal('kizu.setting(text)');
