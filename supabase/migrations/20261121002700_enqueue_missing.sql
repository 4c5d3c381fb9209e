-- Reconciliation: every asset that lacks a fact gets a job for just what it lacks. Asked again, nothing is
-- doubled; and what was looked at without finding anything is not missing.

-- The params with which a kind finds out just these facts; their versions go along for the record.
create function kizu.params_for(p_kind public.job_kinds, p_versions jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return p_kind.default_params || jsonb_build_object('versions', p_versions) || coalesce((
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
-- Left alone: assets with a job of the fact's kind pending or running, and, without p_force, facts that were missed
-- in that version as kizu.rests says. Jobs go behind everything that somebody just uploaded.
--
-- Answers {"looked_at", "missing", "enqueued", "facts": {fact: photos that lack it}, "left": {fact: {why: photos of
-- these that are left alone}}, "next"}: why is `under_way`, or the error code of the last try; `next` is the p_after
-- of the next page, null at the end. p_dry_run enqueues nothing. For a user whose quota a page exceeds, PT429
-- `too_many_jobs`, and nothing of the page is enqueued.
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
  v_left_of_kind jsonb;
  v_facts    jsonb := '{}';
  v_left     jsonb := '{}';
  v_now      constant timestamptz := kizu.now();
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
        -- Read once for the whole page and by its ids alone: asked asset by asset, or by status, the planner may scan
        -- all jobs.
        job as materialized (
          select asset_id, status
            from public.jobs
           where asset_id = any ($2)
             and job_type in (select kind from public.job_kinds where kind = ($1).kind or alias_of = ($1).kind)
        ),
        busy as materialized (
          select distinct asset_id from job where status in ('pending', 'processing')
        ),
        missed as materialized (
          select asset_id, fact, version, reason, kizu.rests(reason, tries, at, $7) as rests
            from kizu.misses
           where asset_id = any ($2)
             and fact in (select facts.fact from public.facts where facts.kind = ($1).kind)
        ),
        lacking as materialized (
          select asset.id as asset_id,
                 asset.user_id,
                 wanted.fact,
                 wanted.version,
                 case
                   when asset.id in (select asset_id from busy) then 'under_way'
                   when missed.rests and not $4                 then missed.reason
                 end as left_for
            from public.assets as asset
            join wanted on kizu.media_class(asset.media_type) = any (wanted.media)
            left join public.asset_facts as known
              on known.asset_id = asset.id
             and known.fact = wanted.fact
             and known.version = wanted.version
             and known.state <> 'unavailable'
            left join missed
              on missed.asset_id = asset.id
             and missed.fact = wanted.fact
             and missed.version = wanted.version
           where asset.id = any ($2)
             and ($4
                  or (known.fact is null
                      and asset.id not in (select asset_id from missed where kizu.fault_of(reason) = 'file')))
        ),
        each_asset as materialized (
          select asset_id, user_id, jsonb_object_agg(fact, version) as versions
            from lacking
           where left_for is null
           group by asset_id, user_id
        ),
        enqueued as (
          insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)
          select user_id,
                 asset_id,
                 ($1).kind,
                 params.of_job,
                 least(($1).priority + $5, 1000),
                 ($1).max_attempts,
                 kizu.dedupe_key(($1).kind, asset_id, jsonb_build_object('versions', versions))
            from each_asset
            join (select versions, kizu.params_for($1, versions) as of_job
                    from (select distinct versions from each_asset) as each) as params
           using (versions)
           where not $6
           order by asset_id
              on conflict (dedupe_key) where status in ('pending', 'processing') do nothing
       returning id
        )
        select array(select distinct asset_id from lacking),
               (select count(*) from enqueued),
               (select jsonb_object_agg(fact, photos)
                  from (select fact, count(*) as photos from lacking group by fact) as counted),
               (select jsonb_object_agg(fact, reasons)
                  from (select fact, jsonb_object_agg(left_for, photos) as reasons
                          from (select fact, left_for, count(*) as photos
                                  from lacking
                                 where left_for is not null
                                 group by fact, left_for) as each
                         group by fact) as counted)
      $sql$,
      kizu.job_table(v_kind.table_name)
    )
    into v_of_kind, v_here, v_counted, v_left_of_kind
    using v_kind, v_page, p_versions, p_force, c_behind, p_dry_run, v_now;
    v_lacking  := v_lacking || v_of_kind;
    v_enqueued := v_enqueued + v_here;
    v_facts    := v_facts || coalesce(v_counted, '{}');
    v_left     := v_left || coalesce(v_left_of_kind, '{}');
  end loop;

  if v_enqueued > 0 and kizu.caller_scope() is not null then
    perform kizu.check_quota(v_user, v_enqueued::int);
  end if;
  return jsonb_build_object(
    'looked_at', cardinality(v_page),
    'missing',   (select count(distinct id) from unnest(v_lacking) as id),
    'enqueued',  v_enqueued,
    'facts',     v_facts,
    'left',      v_left,
    'next',      case when cardinality(v_page) = v_limit then v_page[v_limit] end
  );
end;
$$;

select kizu.keep_internal('kizu.params_for(public.job_kinds, jsonb)');
select kizu.let_call('public.enqueue_missing(jsonb, uuid, uuid, int, boolean, boolean)',
                     'authenticated', 'service_role');
