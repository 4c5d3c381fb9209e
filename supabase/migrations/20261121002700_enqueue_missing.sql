-- Reconciliation: every asset that lacks a fact gets a job for just what it lacks. Asked again, nothing is
-- doubled; and what was looked at without finding anything is not missing.

-- What a failure was about, and so whether asking again may help: `file`, which is no picture and lacks nothing;
-- `asset`, which would fail the same way again; or `world`, which may have healed. The one place that decides.
create function kizu.fault_of(p_code text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
           when p_code in ('not_an_image', 'unreadable') then 'file'
           when p_code in ('weights_missing', 'bad_weights', 'package_missing', 'licence_refused',
                           'unknown_model', 'storage_unavailable', 'source_refused', 'database_unavailable',
                           'disk_full', 'timeout')
           then 'world'
           else 'asset'
         end;
end;
$$;

-- The params with which a kind finds out just these facts.
create function kizu.params_for(p_kind public.job_kinds, p_versions jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return p_kind.default_params || coalesce((
    select jsonb_object_agg(listed_in, names)
      from (select listed_in, jsonb_agg(fact order by fact) as names
              from public.facts
             where fact in (select jsonb_object_keys(p_versions))
               and listed_in is not null
             group by listed_in) as lists
  ), '{}');
end;
$$;

-- Looks at the next p_limit assets (at most 5,000) after p_after in id order, of the caller or, for the
-- service, of p_user_id or everybody. p_versions is {fact: version}; a fact is missing where it is not known in
-- that version, or everywhere with p_force. A file that turned out to be no picture lacks nothing.
--
-- Left alone: assets with a job of the fact's kind pending or running, and, without p_force, those whose last job
-- for the same versions has failed for a reason that lies in the asset. Jobs go behind everything that somebody
-- just uploaded.
--
-- Answers {"looked_at", "missing", "enqueued", "facts": {fact: photos that lack it}, "next"}; `next` is the p_after of the next page, null at
-- the end. p_dry_run enqueues nothing.
create function public.enqueue_missing(
  p_versions jsonb,
  p_user_id  uuid default null,
  p_after    uuid default null,
  p_limit    int default 1000,
  p_force    boolean default false,
  p_dry_run  boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_behind        constant int := 100;
  c_most_facts    constant int := 64;
  c_longest_version constant int := 200; -- characters
  v_user  constant uuid := coalesce(kizu.caller_scope(), p_user_id);
  v_limit constant int := least(greatest(coalesce(p_limit, 1000), 1), 5000);
  v_media text[];
  v_page  uuid[];
  v_kind  public.job_kinds;
  v_here  bigint;
  v_lacking  uuid[] := '{}';
  v_of_kind  uuid[];
  v_enqueued bigint := 0;
  v_counted  jsonb;
  v_facts    jsonb := '{}';
begin
  if jsonb_typeof(p_versions) is distinct from 'object' or p_versions = '{}' then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'versions: expected {fact: version}, at least one';
  end if;
  if (select count(*) from jsonb_object_keys(p_versions)) > c_most_facts
     or exists (
          select from jsonb_each(p_versions)
           where not exists (select from public.facts where fact = key)
              or jsonb_typeof(value) <> 'string'
              or length(value #>> '{}') not between 1 and c_longest_version
        ) then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('versions: expected at most %s known facts, each with a version of at most %s characters',
                            c_most_facts, c_longest_version);
  end if;

  v_media := array(
    select distinct unnest(media) from public.facts where fact in (select jsonb_object_keys(p_versions))
  );
  v_page := array(
    select id
      from public.assets
     where (v_user is null or user_id = v_user)
       and (p_after is null or id > p_after)
       and kizu.media_class(media_type) = any (v_media)
     order by id
     limit v_limit
  );

  for v_kind in
    select *
      from public.job_kinds
     where kind in (select facts.kind from public.facts where fact in (select jsonb_object_keys(p_versions)))
     order by kind
  loop
    execute format(
      $sql$
        with
        wanted as (
          select facts.fact, facts.media, given.value as version
            from jsonb_each_text($3) as given
            join public.facts on facts.fact = given.key
           where facts.kind = ($1).kind
        ),
        lacking_facts as materialized (
          select asset.id as asset_id, asset.user_id, jsonb_object_agg(wanted.fact, wanted.version) as versions
            from public.assets as asset
            join wanted on kizu.media_class(asset.media_type) = any (wanted.media)
            left join public.asset_facts as known
              on known.asset_id = asset.id
             and known.fact = wanted.fact
             and known.version = wanted.version
             and known.state <> 'unavailable'
           where asset.id = any ($2)
             and ($4 or known.fact is null)
           group by asset.id
        ),
        -- Read once for the whole page: asked asset by asset, the planner may scan all jobs for each.
        job as materialized (
          select asset_id, status, kizu.fault_of(error_code) as fault, dedupe_key, created_at
            from public.jobs
           where asset_id = any ($2)
             and job_type in (select kind from public.job_kinds where kind = ($1).kind or alias_of = ($1).kind)
        ),
        newest as (
          select distinct on (asset_id) * from job order by asset_id, created_at desc
        ),
        newest_twin as (
          select distinct on (asset_id, dedupe_key) * from job order by asset_id, dedupe_key, created_at desc
        ),
        lacking as materialized (
          select lacks.asset_id,
                 lacks.user_id,
                 lacks.versions,
                 params.of_job as params,
                 kizu.dedupe_key(($1).kind, lacks.asset_id, jsonb_build_object('versions', lacks.versions))
                   as dedupe_key
            from lacking_facts as lacks
            join (select versions, kizu.params_for($1, versions) as of_job
                    from (select distinct versions from lacking_facts) as each) as params
              on params.versions = lacks.versions
            left join newest on newest.asset_id = lacks.asset_id
           where $4 or newest.status is distinct from 'failed' or newest.fault <> 'file'
        ),
        enqueued as (
          insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)
          select lacking.user_id,
                 lacking.asset_id,
                 ($1).kind,
                 lacking.params,
                 least(($1).priority + $5, 1000),
                 ($1).max_attempts,
                 lacking.dedupe_key
            from lacking
            left join newest_twin as twin
              on twin.asset_id = lacking.asset_id
             and twin.dedupe_key = lacking.dedupe_key
           where not $6
             and lacking.asset_id not in (select asset_id from job where status in ('pending', 'processing'))
             and ($4 or twin.status is distinct from 'failed' or twin.fault = 'world')
           order by lacking.asset_id
              on conflict (dedupe_key) where status in ('pending', 'processing') do nothing
       returning id
        )
        select array(select asset_id from lacking),
               (select count(*) from enqueued),
               (select jsonb_object_agg(fact, photos)
                  from (select fact, count(*) as photos
                          from lacking
                         cross join lateral jsonb_object_keys(versions) as fact
                         group by fact) as counted)
      $sql$,
      kizu.job_table(v_kind.table_name)
    )
    into v_of_kind, v_here, v_counted
    using v_kind, v_page, p_versions, p_force, c_behind, p_dry_run;
    v_lacking  := v_lacking || v_of_kind;
    v_enqueued := v_enqueued + v_here;
    v_facts    := v_facts || coalesce(v_counted, '{}');
  end loop;

  return jsonb_build_object(
    'looked_at', cardinality(v_page),
    'missing',   (select count(distinct id) from unnest(v_lacking) as id),
    'enqueued',  v_enqueued,
    'facts',     v_facts,
    'next',      case when cardinality(v_page) = v_limit then v_page[v_limit] end
  );
end;
$$;

select kizu.keep_internal('kizu.fault_of(text)');
select kizu.keep_internal('kizu.params_for(public.job_kinds, jsonb)');
select kizu.let_call('public.enqueue_missing(jsonb, uuid, uuid, int, boolean, boolean)',
                     'authenticated', 'service_role');
