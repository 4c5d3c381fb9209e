-- Words that were mistyped: where a search finds nothing, a word that none of the user's texts has gives way to one of
-- theirs that differs by one letter left out, added, changed or swapped with the next.

-- The words that differ from a plain word by just that.
create function kizu.nearly(p_word text)
returns text[]
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
  c_letters constant text[] := string_to_array('abcdefghijklmnopqrstuvwxyz0123456789', null);
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

-- The word of p_user's texts, captions, tags, file names and places that p_word was probably meant to be: of those that
-- are nearly the same the one that most of some 200 texts have; null where there is none. Each of some hundred words
-- costs a look into each index, however many texts there are, and few texts are read.
create function kizu.correction(p_user uuid, p_word text)
returns text
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, words are found by their indexes
set jit = off
as $$
declare
  c_each constant int := 40; -- texts of a source
  c_read constant int := 3000; -- of its characters
  v_near  constant text[] := kizu.nearly(p_word);
  v_query constant tsquery := (
    select string_agg(format('''%s%s''', kizu.mark_of(p_user), near), ' | ')::tsquery from unnest(v_near) as near
  );
begin
  -- `is true`, or the planner might read all rows of the user by their index.
  return (
    select word
      from (
        (select extracted_text as content
           from public.image_text
          where kizu.document(user_id, extracted_text) @@ v_query and (user_id = p_user) is true
          limit c_each)
        union all
        (select description
           from public.image_descriptions
          where kizu.document(user_id, description) @@ v_query and (user_id = p_user) is true
          limit c_each)
        union all
        (select tag_value
           from public.asset_tags
          where kizu.document(user_id, tag_value) @@ v_query and (user_id = p_user) is true
          limit c_each)
        union all
        (select kizu.words_of_name(file_name)
           from public.assets
          where kizu.document_of_name(user_id, file_name) @@ v_query and file_name is not null
            and (user_id = p_user) is true
          limit c_each)
        union all
        (select location_name
           from public.assets
          where kizu.document(user_id, location_name) @@ v_query and location_name is not null
            and (user_id = p_user) is true
          limit c_each)
      ) as texts
     cross join lateral (
             select distinct unnest(string_to_array(kizu.plain_words(left(content, c_read)), ' ')) as word
           ) as words
     where word = any (v_near)
     group by word
     order by count(*) desc, word
     limit 1
  );
end;
$$;

-- What some of these words were probably meant to be: [{"from", "to"}…]. Of words with four letters or more that the
-- user's texts have in no form (p_last not as the beginning of a word either) the first three are looked at.
create function kizu.corrections(p_user uuid, p_words text[], p_last text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  c_shortest constant int := 4;
  c_longest  constant int := 30;
  c_most     constant int := 3;
  v_word  text;
  v_tried int := 0;
  v_to    text;
  v_found jsonb := '[]';
begin
  foreach v_word in array p_words loop
    exit when v_tried = c_most;
    continue when length(v_word) not between c_shortest and c_longest
               or exists (
                    select from kizu.texts_with(
                      p_user,
                      kizu.query_of(p_user, v_word)
                      || case when v_word = p_last then kizu.query_of(p_user, v_word, true) else '' end
                    )
                  );
    v_tried := v_tried + 1;
    v_to := kizu.correction(p_user, v_word);
    if v_to is not null then
      v_found := v_found || jsonb_build_object('from', v_word, 'to', v_to);
    end if;
  end loop;
  return v_found;
end;
$$;

select kizu.keep_internal('kizu.nearly(text)');
select kizu.keep_internal('kizu.correction(uuid, text)');
select kizu.keep_internal('kizu.corrections(uuid, text[], text)');
