-- Who works here: each worker says what it can do and, from time to time, that it is still there.
-- A worker belongs to the user who runs it, or to the project (no owner).

create table public.workers (
  id         uuid primary key default gen_random_uuid(),
  owner      uuid references auth.users on delete cascade,
  worker_id  text not null,
  info       jsonb not null default '{}',  -- version, host, device, lanes, kinds, models, counters
  first_seen timestamptz not null default now(),
  last_seen  timestamptz not null default now(),
  stopped_at timestamptz,

  constraint a_worker_has_one_row unique nulls not distinct (owner, worker_id),
  constraint info_is_an_object check (jsonb_typeof(info) = 'object'),
  constraint worker_id_is_short check (length(worker_id) between 1 and 200)
);

select kizu.let_owners_read('workers', 'owner');

-- Notes that p_worker is here with these capabilities, or, with {"stopped": true}, that it has ended.
-- A user announces workers of their own and cannot touch anybody else's, whatever the name.
create function public.announce_worker(p_worker text, p_info jsonb default '{}')
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_largest_info constant int := 32768;
  v_scope constant uuid := kizu.caller_scope();
  v_now   constant timestamptz := kizu.now();
  v_ended constant boolean := coalesce((p_info ->> 'stopped')::boolean, false);
begin
  if jsonb_typeof(p_info) is distinct from 'object' or octet_length(p_info::text) > c_largest_info then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('info: expected an object of at most %s bytes', c_largest_info);
  end if;

  insert into public.workers as worker (owner, worker_id, info, first_seen, last_seen, stopped_at)
  values (v_scope, p_worker, p_info - 'stopped', v_now, v_now, case when v_ended then v_now end)
  on conflict (owner, worker_id) do update
     set info = case when v_ended then worker.info || excluded.info else excluded.info end,
         last_seen = excluded.last_seen,
         stopped_at = excluded.stopped_at;
end;
$$;

-- Which versions of which facts workers of the last 30 days could find out, {fact: [version…]}: for a user those of
-- their own workers and of the project's, for the service the project's alone: what users say of their own is no word
-- on anybody else's photos. Those that have stopped count: they may be started again, by a timer for instance.
create function public.announced_facts()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_most_workers constant int := 1000;
  v_scope constant uuid := kizu.caller_scope();
begin
  return (
    select coalesce(jsonb_object_agg(fact, versions), '{}')
      from (select told.key as fact, jsonb_agg(distinct told.value) as versions
              from (select info -> 'facts' as facts
                      from public.workers
                     where last_seen > kizu.now() - interval '30 days'
                       and jsonb_typeof(info -> 'facts') = 'object'
                       and (owner is null or owner = v_scope)
                     order by last_seen desc
                     limit c_most_workers) as known
             cross join lateral jsonb_each(known.facts) as told
             group by told.key) as each
  );
end;
$$;

select kizu.let_call('public.announced_facts()', 'authenticated', 'service_role');

select kizu.let_call('public.announce_worker(text, jsonb)', 'authenticated', 'kizu_worker', 'service_role');
