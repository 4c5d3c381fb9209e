-- What happened to a job, line by line: written by a trigger whenever its status or its step changes,
-- never edited, gone when the job is pruned.

create table public.job_events (
  id         bigint generated always as identity primary key,
  job_id     uuid not null,
  user_id    uuid not null,
  at         timestamptz not null default kizu.now(),
  status     text not null,
  step       text,
  progress   smallint not null,
  attempt    int not null,
  epoch      bigint not null,
  worker_id  text,
  error_code text
);

create index job_events_of_a_job on public.job_events (job_id, id);

select kizu.let_owners_read('job_events');

create function kizu.record_job_event()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into public.job_events (job_id, user_id, status, step, progress, attempt, epoch, worker_id,
                                 error_code)
  values (new.id, new.user_id, new.status, new.current_step, new.progress, new.attempts, new.lease_epoch,
          new.worker_id, new.error_code);
  -- Here, as it costs every update to have one trigger more: who sets a job running by hand keeps the rule of
  -- kizu.floors, too.
  if new.status = 'processing' and old.status <> 'processing'
     and coalesce(current_setting('kizu.enters_lines', true), '') <> 'itself' then
    perform kizu.enter_line(new.job_type, -1, new.picked_up_at);
  end if;
  return null;
end;
$$;

create function kizu.forget_job_events()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.job_events where job_id = old.id;
  return null;
end;
$$;

select kizu.keep_internal('kizu.record_job_event()');
select kizu.keep_internal('kizu.forget_job_events()');
