-- A request that was answered about other bytes has not been answered: it is not `already_done`, and what is known of
-- them is missing.

-- Adds a job as enqueue_job does, for a caller that p_scope confines to one user (null: to nobody).
create or replace function kizu.enqueue(p_request kizu.request, p_scope uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_kind     constant public.job_kinds := kizu.kind_of(p_request);
  v_user     constant uuid := kizu.user_of(p_request, v_kind, p_scope);
  v_params   constant jsonb := v_kind.default_params || p_request.params;
  v_subject  constant uuid := coalesce(p_request.asset_id, v_user);
  v_earliest constant timestamptz := kizu.now() - case when p_scope is null then interval '1 year'
                                                       else interval '0' end;
  v_run_at   constant timestamptz :=
    least(greatest(coalesce(p_request.run_at, kizu.now()), v_earliest), kizu.now() + interval '1 year');
  v_family   constant text := concat_ws(':', v_kind.kind, v_subject, 'as', md5(p_request.dedupe)) || ':';
  v_key      constant text := case
                                when p_request.dedupe is null then kizu.dedupe_key(v_kind.kind, v_subject, v_params)
                                else v_family || gen_random_uuid()
                              end;
  v_priority int := coalesce(p_request.priority, v_kind.priority);
  v_id       uuid;
  v_ended    text;
  v_since    timestamptz;
begin
  if p_scope is not null and v_priority <> v_kind.priority then
    v_priority := greatest(v_kind.priority, ceil(v_priority / 100.0) * 100);
  end if;
  v_priority := least(greatest(v_priority, 0), 1000);

  if p_request.asset_id is not null and not coalesce(p_request.force, false) then
    v_since := coalesce((select since from kizu.contents where asset_id = p_request.asset_id), '-infinity');
    select id, case status when 'completed' then 'already_done' else 'already_failed' end
      into v_id, v_ended
      from public.jobs
     where asset_id = p_request.asset_id
       and status in ('completed', 'failed')
       and dedupe_key = v_key
       and completed_at >= v_since
       and not exists (
             select from public.jobs
              where dedupe_key = v_key
                and status in ('pending', 'processing')
           )
     order by completed_at desc
     limit 1;

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', v_ended);
    end if;
  end if;

  -- A twin that has begun may have looked before there was what this request is about, and one that a claim holds
  -- is about to begin: the lock waits for that claim. Two callers do not pass here at once: kizu.lock_asked.
  if p_request.dedupe is not null then
    select id
      into v_id
      from public.jobs
     where dedupe_key >= v_family
       and dedupe_key < rtrim(v_family, ':') || ';'
       and status = 'pending'
     limit 1
       for share;
    if v_id is not null then
      perform kizu.hurry(v_id, v_run_at, v_priority);
      return jsonb_build_object('id', v_id, 'status', 'already_queued');
    end if;
  end if;

  -- The twin may end between our insert and our look at it; then the insert succeeds the second time.
  loop
    begin
      execute format(
        'insert into %s (user_id, asset_id, job_type, params, priority, max_attempts, run_at, dedupe_key)'
        ' values ($1, $2, $3, $4, $5, $6, $7, $8)'
        ' on conflict (dedupe_key) where status in (''pending'', ''processing'') do nothing'
        ' returning id',
        kizu.job_table(v_kind.table_name)
      )
      into v_id
      using v_user, p_request.asset_id, v_kind.kind, v_params, v_priority, v_kind.max_attempts, v_run_at, v_key;
    exception
      when foreign_key_violation then -- it was there a moment ago
        raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such asset, or user';
    end;

    if v_id is not null then
      return jsonb_build_object('id', v_id, 'status', 'enqueued');
    end if;

    select id
      into v_id
      from public.jobs
     where dedupe_key = v_key
       and status in ('pending', 'processing');

    if v_id is not null then
      perform kizu.hurry(v_id, v_run_at, v_priority);
      return jsonb_build_object('id', v_id, 'status', 'already_queued');
    end if;
  end loop;
end;
$$;

-- Adds a job and answers {"id", "status": "enqueued"}. While the same request is pending or running, answers with
-- that job and "already_queued"; a pending one is moved forward if it was to wait for longer. Once it has ended for
-- this asset, as its file is now, answers "already_done" or "already_failed" (retry_jobs puts that one back), unless
-- p_force asks for a new job. A file that has changed is noticed: then all that an upload is asked for is asked for.
--
-- A signed-in user asks for their own assets only, never before the kind's own priority, and later only
-- by full hundreds, because every level in use is one that claims have to look at.
-- Raises PT400 `unknown_job_type` or `bad_params` (the detail says which and what was expected), and
-- PT404 `not_found` for an asset that is not there or not theirs, and PT429 `too_many_jobs` for a new job of a user
-- who has as many pending as kizu.check_quota allows.
create or replace function public.enqueue_job(
  p_kind     text,
  p_asset_id uuid default null,
  p_params   jsonb default '{}',
  p_priority smallint default null,
  p_run_at   timestamptz default null,
  p_user_id  uuid default null,
  p_force    boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope  constant uuid := kizu.caller_scope();
  v_params constant jsonb := coalesce(nullif(p_params, 'null'), '{}');
  v_asked  uuid[];
  v_answer jsonb;
begin
  if p_asset_id is not null then
    v_asked := kizu.notice(p_asset_id, coalesce(v_scope, p_user_id));
  end if;
  v_answer := kizu.enqueue(
    row(p_kind, p_asset_id, v_params, p_priority, p_run_at, p_user_id, p_force, null)::kizu.request, v_scope
  );
  if v_answer ->> 'status' = 'already_queued' and (v_answer ->> 'id')::uuid = any (v_asked) then
    v_answer := v_answer || '{"status": "enqueued"}';
  end if;
  if v_scope is not null and v_answer ->> 'status' = 'enqueued' then
    perform kizu.check_quota(v_scope, 1);
  end if;
  return v_answer;
end;
$$;

-- Looks at the next p_limit assets (at most 5,000) after p_after in id order, of the caller or, for the
-- service, of p_user_id or everybody. p_versions is {fact: version}; a fact is missing where it is not known in
-- that version, or everywhere with p_force. A file that turned out to be no picture lacks nothing.
--
-- Left alone: assets with a job of the fact's kind pending or running, and, without p_force, facts that were missed
-- in that version as kizu.rests says. Jobs go behind everything that somebody just uploaded.
--
-- Photos whose files have changed since somebody looked at them are noticed (kizu.notice): they lack every fact, and
-- what an upload is asked for is under way. Of these a page has at most 200.
--
-- Answers {"looked_at", "missing", "enqueued", "changed": photos whose files have changed, "facts": {fact: photos that
-- lack it}, "left": {fact: {why: photos of these that are left alone}}, "next"}: why is `under_way`, or the error code of
-- the last try; `next` is the p_after of the next page, null at the end. p_dry_run enqueues nothing. For a user whose
-- quota a page exceeds, PT429 `too_many_jobs`, and nothing of the page is enqueued.
create or replace function public.enqueue_missing(
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
  c_most_changed    constant int := 200;
  v_user  constant uuid := coalesce(kizu.caller_scope(), p_user_id);
  v_limit constant int := least(greatest(coalesce(p_limit, 1000), 1), 5000);
  v_media text[];
  v_page  uuid[];
  v_next  uuid;
  v_changed uuid[];
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
  v_changed := array(
    select asset.id
      from public.assets as asset
      join kizu.contents as known on known.asset_id = asset.id
     cross join lateral (
             select kizu.content_of(metadata ->> 'eTag') as content
               from storage.objects
              where bucket_id = 'assets'
                and name = asset.path
             offset 0  -- planned by itself: by its name
           ) as stored
     where asset.id = any (v_page)
       and stored.content <> known.content
     order by asset.id
     limit c_most_changed
  );
  if cardinality(v_changed) = c_most_changed then
    v_page := array(select id from unnest(v_page) as id where id <= v_changed[c_most_changed] order by id);
    v_next := v_changed[c_most_changed];
  elsif cardinality(v_page) = v_limit then
    v_next := v_page[v_limit];
  end if;
  if not coalesce(p_dry_run, false) then
    perform kizu.notice(id) from unnest(v_changed) as id;
  end if;

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
             and asset_id <> all ($8)
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
             and known.asset_id <> all ($8) -- what is known is of another file
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
    using v_kind, v_page, p_versions, p_force, c_behind, p_dry_run, v_now, v_changed;
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
    'changed',   cardinality(v_changed),
    'facts',     v_facts,
    'left',      v_left,
    'next',      v_next
  );
end;
$$;

select kizu.pin_plans('public.enqueue_job(text, uuid, jsonb, smallint, timestamptz, uuid, boolean)');
