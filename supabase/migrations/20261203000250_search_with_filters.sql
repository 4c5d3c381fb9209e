-- Apps that have filters of their own search with them, beside what the words are understood to ask for. Of pictures like
-- a picture the most alike come first, and no cut-off of sentences ends them. Of one user's searches, however many come at
-- once, the database answers some at a time.

insert into public.queue_settings (name, value, says)
values ('searches_at_once_per_user', 4, 'Searches of a user that the database answers at a time.');

drop function public.search(text, date, text, text, text, int[], int, jsonb, int, uuid, boolean);

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

select kizu.let_call('public.search(text, date, text, text, text, int[], int, jsonb, int, uuid, boolean, jsonb)',
                     'authenticated', 'service_role');

-- What is like an example: exactly one of p_asset_id (pictures like it, as its user's generation sees them), p_face_id,
-- p_cluster_id and p_contact_id (photos of whoever that is). Each asset is found once, with its best similarity, down to
-- p_least (-1 to 1), or else however little like a picture, as the cut-off of a generation is one of sentences, which
-- pictures are all more like each other than; of faces to that from which two are one person. Those
-- that are said or known to be of the cluster or the contact come first, however unlike, and none that is said not to be.
-- The parts of p_understood narrow the assets before that, as in rank_search.
--
-- Answers as rank_search does; score is the similarity, null for who is only tagged; `left_out` is ["picture"] or
-- ["person"] where the example has no vector in the generation that answers. Raises PT400 `bad_params`, and PT404
-- `not_found`, also for what is another's.
create or replace function public.search_alike(
  p_asset_id   uuid   default null,
  p_face_id    uuid   default null,
  p_cluster_id uuid   default null,
  p_contact_id uuid   default null,
  p_least      float8 default null,
  p_understood jsonb  default '{}',
  p_limit      int    default 50,
  p_after      jsonb  default null,
  p_user       uuid   default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, assets and faces are found by an index
set jit = off
as $$
declare
  c_most constant int  := 1000; -- faces that are looked at, and pictures that kizu.near_pictures finds
  c_any  constant float8 := -1;
  c_none constant uuid := '00000000-0000-0000-0000-000000000000';
  v_user    constant uuid := kizu.one_user(p_user);
  v_limit   constant int  := kizu.checked_limit(p_limit, 200);
  v_version constant text := kizu.answering('faces');
  v_only   uuid[];
  v_except uuid[];
  v_where  text;
  v_after  record;
  v_vector extensions.vector;
  v_cluster uuid;
  v_contact uuid;
  v_middle  extensions.halfvec;
  v_same    float8;
  v_found  jsonb; -- [{"id", "similarity", "known", "face"}…], an asset once or more
  v_page   jsonb[];
begin
  perform kizu.check_understanding(p_understood);
  if num_nonnulls(p_asset_id, p_face_id, p_cluster_id, p_contact_id) <> 1 then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'expected one of asset_id, face_id, cluster_id and contact_id';
  elsif not coalesce(p_least between -1 and 1, true) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'least: expected -1 to 1';
  end if;
  perform kizu.check_cursor(p_after, '{"known": "boolean", "id": "string"}');
  begin
    select (p_after ->> 'known')::boolean as known, (p_after ->> 'similarity')::numeric as similarity,
           (p_after ->> 'id')::uuid as id
      into v_after;
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end;
  begin
    select narrowed.p_only, narrowed.p_except, narrowed.p_where
      into v_only, v_except, v_where
      from kizu.narrow(v_user, p_understood) as narrowed;
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = format('understood: %s', sqlerrm);
  end;

  if p_asset_id is not null then
    if not exists (select from public.assets where id = p_asset_id and user_id = v_user) then
      raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such asset';
    end if;
    v_vector := (select embedding from public.image_embeddings
                  where asset_id = p_asset_id and user_id = v_user and model_version = kizu.answering('pictures'));
    if v_vector is null then
      return jsonb_build_object('results', '[]'::jsonb, 'next', null, 'left_out', array['picture'],
                                'cut_short', '[]'::jsonb, 'relaxed', false);
    end if;
    v_found := (
      select jsonb_agg(jsonb_build_object('id', near.asset_id, 'similarity', near.similarity, 'known', false))
        from kizu.near_pictures(v_user, v_vector, null, v_only, v_except || p_asset_id, v_where, coalesce(p_least, c_any)) as near
    );
  else
    select * into v_cluster, v_contact, v_middle, v_same
      from kizu.who_is_meant(v_user, p_face_id, p_cluster_id, p_contact_id);
    v_found := (
      select jsonb_agg(jsonb_build_object('id', seen.asset_id, 'similarity', seen.similarity, 'known', seen.known,
                                          'face', seen.face_id))
        from (
          select face.asset_id, face.face_id, true as known,
                 -(vector.embedding operator(extensions.<#>) v_middle) as similarity
            from kizu.rows_of_person(v_user, v_version, null, v_cluster, v_contact) as face
           cross join lateral (select * from kizu.face_vectors where id = face.id offset 0) as vector
          union all
          select tag.asset_id, null, true, null
            from public.asset_tags as tag
           where tag.contact_id = v_contact
             and (tag.user_id = v_user) is true
          union all
          select near.asset_id, near.face_id, false, near.likeness
            from kizu.near_faces(v_user, v_version, v_middle, c_none, coalesce(p_least, v_same), c_most,
                                 kizu.cheapest_way(v_user, v_version, false), false) as near
           where (near.contact_id is null or near.contact_id = v_contact or v_contact is null)
             and not exists (select from kizu.exclusions as excluded
                              where excluded.face_id = near.face_id and excluded.contact_id = v_contact)
        ) as seen
    );
  end if;

  execute format(
    $sql$
      with
      best as (
        select distinct on (found.id) found.id, found.known, round(found.similarity, 4) as similarity, found.face
          from jsonb_to_recordset($2) as found (id uuid, similarity numeric, known boolean, face uuid)
         order by found.id, found.known desc, found.similarity desc nulls last
      )
      select array_agg(jsonb_build_object('known', known, 'similarity', similarity, 'id', id, 'face', face))
        from (select best.*
                from best
               cross join lateral (
                       select from public.assets as asset
                        where asset.id = best.id
                          and (asset.user_id = $1) is true
                          and %s
                       offset 0 -- planned by itself: by its id
                     ) as asset
               where ($3 is null or best.id = any ($3))
                 and best.id <> all ($4)
                 and ($5 is null or (known, coalesce(similarity, -2), best.id) < ($5, coalesce($6, -2), $7))
               order by known desc, coalesce(similarity, -2) desc, best.id desc
               limit $8) as page
    $sql$,
    v_where
  )
  into v_page
  using v_user, coalesce(v_found, '[]'), v_only, v_except, v_after.known, v_after.similarity, v_after.id, v_limit + 1;
  v_page := coalesce(v_page, '{}');
  return jsonb_build_object(
    'results', coalesce((
      select jsonb_agg(kizu.shown_result(
               v_user, (row.found ->> 'id')::uuid, row.found -> 'similarity',
               jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                 'source',     case when p_asset_id is not null then 'picture' else 'person' end,
                 'similarity', row.found -> 'similarity',
                 'face_id',    row.found -> 'face',
                 'known',      case when p_asset_id is null then row.found -> 'known' end
               )))
             ) order by row.place)
        from unnest(v_page[:v_limit]) with ordinality as row (found, place)
    ), '[]'),
    'next',     case when cardinality(v_page) > v_limit then v_page[v_limit] - 'face' end,
    'left_out', case when p_asset_id is null and v_middle is null then jsonb_build_array('person') else '[]' end,
    'cut_short', case when p_asset_id is not null and jsonb_array_length(v_found) >= c_most then jsonb_build_array('picture')
                      else '[]' end,
    'relaxed',  false
  );
end;
$$;

select kizu.keep_internal('kizu.take_search_turn(uuid)');
