-- A new job table is one call: what inheritance does not pass on is made here, the same for every child.

-- Indexes public.<p_name>, each index named after the question it answers.
--
-- lease_expires_at, progress and current_step are in none: that keeps heartbeats HOT updates.
-- The parent has the same indexes, empty ones: without, every plan over it would hold a sequential scan,
-- and pinned plans (kizu.pin_plans) could not be told apart from those that scan.
create function kizu.index_job_table(p_name text)
returns void
language plpgsql
set search_path = ''
as $index$
begin
  -- claim_jobs: the line of each user, the line of each priority over all users, and those that run alone.
  execute format($ddl$
    create index %2$I on public.%1$I (job_type, priority, user_id, run_at, id)
     where status = 'pending' and not suspect
  $ddl$, p_name, p_name || '_line_of_a_user');
  execute format($ddl$
    create index %2$I on public.%1$I (job_type, priority, run_at, id) where status = 'pending' and not suspect
  $ddl$, p_name, p_name || '_line_of_a_priority');
  execute format($ddl$
    create index %2$I on public.%1$I (status, job_type, priority, run_at, id)
     where status in ('pending', 'processing') and (suspect or crashes > 0)
  $ddl$, p_name, p_name || '_suspects');

  -- claim_jobs: whose turn it is, and what has been held for long.
  execute format($ddl$
    create index %2$I on public.%1$I (job_type, user_id, picked_up_at) where status = 'processing'
  $ddl$, p_name, p_name || '_running');
  execute format($ddl$
    create index %2$I on public.%1$I (job_type, picked_up_at) where status = 'processing'
  $ddl$, p_name, p_name || '_held_longest');
  execute format($ddl$
    create index %2$I on public.%1$I (job_type, user_id, picked_up_at) where picked_up_at is not null
  $ddl$, p_name, p_name || '_last_served');

  -- release_jobs, and the replay of a claim whose answer was lost.
  execute format($ddl$
    create index %2$I on public.%1$I (worker_id, claim_id) where claim_id is not null
  $ddl$, p_name, p_name || '_held_by_a_worker');

  -- enqueue_job: one active job per key.
  execute format($ddl$
    create unique index %2$I on public.%1$I (dedupe_key) where status in ('pending', 'processing')
  $ddl$, p_name, p_name || '_active_once');

  -- An owner's list, and the jobs of an asset.
  execute format($ddl$
    create index %2$I on public.%1$I (user_id, created_at)
  $ddl$, p_name, p_name || '_of_a_user');
  execute format($ddl$
    create index %2$I on public.%1$I (asset_id) where asset_id is not null
  $ddl$, p_name, p_name || '_of_an_asset');

  -- prune_jobs, retry_jobs.
  execute format($ddl$
    create index %2$I on public.%1$I (completed_at) where status in ('completed', 'cancelled')
  $ddl$, p_name, p_name || '_prunable');
  execute format($ddl$
    create index %2$I on public.%1$I (completed_at) where status = 'failed'
  $ddl$, p_name, p_name || '_failed');
end;
$index$;

-- Makes public.<p_name>, a child of jobs whose rows are of kind p_kind unless they say otherwise, with
-- its keys, indexes, row policy, triggers and place in the Realtime publication.
-- The fill factor leaves heartbeats room on their page.
create function kizu.make_job_table(p_name text, p_kind text)
returns void
language plpgsql
set search_path = ''
as $make$
begin
  execute format($ddl$
    create table public.%1$I (
      constraint %2$I primary key (id),
      constraint job_type_is_known foreign key (job_type) references public.job_kinds (kind),
      constraint job_belongs_to_a_user foreign key (user_id) references auth.users (id) on delete cascade,
      constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
        references public.assets (id, user_id) on delete cascade
    )
    inherits (public.jobs)
    with (
      fillfactor = 70,
      autovacuum_vacuum_scale_factor = 0.01,
      autovacuum_vacuum_threshold = 500,
      autovacuum_analyze_scale_factor = 0.02
    )
  $ddl$, p_name, p_name || '_pkey');

  execute format('alter table public.%I alter column job_type set default %L', p_name, p_kind);

  perform kizu.index_job_table(p_name);

  -- Users ask through enqueue_job; older apps' edge functions insert with the service key.
  perform kizu.let_owners_read(p_name);
  execute format('grant insert, update, delete on public.%I to service_role', p_name);

  execute format($ddl$
    create trigger job_events_are_recorded
      after update on public.%I
      for each row
      when (old.status is distinct from new.status or old.current_step is distinct from new.current_step)
      execute function kizu.record_job_event()
  $ddl$, p_name);
  execute format($ddl$
    create trigger job_events_go_with_the_job
      after delete on public.%I
      for each row
      execute function kizu.forget_job_events()
  $ddl$, p_name);
  execute format($ddl$
    create trigger turns_are_remembered
      after delete on public.%I
      referencing old table as gone
      for each statement
      execute function kizu.remember_turns()
  $ddl$, p_name);
  execute format($ddl$
    create trigger new_jobs_enter_lines
      after insert on public.%I
      referencing new table as added
      for each statement
      execute function kizu.enter_lines()
  $ddl$, p_name);
  execute format($ddl$
    create trigger jobs_change_lines
      after update of status, suspect, job_type, priority, run_at, picked_up_at on public.%I
      for each row
      -- And no more: it is read anew for each statement, that is for each job settled.
      when (new.status = 'pending' or (new.status = 'processing' and old.status = 'processing'))
      execute function kizu.change_line()
  $ddl$, p_name);
  execute format($ddl$
    create trigger workers_are_woken
      after insert on public.%I
      referencing new table as added
      for each statement
      execute function kizu.wake_workers()
  $ddl$, p_name);

  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    execute format('alter publication supabase_realtime add table public.%I', p_name);
  end if;
end;
$make$;

select kizu.index_job_table('jobs');

select kizu.keep_internal('kizu.index_job_table(text)');
select kizu.keep_internal('kizu.make_job_table(text, text)');
