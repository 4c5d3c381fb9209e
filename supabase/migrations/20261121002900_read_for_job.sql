-- What a handler may read: rows of its job's user, through verbs that are registered here, whatever the worker
-- signed in as. A worker holds no right on any table, and a job is no way to another user's rows.

-- A verb is answered by kizu.<reader>(user, args), which says {"rows": […], "next": cursor or null}.
create table public.read_verbs (
  verb   text primary key,
  reader name not null,

  constraint verb_is_a_word check (verb ~ '^[a-z][a-z0-9_]{0,62}$')
);

alter table public.read_verbs enable row level security;
revoke all on public.read_verbs from public, anon, authenticated, service_role;
grant select on public.read_verbs to service_role;

-- Answers p_verb for the attempt (p_table, p_id, p_epoch) that p_worker runs: rows of the job's user only, at most
-- 1,000 of them; the `next` of one answer is the `after` among the args of the next page.
-- Raises PT409 `lease_lost` when the attempt is not p_worker's any more, and PT400 `bad_params` for a verb that is
-- not registered or args that it does not take.
create function public.read_for_job(
  p_worker text,
  p_table  text,
  p_id     uuid,
  p_epoch  bigint,
  p_verb   text,
  p_args   jsonb default '{}'
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  c_largest_args constant int := 32768;
  v_table  constant regclass := kizu.job_table(p_table);
  v_scope  constant uuid := kizu.caller_scope();
  v_user   uuid;
  v_reader name;
  v_answer jsonb;
begin
  select user_id
    into v_user
    from public.jobs
   where tableoid = v_table
     and id = p_id
     and status = c_processing
     and worker_id = p_worker
     and lease_epoch = p_epoch
     and (v_scope is null or user_id = v_scope);
  if not found then
    raise sqlstate 'PT409' using message = 'lease_lost', detail = 'the job is not held by this worker';
  end if;

  select reader into v_reader from public.read_verbs where verb = p_verb;
  if not found then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('verb: there is no %L', left(p_verb, 100));
  end if;
  if jsonb_typeof(p_args) is distinct from 'object' or octet_length(p_args::text) > c_largest_args then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('args: expected an object of at most %s bytes', c_largest_args);
  end if;

  execute format('select kizu.%I($1, $2)', v_reader) into v_answer using v_user, p_args;
  return v_answer;
exception
  when data_exception then
    raise sqlstate 'PT400' using message = 'bad_params', detail = format('args: %s', sqlerrm);
end;
$$;

-- The verb `asset_facts`: what is known of the user's assets, in order of asset and fact. Args: `fact` (only
-- this one), `limit` (1 to 1,000), `after`.
create function kizu.read_asset_facts(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := least(greatest(coalesce((p_args ->> 'limit')::int, 1000), 1), 1000);
  v_after constant uuid := (p_args -> 'after' ->> 'asset_id')::uuid;
  v_fact  constant text := p_args -> 'after' ->> 'fact';
  v_rows  jsonb;
begin
  v_rows := (
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select asset_id, fact, version, state, reason, at
              from public.asset_facts
             where user_id = p_user
               and (v_after is null or (asset_id, fact) > (v_after, v_fact))
               and (p_args ->> 'fact' is null or fact = p_args ->> 'fact')
             order by asset_id, fact
             limit v_limit) as page
  );
  return jsonb_build_object(
    'rows', v_rows,
    'next', case
              when jsonb_array_length(v_rows) = v_limit
              then jsonb_build_object('asset_id', v_rows -> -1 -> 'asset_id', 'fact', v_rows -> -1 -> 'fact')
            end
  );
end;
$$;

insert into public.read_verbs (verb, reader) values ('asset_facts', 'read_asset_facts');

select kizu.pin_plans('public.read_for_job(text, text, uuid, bigint, text, jsonb)');

select kizu.keep_internal('kizu.read_asset_facts(uuid, jsonb)');

select kizu.let_call('public.read_for_job(text, text, uuid, bigint, text, jsonb)',
                     'authenticated', 'kizu_worker', 'service_role');
