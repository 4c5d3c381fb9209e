-- What a search asks for beside its words: dates, people, places, things, quoted text, cameras, media. Each part narrows
-- the assets before anything is ranked or counted; one that nobody can answer matches nothing. Parts that an index finds
-- become sets of assets; the others conditions on an asset's row.

-- Refuses an understanding that is none: {"parts": [{"kind", …}…] (at most 50), "semantic": text (at most 2,000
-- characters), "zone": as Europe/Berlin, …}, at most 32 KiB. Raises PT400 `bad_params`.
create function kizu.check_understanding(p_understood jsonb)
returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  c_largest constant int := 32768;
  v_wrong text;
begin
  if jsonb_typeof(p_understood) is distinct from 'object' or octet_length(p_understood::text) > c_largest then
    v_wrong := format('expected an object of at most %s bytes', c_largest);
  elsif jsonb_typeof(coalesce(p_understood -> 'parts', '[]')) <> 'array'
     or jsonb_array_length(coalesce(p_understood -> 'parts', '[]')) > 50
     or exists (select from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
                 where jsonb_typeof(part) <> 'object') then
    v_wrong := 'parts: expected a list of at most 50 objects';
  elsif exists (select from jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) as part
                 where part ->> 'since' !~ '^\d{4}-\d\d-\d\d$'
                    or part ->> 'before' !~ '^\d{4}-\d\d-\d\d$') then
    v_wrong := 'parts: expected days as in 2025-12-31';
  elsif jsonb_typeof(coalesce(p_understood -> 'semantic', '""')) not in ('string', 'null')
     or length(p_understood ->> 'semantic') > 2000 then
    v_wrong := 'semantic: expected a text of at most 2000 characters';
  else
    begin
      perform pg_catalog.now() at time zone (p_understood ->> 'zone');
    exception
      when invalid_parameter_value then
        v_wrong := 'zone: expected the name of a time zone';
    end;
  end if;
  if v_wrong is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = format('understood: %s', v_wrong);
  end if;
end;
$$;

-- The search for a user's texts with a plain word: in any form, or beginning with it.
create function kizu.query_of(p_user uuid, p_word text, p_prefix boolean default false)
returns tsquery
language plpgsql
immutable
strict
set search_path = ''
as $$
begin
  -- Plain words have neither quotes nor backslashes.
  return (
    select string_agg(format('''%s%s''%s', kizu.mark_of(p_user), form, case when p_prefix then ':*' else '' end),
                      ' | ')::tsquery
      from unnest(case when p_prefix then array[left(p_word, 40)] else kizu.forms_of(p_word) end) as form
  );
end;
$$;

-- A user's texts that p_query finds, of what source. Each row costs one look into an index: rows of other users, and
-- those of the user that do not match, are not read.
create function kizu.texts_with(p_user uuid, p_query tsquery)
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
  select word.asset_id, 'text', word.extracted_text
    from public.image_text as word
   where kizu.document(word.user_id, word.extracted_text) @@ p_query
     and (word.user_id = p_user) is true
  union all
  select word.asset_id, 'caption', word.description
    from public.image_descriptions as word
   where kizu.document(word.user_id, word.description) @@ p_query
     and (word.user_id = p_user) is true
  union all
  select word.asset_id, 'tag', word.tag_value
    from public.asset_tags as word
   where kizu.document(word.user_id, word.tag_value) @@ p_query
     and (word.user_id = p_user) is true
  union all
  select word.id, 'name', kizu.words_of_name(word.file_name)
    from public.assets as word
   where kizu.document_of_name(word.user_id, word.file_name) @@ p_query
     and word.file_name is not null
     and (word.user_id = p_user) is true
  union all
  select word.id, 'place', word.location_name
    from public.assets as word
   where kizu.document(word.user_id, word.location_name) @@ p_query
     and word.location_name is not null
     and (word.user_id = p_user) is true;
end;
$$;

-- A user's texts that hold these words one after the other, just as they are but for capitals and accents.
create function kizu.texts_with_phrase(p_user uuid, p_phrase text)
returns table (asset_id uuid, source text, content text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_plain constant text := kizu.plain_words(p_phrase);
  v_query tsquery;
begin
  if coalesce(v_plain, '') = '' then
    return;
  end if;
  v_query := (select string_agg(format('''%s%s''', kizu.mark_of(p_user), left(word, 40)), ' & ')::tsquery
                from (select distinct unnest(string_to_array(v_plain, ' ')) as word) as words);
  return query
  select found.asset_id, found.source, found.content
    from kizu.texts_with(p_user, v_query) as found
   where strpos(' ' || kizu.plain_words(found.content) || ' ', ' ' || v_plain || ' ') > 0;
end;
$$;

-- A user's assets that show these contacts: by a face that was said to be theirs or recognised, or by a tag.
create function kizu.assets_with_contacts(p_user uuid, p_contacts uuid[])
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a contact's faces and tags are found by an index
as $$
begin
  return array(
    select face.asset_id
      from public.face_embeddings as face
     where face.contact_id = any (p_contacts)
       and (face.user_id = p_user) is true
       and face.model_version = kizu.answering('faces')
    union
    select tag.asset_id
      from public.asset_tags as tag
     where tag.contact_id = any (p_contacts)
       and (tag.user_id = p_user) is true
  );
end;
$$;

-- A user's assets in a place: whose place's name has the part's name, or one of its `ids`, in it as whole words; with
-- `near` also those within 30 km of the middle of these; and those within radius_km of latitude and longitude.
create function kizu.assets_at(p_user uuid, p_part jsonb)
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, places are found by their indexes
as $$
declare
  c_near   constant float8 := 30;
  c_degree constant float8 := 111.2; -- km of a degree of latitude
  v_named     uuid[];
  v_latitude  float8 := (p_part ->> 'latitude')::float8;
  v_longitude float8 := (p_part ->> 'longitude')::float8;
  v_radius    float8 := coalesce((p_part ->> 'radius_km')::float8, c_near);
  v_around    float8;
begin
  v_named := array(
    select distinct found.asset_id
      from (select p_part ->> 'name' as name
            union
            select jsonb_array_elements_text(coalesce(p_part -> 'ids', '[]'))) as known
     cross join lateral kizu.texts_with_phrase(p_user, known.name) as found
     where found.source = 'place'
  );
  if v_latitude is null and (p_part ->> 'near')::boolean then
    select avg(latitude), avg(longitude) into v_latitude, v_longitude
      from unnest(v_named) as named (id)
      join public.assets on assets.id = named.id;
  end if;
  if v_latitude is null or v_longitude is null then
    return v_named;
  end if;
  v_around := v_radius / c_degree;
  return array(
    select unnest(v_named)
    union
    select id
      from public.assets
     where user_id = p_user
       and latitude between v_latitude - v_around and v_latitude + v_around
       -- The haversine of the angle between the two, on both sides of the date line.
       and power(sind((latitude - v_latitude) / 2), 2)
           + cosd(latitude) * cosd(v_latitude) * power(sind((longitude - v_longitude) / 2), 2)
           <= power(sind(least(v_around, 180) / 2), 2)
  );
end;
$$;

-- A user's assets with things of a class: how many, as a look that saw most of them counted, and how sure the surest
-- was. With p_sure only what was sure counts; else what is likely, and what people tagged, does, too.
create function kizu.assets_with_things(p_user uuid, p_class text, p_sure boolean)
returns table (asset_id uuid, things int, confidence real)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, things are found by their class
as $$
begin
  return query
  select seen.asset_id, max(seen.things)::int, max(seen.confidence)
    from (select thing.asset_id, count(*) as things, max(thing.confidence) as confidence
            from public.detected_objects as thing
           where thing.user_id = p_user
             and thing.object_class = p_class
             and (thing.sure or not p_sure)
           group by thing.asset_id, thing.model_version
          union all
          select tag.asset_id, 1, 1
            from public.asset_tags as tag
           where tag.user_id = p_user
             and tag.tag_type = 'object'
             and tag.tag_value = p_class
             and tag.created_by is not null) as seen
   group by seen.asset_id;
end;
$$;

-- The names of a camera part: any of its `names`, or its `name`.
create function kizu.cameras_of_part(p_part jsonb)
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array(select jsonb_array_elements_text(coalesce(p_part -> 'names', jsonb_build_array(p_part -> 'name'))));
$$;

-- A user's assets that one of these cameras took; null where they are more than 10,000, or excluded: then it is a
-- condition.
create function kizu.assets_by_camera(p_user uuid, p_part jsonb)
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, cameras are found by their index
as $$
declare
  c_few constant int := 10000;
  v_found uuid[];
begin
  if coalesce((p_part ->> 'not')::boolean, false) then
    return null;
  end if;
  v_found := array(
    select id
      from public.assets
     where user_id = p_user
       and camera = any (kizu.cameras_of_part(p_part))
     limit c_few + 1
  );
  return case when cardinality(v_found) <= c_few then v_found end;
end;
$$;

-- The assets that a part matches, where an index finds them; null for a part that is a condition on an asset's row.
-- Of a kind that is not known: none.
create function kizu.assets_of_part(p_user uuid, p_part jsonb)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_least   constant int     := greatest(coalesce((p_part ->> 'least')::int, 1), 1);
  v_negated constant boolean := coalesce((p_part ->> 'not')::boolean, false);
begin
  return case p_part ->> 'kind'
           when 'person' then
             kizu.assets_with_contacts(p_user, array(select jsonb_array_elements_text(p_part -> 'ids')::uuid))
           when 'place' then
             kizu.assets_at(p_user, p_part)
           when 'things' then
             array(select found.asset_id
                     from kizu.assets_with_things(p_user, p_part ->> 'class', v_least > 1 or v_negated) as found
                    where found.things >= v_least)
           when 'text' then
             array(select distinct found.asset_id
                     from kizu.texts_with_phrase(p_user, p_part ->> 'text') as found
                    where found.source <> 'place')
           when 'camera' then
             kizu.assets_by_camera(p_user, p_part)
           when 'date' then null
           when 'media' then null
           when 'faces' then null
           when 'writing' then null
           else '{}'::uuid[]
         end;
end;
$$;

-- What the clock on the wall showed when an asset was taken, and until when what is known of it may have been: a
-- condition's words, of columns of the row `asset`. A time that a camera wrote without a zone is kept as if it were
-- UTC; an instant is looked at in the user's zone.
create function kizu.sql_of_wall(p_zone text)
returns text
language sql
immutable
set search_path = ''
as $$
  select format(
    $sql$(case
            when asset.taken_at is null then asset.created_at at time zone %1$L
            when asset.taken_at_offset_minutes is not null
              then asset.taken_at at time zone 'UTC' + make_interval(mins => asset.taken_at_offset_minutes)
            when asset.taken_at_source in ('original', 'digitised', 'modified', 'sidecar', 'file_name')
              then asset.taken_at at time zone 'UTC'
            else asset.taken_at at time zone %1$L
          end)$sql$,
    p_zone
  );
$$;

-- A part that is a condition on the row `asset`, as SQL; null for one that is a set. What it is made of are numbers,
-- dates and quoted texts. What it looks up is planned by itself (`offset 0`), for one asset: joined to a table that was
-- analyzed when it was empty, all of that table might be read for each asset.
create function kizu.sql_of_part(p_part jsonb, p_zone text)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_negated constant boolean := coalesce((p_part ->> 'not')::boolean, false);
  v_wall    constant text := kizu.sql_of_wall(p_zone);
  v_since   date;
  v_before  date;
  v_sql     text;
begin
  case p_part ->> 'kind'
    when 'date' then
      v_since  := (p_part ->> 'since')::date;
      v_before := (p_part ->> 'before')::date;
      v_sql := concat_ws(
        ' and ',
        case when v_since is not null then format('%s >= %L', v_wall, v_since::timestamp) end,
        -- All that is known of a time has to be before the end: a photo of 2019 is of no month.
        case when v_before is not null then format(
          '%s + case asset.taken_at_precision when ''year'' then interval ''1 year'''
          ' when ''month'' then interval ''1 month'' when ''day'' then interval ''1 day'''
          ' else interval ''1 microsecond'' end <= %L', v_wall, v_before::timestamp) end,
        case when p_part ? 'months' then format(
          'extract(month from %s) = any (%L::int[]) and asset.taken_at_precision is distinct from ''year''',
          v_wall, array(select jsonb_array_elements_text(p_part -> 'months')::int)) end,
        case when p_part ? 'weekdays' then format(
          'extract(isodow from %s) = any (%L::int[])'
          ' and coalesce(asset.taken_at_precision, '''') not in (''year'', ''month'')',
          v_wall, array(select jsonb_array_elements_text(p_part -> 'weekdays')::int)) end,
        case when p_part ? 'hours' then format(
          'extract(hour from %s) = any (%L::int[])'
          ' and coalesce(asset.taken_at_precision, '''') not in (''year'', ''month'', ''day'')',
          v_wall, array(select jsonb_array_elements_text(p_part -> 'hours')::int)) end
      );
      if v_sql <> '' and not v_negated then
        -- Wide of the mark by a day, for the index.
        v_sql := concat_ws(
          ' and ',
          case when v_since is not null then format(
            'coalesce(asset.taken_at, asset.created_at) >= %L', (v_since - 1)::timestamp at time zone 'UTC') end,
          case when v_before is not null then format(
            'coalesce(asset.taken_at, asset.created_at) < %L', (v_before + 1)::timestamp at time zone 'UTC') end,
          v_sql
        );
      end if;
    when 'camera' then
      v_sql := format('asset.camera = any (%L::text[])', kizu.cameras_of_part(p_part));
    when 'media' then
      v_sql := format('kizu.media_class(asset.media_type) = %L',
                      case p_part ->> 'media' when 'photo' then 'image' else p_part ->> 'media' end);
    when 'faces' then
      v_sql := format(
        'exists (select from public.face_embeddings as face'
        ' where face.asset_id = asset.id and face.user_id = asset.user_id and face.model_version = %L'
        ' and not exists (select from kizu.face_marks as mark'
        '                  where mark.face_id = face.face_id and mark.mark = ''not_a_face'' offset 0) offset 0)',
        kizu.answering('faces')
      );
      if v_negated then
        -- Somebody may be there with no face to be seen; and nobody knows of photos that were not looked at.
        return format(
          'not %s'
          ' and not exists (select from public.detected_objects as thing where thing.asset_id = asset.id'
          '                  and (thing.user_id = asset.user_id) is true and thing.object_class = ''person'''
          '                  and thing.sure offset 0)'
          ' and not exists (select from public.asset_tags as tag where tag.asset_id = asset.id'
          '                  and (tag.user_id = asset.user_id) is true and tag.tag_type = ''person'' offset 0)'
          ' and exists (select from public.asset_facts as fact where fact.asset_id = asset.id'
          '              and fact.user_id = asset.user_id and fact.fact in (''faces'', ''objects'')'
          '              and fact.state <> ''unavailable'' offset 0)',
          v_sql
        );
      end if;
    when 'writing' then
      v_sql := 'exists (select from public.image_text as word where word.asset_id = asset.id'
               ' and (word.user_id = asset.user_id) is true and word.extracted_text <> '''' offset 0)';
      if v_negated then
        return format(
          'not %s and exists (select from public.asset_facts as fact where fact.asset_id = asset.id'
          ' and fact.user_id = asset.user_id and fact.fact = ''ocr'' and fact.state <> ''unavailable'' offset 0)',
          v_sql
        );
      end if;
    else
      return null;
  end case;
  return case
           when v_sql = '' then 'false'  -- asks for what nobody knows
           when v_negated  then format('(%s) is not true', v_sql)
           else v_sql
         end;
end;
$$;

-- What the parts of an understanding leave of a user's assets: of p_only (null: of all) without p_except those of which
-- p_where is true, a condition on the row `asset`. Raises data exceptions for a part that is none.
create function kizu.narrow(p_user uuid, p_understood jsonb, out p_only uuid[], out p_except uuid[], out p_where text)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_zone constant text := coalesce(p_understood ->> 'zone', 'UTC');
  v_part jsonb;
  v_set  uuid[];
begin
  p_except := '{}';
  p_where  := 'true';
  for v_part in select jsonb_array_elements(coalesce(p_understood -> 'parts', '[]')) loop
    continue when v_part ->> 'kind' = 'things' and (v_part ->> 'hint')::boolean;
    v_set := kizu.assets_of_part(p_user, v_part);
    if v_set is null then
      p_where := p_where || ' and ' || kizu.sql_of_part(v_part, v_zone);
    elsif coalesce((v_part ->> 'not')::boolean, false) and v_part ->> 'kind' in ('person', 'place', 'things', 'text') then
      p_except := p_except || v_set;
    elsif p_only is null then
      p_only := v_set;
    else
      p_only := array(select unnest(p_only) intersect select unnest(v_set));
    end if;
  end loop;
end;
$$;

select kizu.keep_internal('kizu.check_understanding(jsonb)');
select kizu.keep_internal('kizu.query_of(uuid, text, boolean)');
select kizu.keep_internal('kizu.texts_with(uuid, tsquery)');
select kizu.keep_internal('kizu.texts_with_phrase(uuid, text)');
select kizu.keep_internal('kizu.assets_with_contacts(uuid, uuid[])');
select kizu.keep_internal('kizu.assets_at(uuid, jsonb)');
select kizu.keep_internal('kizu.assets_with_things(uuid, text, boolean)');
select kizu.keep_internal('kizu.cameras_of_part(jsonb)');
select kizu.keep_internal('kizu.assets_by_camera(uuid, jsonb)');
select kizu.keep_internal('kizu.assets_of_part(uuid, jsonb)');
select kizu.keep_internal('kizu.sql_of_wall(text)');
select kizu.keep_internal('kizu.sql_of_part(jsonb, text)');
select kizu.keep_internal('kizu.narrow(uuid, jsonb)');
