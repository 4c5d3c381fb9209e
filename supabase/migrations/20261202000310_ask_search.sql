-- How an app asks what its user's words mean: at once where they were asked before, else by a job that a worker does
-- before all others.

-- What is asked, checked and in one form, so that the same question is the same row.
create type kizu.question as (
  user_id    uuid,
  text       text,
  language   text,
  hemisphere text,
  without    int[],
  today      date,
  zone       text
);

-- The question of these arguments of ask_search, by a caller who is confined to p_scope. Raises PT400 `bad_params`,
-- PT404 `not_found`.
create function kizu.question(p_scope uuid, p_text text, p_today date, p_zone text, p_language text, p_hemisphere text,
                              p_without int[], p_user uuid)
returns kizu.question
language plpgsql
stable
set search_path = ''
as $$
declare
  c_longest     constant int := 500;
  c_most        constant int := 20; -- parts taken out
  c_most_parts  constant int := 500;
  v_asked kizu.question;
  v_wrong text;
begin
  if p_scope is not null and p_user <> p_scope then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
  end if;
  v_asked.user_id    := coalesce(p_scope, p_user);
  -- Long ones are not looked at: making their blanks single would take longer than a search.
  v_asked.text       := case
                          when length(p_text) <= 8 * c_longest
                          then btrim(regexp_replace(normalize(p_text, nfc), '\s+', ' ', 'g'))
                        end;
  v_asked.language   := coalesce(lower(p_language), '');
  v_asked.hemisphere := coalesce(p_hemisphere, 'north');
  v_asked.zone       := coalesce(p_zone, 'UTC');
  v_wrong := case
               when v_asked.user_id is null
               then 'p_user: expected the user who searches'
               when coalesce(length(v_asked.text), 0) not between 1 and c_longest
               then format('p_text: expected 1 to %s characters', c_longest)
               when v_asked.language !~ '^([a-z]{2,3})?$'
               then 'p_language: expected a code such as en'
               when v_asked.hemisphere not in ('north', 'south')
               then 'p_hemisphere: expected north or south'
               when cardinality(p_without) > c_most
                    or exists (select from unnest(p_without) as part where part is null or part not between 0 and c_most_parts)
               then format('p_without: expected at most %s numbers of parts', c_most)
               when p_today not between '1900-01-01' and '2200-01-01'
               then 'p_today: expected a day from 1900 to 2200'
             end;
  if v_wrong is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = v_wrong;
  end if;

  v_asked.without := array(select distinct part from unnest(p_without) as part order by part);
  begin
    v_asked.today := coalesce(p_today, (kizu.now() at time zone left(v_asked.zone, 100))::date);
    perform kizu.now() at time zone left(v_asked.zone, 100);
  exception
    when invalid_parameter_value then
      raise sqlstate 'PT400'
        using message = 'bad_params', detail = 'p_zone: expected a time zone such as Europe/Berlin';
  end;
  return v_asked;
end;
$$;

-- What is kept of a question and is still true: made for this day if it depends on the day, with the names that are
-- known now, and with a vector of the generation that answers, where one is needed. An answer without a vector, as no
-- model was to be had, is true for a minute. With no p_words, names may have changed since. Null where there is none.
create function kizu.kept_query(p_asked kizu.question, p_words text)
returns public.queries
language plpgsql
stable
set search_path = ''
as $$
declare
  c_without_a_vector constant interval := '1 minute';
  v_kept public.queries;
begin
  select *
    into v_kept
    from public.queries as query
   where query.user_id = p_asked.user_id
     and query.text = p_asked.text
     and query.language = p_asked.language
     and query.hemisphere = p_asked.hemisphere
     and query.without = p_asked.without
     and (p_words is null or query.words = p_words)
     and coalesce(query.today, p_asked.today) = p_asked.today
     and case
           when query.vector is not null then query.model_version = kizu.answering('pictures')
           when query.lacks is not null     then query.at > kizu.now() - c_without_a_vector
           else true
         end;
  return v_kept;
end;
$$;

-- Forgets what p_user searched for: jobs that ended an hour ago, with their lines in the ledger, and those that nobody
-- waits for any more because no worker came. A little at a time.
create function kizu.prune_searches(p_user uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_kind    constant text := 'search';
  c_kept    constant interval := '1 hour';
  c_waited  constant interval := '1 minute';
  c_limit   constant int := 100;
  v_now     constant timestamptz := kizu.now();
  v_gone    uuid[];
begin
  with
  gone as (
    delete from public.ai_processing_jobs
     where id = any (array(
             select id
               from public.ai_processing_jobs
              where job_type = c_kind
                and user_id = p_user
                and picked_up_at < v_now - c_kept
                and picked_up_at is not null
                and status in ('completed', 'failed', 'cancelled')
              order by job_type, user_id, picked_up_at
              limit c_limit
                for update skip locked
           ))
    returning id
  ),
  unwanted as (
    delete from public.ai_processing_jobs
     where id = any (array(
             select id
               from public.ai_processing_jobs
              where job_type = c_kind
                and priority >= 0
                and user_id = p_user
                and status = 'pending'
                and not suspect
                and created_at < v_now - c_waited
              limit c_limit
                for update skip locked
           ))
    returning id
  )
  select array_agg(id) into v_gone from (select id from gone union all select id from unwanted) as each;
  delete from public.runs where job_id = any (v_gone);
end;
$$;

-- Sees to it that a worker answers p_asked. Answers {"id", "status": enqueued, already_queued, or refused: as many wait
-- as may; failed, with its "error_code": it was tried within the last minute}.
create function kizu.ask_worker(p_asked kizu.question, p_words text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_kind    constant text := 'search';
  c_rest    constant interval := '1 minute';
  v_most    constant int := kizu.setting('pending_searches_per_user');
  v_params  constant jsonb := jsonb_build_object(
    'text', p_asked.text, 'today', p_asked.today, 'language', nullif(p_asked.language, ''),
    'hemisphere', p_asked.hemisphere, 'without', p_asked.without, 'words', p_words
  );
  v_key     constant text := kizu.dedupe_key(c_kind, p_asked.user_id, v_params);
  v_answer  jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended(concat('searches of ', p_asked.user_id), 0));
  perform kizu.prune_searches(p_asked.user_id);

  v_answer := (
    select jsonb_build_object('id', id, 'status', 'failed', 'error_code', error_code)
      from public.ai_processing_jobs
     where job_type = c_kind
       and user_id = p_asked.user_id
       and picked_up_at > kizu.now() - c_rest
       and status = 'failed'
       and dedupe_key = v_key
     limit 1
  );
  if v_answer is not null then
    return v_answer;
  end if;

  if not exists (select from public.jobs where dedupe_key = v_key and status in ('pending', 'processing'))
     and v_most <= (
           select count(*)
             from (select
                     from public.ai_processing_jobs
                    where job_type = c_kind
                      and priority >= 0
                      and user_id = p_asked.user_id
                      and status = 'pending'
                      and not suspect
                    limit v_most) as waiting
         ) then
    return '{"id": null, "status": "refused"}';
  end if;
  return kizu.enqueue(row(c_kind, null, v_params, null, null, p_asked.user_id, false, null)::kizu.request, null);
end;
$$;

-- What a worker understood, as apps and rank_search read it.
create function kizu.understood_of(p_kept public.queries, p_asked kizu.question)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return p_kept.understood || jsonb_build_object('zone', p_asked.zone, 'today', p_asked.today);
end;
$$;

-- What p_text means on the day p_today (by default today in the zone p_zone) to the caller, or for the service to
-- p_user. p_language decides where the words do not; p_hemisphere (`north` or `south`) says when summer is; p_without
-- are the places, from 0, of parts that the person has taken out again. Numbers of characters in the answer count those
-- of its `text`, which has single blanks.
--
-- Answers {"status": "ready", "understood", "version": of the vector, "lacks": why there is none, as an error code} if
-- that is known, else {"status": "asked", "job": {"id", "status"}}: a worker is asked, and the same call made again says
-- more; or {"status": "failed", "job": {"id", "status", "error_code"}}, which is so for a minute. A user has
-- `pending_searches_per_user` (a row of `queue_settings`) waiting at most; what no worker came for within a minute
-- waits no more.
--
-- Raises PT400 `bad_params`, PT404 `not_found`, PT429 `too_many_jobs`.
create function public.ask_search(
  p_text       text,
  p_today      date default null,
  p_zone       text default 'UTC',
  p_language   text default null,
  p_hemisphere text default null,
  p_without    int[] default '{}',
  p_user       uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_asked constant kizu.question :=
    kizu.question(kizu.caller_scope(), p_text, p_today, p_zone, p_language, p_hemisphere, p_without, p_user);
  v_words constant text := kizu.digest_words(v_asked.user_id);
  v_kept  constant public.queries := kizu.kept_query(v_asked, v_words);
  v_job   jsonb;
begin
  if v_kept.user_id is not null then
    return jsonb_build_object('status', 'ready', 'understood', kizu.understood_of(v_kept, v_asked),
                              'version', v_kept.model_version, 'lacks', v_kept.lacks);
  end if;
  v_job := kizu.ask_worker(v_asked, v_words);
  if v_job ->> 'status' = 'refused' then
    raise sqlstate 'PT429'
      using message = 'too_many_jobs', detail = 'as many searches of this user wait as may: ask again soon';
  end if;
  return jsonb_build_object(
    'status', case v_job ->> 'status' when 'failed' then 'failed' else 'asked' end,
    'job',    v_job
  );
end;
$$;

select kizu.pin_plans('public.ask_search(text, date, text, text, text, int[], uuid)');

select kizu.keep_internal('kizu.question(uuid, text, date, text, text, text, int[], uuid)');
select kizu.keep_internal('kizu.kept_query(kizu.question, text)');
select kizu.keep_internal('kizu.prune_searches(uuid)');
select kizu.keep_internal('kizu.ask_worker(kizu.question, text)');
select kizu.keep_internal('kizu.understood_of(public.queries, kizu.question)');

select kizu.let_call('public.ask_search(text, date, text, text, text, int[], uuid)', 'authenticated', 'service_role');
