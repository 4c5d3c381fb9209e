-- The ledger: one row for each attempt that ended, written in the transaction that ended it. It says who
-- ran what with which models, how long it took and how it went, and outlives the job row.
--
-- An epoch of a job has one line, and that is also what makes settling twice harmless: an epoch that has
-- its line is settled. Two job tables may hold the same id.

create table public.runs (
  id              uuid primary key default gen_random_uuid(),
  job_id          uuid not null,
  job_table       text not null,
  epoch           bigint not null,
  attempt         int not null,
  user_id         uuid not null references auth.users on delete cascade,
  asset_id        uuid,
  kind            text not null,
  params          jsonb not null default '{}',
  worker_id       text not null,
  handler         text,
  handler_version text,
  models          jsonb not null default '[]',   -- [{name, version, digest}…]
  timings         jsonb not null default '{}',   -- {stage: seconds}
  counts          jsonb not null default '{}',   -- {what: how many}
  outcome         text not null,
  error_code      text,
  error_message   text,
  started_at      timestamptz not null,
  finished_at     timestamptz not null,

  constraint an_epoch_ends_once unique (job_id, epoch, job_table),
  constraint outcome_is_known
    check (outcome in ('done', 'retry', 'failed', 'released', 'cancelled', 'worker_lost'))
);

create index runs_of_a_user on public.runs (user_id, finished_at);
create index runs_of_an_asset on public.runs (asset_id) where asset_id is not null;

select kizu.let_owners_read('runs');

-- The status a job is left in by an outcome.
create function kizu.status_after(p_outcome text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case p_outcome
           when 'done'      then 'completed'
           when 'failed'    then 'failed'
           when 'cancelled' then 'cancelled'
           else 'pending'
         end;
end;
$$;

select kizu.keep_internal('kizu.status_after(text)');
