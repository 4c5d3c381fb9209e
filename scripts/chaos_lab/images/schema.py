"""What is known of the photos, and a history of every fact that was ever written about them."""

SCHEMA = """
create schema chaos;

-- A job is tried until it is done: no killing may use up its attempts.
update public.job_kinds set max_attempts = 100 where kind = 'image_ai';

-- What was drawn and uploaded.
create table chaos.photos (
  asset_id        uuid primary key,
  user_id         uuid not null,
  path            text not null,
  sha256          text not null,
  perceptual_hash bit(64) not null
);

create table chaos.faces (
  asset_id uuid not null,
  x        float8 not null,  -- of its middle, 0 to 1
  y        float8 not null
);

-- What was asked for, before anything could go wrong.
create table chaos.wishes (
  asset_id   uuid not null,
  slot       int not null,   -- 0: came with the upload
  operations text[] not null,
  level      text not null,  -- of the description
  again      boolean not null default false,
  primary key (asset_id, slot)
);

create view chaos.jobs as
select job.id, job.user_id, job.asset_id, job.status, job.error_code, job.result, job.lease_epoch,
       job.lease_expires_at, job.claim_id, wish.slot, wish.operations, wish.level, wish.again,
       'completed' as expected
  from public.jobs as job
  join chaos.wishes as wish
    on wish.asset_id = job.asset_id
   and wish.slot = coalesce((job.params ->> 'slot')::int, 0)
 where job.job_type = 'image_ai';

-- Which rows an operation leads to, and how many: of faces as many as were drawn, of others as many as the
-- run says it found, where neither says.
create table chaos.facts_of (
  operation text not null,
  fact      text primary key,
  how_many  text not null
);
insert into chaos.facts_of (operation, fact, how_many)
values ('embedding', 'image_embeddings',   'one'),
       ('faces',     'face_embeddings',    'drawn'),
       ('faces',     'derived_assets',     'drawn'),
       ('objects',   'detected_objects',   'counted'),
       ('objects',   'asset_tags',         'any'),
       ('ocr',       'image_text',         'one'),
       ('describe',  'image_descriptions', 'one'),
       ('hashes',    'asset_hashes',       'one'),
       ('quality',   'asset_quality',      'one');

-- The rows that are there now.
create view chaos.facts as
select facts_of.operation, row.*
  from (select 'image_embeddings' as fact, asset_id, run_id, null as level, model_version
          from public.image_embeddings
         union all
        select 'face_embeddings', asset_id, run_id, null, model_version from public.face_embeddings
         union all
        select 'derived_assets', asset_id, run_id, null, null
          from public.derived_assets
         where kind = 'face_crop'
         union all
        select 'detected_objects', asset_id, run_id, null, model_version from public.detected_objects
         union all
        select 'asset_tags', asset_id, run_id, null, null from public.asset_tags where created_by is null
         union all
        select 'image_text', asset_id, run_id, null, model_version from public.image_text
         union all
        select 'image_descriptions', asset_id, run_id, detail_level, model_version
          from public.image_descriptions
         union all
        select 'asset_hashes', asset_id, run_id, null, null from public.asset_hashes
         union all
        select 'asset_quality', asset_id, run_id, null, null from public.asset_quality) as row
  join chaos.facts_of using (fact)
 where row.asset_id in (select asset_id from chaos.photos);

-- Every row that was ever written, also when it was replaced later; every run that was settled as done; and
-- every change of what is known of a photo. Who settles a photo's job holds its row: in the order of ids.
-- A run writes a row that was there before by giving it its id, be it another than before or not; who changes
-- the rest of it, as whoever recognises a face does, writes nothing.
create table chaos.history (
  id          bigint generated always as identity primary key,
  transaction xid8 not null default pg_current_xact_id(),
  fact        text not null,  -- a table, `runs` or `assets`
  asset_id    uuid not null,
  run_id      uuid,           -- null: of the last run before it in the same transaction
  detail      jsonb not null
);
create index on chaos.history (asset_id, fact);
create index on chaos.history (transaction, id);

create function chaos.note_fact() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into chaos.history (fact, asset_id, run_id, detail)
  values (tg_table_name, new.asset_id, new.run_id,
          jsonb_build_object('row', to_jsonb(new) -> 'id', 'level', to_jsonb(new) -> 'detail_level'));
  return null;
end;
$$;

create function chaos.note_run() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into chaos.history (fact, asset_id, run_id, detail)
  values (tg_table_name, new.asset_id, new.id, '{}');
  return null;
end;
$$;

create function chaos.note_asset() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into chaos.history (fact, asset_id, run_id, detail)
  values (tg_table_name, new.id, null, new.ai_operations);
  return null;
end;
$$;

do $$
declare
  v_fact text;
begin
  for v_fact in select fact from chaos.facts_of loop
    execute format('create trigger chaos_notes_facts after insert or update of run_id on public.%I'
                   ' for each row execute function chaos.note_fact()', v_fact);
  end loop;
end;
$$;
create trigger chaos_notes_runs after insert on public.runs
  for each row when (new.outcome = 'done' and new.kind = 'image_ai') execute function chaos.note_run();
create trigger chaos_notes_assets after update on public.assets
  for each row when (new.ai_operations is distinct from old.ai_operations)
  execute function chaos.note_asset();

-- The same, each with its run.
create view chaos.written as
select entry.id, entry.fact, entry.asset_id, entry.detail,
       coalesce(entry.run_id, (
         select run.run_id
           from chaos.history as run
          where run.transaction = entry.transaction
            and run.id < entry.id
            and run.fact = 'runs'
          order by run.id desc
          limit 1
       )) as run_id
  from chaos.history as entry
 where entry.asset_id in (select asset_id from chaos.photos);

-- The runs that settled a job, in order for each photo, and what they had to find.
create view chaos.done as
select run.id, run.job_id, run.epoch, run.asset_id, run.counts, job.operations, job.level,
       (select min(id) from chaos.history where fact = 'runs' and run_id = run.id) as place
  from public.runs as run
  join chaos.jobs as job on job.id = run.job_id
 where run.outcome = 'done';

-- Each operation's last run, whose rows should be there: of descriptions, for each level.
create view chaos.winners as
select distinct on (asset_id, operation, level)
       asset_id, operation, case operation when 'describe' then done.level end as level, done.id as run_id
  from chaos.done
 cross join unnest(done.operations) as operation
 order by asset_id, operation, level, place desc;

-- What was found when all was over: the files that Storage gives out, and processes that should be gone.
create table chaos.files (
  key    text primary key,
  bytes  bigint,  -- null: there is none
  sha256 text
);
create table chaos.survivors (
  pid     int not null,
  command text not null
);
"""
