-- What is over is kept for as long as the operator says, and then deleted a little at a time, by whichever worker is
-- there. No index is there for this alone: what it reads lies in the order in which it was written.

insert into public.queue_settings (name, value, says)
values ('days_of_job_events',    30,  'Days that the steps of a job are kept; 0: for ever.'),
       ('days_of_runs',          180, 'Days that a line of the ledger is kept; 0: for ever. The newest of each asset and'
                                      ' kind stays, and so does each to which a result refers.'),
       ('days_of_finished_jobs', 0,   'Days that completed and cancelled jobs are kept; 0: for ever. While they are, the'
                                      ' same request is answered already_done. Failed jobs stay.');

-- How far the ledger has been gone through: the runs of the users before this one, and those of this one up to a
-- time. Those that stay are looked at again in the next round.
create table kizu.pruned_runs (
  only_one    boolean primary key default true check (only_one),
  user_id     uuid not null default '00000000-0000-0000-0000-000000000000',
  finished_at timestamptz not null default '-infinity',
  next_round  timestamptz not null default '-infinity'
);

insert into kizu.pruned_runs default values;

-- Deletes up to p_limit of the oldest events that happened before p_before, and answers how many.
create function kizu.prune_events(p_before timestamptz, p_limit int)
returns int
language plpgsql
set search_path = ''
as $$
declare
  v_pruned int;
begin
  delete from public.job_events
   where id = any (array(
           select id
             from (select id, at from public.job_events order by id limit p_limit) as oldest
            where at < p_before
         ));
  get diagnostics v_pruned = row_count;
  return v_pruned;
end;
$$;

-- Deletes those of these runs that no result refers to, and that are not the newest of an asset and a kind; answers
-- how many.
create function kizu.forget_runs(p_ids uuid[])
returns int
language plpgsql
set search_path = ''
as $$
declare
  v_unreferred constant text := (
    select string_agg(format('and not exists (select from %s as result where result.%I = run.id)',
                             conrelid::regclass, attname), ' ')
      from pg_catalog.pg_constraint
      join pg_catalog.pg_attribute on attrelid = conrelid and attnum = conkey[1]
     where confrelid = 'public.runs'::regclass
       and contype = 'f'
  );
  v_pruned int;
begin
  execute
    'delete from public.runs as run'
    ' where run.id = any ($1)'
    '   and (run.asset_id is null'
    '        or not exists (select from public.assets as asset where asset.id = run.asset_id)'
    '        or exists (select from public.runs as newer'
    '                    where newer.asset_id = run.asset_id'
    '                      and newer.kind = run.kind'
    '                      and (newer.finished_at, newer.id) > (run.finished_at, run.id))) '
    || v_unreferred
  using p_ids;
  get diagnostics v_pruned = row_count;
  return v_pruned;
end;
$$;

-- Looks at the next p_limit runs or so that ended before p_before, user by user, and answers how many it has deleted,
-- or null when it has been through all of them, which it is once a week.
create function kizu.prune_runs(p_before timestamptz, p_limit int)
returns int
language plpgsql
set search_path = ''
set enable_sort = off
as $$
declare
  c_round  constant interval := '7 days';
  v_now    constant timestamptz := kizu.now();
  v_at     kizu.pruned_runs;
  v_page   uuid[];
  v_last   timestamptz;
  v_looked int := 0;
  v_pruned int := 0;
begin
  select * into v_at from kizu.pruned_runs;
  if v_at.next_round > v_now then
    return null;
  end if;

  loop
    select array_agg(id), max(finished_at)
      into v_page, v_last
      from (select id, finished_at
              from public.runs
             where user_id = v_at.user_id
               and finished_at > v_at.finished_at
               and finished_at < p_before
             order by finished_at
             fetch first (p_limit - v_looked) rows with ties) as page;  -- those of one settlement ended together

    if v_page is null then
      select user_id
        into v_at.user_id
        from public.runs
       where user_id > v_at.user_id
       order by user_id
       limit 1;
      v_at.finished_at := '-infinity';
      if v_at.user_id is null then
        v_at.user_id    := '00000000-0000-0000-0000-000000000000';
        v_at.next_round := v_now + c_round;
      end if;
      v_looked := v_looked + 1;
    else
      v_pruned         := v_pruned + kizu.forget_runs(v_page);
      v_looked         := v_looked + cardinality(v_page);
      v_at.finished_at := v_last;
    end if;
    exit when v_looked >= p_limit or v_at.next_round > v_now;
  end loop;

  update kizu.pruned_runs
     set user_id = v_at.user_id, finished_at = v_at.finished_at, next_round = v_at.next_round;
  return v_pruned;
end;
$$;

-- Deletes a little of what is older than the settings say: at most p_limit (up to 10,000) of each, whoever's it is.
-- Any worker may call it, as often as it likes: it takes nothing but what the operator gave up, and while another
-- call is at it, it does nothing.
--
-- Answers {"days": {what: days}, "pruned": {what: how many}, "more": whether to call again soon}. With p_dry_run
-- nothing is deleted.
create function public.prune_by_policy(p_limit int default 1000, p_dry_run boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_prefix constant text := 'days_of_';
  v_now    constant timestamptz := kizu.now();
  v_limit  constant int := least(greatest(coalesce(p_limit, 0), 1), 10000);
  v_days   constant jsonb := (
    select jsonb_object_agg(substr(name, length(c_prefix) + 1), least(value, 100000))
      from public.queue_settings
     where starts_with(name, c_prefix)
  );
  v_what   text;
  v_before timestamptz;
  v_here   int;
  v_pruned jsonb := '{}';
  v_more   boolean := false;
begin
  perform kizu.caller_scope();
  if p_dry_run or not pg_try_advisory_xact_lock(hashtextextended('prune_by_policy', 0)) then
    return jsonb_build_object('days', v_days, 'pruned', v_pruned, 'more', false);
  end if;

  for v_what in select key from jsonb_each_text(v_days) where value <> '0' order by key loop
    v_before := v_now - make_interval(days => (v_days ->> v_what)::int);
    v_here := case v_what
                when 'job_events'    then kizu.prune_events(v_before, v_limit)
                when 'runs'          then kizu.prune_runs(v_before, v_limit)
                when 'finished_jobs' then public.prune_jobs(v_now - v_before, v_limit)
              end;
    v_more := v_more or (v_what = 'runs' and v_here is not null) or v_here >= v_limit;
    v_pruned := v_pruned || jsonb_build_object(v_what, coalesce(v_here, 0));
  end loop;
  return jsonb_build_object('days', v_days, 'pruned', v_pruned, 'more', v_more);
end;
$$;

select kizu.pin_plans('public.prune_by_policy(int, boolean)');

select kizu.keep_internal('kizu.prune_events(timestamptz, int)');
select kizu.keep_internal('kizu.forget_runs(uuid[])');
select kizu.keep_internal('kizu.prune_runs(timestamptz, int)');
select kizu.let_call('public.prune_by_policy(int, boolean)', 'authenticated', 'kizu_worker', 'service_role');
