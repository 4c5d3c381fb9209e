-- To correct a word costs what can be paid while somebody waits: each letter of it is some fifty words that are looked
-- for in five indexes. Whether a text has a word is known with the first.

drop function kizu.texts_with(uuid, tsquery);

-- A user's texts that p_query finds, of what source; of each source p_most at most, if that is not null. Each row costs one look into an index: rows of other users, and
-- those of the user that do not match, are not read.
create function kizu.texts_with(p_user uuid, p_query tsquery, p_most int default null)
returns table (asset_id uuid, source text, content text)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, words are found by their indexes
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  -- `is true`, or the planner might read all rows of the user by their index.
  return query
  (select word.asset_id, 'text', word.extracted_text
     from public.image_text as word
    where kizu.document(word.user_id, word.extracted_text) @@ p_query
      and (word.user_id = p_user) is true
    limit p_most)
  union all
  (select word.asset_id, 'caption', word.description
     from public.image_descriptions as word
    where kizu.document(word.user_id, word.description) @@ p_query
      and (word.user_id = p_user) is true
    limit p_most)
  union all
  (select word.asset_id, 'tag', word.tag_value
     from public.asset_tags as word
    where kizu.document(word.user_id, word.tag_value) @@ p_query
      and (word.user_id = p_user) is true
    limit p_most)
  union all
  (select word.id, 'name', kizu.words_of_name(word.file_name)
     from public.assets as word
    where kizu.document_of_name(word.user_id, word.file_name) @@ p_query
      and word.file_name is not null
      and (word.user_id = p_user) is true
    limit p_most)
  union all
  (select word.id, 'place', word.location_name
     from public.assets as word
    where kizu.document(word.user_id, word.location_name) @@ p_query
      and word.location_name is not null
      and (word.user_id = p_user) is true
    limit p_most);
end;
$$;

-- The words that differ from a plain word by just that; by a digit where it has one.
create or replace function kizu.nearly(p_word text)
returns text[]
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
  c_letters constant text[] := string_to_array(
    'abcdefghijklmnopqrstuvwxyz' || case when p_word ~ '[0-9]' then '0123456789' else '' end, null);
  v_length  constant int := length(p_word);
begin
  return array(
    select distinct near
      from (
        select overlay(p_word placing '' from place for 1) as near from generate_series(1, v_length) as place
        union all
        select overlay(p_word placing reverse(substr(p_word, place, 2)) from place for 2)
          from generate_series(1, v_length - 1) as place
        union all
        select overlay(p_word placing letter from place for 1)
          from generate_series(1, v_length) as place cross join unnest(c_letters) as letter
        union all
        select overlay(p_word placing letter from place for 0)
          from generate_series(1, v_length + 1) as place cross join unnest(c_letters) as letter
      ) as each
     where near <> p_word
  );
end;
$$;

-- What some of these words were probably meant to be: [{"from", "to"}…]. Of words with four letters or more that the
-- user's texts have in no form (p_last not as the beginning of a word either) the first are looked at: three, of 24
-- letters together, as each letter is some fifty words to look for.
create or replace function kizu.corrections(p_user uuid, p_words text[], p_last text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_shortest constant int := 4;
  c_most     constant int := 3;
  c_letters  constant int := 24;
  v_word  text;
  v_tried int := 0;
  v_letters int := 0;
  v_to    text;
  v_found jsonb := '[]';
begin
  foreach v_word in array p_words loop
    exit when v_tried = c_most;
    continue when length(v_word) < c_shortest or v_letters + length(v_word) > c_letters
               or exists (
                    select from kizu.texts_with(
                      p_user,
                      kizu.query_of(p_user, v_word)
                      || case when v_word = p_last then kizu.query_of(p_user, v_word, true) else '' end,
                      1
                    )
                  );
    v_tried := v_tried + 1;
    v_letters := v_letters + length(v_word);
    v_to := kizu.correction(p_user, v_word);
    if v_to is not null then
      v_found := v_found || jsonb_build_object('from', v_word, 'to', v_to);
    end if;
  end loop;
  return v_found;
end;
$$;

select kizu.keep_internal('kizu.texts_with(uuid, tsquery, int)');
