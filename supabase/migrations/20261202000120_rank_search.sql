-- Ranking what a search understood: its parts narrow the assets, and pictures, texts, captions, names, tags, places and
-- things that show what is left of its words are each ranked and fused by their ranks. What shows nothing of them is no
-- result, so that the list ends where the evidence does.

-- The plain words of the text that a part was understood from.
create function kizu.words_of_part(p_understood jsonb, p_part jsonb)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_from constant int := (p_part ->> 'from')::int;
begin
  return string_to_array(
    kizu.plain_words(substr(p_understood ->> 'text', v_from + 1, greatest((p_part ->> 'to')::int - v_from, 0))), ' '
  );
end;
$$;

-- The words to be found, each once and in order, at most 12: those that every result has to show come first, `needed`
-- many. Words that say little (the, of) are left out, unless there is nothing else at all; those of a thing that is
-- counted are shown by the thing. `last` is what the last word, of three letters or more, may only be the beginning of.
create function kizu.words_to_find(p_understood jsonb, out words text[], out needed int, out last text)
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most     constant int  := 12;
  c_shortest constant int  := 3;
  v_semantic constant text   := coalesce(p_understood ->> 'semantic', '');
  v_said     constant text[] := string_to_array(kizu.plain_words(v_semantic), ' ');
  v_language constant text   := coalesce(p_understood ->> 'language', '');
  v_shown  text[];
  v_needed text[];
begin
  v_shown := array(
    select unnest(kizu.words_of_part(p_understood, part))
      from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
     where part ->> 'kind' = 'things'
       and not coalesce((part ->> 'not')::boolean, false)
       and not coalesce((part ->> 'hint')::boolean, false)
  );
  v_needed := array(
    select word
      from unnest(v_said) with ordinality as said (word, place)
     where word <> all (v_shown)
       and (ts_lexize('pg_catalog.english_stem', word) <> '{}' or v_language not in ('', 'en'))
       and (ts_lexize('pg_catalog.german_stem', word) <> '{}' or v_language not in ('', 'de'))
     group by word
     order by min(place)
     limit c_most
  );
  if v_needed = '{}' and v_shown = '{}' and jsonb_array_length(coalesce(p_understood -> 'parts', '[]')) = 0 then
    v_needed := array(select word from unnest(v_said) with ordinality as said (word, place)
                       group by word order by min(place) limit c_most);
  end if;
  needed := cardinality(v_needed);
  words := v_needed || array(
    select distinct word
      from unnest(v_said) as word
     where word = any (v_shown)
     limit c_most - needed
  );
  if v_semantic !~ '\s$' and length(v_said[cardinality(v_said)]) >= c_shortest then
    last := v_said[cardinality(v_said)];
  end if;
end;
$$;

-- What shows which of the words: the asset, the number of the word, the source, whether the word stands there just so,
-- and how long the text is.
create function kizu.word_hits(p_user uuid, p_words text[], p_last text, p_understood jsonb)
returns table (asset_id uuid, word int, source text, exact boolean, bytes int)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_exact tsquery;
  v_part  jsonb;
begin
  for v_place in 1 .. cardinality(p_words) loop
    v_exact := format('''%s%s''', kizu.mark_of(p_user), left(p_words[v_place], 40))::tsquery;
    return query
    select found.asset_id, v_place, found.source, true, octet_length(found.content)
      from kizu.texts_with(p_user, v_exact) as found
    union all
    select found.asset_id, v_place, found.source, false, octet_length(found.content)
      from kizu.texts_with(
             p_user,
             (kizu.query_of(p_user, p_words[v_place])
              || case when p_words[v_place] = p_last then kizu.query_of(p_user, p_last, true) else '' end) && !! v_exact
           ) as found;
  end loop;

  for v_part in
    select part
      from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
     where part ->> 'kind' = 'things'
       and (part ->> 'hint')::boolean
  loop
    return query
    select found.asset_id, place::int, 'thing', true, 0
      from kizu.assets_with_things(p_user, v_part ->> 'class', false) as found
     cross join unnest(p_words) with ordinality as said (word, place)
     where said.word = any (kizu.words_of_part(p_understood, v_part));
  end loop;
end;
$$;

-- The user's pictures that are near a vector, of those that kizu.narrow left: down to p_least, or else to the cut-off
-- of the generation, the 1,000 nearest at most. Compared one by one, which misses nothing, where the assets are named
-- or the user has no more than 10,000; else by the generation's index. p_version null is the generation that answers;
-- where there is none, nothing is near. Raises PT400 `bad_params` and PT409 `unknown_generation` as
-- search_image_embeddings does.
create function kizu.near_pictures(
  p_user    uuid,
  p_vector  extensions.vector,
  p_version text,
  p_only    uuid[],
  p_except  uuid[],
  p_where   text,
  p_least   float8 default null
)
returns table (asset_id uuid, similarity float8)
language plpgsql
stable
set search_path = ''
set hnsw.iterative_scan = relaxed_order
set hnsw.ef_search = 400
set hnsw.max_scan_tuples = 200000
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_query constant extensions.vector := extensions.l2_normalize(p_vector);
  c_exact constant int := coalesce(nullif(current_setting('kizu.test_exact', true), '')::int, 10000);
  c_most  constant int := 1000;
  v_generation public.generations;
  v_farthest   float8;
  v_from       text;
begin
  select *
    into v_generation
    from public.generations
   where kind = 'pictures'
     and case
           when p_version is null then state = 'active'
           else model_version = p_version and state not in ('dropping', 'dropped')
         end;
  if not found and p_version is null then
    return;
  elsif not found then
    raise sqlstate 'PT409'
      using message = 'unknown_generation',
            detail  = format('%s is no generation of pictures that can be searched', left(p_version, 200));
  end if;
  if extensions.vector_dims(p_vector) <> v_generation.dimension or extensions.vector_norm(p_vector) = 0 then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail  = format('vector: expected %s numbers, not all of them zero', v_generation.dimension);
  end if;
  -- What a user's own worker measured, whom nobody vouches for, is no cut-off to others.
  v_farthest := 1 - coalesce(
    p_least,
    case when v_generation.measured_by is null or v_generation.measured_by = p_user then v_generation.cutoff end,
    -1
  );

  if p_only is null and c_exact < (
       select count(*)
         from (select
                 from public.image_embeddings as own
                where own.user_id = p_user
                  and (own.model_version = v_generation.model_version) is true -- or all of a version might be read
                limit c_exact + 1) as counted
     ) then
    return query execute format(
      $sql$
        with
        nearest as materialized (
          select near.asset_id, near.embedding
            from public.image_embeddings as near
           where near.model_version = %1$L
             and near.user_id = $2
             and near.asset_id <> all ($3)
             -- One row by its id: joined, the photos might be read first.
             and (select %3$s from public.assets as asset
                   where asset.id = near.asset_id and (asset.user_id = $2) is true)
           order by near.embedding::extensions.halfvec(%2$s) operator(extensions.<=>) $1::extensions.halfvec(%2$s)
           limit $4 * 3
        ),
        exact as materialized (
          select asset_id, embedding operator(extensions.<=>) $1 as distance from nearest
        )
        select asset_id, 1 - distance
          from exact
         where distance <= $5
         order by distance, asset_id
         limit $4
      $sql$,
      v_generation.model_version, v_generation.dimension, p_where
    )
    using v_query, p_user, p_except, c_most, v_farthest;
    return;
  end if;

  v_from := case
    when p_only is null then
      '(select * from public.image_embeddings'
      '  where user_id = $2 and (model_version = $7) is true offset 0) as near'
    else
      'unnest($6) as chosen (id)'
      ' cross join lateral (select * from public.image_embeddings'
      '                      where asset_id = chosen.id and model_version = $7 and (user_id = $2) is true'
      '                     offset 0) as near'
  end;
  return query execute format(
    $sql$
      with
      own as materialized (
        select near.asset_id, near.embedding operator(extensions.<=>) $1 as distance
          from %s
         cross join lateral (
                 select from public.assets as asset
                  where asset.id = near.asset_id
                    and (asset.user_id = $2) is true
                    and %s
                 offset 0 -- planned by itself: by its id
               ) as asset
         where near.asset_id <> all ($3)
      )
      select asset_id, 1 - distance
        from own
       where distance <= $5
       order by distance, asset_id
       limit $4
    $sql$,
    v_from, p_where
  )
  using v_query, p_user, p_except, c_most, v_farthest, p_only, v_generation.model_version;
end;
$$;

-- Where in a text words stand: {"excerpt": some 200 characters around the first, "marks": [[from, to]…], code points of
-- the excerpt, half open}; null where none stands. p_forms are plain words in all their forms, p_last the beginning of
-- one.
create function kizu.excerpt(p_text text, p_forms text[], p_last text)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_before constant int := 60;
  c_length constant int := 200;
  v_lower  constant text := ' ' || translate(lower(left(p_text, 30000)), E'\n\t', '  ');
  v_at    int;
  v_from  int;
  v_text  text;
  v_marks jsonb := '[]';
  v_place int := 0;
  v_token record;
begin
  v_at := (select min(nullif(strpos(v_lower, ' ' || form), 0)) from unnest(p_forms || p_last) as form);
  v_from := greatest(1, coalesce(v_at, 1) - c_before);
  v_text := substr(p_text, v_from, c_length);
  for v_token in
    select match[1] as gap, match[2] as word,
           string_to_array(kizu.plain_words(kizu.words_of_name(match[2])), ' ') as words
      from regexp_matches(v_text, '([^[:alnum:]]*)([[:alnum:]]+)', 'g') as match
  loop
    if exists (select from unnest(v_token.words) as word
                where kizu.forms_of(word) && p_forms or starts_with(word, p_last)) then
      v_marks := v_marks || jsonb_build_array(jsonb_build_array(
        v_place + length(v_token.gap), v_place + length(v_token.gap) + length(v_token.word)));
    end if;
    v_place := v_place + length(v_token.gap) + length(v_token.word);
  end loop;
  return case when v_marks <> '[]' then jsonb_build_object('excerpt', v_text, 'marks', v_marks) end;
end;
$$;

-- Why an asset is a result: its similarity, the texts with the words in them, and what the parts found. `is true`, here
-- and wherever rows are found by an id: or the planner might read all rows of the user by their index.
create function kizu.evidence_of(
  p_user       uuid,
  p_asset      uuid,
  p_understood jsonb,
  p_similarity float8,
  p_forms      text[],
  p_last       text
)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, an asset's facts are found by the asset
as $$
declare
  v_asset public.assets;
begin
  select * into v_asset from public.assets where id = p_asset and (user_id = p_user) is true;
  return (
    select coalesce(jsonb_agg(told.what order by told.place, told.what ->> 'source'), '[]')
      from (
        select 0 as place, jsonb_build_object('source', 'picture', 'similarity', round(p_similarity::numeric, 4)) as what
         where p_similarity is not null
        union all
        select 1, jsonb_build_object('source', shown.source) || shown.found
          from (
            select distinct on (content.source, content.words)
                   content.source, kizu.excerpt(content.words, p_forms, p_last) as found
              from (
                select 'text' as source, extracted_text as words
                  from public.image_text where asset_id = p_asset and (user_id = p_user) is true
                union all
                select 'caption', description
                  from public.image_descriptions where asset_id = p_asset and (user_id = p_user) is true
                union all
                (select 'tag', tag_value
                   from public.asset_tags where asset_id = p_asset and (user_id = p_user) is true
                  limit 100)
                union all
                select 'name', v_asset.file_name
                union all
                select 'place', v_asset.location_name
              ) as content
             where content.words is not null
          ) as shown
         where shown.found is not null
        union all
        select 2 + listed.place::int, case listed.part ->> 'kind'
                 when 'person' then jsonb_build_object('source', 'person', 'name', listed.part -> 'name')
                 when 'place'  then jsonb_build_object('source', 'place', 'name', v_asset.location_name)
                 when 'camera' then jsonb_build_object('source', 'camera', 'name', v_asset.camera)
                 when 'date'   then jsonb_build_object('source', 'date',
                                                       'at', coalesce(v_asset.taken_at, v_asset.created_at))
                 when 'things' then (
                   select jsonb_build_object('source', 'thing', 'class', listed.part ->> 'class', 'count', count(*),
                                             'confidence', round(max(thing.confidence)::numeric, 3))
                     from public.detected_objects as thing
                    where thing.asset_id = p_asset
                      and (thing.user_id = p_user) is true
                      and thing.object_class = listed.part ->> 'class'
                    group by thing.model_version
                    order by count(*) desc
                    limit 1
                 )
               end
          from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) with ordinality as listed (part, place)
         where listed.part ->> 'kind' in ('person', 'place', 'camera', 'date', 'things')
           and not coalesce((listed.part ->> 'not')::boolean, false)
      ) as told
     where told.what is not null
  );
end;
$$;

-- A result: an asset and why it is one.
create function kizu.shown_result(p_user uuid, p_asset uuid, p_score jsonb, p_evidence jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, an asset is found by its id
as $$
begin
  return (
    select jsonb_build_object(
             'asset_id',      id,
             'score',         p_score,
             'file_name',     file_name,
             'path',          path,
             'taken_at',      taken_at,
             'thumbnail_url', thumbnail,
             'evidence',      p_evidence
           )
      from public.assets
     where id = p_asset
       and (user_id = p_user) is true
  );
end;
$$;

-- What was found of a user's assets, p_limit (1 to 200) at a time, past the first p_offset (at most 10,000) after
-- p_after.
--
-- p_understood is {"text", "language", "zone", "parts": [{"kind", "from", "to", "not", …}…], "semantic"}, as
-- kizu.check_understanding and kizu.narrow take it; p_vector is what p_version's model makes of its `semantic`. Parts
-- narrow the assets, however few remain. With words left, an asset is a result if its picture is as near the vector as
-- the generation asks for, or if its texts, captions, file name, tags, place and things together show all the words;
-- the best come first, by reciprocal rank fusion. Without words, the newest come first, and without parts nothing is
-- asked for, and found. Where nothing is found, words that none of the user's texts has are corrected by these, as
-- kizu.corrections does, unless p_understood says {"as_written": true}.
--
-- Answers {"results": [{"asset_id", "score", "file_name", "path", "taken_at", "thumbnail_url", "evidence": [{"source":
-- picture, text, caption, name, tag, person, place, camera, date or thing, …}…]}…], "next": what p_after is for the next
-- page, null at the end, "left_out": ["picture"] where words were left and no vector, "corrected": [{"from", "to"}…],
-- words that were taken for others, "relaxed": false, as no part is ever passed over}. score is null without words.
-- Pages of one search are of one order as long as p_understood, p_vector and the assets stay the same.
-- Raises PT400 `bad_params`; PT409 `unknown_generation`.
create function public.rank_search(
  p_understood jsonb,
  p_vector     extensions.vector default null,
  p_version    text  default null,
  p_limit      int   default 50,
  p_after      jsonb default null,
  p_offset     int   default 0,
  p_user       uuid  default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, assets are found by their ids, or read in their order
set jit = off
as $$
declare
  c_few constant int := 10000; -- assets of a time that are named rather than looked for
  v_user  constant uuid := kizu.one_user(p_user);
  v_limit constant int  := kizu.checked_limit(p_limit, 200);
  v_only   uuid[];
  v_except uuid[];
  v_where  text;
  v_words  text[];
  v_needed int;
  v_last   text;
  v_forms  text[];
  v_things boolean;
  v_timed  boolean;
  v_after  record;
  v_ids    uuid[] := '{}';
  v_nears  float8[] := '{}';
  v_page   jsonb[];
  v_as_written boolean;
  v_corrects   boolean;
  v_corrected  jsonb := '[]';
begin
  perform kizu.check_understanding(p_understood);
  if coalesce(p_offset not between 0 and 10000, true) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'offset: expected 0 to 10000';
  end if;
  perform kizu.check_cursor(p_after, '{"at": "string", "id": "string"}');
  begin
    select (p_after ->> 'score')::numeric as score, (p_after ->> 'at')::timestamptz as at,
           (p_after ->> 'id')::uuid as id, coalesce((p_after ->> 'corrected')::boolean, false) as corrected
      into v_after;
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end;
  begin
    select narrowed.p_only, narrowed.p_except, narrowed.p_where
      into v_only, v_except, v_where
      from kizu.narrow(v_user, p_understood) as narrowed;
    select * into v_words, v_needed, v_last from kizu.words_to_find(p_understood);
    v_as_written := coalesce((p_understood ->> 'as_written')::boolean, false) or v_needed = 0;
    v_corrects := v_after.corrected and not v_as_written;
    select coalesce(bool_or(part ->> 'kind' = 'things' and not coalesce((part ->> 'hint')::boolean, false)), false),
           coalesce(bool_or(part ->> 'kind' = 'date' and part ?| array['since', 'before']), false)
      into v_things, v_timed
      from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
     where not coalesce((part ->> 'not')::boolean, false);
  exception
    when data_exception then
      raise sqlstate 'PT400' using message = 'bad_params', detail = format('understood: %s', sqlerrm);
  end;

  if v_needed = 0 and not v_things and p_vector is null then
    if jsonb_array_length(coalesce(p_understood -> 'parts', '[]')) > 0 then
      v_page := kizu.newest_first(v_user, v_only, v_except, v_where, v_limit, v_after.at,
                                   v_after.id, p_offset);
    end if;
  else
    perform kizu.check_cursor(p_after, '{"score": "number", "at": "string", "id": "string"}');
    if p_vector is not null then
      if v_only is null and v_timed then
        execute format(
          'select array_agg(id) from (select id from public.assets as asset where user_id = $1 and %s limit $2) as few',
          v_where
        ) into v_only using v_user, c_few + 1;
        v_only := coalesce(v_only, '{}');
        if cardinality(v_only) > c_few then
          v_only := null;
        end if;
      end if;
      select coalesce(array_agg(near.asset_id), '{}'), coalesce(array_agg(near.similarity), '{}')
        into v_ids, v_nears
        from kizu.near_pictures(v_user, p_vector, p_version, v_only, v_except, v_where) as near;
    end if;
    loop
      if v_corrects then
        v_corrected := kizu.corrections(v_user, v_words[:v_needed], v_last);
        exit when v_corrected = '[]';
        v_words := array(
          select coalesce((select each ->> 'to'
                             from jsonb_array_elements(v_corrected) as each
                            where each ->> 'from' = word), word)
            from unnest(v_words) with ordinality as said (word, place)
           order by place
        );
        v_last := case when v_last = any (v_words) then v_last end;
      end if;
      v_page := kizu.best_first(v_user, p_understood, v_only, v_except, v_where, v_words, v_needed, v_things, v_last,
                                v_ids, v_nears, v_limit, v_after.score, v_after.at, v_after.id, p_offset);
      -- Words are corrected where nothing is found at all, and then on every page.
      exit when v_corrects or v_as_written or v_page <> '{}' or p_after is not null
                or p_offset > 0
                   and kizu.best_first(v_user, p_understood, v_only, v_except, v_where, v_words, v_needed, v_things,
                                       v_last, v_ids, v_nears, 0, null, null, null, 0) <> '{}';
      v_corrects := true;
    end loop;
  end if;

  v_forms := array(
    select distinct form from unnest(v_words) as word cross join lateral unnest(kizu.forms_of(word)) as form
    union
    select unnest(string_to_array(kizu.plain_words(part ->> 'text'), ' '))
      from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
     where part ->> 'kind' = 'text'
       and not coalesce((part ->> 'not')::boolean, false)
  );
  return jsonb_build_object(
    'results', coalesce((
      select jsonb_agg(kizu.shown_result(
               v_user, (row.found ->> 'id')::uuid, row.found -> 'score',
               kizu.evidence_of(v_user, (row.found ->> 'id')::uuid, p_understood,
                                v_nears[array_position(v_ids, (row.found ->> 'id')::uuid)], v_forms, v_last)
             ) order by row.place)
        from unnest(v_page[:v_limit]) with ordinality as row (found, place)
    ), '[]'),
    'next',     case
                  when cardinality(v_page) > v_limit
                  then v_page[v_limit] || case when v_corrected = '[]' then '{}' else '{"corrected": true}'::jsonb end
                end,
    'left_out', case when p_vector is null and cardinality(v_words) > 0 then jsonb_build_array('picture') else '[]' end,
    'corrected', v_corrected,
    'relaxed',  false
  );
end;
$$;

-- A page of what kizu.narrow left, the newest first: [{"at", "id"}…], one more than p_limit where there are more.
create function kizu.newest_first(
  p_user uuid, p_only uuid[], p_except uuid[], p_where text, p_limit int, p_at timestamptz, p_id uuid, p_offset int
)
returns jsonb[]
language plpgsql
stable
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off -- the order is the assets' index's, but for a few that are named
as $$
declare
  v_page jsonb[];
begin
  execute format(
    $sql$
      select array_agg(jsonb_build_object('at', at, 'id', id))
        from (select coalesce(asset.taken_at, asset.created_at) as at, asset.id
                from %s
               where %s
                 and asset.id <> all ($3)
                 and %s
                 and %s
               order by coalesce(asset.taken_at, asset.created_at) desc, asset.id desc
              offset $6
               limit $7) as page
    $sql$,
    case
      when p_only is null then 'public.assets as asset'
      else 'unnest($2) as chosen (id) join public.assets as asset on asset.id = chosen.id'
    end,
    case when p_only is null then 'asset.user_id = $1' else '(asset.user_id = $1) is true' end,
    case when p_at is null then 'true' else '(coalesce(asset.taken_at, asset.created_at), asset.id) < ($4, $5)' end,
    p_where
  )
  into v_page
  using p_user, p_only, p_except, p_at, p_id, p_offset, p_limit + 1;
  return coalesce(v_page, '{}');
end;
$$;

-- A page of what kizu.narrow left and something speaks for, the best first: [{"score", "at", "id"}…], one more than
-- p_limit where there are more. The newer of two that are as good comes first. With p_things, where no word is needed,
-- the things that narrowed the assets speak for all of them.
create function kizu.best_first(
  p_user uuid, p_understood jsonb, p_only uuid[], p_except uuid[], p_where text, p_words text[], p_needed int,
  p_things boolean, p_last text, p_near uuid[], p_similarities float8[], p_limit int, p_score numeric, p_at timestamptz, p_id uuid, p_offset int
)
returns jsonb[]
language plpgsql
stable
set search_path = ''
as $$
declare
  c_rank constant int := 60; -- how little the first places differ
  v_page jsonb[];
begin
  execute format(
    $sql$
      with
      near as materialized (
        select near.asset_id, near.similarity from unnest($8::uuid[], $9::float8[]) as near (asset_id, similarity)
      ),
      hits as materialized (
        select * from kizu.word_hits($1, $5, $7, $2)
      ),
      -- Texts of assets that show only some of the words say little, and less than a picture: they do not count.
      complete as materialized (
        select asset_id from hits where word <= $6 group by asset_id having count(distinct word) = $6
      ),
      things as materialized (
        select found.asset_id, sum(found.confidence) as confidence
          from jsonb_array_elements(coalesce($2 -> 'parts', '[]')) as part
         cross join lateral kizu.assets_with_things($1, part ->> 'class', false) as found
         where part ->> 'kind' = 'things'
           and not coalesce((part ->> 'not')::boolean, false)
         group by found.asset_id
      ),
      evident as (
        select asset_id from near
        union
        select asset_id from complete
        union
        select unnest($3) where $6 = 0 and $16
      ),
      eligible as materialized (
        select asset.id, asset.at
          from evident
         cross join lateral (
                 select asset.id, coalesce(asset.taken_at, asset.created_at) as at
                   from public.assets as asset
                  where asset.id = evident.asset_id
                    and (asset.user_id = $1) is true
                    and %s
                 offset 0 -- planned by itself: by its id
               ) as asset
         where ($3 is null or evident.asset_id = any ($3))
           and evident.asset_id <> all ($4)
      ),
      ranked as (
        select id, rank() over (order by near.similarity desc) as place
          from eligible
          join near on near.asset_id = id
        union all
        select id, rank() over (partition by found.source
                                    order by found.words desc, found.exact desc, found.bytes)
          from eligible
          join (select asset_id, source, count(distinct word) as words,
                       count(distinct word) filter (where exact) as exact, min(bytes) as bytes
                  from hits
                 where source <> 'thing'
                   and ($6 = 0 or asset_id in (table complete))
                 group by asset_id, source) as found on found.asset_id = id
        union all
        select id, rank() over (order by things.confidence desc)
          from eligible
          join things on things.asset_id = id
      ),
      scored as (
        select eligible.id, eligible.at,
               coalesce(round(sum(1::numeric / ($10 + ranked.place)), 9), 0) as score
          from eligible
          left join ranked on ranked.id = eligible.id
         group by eligible.id, eligible.at
      )
      select array_agg(jsonb_build_object('score', score, 'at', at, 'id', id))
        from (select *
                from scored
               where $11 is null
                  or (score, at, id) < ($11, $12, $13)
               order by score desc, at desc, id desc
              offset $14
               limit $15) as page
    $sql$,
    p_where
  )
  into v_page
  using p_user, p_understood, p_only, p_except, p_words, p_needed, p_last, p_near, p_similarities, c_rank,
        p_score, p_at, p_id, p_offset, p_limit + 1, p_things;
  return coalesce(v_page, '{}');
end;
$$;

select kizu.keep_internal('kizu.words_to_find(jsonb)');
select kizu.keep_internal('kizu.word_hits(uuid, text[], text, jsonb)');
select kizu.keep_internal('kizu.near_pictures(uuid, extensions.vector, text, uuid[], uuid[], text, double precision)');
select kizu.keep_internal('kizu.excerpt(text, text[], text)');
select kizu.keep_internal('kizu.evidence_of(uuid, uuid, jsonb, double precision, text[], text)');
select kizu.keep_internal('kizu.shown_result(uuid, uuid, jsonb, jsonb)');
select kizu.keep_internal('kizu.newest_first(uuid, uuid[], uuid[], text, int, timestamptz, uuid, int)');
select kizu.keep_internal('kizu.best_first(uuid, jsonb, uuid[], uuid[], text, text[], int, boolean, text, uuid[],'
                          ' double precision[], int, numeric, timestamptz, uuid, int)');

select kizu.let_call('public.rank_search(jsonb, extensions.vector, text, int, jsonb, int, uuid)',
                     'authenticated', 'service_role');
