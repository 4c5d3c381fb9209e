-- Two generations side by side on one's own library: where they agree, and who is recognised by which. In pages, as
-- a large library takes longer than one statement may.

-- For up to p_limit (at most 200) photos after p_after in a fixed random order, of those that both generations of
-- pictures know: which share of the p_top (at most 100) most similar photos of the same user they have in common.
-- Answers {"compared", "overlap": the mean share, 0 to 1, null where nothing was compared, "next"}.
create function public.compare_neighbours(
  p_one   int,
  p_other int,
  p_after uuid default null,
  p_limit int default 50,
  p_top   int default 20
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_limit constant int := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_top   constant int := least(greatest(coalesce(p_top, 20), 1), 100);
  v_one      public.generations;
  v_other    public.generations;
  v_photo    record;
  v_last     uuid;
  v_share    float8;
  v_sum      float8 := 0;
  v_compared int := 0;
  v_seen     int := 0;
begin
  perform kizu.caller_scope();
  v_one := kizu.pictures_of(p_one);
  v_other := kizu.pictures_of(p_other);
  -- Ids are random, so that their order is a sample; those of the two are read in step.
  for v_photo in
    select one.asset_id, one.user_id, one.embedding as one, other.embedding as other
      from public.asset_facts as fact
      join public.image_embeddings as one
        on one.asset_id = fact.asset_id and one.model_version = v_one.model_version
      join public.image_embeddings as other
        on other.asset_id = fact.asset_id and other.model_version = v_other.model_version
     where fact.fact = 'embedding'
       and fact.version = v_one.model_version
       and (p_after is null or fact.asset_id > p_after)
     order by fact.asset_id
     limit v_limit
  loop
    v_seen := v_seen + 1;
    v_last := v_photo.asset_id;
    -- The photo itself is its own nearest and says nothing.
    with
    common as (
      select asset_id from public.search_image_embeddings(
        v_photo.one, v_top + 1, -1, v_photo.user_id, v_one.model_version) where asset_id <> v_photo.asset_id
      intersect
      select asset_id from public.search_image_embeddings(
        v_photo.other, v_top + 1, -1, v_photo.user_id, v_other.model_version) where asset_id <> v_photo.asset_id
    )
    select count(*)::float8 / nullif(least(v_top, (
             select count(*) - 1
               from (select from public.image_embeddings
                      where user_id = v_photo.user_id and model_version = v_one.model_version
                      limit v_top + 1) as own
           )), 0)
      into v_share
      from common;
    if v_share is not null then
      v_sum := v_sum + least(v_share, 1);
      v_compared := v_compared + 1;
    end if;
  end loop;
  return jsonb_build_object('compared', v_compared,
                            'overlap', v_sum / nullif(v_compared, 0),
                            'next', case when v_seen = v_limit then v_last end);
end;
$$;

-- The generation of pictures with this id. Raises PT404 `not_found`.
create function kizu.pictures_of(p_id int)
returns public.generations
language plpgsql
stable
set search_path = ''
as $$
declare
  v_generation public.generations;
begin
  select * into v_generation from public.generations where id = p_id and kind = 'pictures' and state <> 'dropped';
  if not found then
    raise sqlstate 'PT404'
      using message = 'not_found', detail = format('there is no generation %s of pictures', p_id);
  end if;
  return v_generation;
end;
$$;

-- For up to p_limit (at most 1,000) faces that people named and both generations of faces have a row of: whether the
-- most similar other named face of the same user is the same person's, and whether it is alike enough to be taken
-- for them. Answers {"faces", "one": {"right", "wrong", "unsure"}, "other": {…}}: `right` and `wrong` are alike enough,
-- `unsure` are not. People whom only one face shows are left out, as nothing could be right.
create function public.compare_people(p_one int, p_other int, p_limit int default 200)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_alike constant float8 := 0.55; -- as kizu.recognise_faces
  v_limit constant int := least(greatest(coalesce(p_limit, 200), 1), 1000);
  v_faces uuid[];
  v_id    int;
  v_generation public.generations;
  v_counts jsonb[] := '{}';
begin
  perform kizu.caller_scope();
  if (select count(*) from public.generations where id in (p_one, p_other) and kind = 'faces') < 2 then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'expected two generations of faces';
  end if;

  v_faces := array(
    select face_id
      from public.face_embeddings as face
      join public.generations as generation
        on generation.kind = 'faces' and generation.model_version = face.model_version
     where generation.id in (p_one, p_other)
       and face.contact_id is not null
       and not face.recognised
       and exists (
             select from public.face_embeddings as another
              where another.user_id = face.user_id
                and another.contact_id = face.contact_id
                and another.face_id <> face.face_id
                and another.model_version = face.model_version
                and not another.recognised
           )
     group by face_id
    having count(*) = 2
     order by face_id
     limit v_limit
  );

  foreach v_id in array array[p_one, p_other] loop
    select * into v_generation from public.generations where id = v_id;
    v_counts := v_counts || (
      select jsonb_build_object(
               'right',  count(*) filter (where alike and nearest.contact_id = face.contact_id),
               'wrong',  count(*) filter (where alike and nearest.contact_id <> face.contact_id),
               'unsure', count(*) filter (where not alike)
             )
        from public.face_embeddings as face
       cross join lateral (
               select named.contact_id,
                      named.embedding operator(extensions.<=>) face.embedding
                        <= 1 - coalesce(face.same_face, v_generation.same_face, c_alike) as alike
                 from public.face_embeddings as named
                where named.user_id = face.user_id
                  and named.model_version = face.model_version
                  and named.contact_id is not null
                  and not named.recognised
                  and named.face_id <> face.face_id
                order by named.embedding operator(extensions.<=>) face.embedding
                limit 1
             ) as nearest
       where face.face_id = any (v_faces)
         and face.model_version = v_generation.model_version
    );
  end loop;
  return jsonb_build_object('faces', cardinality(v_faces), 'one', v_counts[1], 'other', v_counts[2]);
end;
$$;

select kizu.keep_internal('kizu.pictures_of(int)');

select kizu.let_call('public.compare_neighbours(int, int, uuid, int, int)', 'service_role');
select kizu.let_call('public.compare_people(int, int, int)', 'service_role');
