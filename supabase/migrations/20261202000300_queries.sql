-- What somebody searches for is understood, and made a vector, by a worker: a job that overtakes every other. What it
-- finds is kept, so that the same words asked again need no worker.

insert into public.job_kinds (kind, table_name, priority, max_attempts)
values ('search', 'ai_processing_jobs', 0, 2)
on conflict (kind) do nothing;

insert into public.queue_settings (name, value, says)
values ('kept_searches_per_user',    200, 'Searches of a user whose understanding and vector are kept.'),
       ('pending_searches_per_user', 20,  'Searches of a user that may wait for a worker at a time.');

create table public.queries (
  user_id       uuid not null references auth.users on delete cascade,
  text          text not null,
  language      text not null,  -- as the app said; '': it did not
  hemisphere    text not null,
  without       int[] not null, -- parts that the person took out
  today         date,           -- null: no part of it depends on the day
  words         text not null,  -- digest of the names it was understood with
  understood    jsonb not null,
  model_version text,           -- of the vector, or that would have made it
  vector        extensions.vector,
  lacks         text,           -- why there is no vector, as an error code
  at            timestamptz not null default kizu.now(),

  primary key (user_id, text, language, hemisphere, without),
  constraint text_is_short check (length(text) between 1 and 500),
  constraint language_is_a_code check (language ~ '^([a-z]{2,3})?$'),
  constraint hemisphere_is_known check (hemisphere in ('north', 'south')),
  constraint few_parts_are_taken_out check (cardinality(without) <= 20),
  constraint words_are_a_digest check (length(words) <= 32),
  constraint understood_is_an_object check (jsonb_typeof(understood) = 'object'),
  constraint version_is_short check (length(model_version) <= 200),
  constraint code_is_short check (length(lacks) <= 100)
);

create index queries_of_a_user on public.queries (user_id, at);

select kizu.let_owners_read('queries');
select kizu.bound_columns('public.queries', '{"understood": 32000}'); -- what rank_search takes

-- Of a longer name the first 200 characters count: an index holds no longer texts.
create index assets_by_place_name on public.assets (user_id, left(location_name, 200)) where location_name is not null;

-- Names that a search of p_user may say, up to p_limit of them after the last one of a page: {kind, name, id}. Contacts
-- by name (kind `person`), then cameras and then places by name (kinds `camera` and `place`, without an id). Names have
-- at most 200 characters.
create function kizu.known_words(p_user uuid, p_limit int, p_kind text default 'person', p_name text default '',
                                 p_id uuid default null)
returns table (kind text, name text, id uuid)
language plpgsql
stable
set search_path = ''
as $$
declare
  c_first   constant uuid := '00000000-0000-0000-0000-000000000000';
  c_longest constant int := 200;
  v_found   int := 0;
  v_place   text := case when p_kind = 'place' then p_name else '' end;
begin
  if p_kind = 'person' then
    return query
    select 'person', contact.display_name, contact.id
      from public.contacts as contact
     where contact.user_id = p_user
       and contact.display_name >= p_name
       and (contact.display_name, contact.id) > (p_name, coalesce(p_id, c_first))
       and length(contact.display_name) between 1 and c_longest
     order by contact.display_name, contact.id
     limit p_limit;
    get diagnostics v_found = row_count;
  end if;

  if p_kind <> 'place' then
    for name in
      select kizu.cameras_of(p_user, p_limit - v_found, case when p_kind = 'camera' then p_name else '' end)
    loop
      v_found := v_found + 1;
      kind := 'camera';
      id := null;
      return next;
    end loop;
  end if;

  -- One descent of the index for each name, however many photos have it.
  while v_found < p_limit loop
    select left(asset.location_name, c_longest)
      into v_place
      from public.assets as asset
     where asset.user_id = p_user
       and asset.location_name is not null
       and left(asset.location_name, c_longest) > v_place
     order by left(asset.location_name, c_longest)
     limit 1;
    exit when not found;
    v_found := v_found + 1;
    kind := 'place';
    name := v_place;
    id := null;
    return next;
  end loop;
end;
$$;

-- A digest of the names that a search of p_user may say: another one where they have changed. As handlers do, it looks
-- at 5,000 of them.
create function kizu.digest_words(p_user uuid)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  c_most constant int := 5000;
begin
  return (
    select md5(coalesce(string_agg(concat_ws('/', known.kind, known.id, known.name), e'\n'), ''))
      from kizu.known_words(p_user, c_most) as known
  );
end;
$$;

-- The verb `search_words`: what kizu.known_words says. Args: `limit`, `after`.
create function kizu.read_search_words(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := kizu.page_limit(p_args);
  v_after constant jsonb := coalesce(nullif(p_args -> 'after', 'null'), '{"kind": "person", "name": ""}');
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(known)), '[]')
      from kizu.known_words(p_user, v_limit, v_after ->> 'kind', v_after ->> 'name', (v_after ->> 'id')::uuid) as known
  ), v_limit, 'kind', 'name', 'id');
end;
$$;

insert into public.read_verbs (verb, reader) values ('search_words', 'read_search_words');

-- Keeps what a job of the kind `search` made of its text: one row {understood, today, model_version, vector, lacks}.
-- Which text that is, and whose, the job says. Of many the oldest go.
create function kizu.keep_query(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_row constant jsonb := p_rows -> 0;
  v_job jsonb;
begin
  if jsonb_array_length(p_rows) <> 1 then
    raise exception 'queries: expected one row';
  end if;
  select params into v_job from public.runs where id = p_run and kind = 'search';
  if not found then
    raise exception 'queries: only a search writes them';
  end if;

  insert into public.queries as query (user_id, text, language, hemisphere, without, today, words, understood,
                                     model_version, vector, lacks, at)
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
          kizu.now())
      on conflict (user_id, text, language, hemisphere, without) do update
     set today = excluded.today, words = excluded.words, understood = excluded.understood,
         model_version = excluded.model_version, vector = excluded.vector, lacks = excluded.lacks, at = excluded.at;

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

insert into public.result_tables (table_name, mode, owner, columns, writer)
values ('queries', 'replace', 'user', array['understood', 'today', 'model_version', 'vector', 'lacks'], 'keep_query');

select kizu.keep_internal('kizu.known_words(uuid, int, text, text, uuid)');
select kizu.keep_internal('kizu.digest_words(uuid)');
select kizu.keep_internal('kizu.read_search_words(uuid, jsonb)');
select kizu.keep_internal('kizu.keep_query(jsonb, uuid, uuid, uuid)');
