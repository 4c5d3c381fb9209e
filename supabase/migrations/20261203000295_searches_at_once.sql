-- Many searches of one user, all at once, leave the database to others: some are answered at a time, and those that
-- wait for a worker hold no connection while they ask whether it has answered.

insert into public.queue_settings (name, value, says)
values ('searches_at_once_per_user', 4, 'Searches of a user that the database answers at a time.');

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

-- Lets p_user search until the transaction ends. Raises PT429 `too_many_jobs` while as many of the user's searches are
-- answered as may be at a time: to wait for one here would be to hold what others wait for.
create function kizu.take_search_turn(p_user uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  for v_place in 1 .. kizu.setting('searches_at_once_per_user') loop
    if pg_try_advisory_xact_lock(hashtextextended(format('search %s of %s', v_place, p_user), 0)) then
      return;
    end if;
  end loop;
  raise sqlstate 'PT429'
    using message = 'too_many_jobs', detail = 'as many searches of this user as may are answered now: ask again soon';
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

-- What p_text finds among the photos of the caller, or for the service of p_user: ask_search and rank_search in one,
-- with the arguments of both. p_parts are parts beside those that the words are understood to have, as rank_search takes
-- them. With p_as_written no word is taken for another, as `corrected` would say.
--
-- Answers what rank_search does, and {"status", "understood", "version", "lacks"}. With the status `ready` that is all there is to
-- know. Otherwise it is what the database finds by itself, by the words as they are, and a worker may find more:
-- `asked`, call again soon, as when the job "job" has ended; `failed`, a worker could not; `refused`, as many of the
-- user's searches wait as may. `left_out` then names `understanding` too, unless what the words meant before names
-- changed is still kept.
-- Raises what ask_search and rank_search raise, but PT429 `too_many_jobs` while `searches_at_once_per_user` (a row of
-- `queue_settings`) of the user are answered.
create or replace function public.search(
  p_text       text,
  p_today      date default null,
  p_zone       text default 'UTC',
  p_language   text default null,
  p_hemisphere text default null,
  p_without    int[] default '{}',
  p_limit      int default 50,
  p_after      jsonb default null,
  p_offset     int default 0,
  p_user       uuid default null,
  p_as_written boolean default false,
  p_parts      jsonb default '[]'
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
  v_kept   public.queries := kizu.kept_query(v_asked, v_words);
  v_status text := 'ready';
  v_understood jsonb;
  v_job    jsonb;
  v_found  jsonb;
begin
  perform kizu.take_search_turn(v_asked.user_id);
  if v_kept.user_id is null then
    v_job := kizu.ask_worker(v_asked, v_words);
    v_status := case when v_job ->> 'status' in ('failed', 'refused') then v_job ->> 'status' else 'asked' end;
    v_kept := kizu.kept_query(v_asked, null);
  end if;
  v_understood := case
                    when v_kept.user_id is not null then kizu.understood_of(v_kept, v_asked)
                    else jsonb_build_object('text', v_asked.text, 'semantic', v_asked.text, 'parts', '[]'::jsonb,
                                            'zone', v_asked.zone, 'today', v_asked.today)
                  end;
  v_understood := jsonb_set(v_understood, '{parts}',
                            coalesce(v_understood -> 'parts', '[]') || coalesce(p_parts, '[]'));
  v_found := public.rank_search(v_understood || jsonb_build_object('as_written', coalesce(p_as_written, false)),
                                v_kept.vector, v_kept.model_version, p_limit, p_after, p_offset, v_asked.user_id);
  return v_found || jsonb_build_object(
    'status',     v_status,
    'understood', v_understood,
    'version',    v_kept.model_version,
    'lacks',      v_kept.lacks,
    'left_out',   case
                    when v_kept.user_id is null then (v_found -> 'left_out') || '["understanding"]'
                    else v_found -> 'left_out'
                  end,
    'job',        v_job
  );
end;
$$;

select kizu.keep_internal('kizu.waiting_searches(uuid, int)');
select kizu.keep_internal('kizu.take_search_turn(uuid)');
