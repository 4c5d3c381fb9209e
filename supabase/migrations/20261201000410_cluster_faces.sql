-- A kind of job that clusters all faces of one user anew, and what its handler reads for that, page by page. Pages are
-- read at different times: what happens after `people_state` was read is obeyed where the result is written.

insert into public.job_kinds (kind, table_name)
values ('cluster_faces', 'ai_processing_jobs')
on conflict (kind) do nothing;

create index if not exists exclusions_of_a_user on kizu.exclusions (user_id, face_id, contact_id);

-- A page of a read verb: rows, and after which keys the next one begins, null where this one is not full.
create function kizu.page(p_rows jsonb, p_limit int, variadic p_keys text[])
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'rows', p_rows,
    'next', case
              when jsonb_array_length(p_rows) = p_limit
              then (select jsonb_object_agg(key, p_rows -> -1 -> key) from unnest(p_keys) as key)
            end
  );
end;
$$;

-- How many rows a page has that was asked for with these args: 1 to 1,000.
create function kizu.page_limit(p_args jsonb)
returns int
language plpgsql
immutable
set search_path = ''
as $$
begin
  return least(greatest(coalesce((p_args ->> 'limit')::int, 1000), 1), 1000);
end;
$$;

-- The verb `people_state`: the generation of faces that answers, its scale, the user's last verdict (0: none) and what
-- time it is; no row where no generation answers. It is to be read before everything else.
create function kizu.read_people_state(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  return jsonb_build_object(
    'rows', (
      select coalesce(jsonb_agg(to_jsonb(state)), '[]')
        from (select v_version as model_version, scale.same, scale.maybe, scale.margin,
                     coalesce((select id
                                 from public.face_verdicts
                                where user_id = p_user
                                order by id desc
                                limit 1), 0) as last_verdict,
                     kizu.now() as read_at
                from kizu.face_scale(v_version) as scale
               where v_version is not null) as state
    ),
    'next', null
  );
end;
$$;

-- The verb `people_clusters`: the user's clusters that are not locked, in order of id. Args: `limit`, `after`.
create function kizu.read_people_clusters(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := kizu.page_limit(p_args);
  v_after constant uuid := (p_args -> 'after' ->> 'cluster_id')::uuid;
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select id as cluster_id, contact_id
              from public.face_clusters
             where user_id = p_user
               and not locked
               and (v_after is null or id > v_after)
             order by id
             limit v_limit) as page
  ), v_limit, 'cluster_id');
end;
$$;

-- The verb `people_births`: the user's contacts whose birth date is known, in order of id. Args: `limit`, `after`.
create function kizu.read_people_births(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := kizu.page_limit(p_args);
  v_after constant uuid := (p_args -> 'after' ->> 'contact_id')::uuid;
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select id as contact_id, birth_date
              from public.contacts
             where user_id = p_user
               and birth_date is not null
               and (v_after is null or id > v_after)
             order by id
             limit v_limit) as page
  ), v_limit, 'contact_id');
end;
$$;

-- The verb `people_faces`: the user's faces of the generation that answers, in order of photo: {id, face_id, asset_id,
-- cluster_id, contact_id: who people said it is, quality, taken_on: null where nobody's birth date is known, vector:
-- halfvec_send in base64}. Faces of videos, marked ones and those of locked clusters are left out. Args: `limit`,
-- `after`.
create function kizu.read_people_faces(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
  v_limit   constant int := kizu.page_limit(p_args);
  v_first   constant uuid := '00000000-0000-0000-0000-000000000000';
  v_asset   constant uuid := coalesce((p_args -> 'after' ->> 'asset_id')::uuid, v_first);
  v_id      constant uuid := coalesce((p_args -> 'after' ->> 'id')::uuid, v_first);
  v_births  constant boolean := exists (
    select from public.contacts where user_id = p_user and birth_date is not null
  );
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select face.id,
                   face.face_id,
                   face.asset_id,
                   face.cluster_id,
                   case when not face.recognised then face.contact_id end as contact_id,
                   face.quality,
                   case
                     when v_births
                     then (select kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes)
                             from public.assets as asset
                            where asset.id = face.asset_id)
                   end as taken_on,
                   replace(encode(extensions.halfvec_send(vector.embedding), 'base64'), e'\n', '') as vector
              from kizu.face_vectors as vector
              join public.face_embeddings as face on face.id = vector.id
             where vector.user_id = p_user
               and vector.model_version = v_version
               and vector.asset_id >= v_asset
               and (vector.asset_id, vector.id) > (v_asset, v_id)
               and not face.is_from_video
               and not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id)
               and not exists (
                     select from public.face_clusters as cluster
                      where cluster.id = face.cluster_id
                        and cluster.locked
                   )
             order by vector.asset_id, vector.id
             limit v_limit) as page
  ), v_limit, 'asset_id', 'id');
end;
$$;

-- The verb `people_pairs`: faces of the user that are one person (`same`), or are not, because somebody said so, in
-- order. Args: `limit`, `after`.
create function kizu.read_people_pairs(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit constant int := kizu.page_limit(p_args);
  v_face  constant uuid := (p_args -> 'after' ->> 'face_id')::uuid;
  v_other constant uuid := (p_args -> 'after' ->> 'other_id')::uuid;
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select face_id, other_id, same, verdict_id
              from kizu.face_pairs
             where user_id = p_user
               and (v_face is null or (face_id, other_id) > (v_face, v_other))
             order by face_id, other_id
             limit v_limit) as page
  ), v_limit, 'face_id', 'other_id');
end;
$$;

-- The verb `people_exclusions`: who faces of the user are not, because somebody said so, in order. Args: `limit`,
-- `after`.
create function kizu.read_people_exclusions(p_user uuid, p_args jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_limit   constant int := kizu.page_limit(p_args);
  v_face    constant uuid := (p_args -> 'after' ->> 'face_id')::uuid;
  v_contact constant uuid := (p_args -> 'after' ->> 'contact_id')::uuid;
begin
  return kizu.page((
    select coalesce(jsonb_agg(to_jsonb(page)), '[]')
      from (select face_id, contact_id
              from kizu.exclusions
             where user_id = p_user
               and (v_face is null or (face_id, contact_id) > (v_face, v_contact))
             order by face_id, contact_id
             limit v_limit) as page
  ), v_limit, 'face_id', 'contact_id');
end;
$$;

insert into public.read_verbs (verb, reader)
values ('people_state',      'read_people_state'),
       ('people_clusters',   'read_people_clusters'),
       ('people_births',     'read_people_births'),
       ('people_faces',      'read_people_faces'),
       ('people_pairs',      'read_people_pairs'),
       ('people_exclusions', 'read_people_exclusions');

select kizu.keep_internal('kizu.page(jsonb, int, text[])');
select kizu.keep_internal('kizu.page_limit(jsonb)');
select kizu.keep_internal('kizu.read_people_state(uuid, jsonb)');
select kizu.keep_internal('kizu.read_people_clusters(uuid, jsonb)');
select kizu.keep_internal('kizu.read_people_births(uuid, jsonb)');
select kizu.keep_internal('kizu.read_people_faces(uuid, jsonb)');
select kizu.keep_internal('kizu.read_people_pairs(uuid, jsonb)');
select kizu.keep_internal('kizu.read_people_exclusions(uuid, jsonb)');
