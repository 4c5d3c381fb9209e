-- A search goes to a worker that can answer it: one that lacks the model of the vectors leaves it to others, and is
-- asked what the words mean only while nobody else is there. Nobody waits for a worker that is not. Many searches of one
-- user leave the database to others: those that wait hold no lock while they ask whether a worker has answered.

insert into public.job_kinds (kind, table_name, priority, max_attempts)
values ('understand', 'ai_processing_jobs', 0, 2)
on conflict (kind) do nothing;

-- Whether the worker that answered said of itself that it has the model.
alter table public.queries add column by_able boolean not null default true;

create index workers_that_are_there on public.workers (owner, last_seen) where stopped_at is null;

-- Which kind of job answers a search of p_user now, by what workers of theirs and of the project say of themselves:
-- `search` where one is there that makes vectors of the generation that answers, else `understand`; null where none
-- with a slot for it has shown itself lately. Workers of before they said of which generations take every `search`.
create function kizu.search_kind(p_user uuid)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  c_there   constant interval := '90 seconds'; -- three signs of life
  c_most    constant int := 1000;
  v_version constant text := kizu.answering('pictures');
begin
  return (
    select min(case
                 when info ? 'sentences' and not info -> 'sentences' @> to_jsonb(array[v_version]) then 'understand'
                 else 'search'
               end)
      from (select info
              from (select info, last_seen
                      from public.workers
                     where owner = p_user
                       and stopped_at is null
                       and last_seen > kizu.now() - c_there
                    union all
                    select info, last_seen
                      from public.workers
                     where owner is null
                       and stopped_at is null
                       and last_seen > kizu.now() - c_there) as known
             order by last_seen desc
             limit c_most) as there
     where info -> 'slots' ? 'interactive'
       and info -> 'kinds' ? 'search'
  );
end;
$$;

-- Keeps what a job of the kinds `search` and `understand` made of its text: one row {understood, today, model_version, vector, lacks}.
-- Which text that is, and whose, the job says. Of many the oldest go.
create or replace function kizu.keep_query(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_row constant jsonb := p_rows -> 0;
  v_job  jsonb;
  v_kind text;
begin
  if jsonb_array_length(p_rows) <> 1 then
    raise exception 'queries: expected one row';
  end if;
  select params, kind into v_job, v_kind from public.runs where id = p_run and kind in ('search', 'understand');
  if not found then
    raise exception 'queries: only a search writes them';
  end if;

  insert into public.queries as query (user_id, text, language, hemisphere, without, today, words, understood,
                                     model_version, vector, lacks, by_able, at)
  values (p_user,
          v_job ->> 'text',
          coalesce(v_job ->> 'language', ''),
          coalesce(v_job ->> 'hemisphere', 'north'),
          array(select number::int from jsonb_array_elements_text(coalesce(v_job -> 'without', '[]')) as number),
          (v_row ->> 'today')::date,
          coalesce(v_job ->> 'words', ''),
          v_row -> 'understood',
          v_row ->> 'model_version',
          (v_row ->> 'vector')::extensions.vector,
          v_row ->> 'lacks',
          v_kind = 'search',
          kizu.now())
      on conflict (user_id, text, language, hemisphere, without) do update
     set today = excluded.today, words = excluded.words, understood = excluded.understood,
         model_version = excluded.model_version, vector = excluded.vector, lacks = excluded.lacks,
         by_able = excluded.by_able, at = excluded.at;

  delete from public.queries
   where user_id = p_user
     and at < (select at
                 from public.queries
                where user_id = p_user
                order by at desc
               offset greatest(kizu.setting('kept_searches_per_user') - 1, 0)
                limit 1);
end;
$$;

-- What is kept of a question and is still true: made for this day if it depends on the day, with the names that are
-- known now, and with a vector of the generation that answers, where one is needed. An answer without a vector, as no
-- model was to be had, is true for a minute, or until somebody is there who has it. With no p_words, names may have
-- changed since. Null where there is none.
create or replace function kizu.kept_query(p_asked kizu.question, p_words text)
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
                                                 and (query.by_able
                                                      or kizu.search_kind(p_asked.user_id) is distinct from 'search')
           else true
         end;
  return v_kept;
end;
$$;

-- Forgets what p_user searched for: jobs that ended an hour ago, with their lines in the ledger, and those that nobody
-- waits for any more because no worker came. A little at a time.
create or replace function kizu.prune_searches(p_user uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_kinds   constant text[] := array['search', 'understand'];
  c_kept    constant interval := '1 hour';
  c_waited  constant interval := '1 minute';
  c_limit   constant int := 100;
  v_now     constant timestamptz := kizu.now();
  v_kind    text;
  v_gone    uuid[];
begin
  foreach v_kind in array c_kinds loop
    with
    gone as (
      delete from public.ai_processing_jobs
       where id = any (array(
               select id
                 from public.ai_processing_jobs
                where job_type = v_kind
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
                where job_type = v_kind
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
  end loop;
end;
$$;

-- How many searches of p_user wait for a worker, p_most at the most: of those that somebody may still wait for.
create function kizu.waiting_searches(p_user uuid, p_most int)
returns int
language plpgsql
stable
set search_path = ''
as $$
declare
  c_kinds  constant text[] := array['search', 'understand'];
  c_waited constant interval := '1 minute';
begin
  return (
    select count(*)
      from unnest(c_kinds) as kind
     cross join lateral (
             select
               from public.ai_processing_jobs
              where job_type = kind
                and priority >= 0
                and user_id = p_user
                and status = 'pending'
                and not suspect
                and created_at >= kizu.now() - c_waited
              limit p_most
           ) as waiting
  );
end;
$$;

-- Sees to it that a worker answers p_asked. Answers {"id", "status": enqueued, already_queued, or refused: as many wait
-- as may; failed, with its "error_code": it was tried within the last minute; "attended": whether a worker is there
-- now, without whom nobody need wait}.
create or replace function kizu.ask_worker(p_asked kizu.question, p_words text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_refused constant jsonb := '{"id": null, "status": "refused"}';
  c_rest    constant interval := '1 minute';
  v_most    constant int := kizu.setting('pending_searches_per_user');
  v_here    constant text := kizu.search_kind(p_asked.user_id);
  v_kind    constant text := coalesce(v_here, 'understand'); -- whoever comes first can do that
  v_params  constant jsonb := jsonb_build_object(
    'text', p_asked.text, 'today', p_asked.today, 'language', nullif(p_asked.language, ''),
    'hemisphere', p_asked.hemisphere, 'without', p_asked.without, 'words', p_words
  );
  v_key     constant text := kizu.dedupe_key(v_kind, p_asked.user_id, v_params);
  v_answer  jsonb;
begin
  -- What waits already, and whether there is room, is said without the lock: of many who ask on and on, each would
  -- keep a connection that others need.
  v_answer := (
    select jsonb_build_object('id', id, 'status', 'already_queued', 'attended', v_here is not null)
      from public.ai_processing_jobs
     where dedupe_key = v_key
       and status in ('pending', 'processing')
       and created_at >= kizu.now() - c_rest
     limit 1
  );
  if v_answer is not null then
    return v_answer;
  elsif v_most <= kizu.waiting_searches(p_asked.user_id, v_most) then
    return c_refused;
  end if;

  perform pg_advisory_xact_lock(hashtextextended(concat('searches of ', p_asked.user_id), 0));
  perform kizu.prune_searches(p_asked.user_id);

  v_answer := (
    select jsonb_build_object('id', id, 'status', 'failed', 'error_code', error_code)
      from public.ai_processing_jobs
     where job_type = v_kind
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
     and v_most <= kizu.waiting_searches(p_asked.user_id, v_most) then
    return c_refused;
  end if;
  return kizu.enqueue(row(v_kind, null, v_params, null, null, p_asked.user_id, false, null)::kizu.request, null)
         || jsonb_build_object('attended', v_here is not null);
end;
$$;

select kizu.keep_internal('kizu.search_kind(uuid)');
select kizu.keep_internal('kizu.waiting_searches(uuid, int)');
