-- One call for apps that search: it asks what the words mean, and answers with what is found.

-- What p_text finds among the photos of the caller, or for the service of p_user: ask_search and rank_search in one,
-- with the arguments of both. With p_as_written no word is taken for another, as `corrected` would say.
--
-- Answers what rank_search does, and {"status", "understood", "version", "lacks"}. With the status `ready` that is all there is to
-- know. Otherwise it is what the database finds by itself, by the words as they are, and a worker may find more:
-- `asked`, call again soon, as when the job "job" has ended; `failed`, a worker could not; `refused`, as many of the
-- user's searches wait as may. `left_out` then names `understanding` too, unless what the words meant before names
-- changed is still kept.
-- Raises what ask_search (but for `too_many_jobs`) and rank_search raise.
create function public.search(
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
  p_as_written boolean default false
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

select kizu.let_call('public.search(text, date, text, text, text, int[], int, jsonb, int, uuid, boolean)',
                     'authenticated', 'service_role');
