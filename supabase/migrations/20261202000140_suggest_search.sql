-- What there is to search for: the things of a library with their counts, and names that begin with what was typed. Read
-- value by value from indexes in order, so that a value that thousands of photos share costs one look.

set local statement_timeout = 0; -- what a library has already is indexed

-- With the asset, so that photos are counted without reading their rows.
create index asset_tags_in_order on public.asset_tags (user_id, tag_type, tag_value, asset_id);
drop index public.asset_tags_by_value; -- which the other begins with
-- Only beginnings, as an entry of such an index has 2,704 bytes at most.
create index asset_tags_by_beginning on public.asset_tags
  (user_id, tag_type, left(kizu.plain_words(tag_value), 100) collate "C", left(tag_value, 200));
create index assets_by_beginning_of_place on public.assets
  (user_id, left(kizu.plain_words(location_name), 100) collate "C", left(location_name, 200))
  where location_name is not null;
create index contacts_by_word on public.contacts using gin (kizu.document(user_id, display_name));

-- Who writes a row evaluates its indexes.
select kizu.let_call('kizu.plain_words(text)', 'authenticated', 'service_role');

-- The things that a user's photos show, in order of their names, p_limit (1 to 500) at a time: what models are sure of
-- and what people tagged. Answers {"things": [{"class", "photos"}…], "next": what p_after is for the next page, null at
-- the end}. Raises PT400 `bad_params`.
create function public.list_things(p_limit int default 100, p_after text default null, p_user uuid default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, tags are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  v_user  constant uuid := kizu.one_user(p_user);
  v_limit constant int  := kizu.checked_limit(p_limit, 500);
  v_things jsonb := '[]';
  v_class  text  := p_after;
  v_more   boolean;
begin
  loop
    select tag_value
      into v_class
      from public.asset_tags
     where user_id = v_user
       and tag_type = 'object'
       and (v_class is null or tag_value > v_class)
     order by user_id, tag_type, tag_value
     limit 1;
    v_more := found;
    exit when not v_more or jsonb_array_length(v_things) = v_limit;
    v_things := v_things || jsonb_build_object('class', v_class, 'photos', (
      select count(distinct asset_id)
        from public.asset_tags
       where user_id = v_user
         and tag_type = 'object'
         and tag_value = v_class
    ));
  end loop;
  return jsonb_build_object('things', v_things,
                            'next', case when v_more then v_things -> -1 -> 'class' end);
end;
$$;

-- The user's places, or values of their tags of a type, that begin with a plain text, each once, at most p_limit, and of
-- each the first 200 characters.
create function kizu.values_beginning(p_user uuid, p_kind text, p_prefix text, p_limit int)
returns text[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, values are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  v_found text[] := '{}';
  v_plain text := left(p_prefix, 100);
  v_value text := '';
begin
  loop
    if p_kind = 'place' then
      select left(kizu.plain_words(location_name), 100), left(location_name, 200)
        into v_plain, v_value
        from public.assets
       where user_id = p_user
         and location_name is not null
         and (left(kizu.plain_words(location_name), 100) collate "C", left(location_name, 200)) > (v_plain, v_value)
       order by user_id, left(kizu.plain_words(location_name), 100) collate "C", left(location_name, 200)
       limit 1;
    else
      select left(kizu.plain_words(tag_value), 100), left(tag_value, 200)
        into v_plain, v_value
        from public.asset_tags
       where user_id = p_user
         and tag_type = p_kind
         and (left(kizu.plain_words(tag_value), 100) collate "C", left(tag_value, 200)) > (v_plain, v_value)
       order by user_id, tag_type, left(kizu.plain_words(tag_value), 100) collate "C", left(tag_value, 200)
       limit 1;
    end if;
    exit when not found or not starts_with(v_plain, left(p_prefix, 100)) or cardinality(v_found) = p_limit;
    v_found := v_found || v_value;
  end loop;
  return v_found;
end;
$$;

-- What a user may mean who has typed p_prefix, at most p_limit (1 to 50): contacts and file names that have all its words,
-- of the last one the beginning, places and things that begin like it, and cameras that have it in their names. Answers
-- {"suggestions": [{"kind": person, place, thing, camera or name, "text", "contact_id" of a person}…]}, in the order of
-- these kinds and of their texts. Nothing typed: nothing. Raises PT400 `bad_params`.
create function public.suggest_search(p_prefix text, p_limit int default 10, p_user uuid default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, words are found by their indexes
set jit = off
as $$
declare
  c_longest constant int := 200;
  c_looked_at constant int := 200; -- files and contacts of a beginning, and cameras
  v_user   constant uuid   := kizu.one_user(p_user);
  v_limit  constant int    := kizu.checked_limit(p_limit, 50);
  v_plain  constant text   := kizu.plain_words(p_prefix);
  v_words  constant text[] := string_to_array(v_plain, ' ');
  v_query  tsquery;
begin
  if length(p_prefix) > c_longest then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('prefix: expected at most %s characters', c_longest);
  elsif coalesce(v_plain, '') = '' then
    return '{"suggestions": []}';
  end if;
  v_query := (
    select string_agg(format('''%s%s''%s', kizu.mark_of(v_user), left(word, 40),
                             case when place = cardinality(v_words) then ':*' else '' end), ' & ')::tsquery
      from unnest(v_words) with ordinality as typed (word, place)
  );
  return jsonb_build_object('suggestions', coalesce((
    select jsonb_agg(page.what order by page.place, page.text)
      from (
        select each.place, each.text,
               jsonb_strip_nulls(jsonb_build_object('kind', each.kind, 'text', each.text, 'contact_id', each.id)) as what
          from (
            (select 1 as place, 'person' as kind, display_name as text, id
               from public.contacts
              where kizu.document(user_id, display_name) @@ v_query
                and (user_id = v_user) is true
              limit c_looked_at)
            union all
            select 2, 'place', value, null from unnest(kizu.values_beginning(v_user, 'place', v_plain, v_limit)) as value
            union all
            select 3, 'thing', value, null from unnest(kizu.values_beginning(v_user, 'object', v_plain, v_limit)) as value
            union all
            select 4, 'camera', camera, null
              from kizu.cameras_of(v_user, c_looked_at) as camera
             where strpos(' ' || kizu.plain_words(camera), ' ' || v_plain) > 0
            union all
            select distinct 5, 'name', file_name, null::uuid
              from (select file_name
                      from public.assets
                     where kizu.document_of_name(user_id, file_name) @@ v_query
                       and file_name is not null
                       and (user_id = v_user) is true
                     limit c_looked_at) as files
          ) as each
         order by each.place, each.text
         limit v_limit
      ) as page
  ), '[]'));
end;
$$;

select kizu.keep_internal('kizu.values_beginning(uuid, text, text, int)');

select kizu.let_call('public.list_things(int, text, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.suggest_search(text, int, uuid)', 'authenticated', 'service_role');
