-- Settling a photo's jobs reads the photo's rows and no others', whatever the planner believes of the tables. Where it
-- takes one for empty, all indexes cost the same, and it walked along those of all rows of a user, or of everybody.

-- As before; the photo's rows are found by the photo. `is not distinct from` finds nothing by an index, and the user,
-- as a condition that no index holds, cannot be what they are found by.
create or replace function kizu.replace_rows(p_target public.result_tables, p_write jsonb,
                                             p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_scope constant jsonb := coalesce(p_write -> 'scope', '{}') - kizu.forced_columns(p_target);
  v_rows  constant jsonb := coalesce(p_write -> 'rows', '[]');
  v_wrong text;
begin
  select min(key)
    into v_wrong
    from jsonb_object_keys(v_scope) as key
   where key <> all (p_target.scope_columns);
  if v_wrong is not null then
    raise exception 'jobs do not write %.%', p_target.table_name, v_wrong;
  end if;

  execute format(
    'delete from public.%1$I as t using (select jsonb_populate_record(null::public.%1$I, $1) as scope) as given'
    ' where %2$s %3$s %4$s',
    p_target.table_name,
    case
      when p_target.owner <> 'asset' then 't.user_id = $2'
      when p_asset is null then 't.user_id = $2 and t.asset_id is null'
      else 't.asset_id = $3 and (t.user_id = $2) is true'
    end,
    (select string_agg(format('and t.%1$I is not distinct from (given.scope).%1$I', key), ' ')
       from jsonb_object_keys(v_scope) as key),
    'and not (' || p_target.peoples || ')'
  )
  using v_scope, p_user, p_asset;

  if jsonb_array_length(v_rows) > 0 then
    perform kizu.insert_rows(p_target, v_rows, v_scope, p_user, p_asset, p_run);
  end if;
end;
$$;

-- As before; assets are found by the ids that were noted, not by going through them for each, and facts in the order of
-- their key: other indexes hold an asset's id, too, but behind what nobody asks for.
create or replace function kizu.note_facts()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_sort = off
as $$
begin
  with
  known as materialized (
    select asset_id, fact, version, at
      from public.asset_facts
     where asset_id = any (array(select asset_id from noted))
       and state <> 'unavailable'
     order by asset_id, fact, version
  ),
  latest as (
    select distinct on (known.asset_id, known.fact) known.*
      from known
      left join public.vector_kinds as vector on vector.fact = known.fact
     order by known.asset_id, known.fact,
              (vector.kind is not null and known.version = kizu.answering(vector.kind)) desc,
              known.at desc
  ),
  told as materialized (
    select asset_id, jsonb_object_agg(fact, jsonb_build_object('version', version, 'ok', true, 'at', at)) as facts
      from latest
     group by asset_id
  )
  update public.assets as asset
     set ai_operations = asset.ai_operations || told.facts,
         ai_processed_operations = array(
           select key
             from jsonb_each(asset.ai_operations || told.facts)
            where value @> '{"ok": true}'
            order by key
         ),
         ai_processed_at = kizu.now(),
         ai_processed_date = (kizu.now() at time zone 'UTC')::date
    from told
   where asset.id = told.asset_id
     and asset.id = any (array(select asset_id from noted))
     -- An upsert that adds and changes fires both triggers: the second finds nothing left to note.
     and asset.ai_operations is distinct from asset.ai_operations || told.facts;
  return null;
end;
$$;

-- As before; what is known is asked for each noted fact by all that an index may begin with (`offset 0`: not as a join
-- with all facts).
create or replace function kizu.fill_what_is_new()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_generation public.generations;
  v_assets     uuid[];
begin
  for v_generation in
    select *
      from public.generations
     where state in ('filling', 'former', 'active')
       and model <> '{}' -- no worker could
     order by id
  loop
    v_assets := array(
      select distinct noted.asset_id
        from noted
        join public.vector_kinds as vector on vector.fact = noted.fact and vector.kind = v_generation.kind
        join public.generations as written on written.kind = vector.kind and written.model_version = noted.version
       where noted.state <> 'unavailable'
         and written.state in ('active', 'former')
         and not exists (
               select from public.asset_facts as known
                where known.asset_id = noted.asset_id
                  and known.user_id = noted.user_id
                  and known.fact = noted.fact
                  and known.version = v_generation.model_version
               offset 0
             )
    );
    if v_assets <> '{}' then
      perform kizu.enqueue_generation(v_generation, v_assets);
    end if;
  end loop;
  return null;
end;
$$;

-- As before; another model's facts are found in the order of their key, and deleted by all of it.
create or replace function kizu.forget_misses()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_sort = off
as $$
declare
  v_other record;
begin
  delete from kizu.misses as miss
   using noted
   where miss.asset_id = noted.asset_id
     and miss.asset_id = any (array(select asset_id from noted where state <> 'unavailable'))
     and noted.state <> 'unavailable'
     and ((miss.fact = noted.fact and miss.version in ('', noted.version)) or kizu.fault_of(miss.reason) = 'file');

  -- Only vectors are kept beside another model's; of everything else the new rows have taken the place of the old.
  for v_other in
    with
    known as materialized (
      select asset_id, user_id, fact, version
        from public.asset_facts
       where asset_id = any (array(select asset_id from noted where state <> 'unavailable'))
       order by asset_id, fact, version
    )
    select known.*
      from known
      join noted on noted.asset_id = known.asset_id and noted.fact = known.fact
     where noted.state <> 'unavailable'
       and known.version <> noted.version
       and (known.version = '' or known.fact not in (select fact from public.vector_kinds))
  loop
    delete from public.asset_facts
     where asset_id = v_other.asset_id
       and user_id = v_other.user_id
       and fact = v_other.fact
       and version = v_other.version;
  end loop;
  return null;
end;
$$;
