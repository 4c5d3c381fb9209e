-- Where each line of jobs begins, remembered, so that claims need not walk over jobs that are long gone.
--
-- An index keeps the entry of a job that was claimed for as long as any open snapshot might still see it as pending:
-- while a dump or a report runs, every line begins with all jobs that were consumed since. A floor is a time before
-- which a line holds nothing, and a scan that begins there meets none of them.
--
-- The rule: no job of a line, committed or written by a transaction under way, lies below the floor of the line, which
-- is the lowest of its rows here. A line is a kind and a level with the pending jobs that are no suspects, by
-- `run_at`; the level -1 stands for the running jobs of a kind, by `picked_up_at`. Whoever puts a job into a line
-- holds the line's lock, shared, until it has committed, and adds a row where the job would lie below the floor.
-- A claim raises a floor if it gets that lock alone at once, which is to say when nobody is putting a job there.
-- So writers wait for no other writer, and for a claim only while it commits.
create table kizu.floors (
  job_type text not null,
  priority smallint not null,
  -- Read from the newest row to the newest that `raised`: dead rows are older, and are never met.
  id       bigint generated always as identity,
  floor    timestamptz not null, -- infinity: the line is empty
  raised   boolean not null,     -- counts instead of all older rows of its line; others count besides
  set_at   timestamptz not null
);

create index floors_of_a_line on kizu.floors (job_type, priority, id desc);

alter table kizu.floors enable row level security;
revoke all on kizu.floors from public, anon, authenticated, service_role;

-- The key of the lock of a line.
create function kizu.line_lock(p_kind text, p_priority int)
returns bigint
language plpgsql
immutable
set search_path = ''
as $$
begin
  return hashtextextended(concat_ws(' ', 'line', p_kind, p_priority), 0);
end;
$$;

-- The floor of a line; null for one that is not known.
create function kizu.floor_of(p_kind text, p_priority int)
returns timestamptz
language plpgsql
set search_path = ''
as $$
begin
  return (
    select min(floor)
      from kizu.floors
     where job_type = p_kind
       and priority = p_priority
       and id >= coalesce(
             (select id
                from kizu.floors
               where job_type = p_kind
                 and priority = p_priority
                 and raised
               order by id desc
               limit 1),
             0
           )
  );
end;
$$;

-- The known lines of a kind from level p_first to p_last that are not empty, with their floors.
create function kizu.levels(p_kind text, p_first int, p_last int)
returns table (level smallint, floor timestamptz)
language plpgsql
set search_path = ''
as $$
begin
  level := p_first - 1;
  loop
    select priority
      into level
      from kizu.floors
     where job_type = p_kind
       and priority > level
     order by priority, id desc
     limit 1;
    exit when level is null or level > p_last;
    floor := kizu.floor_of(p_kind, level);
    if floor < 'infinity' then
      return next;
    end if;
  end loop;
end;
$$;

-- Keeps the rule for a job that comes into a line at p_at.
create function kizu.enter_line(p_kind text, p_priority int, p_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(kizu.line_lock(p_kind, p_priority));
  -- Read once the lock is held, with a snapshot of its own. A transaction that has but one snapshot does not see
  -- a floor that was raised meanwhile.
  if current_setting('transaction_isolation') <> 'read committed'
     or coalesce(kizu.floor_of(p_kind, p_priority), 'infinity') > p_at then
    insert into kizu.floors (job_type, priority, floor, raised, set_at)
    values (p_kind, p_priority, p_at, false, kizu.now());
  end if;
end;
$$;

-- Raises the floors of lines of these kinds to the oldest job there; forgets lines that have long been empty. To be
-- called by a transaction that goes on to commit: it holds up who comes into these lines.
create function kizu.raise_floors(p_kinds text[], p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_again  constant interval := '1 second';
  c_forget constant interval := '1 hour';
  v_kind   text;
  v_level  smallint;
  v_raised kizu.floors;
  v_floor  timestamptz;
  v_oldest timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;

  foreach v_kind in array p_kinds loop
    v_level := -2;
    loop
      select priority
        into v_level
        from kizu.floors
       where job_type = v_kind
         and priority > v_level
       order by priority, id desc
       limit 1;
      exit when v_level is null;

      select *
        into v_raised
        from kizu.floors
       where job_type = v_kind
         and priority = v_level
         and raised
       order by id desc
       limit 1;
      v_floor := kizu.floor_of(v_kind, v_level);
      continue when v_raised.set_at > p_now - case when v_floor < 'infinity' then c_again else c_forget end;
      continue when not pg_try_advisory_xact_lock(kizu.line_lock(v_kind, v_level));

      -- Read once the lock is held, with snapshots of their own: whoever held it before has committed.
      v_floor := kizu.floor_of(v_kind, v_level);
      v_oldest := coalesce(kizu.oldest_in_line(v_kind, v_level, v_floor), 'infinity');
      if v_oldest > v_floor or v_floor = 'infinity' then
        delete from kizu.floors
         where job_type = v_kind
           and priority = v_level
           and id >= coalesce(v_raised.id, 0);
      end if;
      if v_oldest > v_floor then
        insert into kizu.floors (job_type, priority, floor, raised, set_at)
        values (v_kind, v_level, v_oldest, true, p_now);
      end if;
    end loop;
  end loop;
end;
$$;

-- Keeps the rule for jobs that a statement has added.
create function kizu.enter_lines()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.enter_line(job_type, level, at)
     from (select job_type,
                  case status when 'pending' then priority else -1 end as level,
                  min(case status when 'pending' then run_at else picked_up_at end) as at
             from added
            where status = 'processing'
               or (status = 'pending' and not suspect)
            group by 1, 2) as line;
  return null;
end;
$$;

-- Keeps the rule for a job that was put into another line, or further back in its own. A job that was set running
-- is kizu.take's, or kizu.record_job_event's.
create function kizu.change_line()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if new.status = 'processing' then
    perform kizu.enter_line(new.job_type, -1, new.picked_up_at);
  elsif not new.suspect
     and (old.status <> 'pending' or old.suspect or old.job_type <> new.job_type or old.priority <> new.priority
          or old.run_at > new.run_at) then
    perform kizu.enter_line(new.job_type, new.priority, new.run_at);
  end if;
  return null;
end;
$$;

-- The first floors of lines that were filled without triggers, as a restored dump may be.
create function kizu.reset_floors()
returns void
language plpgsql
set search_path = ''
as $$
begin
  lock table kizu.floors;
  delete from kizu.floors;
  insert into kizu.floors (job_type, priority, floor, raised, set_at)
  select job_type,
         case status when 'pending' then priority else -1 end,
         min(case status when 'pending' then run_at else picked_up_at end),
         false,
         kizu.now()
    from public.jobs
   where status = 'processing'
      or (status = 'pending' and not suspect)
   group by 1, 2;
end;
$$;

select kizu.pin_plans('kizu.enter_lines()');

select kizu.keep_internal('kizu.line_lock(text, int)');
select kizu.keep_internal('kizu.floor_of(text, int)');
select kizu.keep_internal('kizu.levels(text, int, int)');
select kizu.keep_internal('kizu.enter_line(text, int, timestamptz)');
select kizu.keep_internal('kizu.raise_floors(text[], timestamptz)');
select kizu.keep_internal('kizu.enter_lines()');
select kizu.keep_internal('kizu.change_line()');
select kizu.keep_internal('kizu.reset_floors()');
