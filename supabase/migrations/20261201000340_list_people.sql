-- Looking at people: who there is, with a face each; whose faces; and what was said. A page at a time, each by an index,
-- so that a page costs the same in a library of any size.

create index people_in_order on public.face_clusters
  (user_id, hidden, (contact_id is null and name is null), (-face_count), id);
create index said_faces_of_a_contact on public.face_embeddings (contact_id, model_version)
  where not recognised and contact_id is not null;

-- A cluster as lists show it. Photos are as many as faces, but for those where people said that they are shown twice.
create function kizu.shown_person(p_cluster public.face_clusters)
returns jsonb
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a cluster's faces are found by an index
as $$
begin
  return (
    select jsonb_build_object(
             'cluster_id', p_cluster.id,
             'name',       coalesce(contact.display_name, p_cluster.name),
             'contact_id', p_cluster.contact_id,
             'birth_date', contact.birth_date,
             'faces',      p_cluster.face_count,
             'photos',     p_cluster.face_count - coalesce(twice.faces, 0),
             'hidden',     p_cluster.hidden,
             'locked',     p_cluster.locked,
             'representative', case when face.id is not null then jsonb_build_object(
               'face_id',       face.face_id,
               'asset_id',      face.asset_id,
               'thumbnail_url', face.face_thumbnail_url,
               'bounding_box',  face.bounding_box
             ) end
           )
      from (select p_cluster.id) as the_cluster
      left join public.contacts as contact on contact.id = p_cluster.contact_id
      left join public.face_embeddings as face on face.id = p_cluster.representative_face_id
      left join lateral (
             select count(*) - count(distinct said.asset_id) as faces
               from public.face_embeddings as said
              where said.contact_id = p_cluster.contact_id
                and not said.recognised
                and said.model_version = kizu.answering('faces')
                and not said.is_from_video
           ) as twice on true
  );
end;
$$;

-- What a page holds at most: p_limit. Raises PT400 `bad_params` unless it is 1 to p_most.
create function kizu.checked_limit(p_limit int, p_most int)
returns int
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_limit between 1 and p_most then
    return p_limit;
  end if;
  raise sqlstate 'PT400' using message = 'bad_params', detail = format('limit: expected 1 to %s', p_most);
end;
$$;

-- Raises PT400 `bad_params` unless what a page goes on after is null or has all keys, of these types: {key: type}.
create function kizu.check_cursor(p_after jsonb, p_types jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if exists (
       select from jsonb_each_text(p_types) as expected
        where jsonb_typeof(p_after) <> 'null'
          and jsonb_typeof(p_after -> expected.key) is distinct from expected.value
     ) then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
  end if;
end;
$$;

-- A user's people, p_limit (1 to 500) at a time: those with a name first, then by how many faces they have; with p_hidden
-- those that are hidden instead. Answers {"people": [{"cluster_id", "name", "contact_id", "birth_date", "faces",
-- "photos", "hidden", "locked", "representative": {"face_id", "asset_id", "thumbnail_url", "bounding_box"}, null for
-- somebody without a face}…], "next": what p_after is for the next page, null at the end}. Raises PT400 `bad_params`.
create function public.list_people(
  p_limit  int     default 100,
  p_after  jsonb   default null,
  p_hidden boolean default false,
  p_user   uuid    default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, people are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  c_first  constant uuid    := '00000000-0000-0000-0000-000000000000';
  v_user   constant uuid    := kizu.one_user(p_user);
  v_limit  constant int     := kizu.checked_limit(p_limit, 500);
  v_hidden constant boolean := coalesce(p_hidden, false);
  v_unnamed boolean;
  v_fewer   int;
  v_id      uuid;
  v_page    public.face_clusters[];
  v_last    public.face_clusters;
begin
  perform kizu.check_cursor(p_after, '{"unnamed": "boolean", "faces": "number", "cluster_id": "string"}');
  v_unnamed := coalesce((p_after ->> 'unnamed')::boolean, false);
  v_fewer   := -coalesce((p_after ->> 'faces')::int, 2147483647);
  v_id      := coalesce((p_after ->> 'cluster_id')::uuid, c_first);
  v_page := array(
    select cluster
      from public.face_clusters as cluster
     where user_id = v_user
       and hidden = v_hidden
       and ((contact_id is null and name is null), (-face_count), id) > (v_unnamed, v_fewer, v_id)
     order by (contact_id is null and name is null), (-face_count), id
     limit v_limit + 1
  );
  if cardinality(v_page) > v_limit then
    v_last := v_page[v_limit];
  end if;
  return jsonb_build_object(
    'people', coalesce((select jsonb_agg(kizu.shown_person(v_page[place]) order by place)
                          from generate_series(1, least(cardinality(v_page), v_limit)) as place), '[]'),
    'next',   case when v_last.id is not null then jsonb_build_object(
                'unnamed', v_last.contact_id is null and v_last.name is null,
                'faces', v_last.face_count, 'cluster_id', v_last.id) end
  );
exception
  when invalid_text_representation or numeric_value_out_of_range then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
end;
$$;

-- A person and their faces, p_limit (1 to 500) at a time, the best first. Answers {"person": as list_people has them,
-- "faces": [{"face_id", "asset_id", "bounding_box", "thumbnail_url", "quality", "contact_id", "said": whether people said
-- that it is the contact, "similarity": cosine to the middle of the cluster}…], "next": what p_after is for the next
-- page, null at the end}. Raises PT404 `not_found`, also for somebody else's, and PT400 `bad_params`.
create function public.show_person(
  p_cluster_id uuid,
  p_limit      int   default 100,
  p_after      jsonb default null,
  p_user       uuid  default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a cluster's faces are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  c_first   constant uuid := '00000000-0000-0000-0000-000000000000';
  v_user    constant uuid := kizu.find_clusters(array[p_cluster_id], coalesce(kizu.caller_scope(), p_user));
  v_limit   constant int  := kizu.checked_limit(p_limit, 500);
  v_version constant text := kizu.answering('faces');
  v_cluster public.face_clusters;
  v_quality real;
  v_id      uuid;
  v_page    public.face_embeddings[];
  v_last    public.face_embeddings;
begin
  perform kizu.check_cursor(p_after, '{"quality": "number", "id": "string"}');
  v_quality := coalesce((p_after ->> 'quality')::real, 2);
  v_id      := coalesce((p_after ->> 'id')::uuid, c_first);
  select * into v_cluster from public.face_clusters where id = p_cluster_id;
  v_page := array(
    select face
      from public.face_embeddings as face
     where cluster_id = p_cluster_id
       and user_id = v_user
       and model_version = v_version
       and not is_from_video
       and coalesce(quality, 0) = v_quality
       and id > v_id
     order by coalesce(quality, 0) desc, id
     limit v_limit + 1
  );
  v_page := v_page || array(
    select face
      from public.face_embeddings as face
     where cluster_id = p_cluster_id
       and user_id = v_user
       and model_version = v_version
       and not is_from_video
       and coalesce(quality, 0) < v_quality
     order by coalesce(quality, 0) desc, id
     limit v_limit + 1 - cardinality(v_page)
  );
  if cardinality(v_page) > v_limit then
    v_last := v_page[v_limit];
  end if;
  return jsonb_build_object(
    'person', kizu.shown_person(v_cluster),
    'faces',  coalesce((
      select jsonb_agg(jsonb_build_object(
               'face_id',       v_page[place].face_id,
               'asset_id',      v_page[place].asset_id,
               'bounding_box',  v_page[place].bounding_box,
               'thumbnail_url', v_page[place].face_thumbnail_url,
               'quality',       v_page[place].quality,
               'contact_id',    v_page[place].contact_id,
               'said',          v_page[place].contact_id is not null and not v_page[place].recognised,
               'similarity',    round((1 - (v_page[place].embedding operator(extensions.<=>)
                                            v_cluster.centroid_embedding))::numeric, 3)
             ) order by place)
        from generate_series(1, least(cardinality(v_page), v_limit)) as place
    ), '[]'),
    'next',   case when v_last.id is not null then jsonb_build_object(
                'quality', coalesce(v_last.quality, 0), 'id', v_last.id) end
  );
exception
  when invalid_text_representation or numeric_value_out_of_range then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'after: expected the next of the page before';
end;
$$;

-- What was said of a user's people, p_limit (1 to 500) verdicts at a time, the newest first. Answers {"verdicts": [{"id",
-- "verdict", "contact_id", "cluster_id", "undoes", "undone": whether it was taken back, "said_by", "at", "faces": the
-- first 100 of them}…], "next": what p_after is for the next page, null at the end}. Raises PT400 `bad_params`.
create function public.list_verdicts(
  p_limit int    default 100,
  p_after bigint default null,
  p_user  uuid   default null
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, verdicts are read in their order
set enable_sort = off
set enable_bitmapscan = off
as $$
declare
  c_faces constant int  := 100;
  v_user  constant uuid := kizu.one_user(p_user);
  v_limit constant int  := kizu.checked_limit(p_limit, 500);
  v_page  public.face_verdicts[];
begin
  v_page := array(
    select said
      from public.face_verdicts as said
     where user_id = v_user
       and id < coalesce(p_after, 9223372036854775807)
     order by id desc
     limit v_limit + 1
  );
  return jsonb_build_object(
    'verdicts', coalesce((
      select jsonb_agg(jsonb_build_object(
               'id',         v_page[place].id,
               'verdict',    v_page[place].verdict,
               'contact_id', v_page[place].contact_id,
               'cluster_id', v_page[place].cluster_id,
               'undoes',     v_page[place].undoes,
               'undone',     exists (select from public.face_verdicts where undoes = v_page[place].id),
               'said_by',    v_page[place].said_by,
               'at',         v_page[place].at,
               'faces',      array(select face_id
                                     from public.face_verdict_faces
                                    where verdict_id = v_page[place].id
                                    order by verdict_id, face_id
                                    limit c_faces)
             ) order by place)
        from generate_series(1, least(cardinality(v_page), v_limit)) as place
    ), '[]'),
    'next', case when cardinality(v_page) > v_limit then v_page[v_limit].id end
  );
end;
$$;

select kizu.keep_internal('kizu.shown_person(public.face_clusters)');
select kizu.keep_internal('kizu.checked_limit(int, int)');
select kizu.keep_internal('kizu.check_cursor(jsonb, jsonb)');

select kizu.let_call('public.list_people(int, jsonb, boolean, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.show_person(uuid, int, jsonb, uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.list_verdicts(int, bigint, uuid)', 'authenticated', 'service_role');
