-- The queue: one abstract parent that holds the columns every job table has, so that each verb is one
-- static statement over all of them and a new job table is one migration.
--
-- Inheritance passes on columns and checks. Keys, indexes, row policies and triggers are made for each
-- child by kizu.make_job_table, and a test compares every child with this contract.

-- What can be asked for. `on_upload` lists the media classes whose assets get such a job at once;
-- `default_params` are what a job has when nobody said otherwise.
create table public.job_kinds (
  kind           text primary key,
  table_name     text not null,
  on_upload      text[] not null default '{}',
  priority       smallint not null default 100,
  max_attempts   int not null default 5,
  needs_asset    boolean not null default false,
  default_params jsonb not null default '{}',
  alias_of       text references public.job_kinds, -- what older apps call that kind

  constraint kind_is_a_word         check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint on_upload_is_known     check (on_upload <@ array['image', 'video']),
  constraint priority_is_a_level    check (priority between 0 and 1000),
  constraint one_attempt_at_least   check (max_attempts between 1 and 100),
  constraint params_are_an_object   check (jsonb_typeof(default_params) = 'object')
);

alter table public.job_kinds enable row level security;
revoke all on public.job_kinds from public, anon, authenticated, service_role;
grant select on public.job_kinds to service_role;

create table public.jobs (
  id                  uuid primary key default gen_random_uuid(),
  user_id             uuid not null,
  asset_id            uuid,
  job_type            text not null,
  status              text not null default 'pending',
  priority            smallint not null default 100, -- lower goes first; 0 is somebody waiting
  run_at              timestamptz not null default kizu.now(),
  attempts            int not null default 0,
  max_attempts        int not null default 5,
  crashes             int not null default 0,        -- leases that ended without a word
  suspect             boolean not null default false,-- it may have killed a worker that serves everybody
  lease_epoch         bigint not null default 0,     -- the fencing token: rises with every claim, never falls
  lease_expires_at    timestamptz,
  claim_id            uuid,
  worker_id           text,
  claimed_by          uuid,                          -- the user that worker signed in as; null: it serves everybody
  progress            smallint not null default 0,
  current_step        text,
  error_code          text,
  error_message       text,
  errors              jsonb not null default '[]',   -- the last 20, oldest first
  params              jsonb not null default '{}',
  result              jsonb,
  dedupe_key          text collate "C",             -- so that the index finds all keys that begin alike
  cancel_requested_at timestamptz,
  created_at          timestamptz not null default kizu.now(),
  picked_up_at        timestamptz,
  completed_at        timestamptz,

  constraint jobs_live_in_job_tables check (false) no inherit,
  constraint status_is_known
    check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  constraint priority_is_a_level
    check (priority between 0 and 1000),
  constraint run_at_is_a_time
    check (isfinite(run_at)),
  constraint progress_is_a_percentage
    check (progress between 0 and 100),
  constraint counts_do_not_go_below_zero
    check (attempts >= 0 and crashes >= 0 and lease_epoch >= 0 and max_attempts >= 1),
  constraint params_are_an_object
    check (jsonb_typeof(params) = 'object'),
  constraint errors_are_a_list
    check (jsonb_typeof(errors) = 'array'),
  constraint processing_has_an_owner
    check (status <> 'processing'
           or (worker_id is not null and claim_id is not null and lease_expires_at is not null
               and picked_up_at is not null)),
  constraint only_processing_has_a_lease
    check (status = 'processing' or (lease_expires_at is null and claim_id is null)),
  constraint finished_has_a_time
    check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null)),
  constraint failed_says_why
    check (status <> 'failed' or error_code is not null)
);

select kizu.let_owners_read('jobs');

-- A job, by the table it lives in and its id.
create type kizu.job_ref as (
  job_table regclass,
  id        uuid
);

-- The job table of that name; null when there is none, so that a caller's word never reaches another table.
create function kizu.job_table(p_name text)
returns regclass
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select inhrelid::regclass
      from pg_catalog.pg_inherits
     where inhparent = 'public.jobs'::regclass
       and inhrelid = to_regclass('public.' || quote_ident(p_name))
  );
end;
$$;

-- What names an attempt in questions and answers: {table, id, epoch}.
create function kizu.attempt(p_item jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object('table', p_item -> 'table', 'id', p_item -> 'id', 'epoch', p_item -> 'epoch');
end;
$$;

-- The history with one more line, the oldest forgotten beyond 20.
create function kizu.with_error(p_errors jsonb, p_error jsonb)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case when jsonb_array_length(p_errors) >= 20 then p_errors - 0 else p_errors end || p_error;
end;
$$;

select kizu.keep_internal('kizu.job_table(text)');
select kizu.keep_internal('kizu.attempt(jsonb)');
select kizu.keep_internal('kizu.with_error(jsonb, jsonb)');
