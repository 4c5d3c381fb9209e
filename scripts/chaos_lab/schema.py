"""What the chaos needs beside the product's own tables: kinds, a result table, and logs of every write."""

from __future__ import annotations

KINDS = ("chaos_ai", "chaos_image", "chaos_video")

SCHEMA = """
create schema chaos;

insert into public.job_kinds (kind, table_name, max_attempts, needs_asset)
values ('chaos_ai',    'ai_processing_jobs',     100, true),
       ('chaos_image', 'image_processing_jobs',  100, true),
       ('chaos_video', 'video_transcoding_jobs', 100, true);

-- What a job writes. Nothing is unique here: rows written twice shall show.
create table public.chaos_facts (
  id       bigint generated always as identity primary key,
  user_id  uuid not null,
  asset_id uuid not null,
  run_id   uuid not null,
  job_id   uuid not null,
  epoch    bigint not null,
  slot     int not null,
  place    int not null,

  constraint place_is_not_negative check (place >= 0),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);
create index chaos_facts_of_a_slot on public.chaos_facts (asset_id, slot);
alter table public.chaos_facts enable row level security;

insert into public.result_tables (table_name, mode, columns, scope_columns)
values ('chaos_facts', 'replace', array['job_id', 'epoch', 'slot', 'place'], array['slot']);

-- Every row that was ever written, also when it was overwritten or removed later.
create table chaos.applied (
  id     bigint generated always as identity primary key,
  job_id uuid not null,
  run_id uuid not null,
  epoch  bigint not null,
  place  int not null
);
create index on chaos.applied (job_id);

create function chaos.log_fact() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into chaos.applied (job_id, run_id, epoch, place)
  values (new.job_id, new.run_id, new.epoch, new.place);
  return null;
end;
$$;

create trigger facts_are_logged after insert on public.chaos_facts
  for each row execute function chaos.log_fact();

-- Every mark that was ever left on an asset.
create table chaos.marked (
  id       bigint generated always as identity primary key,
  asset_id uuid not null,
  job_id   uuid not null,
  epoch    bigint not null
);
create index on chaos.marked (job_id);

create function chaos.log_mark() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into chaos.marked (asset_id, job_id, epoch)
  values (new.id, (new.ai_model_versions ->> 'job')::uuid, (new.ai_model_versions ->> 'epoch')::bigint);
  return null;
end;
$$;

create trigger marks_are_logged after update of ai_model_versions on public.assets
  for each row when (new.ai_model_versions ? 'job') execute function chaos.log_mark();

-- What was asked for, before anything could go wrong.
create table chaos.wishes (
  asset_id uuid not null,
  slot     int not null,
  expected text not null,  -- completed, or the code to fail with
  rows     int not null,
  primary key (asset_id, slot)
);

create view chaos.jobs as
select job.id, job.user_id, job.asset_id, job.status, job.error_code, job.result, job.lease_epoch,
       job.lease_expires_at, job.claim_id, wish.slot, wish.expected, wish.rows
  from public.jobs as job
  join chaos.wishes as wish
    on wish.asset_id = job.asset_id
   and wish.slot = (job.params ->> 'slot')::int
 where job.job_type in ('chaos_ai', 'chaos_image', 'chaos_video');

create view chaos.done as
select id, job_id, epoch
  from public.runs
 where outcome = 'done'
   and kind in ('chaos_ai', 'chaos_image', 'chaos_video');
"""
