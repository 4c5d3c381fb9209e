-- What was looked for in vain, how often in a row and when: whether asking again may help is decided from this,
-- for each asset and fact, and not from one job's error code.

create table kizu.misses (
  asset_id uuid not null references public.assets on delete cascade,
  fact     text not null references public.facts on delete cascade,
  version  text,          -- that was wanted; null: nobody said
  reason   text not null, -- the error code
  tries    int not null,  -- for reasons of one kind (kizu.fault_of) and this version, in a row
  at       timestamptz not null,

  primary key (asset_id, fact),
  constraint texts_are_short check (length(version) <= 200 and length(reason) <= 100)
);

create index misses_of_a_fact on kizu.misses (fact);

-- What a failure was about: `file`, which is no picture and lacks nothing; `asset`, which would fail the same way
-- again; `chance`, which another try may go better, if not for ever; `outage`, which passes for all assets at
-- once; or `machine`, which lacked something that it may have by now, or another may. The one place that decides.
create function kizu.fault_of(p_code text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
           when p_code in ('not_an_image', 'unreadable') then 'file'
           when p_code in ('timeout', 'out_of_memory', 'model_failed', 'worker_lost', 'internal_error') then 'chance'
           when p_code in ('storage_unavailable', 'source_refused', 'database_unavailable', 'disk_full',
                           'device_unavailable', 'server_unavailable')
           then 'outage'
           when p_code in ('weights_missing', 'bad_weights', 'package_missing', 'licence_refused', 'unknown_model')
           then 'machine'
           else 'asset'
         end;
end;
$$;

-- Whether a fact that was missed so is left alone for now, or for good.
--
-- A chance is taken three times, the second not before 20 hours (the next night's run) and the third not before
-- 80 hours after. An outage is waited for longer each time it was not over: 0, 45 minutes, 4, 16 and 44 hours.
create function kizu.rests(p_reason text, p_tries int, p_at timestamptz, p_now timestamptz)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_chances constant int := 3;
  v_growth  constant float8 := 4 ^ least(p_tries - 1, 10);
begin
  return case kizu.fault_of(p_reason)
           when 'chance'  then p_tries >= c_chances or p_now < p_at + interval '20 hours' * v_growth
           when 'outage'  then p_now < p_at + least(interval '15 minutes' * (v_growth - 1), interval '44 hours')
           when 'machine' then false
           else true
         end;
end;
$$;

-- Counts one more miss of each of these facts. p_versions is {fact: version}, as far as somebody said.
create function kizu.count_misses(p_asset uuid, p_facts text[], p_versions jsonb, p_reason text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into kizu.misses as miss (asset_id, fact, version, reason, tries, at)
  select p_asset, fact, left(p_versions ->> fact, 200), left(p_reason, 100), 1, kizu.now()
    from unnest(p_facts) as fact
   order by fact
      on conflict (asset_id, fact) do update
     set version = coalesce(excluded.version, miss.version),
         reason = excluded.reason,
         tries = case
                   when kizu.fault_of(miss.reason) = kizu.fault_of(excluded.reason)
                    and (excluded.version is null or excluded.version = miss.version)
                   then miss.tries + 1
                   else 1
                 end,
         at = excluded.at;
end;
$$;

-- Counts as missed what a job that failed for good was to find out; kizu.end_job calls it.
create function kizu.miss_facts_of(p_job public.jobs)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform kizu.count_misses(p_job.asset_id, array_agg(facts.fact), p_job.params -> 'versions', p_job.error_code)
     from public.job_kinds
     join public.facts on facts.kind = coalesce(job_kinds.alias_of, job_kinds.kind)
    where job_kinds.kind = p_job.job_type
      -- Without a list, or with an empty one or the word `all`, a job finds out all that its kind can.
      and (coalesce(p_job.params -> facts.listed_in, '[]') in ('[]', 'null')
           or p_job.params -> facts.listed_in ?| array[facts.fact, 'all'])
   having count(*) > 0;
end;
$$;

-- Counts as missed what a job that is done could not find out.
create function kizu.miss_unavailable_fact()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.count_misses(
    new.asset_id,
    array[new.fact],
    coalesce((select params -> 'versions' from public.runs where id = new.run_id), '{}')
      || jsonb_strip_nulls(jsonb_build_object(new.fact, new.version)),
    new.reason
  );
  return new;
end;
$$;

-- What became known is missed no more; and a file in which something was found is a picture.
create function kizu.forget_misses()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from kizu.misses as miss
   using noted
   where miss.asset_id = noted.asset_id
     and miss.asset_id = any (array(select asset_id from noted where state <> 'unavailable'))
     and noted.state <> 'unavailable'
     and (miss.fact = noted.fact or kizu.fault_of(miss.reason) = 'file');
  return null;
end;
$$;

select kizu.keep_internal('kizu.fault_of(text)');
select kizu.keep_internal('kizu.rests(text, int, timestamptz, timestamptz)');
select kizu.keep_internal('kizu.count_misses(uuid, text[], jsonb, text)');
select kizu.keep_internal('kizu.miss_facts_of(public.jobs)');
select kizu.keep_internal('kizu.miss_unavailable_fact()');
select kizu.keep_internal('kizu.forget_misses()');

-- Before it is inserted, because an upsert that would take the place of what is known does not get further.
create trigger unavailable_facts_are_missed
  before insert on public.asset_facts
  for each row
  when (new.state = 'unavailable' and new.reason is not null)
  execute function kizu.miss_unavailable_fact();

create trigger new_facts_are_missed_no_more
  after insert on public.asset_facts
  referencing new table as noted
  for each statement
  execute function kizu.forget_misses();

create trigger changed_facts_are_missed_no_more
  after update on public.asset_facts
  referencing new table as noted
  for each statement
  execute function kizu.forget_misses();
