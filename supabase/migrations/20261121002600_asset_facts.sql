-- Which facts an asset has: one row per fact, written by the settlement of the job that looked, whichever kind
-- that was. What was looked for in vain is known too, and what could not be found out says why.

-- Facts that there can be, the kind of job that finds each out, about which media, and the param in which that
-- kind is told which facts to find out (null: it always finds out all of its own).
create table public.facts (
  fact      text primary key,
  kind      text not null references public.job_kinds,
  media     text[] not null,
  listed_in text,

  constraint fact_is_a_word check (fact ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint media_are_known check (media <@ array['image', 'video'] and media <> '{}')
);

create index facts_of_a_kind on public.facts (kind);

alter table public.facts enable row level security;
revoke all on public.facts from public, anon, authenticated, service_role;
grant select on public.facts to service_role;

insert into public.facts (fact, kind, media, listed_in)
select fact, 'image_ai', '{image}', 'operations'
  from unnest(array['embedding', 'faces', 'objects', 'ocr', 'describe', 'hashes']) as fact;

create table public.asset_facts (
  asset_id uuid not null,
  user_id  uuid not null,
  fact     text not null references public.facts,
  version  text,          -- of the model, or of the code where no model is asked
  state    text not null,
  reason   text,          -- the error code of what is unavailable
  at       timestamptz not null default kizu.now(),
  run_id   uuid references public.runs on delete set null,

  primary key (asset_id, fact),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint state_is_known check (state in ('done', 'nothing_found', 'unavailable')),
  constraint only_the_unavailable_has_a_reason check ((state = 'unavailable') = (reason is not null)),
  constraint the_known_has_a_version check (state = 'unavailable' or version is not null),
  constraint texts_are_short check (length(version) <= 200 and length(reason) <= 100)
);

create index asset_facts_of_a_user on public.asset_facts (user_id, asset_id, fact);
create index asset_facts_by_fact on public.asset_facts (fact);
create index asset_facts_of_a_run on public.asset_facts (run_id);

select kizu.let_owners_read('asset_facts');

insert into public.result_tables (table_name, mode, columns, key_columns)
values ('asset_facts', 'upsert', array['fact', 'version', 'state', 'reason'], array['fact']);

-- What is known stays known when it cannot be found out anew.
create function kizu.keep_known_fact()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if new.state = 'unavailable' and old.state <> 'unavailable' then
    return null;
  end if;
  new.at := kizu.now();
  return new;
end;
$$;

-- The older columns of an asset say in their own words what is known: ai_operations is {fact: {version, ok, at}}.
create function kizu.note_facts()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  update public.assets as asset
     set ai_operations = asset.ai_operations || known.facts,
         ai_processed_operations = array(
           select key
             from jsonb_each(asset.ai_operations || known.facts)
            where value @> '{"ok": true}'
            order by key
         ),
         ai_processed_at = kizu.now(),
         ai_processed_date = (kizu.now() at time zone 'UTC')::date
    from (select asset_id,
                 jsonb_object_agg(fact, jsonb_build_object('version', version, 'ok', true, 'at', at)) as facts
            from public.asset_facts
           where asset_id in (select asset_id from noted)
             and state <> 'unavailable'
           group by asset_id) as known
   where asset.id = known.asset_id
     -- An upsert that adds and changes fires both triggers: the second finds nothing left to note.
     and asset.ai_operations is distinct from asset.ai_operations || known.facts;
  return null;
end;
$$;

select kizu.keep_internal('kizu.keep_known_fact()');
select kizu.keep_internal('kizu.note_facts()');

create trigger known_facts_stay
  before update on public.asset_facts
  for each row
  execute function kizu.keep_known_fact();

create trigger new_facts_are_noted
  after insert on public.asset_facts
  referencing new table as noted
  for each statement
  execute function kizu.note_facts();

create trigger changed_facts_are_noted
  after update on public.asset_facts
  referencing new table as noted
  for each statement
  execute function kizu.note_facts();

-- How long the vectors are that each table of results holds in `embedding`, so that a worker with another model
-- says so at its start.
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
     where relnamespace = 'public'::regnamespace
       and relname in (select table_name from public.result_tables)
       and attname = 'embedding'
       and atttypid = 'extensions.vector'::regtype
  );
end;
$$;

select kizu.let_call('public.vector_dimensions()', 'authenticated', 'kizu_worker', 'service_role');
