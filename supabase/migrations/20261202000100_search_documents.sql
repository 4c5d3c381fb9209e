-- Words to search by: an index per source of text, each entry of which is one user's word, so that a search reads its
-- own user's rows and nobody else's. An index that a row policy stands before serves no signed-in user, because the
-- operator @@ is not leakproof: texts are searched by verbs, which name the user themselves.

set local statement_timeout = 0; -- what a library has already is indexed

drop index public.image_text_by_word; -- for the reason above nobody could use it

-- A text as words are compared: without capitals, accents and punctuation, with single blanks between words.
create function kizu.plain_words(p_text text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  c_accents     constant text := '[\u0300-\u036f]';
  c_punctuation constant text := '[\u0001-/:-@[-`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
                                 '\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u3000-\u3004\u3008-\u3020'
                                 '\ufe00-\ufe6f\uff00-\uff0f]+';
  c_ideographs  constant text := '([\u3040-\u30ff\u3400-\u9fff])'; -- have no blanks between words: each is one
  v_text text := normalize(replace(lower(p_text), 'ß', 'ss'), nfkd);
begin
  v_text := normalize(regexp_replace(v_text, c_accents, '', 'g'), nfc);
  v_text := regexp_replace(v_text, c_punctuation, ' ', 'g');
  v_text := regexp_replace(v_text, c_ideographs, ' \1 ', 'g');
  return btrim(regexp_replace(v_text, ' +', ' ', 'g'));
end;
$$;

-- A plain word, and what is left of it without the endings that English and German know; cut to 40 characters.
create function kizu.forms_of(p_word text)
returns text[]
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  c_longest constant int := 40;
  v_word constant text := left(p_word, c_longest);
begin
  return array(
    select distinct form
      from unnest(array[v_word] || pg_catalog.ts_lexize('pg_catalog.english_stem', v_word)
                                || pg_catalog.ts_lexize('pg_catalog.german_stem', v_word)) as form
     where form <> ''
  );
end;
$$;

-- What stands before each word of a user in the indexes; two users who share it cost each other a few rows.
create function kizu.mark_of(p_user uuid)
returns text
language sql
immutable
strict
parallel safe
set search_path = ''
as $$
  select left(md5(p_user::text), 8) || '/';
$$;

-- A user's text as it is indexed: its first 30,000 characters, in all forms of their words. A tsvector holds a
-- megabyte, which so much cannot fill; a longer one would be refused, and with it what a worker found.
create function kizu.document(p_user uuid, p_text text)
returns tsvector
language plpgsql
immutable
parallel safe
security definer
set search_path = ''
as $$
declare
  c_most constant int  := 30000;
  v_mark constant text := kizu.mark_of(p_user);
begin
  return array_to_tsvector(array(
    select distinct v_mark || form
      from (select distinct unnest(string_to_array(kizu.plain_words(left(p_text, c_most)), ' ')) as word) as words
     cross join lateral unnest(kizu.forms_of(word)) as form
  ));
end;
$$;

-- A file's name in words: without its ending, as a whole and in its parts, BeachDay2019_b.jpg as beachday2019, and as
-- beach, day, 2019 and b.
create function kizu.words_of_name(p_name text)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  v_name constant text := regexp_replace(p_name, '\.[^. ]{1,5}$', '');
begin
  return v_name || ' '
         || regexp_replace(regexp_replace(v_name, '([a-z])([A-Z])', '\1 \2', 'g'),
                           '([A-Za-z])(?=[0-9])|([0-9])(?=[A-Za-z])', '\1\2 ', 'g');
end;
$$;

create function kizu.document_of_name(p_user uuid, p_name text)
returns tsvector
language plpgsql
immutable
parallel safe
security definer
set search_path = ''
as $$
begin
  return kizu.document(p_user, kizu.words_of_name(p_name));
end;
$$;

create index image_text_by_word on public.image_text using gin (kizu.document(user_id, extracted_text));
create index image_descriptions_by_word on public.image_descriptions using gin (kizu.document(user_id, description));
create index asset_tags_by_word on public.asset_tags using gin (kizu.document(user_id, tag_value));
create index assets_by_file_name on public.assets using gin (kizu.document_of_name(user_id, file_name))
  where file_name is not null;
create index assets_by_place on public.assets using gin (kizu.document(user_id, location_name))
  where location_name is not null;
create index assets_by_latitude on public.assets (user_id, latitude, longitude) where latitude is not null;

select kizu.keep_internal('kizu.plain_words(text)');
select kizu.keep_internal('kizu.forms_of(text)');
select kizu.keep_internal('kizu.mark_of(uuid)');
select kizu.keep_internal('kizu.words_of_name(text)');
-- Who writes a row evaluates its indexes.
select kizu.let_call('kizu.document(uuid, text)', 'authenticated', 'service_role');
select kizu.let_call('kizu.document_of_name(uuid, text)', 'authenticated', 'service_role');
