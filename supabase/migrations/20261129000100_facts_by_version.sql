-- One fact can be known from several models at once, if it is about vectors: what is known, and what was looked for in
-- vain, is kept for each version, so that a new model can go through a library beside the one that answers.

drop trigger unavailable_facts_are_missed on public.asset_facts;

alter table public.asset_facts drop constraint the_known_has_a_version;
alter table public.asset_facts disable trigger user;
update public.asset_facts set version = '' where version is null;
alter table public.asset_facts enable trigger user;
alter table public.asset_facts
  alter column version set default '',
  alter column version set not null,
  drop constraint asset_facts_pkey,
  add primary key (asset_id, fact, version),
  add constraint the_known_has_a_version check (state = 'unavailable' or version <> '');

drop index public.asset_facts_of_a_user;
create index asset_facts_of_a_user on public.asset_facts (user_id, asset_id, fact, version);
drop index public.asset_facts_by_fact;
-- With the asset, so that one photo's fact is as near by this index as by the key: without statistics it is asked.
create index asset_facts_by_fact on public.asset_facts (fact, version, asset_id);

comment on column public.asset_facts.version is
  'Of the model, or of the code where no model is asked; empty where it could not be told.';

update public.result_tables
   set columns = array['fact', 'version', 'state', 'reason'],
       key_columns = array['fact', 'version']
 where table_name = 'asset_facts';

update kizu.misses set version = '' where version is null;
alter table kizu.misses
  alter column version set default '',
  alter column version set not null,
  drop constraint misses_pkey,
  add primary key (asset_id, fact, version);

-- Counts one more miss of each of these facts. p_versions is {fact: version}, as far as somebody said; where nobody
-- did, the miss is one of every version that was missed before.
create or replace function kizu.count_misses(p_asset uuid, p_facts text[], p_versions jsonb, p_reason text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from kizu.misses
   where asset_id = p_asset
     and fact = any (p_facts)
     and version = ''
     and coalesce(p_versions ->> fact, '') <> '';

  insert into kizu.misses as miss (asset_id, fact, version, reason, tries, at)
  select p_asset, given.fact, given.version, left(p_reason, 100), 1, kizu.now()
    from (select wanted as fact, left(coalesce(p_versions ->> wanted, before.version, ''), 200) as version
            from unnest(p_facts) as wanted
            left join kizu.misses as before
              on before.asset_id = p_asset
             and before.fact = wanted
             and not coalesce(p_versions, '{}') ? wanted) as given
   order by given.fact, given.version
      on conflict (asset_id, fact, version) do update
     set reason = excluded.reason,
         tries = case
                   when kizu.fault_of(miss.reason) = kizu.fault_of(excluded.reason) then miss.tries + 1
                   else 1
                 end,
         at = excluded.at;
end;
$$;

-- Counts as missed what a job that is done could not find out. That nobody knows the version of is no fact where
-- another version is known.
create or replace function kizu.miss_unavailable_fact()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  new.version := coalesce(new.version, '');
  perform kizu.count_misses(
    new.asset_id,
    array[new.fact],
    coalesce((select params -> 'versions' from public.runs where id = new.run_id), '{}')
      || case when new.version <> '' then jsonb_build_object(new.fact, new.version) else '{}' end,
    new.reason
  );
  if new.version = '' and exists (
       select from public.asset_facts as known
        where known.asset_id = new.asset_id
          and known.fact = new.fact
          and known.state <> 'unavailable'
     ) then
    return null;
  end if;
  return new;
end;
$$;

create trigger unavailable_facts_are_missed
  before insert on public.asset_facts
  for each row
  when (new.state = 'unavailable' and new.reason is not null)
  execute function kizu.miss_unavailable_fact();

-- What became known is missed no more; and a file in which something was found is a picture.
create or replace function kizu.forget_misses()
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
     and ((miss.fact = noted.fact and miss.version in ('', noted.version)) or kizu.fault_of(miss.reason) = 'file');

  -- Only vectors are kept beside another model's; of everything else the new rows have taken the place of the old.
  delete from public.asset_facts as other
   using noted
   where other.asset_id = noted.asset_id
     and other.asset_id = any (array(select asset_id from noted where state <> 'unavailable'))
     and noted.state <> 'unavailable'
     and other.fact = noted.fact
     and other.version <> noted.version
     and (other.version = '' or other.fact not in (select fact from public.vector_kinds));
  return null;
end;
$$;

-- The verb `asset_facts`: what is known of the user's assets, in order of asset, fact and version. Args: `fact`
-- (only this one), `limit` (1 to 1,000), `after`.
create or replace function kizu.read_asset_facts(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit   constant int := least(greatest(coalesce((p_args ->> 'limit')::int, 1000), 1), 1000);
  v_after   constant uuid := (p_args -> 'after' ->> 'asset_id')::uuid;
  v_fact    constant text := p_args -> 'after' ->> 'fact';
  v_version constant text := coalesce(p_args -> 'after' ->> 'version', '');
  v_rows    jsonb;
begin
  v_rows := (
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select asset_id, fact, version, state, reason, at
              from public.asset_facts
             where user_id = p_user
               and (v_after is null or (asset_id, fact, version) > (v_after, v_fact, v_version))
               and (p_args ->> 'fact' is null or fact = p_args ->> 'fact')
             order by asset_id, fact, version
             limit v_limit) as page
  );
  return jsonb_build_object(
    'rows', v_rows,
    'next', case
              when jsonb_array_length(v_rows) = v_limit
              then (v_rows -> -1) - array['state', 'reason', 'at']
            end
  );
end;
$$;
