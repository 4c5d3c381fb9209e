-- A word that most of a library's texts have costs no more than another: it is looked for among what has the rarer
-- words. Where an answer is not ranked to its end, it says so.

create type kizu.word_hit as (
  asset_id uuid,
  word     int,
  source   text,
  exact    boolean,
  bytes    int
);

drop function kizu.word_hits(uuid, text[], text, jsonb);

-- Those of a user's texts that p_query finds that belong to these assets.
create function kizu.texts_of(p_user uuid, p_assets uuid[], p_query tsquery)
returns table (asset_id uuid, source text, content text)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, texts are found by their asset
set enable_bitmapscan = off -- and not by their words
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  return query
  select chosen.id, shown.source, shown.content
    from unnest(p_assets) as chosen (id)
   cross join lateral (
           select 'text' as source, word.extracted_text as content, word.user_id
             from public.image_text as word where word.asset_id = chosen.id
           union all
           select 'caption', word.description, word.user_id
             from public.image_descriptions as word where word.asset_id = chosen.id
           union all
           select 'tag', word.tag_value, word.user_id
             from public.asset_tags as word where word.asset_id = chosen.id
           union all
           select named.source, named.content, word.user_id
             from public.assets as word
            cross join lateral (values ('name', kizu.words_of_name(word.file_name)),
                                       ('place', word.location_name)) as named (source, content)
            where word.id = chosen.id
           offset 0 -- planned by itself: by its asset
         ) as shown
   where (shown.user_id = p_user) is true
     and kizu.document(shown.user_id, shown.content) @@ p_query;
end;
$$;

-- What shows which of the words: the asset, the number of the word, the source, whether the word stands there just so,
-- and how long the text is. A word that more than 2,000 texts of a source have is looked for among the assets alone that
-- show all the needed words that are rarer and are in p_only; where neither narrows them, 2,000 texts of each source are
-- looked at, and a row of the source `cut` says so.
create function kizu.word_hits(p_user uuid, p_only uuid[], p_words text[], p_needed int, p_last text, p_understood jsonb)
returns table (asset_id uuid, word int, source text, exact boolean, bytes int)
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most   constant int := 2000; -- texts of a source
  c_few    constant int := 10000; -- assets
  v_hits   kizu.word_hit[];
  v_sample kizu.word_hit[]; -- of the first needed word, if it is a common one
  v_common int[] := '{}';
  v_ids    uuid[] := case when cardinality(p_only) <= c_few then p_only end; -- that show the needed words so far
  v_shown  uuid[];          -- that show a word as a thing
  v_exact  tsquery;
  v_other  tsquery;
  v_place  int;
begin
  for v_place in 1 .. cardinality(p_words) loop
    v_exact := kizu.exact_query(p_user, p_words[v_place]);
    v_other := kizu.other_query(p_user, p_words[v_place], p_last, v_exact);
    v_hits := array(
      select row(found.asset_id, v_place, found.source, found.exact, octet_length(found.content))::kizu.word_hit
        from (select text.*, true as exact from kizu.texts_with(p_user, v_exact, c_most + 1) as text
              union all
              select text.*, false from kizu.texts_with(p_user, v_other, c_most + 1) as text) as found
    );
    if exists (select from unnest(v_hits) as hit group by hit.source, hit.exact having count(*) > c_most) then
      v_common := v_common || v_place;
      v_sample := coalesce(v_sample, case when v_place <= p_needed then v_hits end);
      continue;
    end if;
    v_shown := kizu.assets_with_hint(p_user, p_words[v_place], p_understood);
    return query
    select hit.* from unnest(v_hits) as hit
    union all
    select unnest(v_shown), v_place, 'thing', true, 0;
    if v_place <= p_needed then
      v_shown := array(select hit.asset_id from unnest(v_hits) as hit union select unnest(v_shown));
      v_ids := case when v_ids is null then v_shown
                    else array(select unnest(v_ids) intersect select unnest(v_shown)) end;
    end if;
  end loop;

  if v_ids is null and v_sample is not null then
    return query select null::uuid, 0, 'cut', false, 0;
    v_ids := array(select distinct hit.asset_id from unnest(v_sample) as hit);
  end if;
  foreach v_place in array v_common loop
    v_exact := kizu.exact_query(p_user, p_words[v_place]);
    v_other := kizu.other_query(p_user, p_words[v_place], p_last, v_exact);
    return query
    select found.asset_id, v_place, found.source, true, octet_length(found.content)
      from kizu.texts_of(p_user, v_ids, v_exact) as found
    union all
    select found.asset_id, v_place, found.source, false, octet_length(found.content)
      from kizu.texts_of(p_user, v_ids, v_other) as found
    union all
    select shown.id, v_place, 'thing', true, 0
      from unnest(kizu.assets_with_hint(p_user, p_words[v_place], p_understood)) as shown (id)
      join unnest(v_ids) as chosen (id) on chosen.id = shown.id;
  end loop;
end;
$$;

-- The search for a user's texts with a plain word just so.
create function kizu.exact_query(p_user uuid, p_word text)
returns tsquery
language sql
immutable
set search_path = ''
as $$
  select format('''%s%s''', kizu.mark_of(p_user), left(p_word, 40))::tsquery;
$$;

-- That for its other forms; and for what begins with it, if it is p_last.
create function kizu.other_query(p_user uuid, p_word text, p_last text, p_exact tsquery)
returns tsquery
language sql
immutable
set search_path = ''
as $$
  select (kizu.query_of(p_user, p_word)
          || case when p_word = p_last then kizu.query_of(p_user, p_last, true) else '' end) && !! p_exact;
$$;

-- The assets with things of a class that is a hint: it was understood from this word, and no more than that.
create function kizu.assets_with_hint(p_user uuid, p_word text, p_understood jsonb)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
  return array(
    select found.asset_id
      from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
     cross join lateral kizu.assets_with_things(p_user, part ->> 'class', false) as found
     where part ->> 'kind' = 'things'
       and (part ->> 'hint')::boolean
       and p_word = any (kizu.words_of_part(p_understood, part))
  );
end;
$$;

-- A page of what kizu.narrow left and something speaks for, the best first: [{"score", "at", "id"}…], one more than
-- p_limit where there are more. The newer of two that are as good comes first. With p_things, where no word is needed,
-- the things that narrowed the assets speak for all of them. Each has `cut` where not all texts were looked at.
create or replace function kizu.best_first(
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
        select * from kizu.word_hits($1, $3, $5, $6, $7, $2)
      ),
      -- Texts of assets that show only some of the words say little, and less than a picture: they do not count.
      complete as materialized (
        select asset_id from hits where word between 1 and $6 group by asset_id having count(distinct word) = $6
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
                 where source not in ('thing', 'cut')
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
      select array_agg(jsonb_build_object('score', score, 'at', at, 'id', id)
                       || case when exists (select from hits where source = 'cut') then '{"cut": true}' else '{}' end::jsonb)
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
-- words that were taken for others, "cut_short": ["picture"] where there may be more than the 1,000 nearest pictures,
-- ["text"] where words are in so many texts that only some were looked at, "relaxed": false, as no part is ever passed
-- over}. score is null without words.
-- Pages of one search are of one order as long as p_understood, p_vector and the assets stay the same.
-- Raises PT400 `bad_params`; PT409 `unknown_generation`.
create or replace function public.rank_search(
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
  c_pictures constant int := 1000; -- as kizu.near_pictures finds at most
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
                  then v_page[v_limit] - 'cut' || case when v_corrected = '[]' then '{}' else '{"corrected": true}'::jsonb end
                end,
    'left_out', case when p_vector is null and cardinality(v_words) > 0 then jsonb_build_array('picture') else '[]' end,
    'corrected', v_corrected,
    'cut_short', to_jsonb(array_remove(array[
                   case when cardinality(v_ids) >= c_pictures then 'picture' end,
                   case when v_page[1] ? 'cut' then 'text' end
                 ], null)),
    'relaxed',  false
  );
end;
$$;

select kizu.keep_internal('kizu.texts_of(uuid, uuid[], tsquery)');
select kizu.keep_internal('kizu.word_hits(uuid, uuid[], text[], int, text, jsonb)');
select kizu.keep_internal('kizu.exact_query(uuid, text)');
select kizu.keep_internal('kizu.other_query(uuid, text, text, tsquery)');
select kizu.keep_internal('kizu.assets_with_hint(uuid, text, jsonb)');
