-- Answers to questions about faces are verdicts like others: they hold until they are taken back.

-- Who takes back that they do not want to be asked is asked again.
create function kizu.ask_again()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from kizu.unasked_pairs where verdict_id = new.undoes;
  return null;
end;
$$;

create trigger pairs_are_asked_about_again
  after insert or update of undoes on public.face_verdicts
  for each row when (new.undoes is not null)
  execute function kizu.ask_again();

-- Writes a pair of faces as both verdicts and questions keep it: the smaller id first, with the photos.
create function kizu.pair_of(p_user uuid, p_one uuid, p_other uuid,
                             out face_id uuid, out other_id uuid, out asset_id uuid, out other_asset uuid)
language plpgsql
stable
set search_path = ''
as $$
begin
  face_id     := least(p_one, p_other);
  other_id    := greatest(p_one, p_other);
  asset_id    := (kizu.find_face(face_id, p_user)).asset_id;
  other_asset := (kizu.find_face(other_id, p_user)).asset_id;
end;
$$;

-- Says of two faces of one user whether they are one person.
--
-- 'same': their clusters become one; a face by itself comes to the other's, and two make a new one. If one of them is
-- named, so are they all. 'different': they are never put together, nor asked about, by themselves; if they are together,
-- the one leaves that people have not said to be somebody, the first of two. 'ignore': neither they nor their clusters
-- are asked about again; nothing else changes.
--
-- Users speak of their own faces; the service of everybody's or, with p_user, of that user's. Answers {"answer",
-- "verdict_id": null if all was so before, "cluster_id": where both are, "recognised", "taken_back", "left"}: see
-- assign_faces. Raises PT404 `not_found`; PT400 `bad_params`; PT409 `conflict` for 'same' of faces of one photo, of two
-- people who have names, or of clusters that are in the same photos; PT503 `database_busy`, to be asked again.
create function public.answer_face_question(
  p_face_id  uuid,
  p_other_id uuid,
  p_answer   text,
  p_user     uuid default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, a face is found by an index
as $$
declare
  c_answers constant text[] := array['same', 'different', 'ignore'];
  v_scope   constant uuid   := coalesce(kizu.caller_scope(), p_user);
  v_one     record;
  v_other   record;
  v_done    jsonb;
begin
  if p_answer is null or p_answer <> all (c_answers) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'answer: expected same, different or ignore';
  end if;
  v_one := kizu.find_face(p_face_id, v_scope);
  perform pg_advisory_xact_lock(kizu.faces_of(v_one.user_id));
  v_one   := kizu.find_face(p_face_id, v_one.user_id);
  v_other := kizu.find_face(p_other_id, v_one.user_id);
  if v_one.face_id = v_other.face_id then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'other_id: expected another face';
  end if;

  v_done := case p_answer
              when 'same'      then kizu.say_two_are_one(v_one.user_id, v_one.face_id, v_other.face_id)
              when 'different' then kizu.say_two_differ(v_one.user_id, v_one.face_id, v_other.face_id)
              else                  kizu.ask_no_more(v_one.user_id, v_one.face_id, v_other.face_id)
            end;
  return jsonb_build_object(
    'answer',     p_answer,
    'cluster_id', (
      select one.cluster_id
        from public.face_embeddings as one
        join public.face_embeddings as other on other.cluster_id = one.cluster_id
       where one.face_id = v_one.face_id
         and other.face_id = v_other.face_id
       limit 1
    ),
    'verdict_id', null, 'recognised', 0, 'taken_back', 0, 'left', 0
  ) || v_done;
exception
  when lock_not_available or deadlock_detected
    or foreign_key_violation or unique_violation then -- a photo or a contact was deleted meanwhile
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- Where a face is and who it was said to be, in the generation that answers or else any.
create function kizu.place_of(p_face uuid, out cluster_id uuid, out contact_id uuid, out is_said boolean,
                              out person uuid, out faces int)
language plpgsql
stable
set search_path = ''
as $$
begin
  select face.cluster_id, face.contact_id, face.contact_id is not null and not face.recognised,
         coalesce(case when not face.recognised then face.contact_id end, cluster.contact_id),
         coalesce(cluster.face_count, 1)
    into cluster_id, contact_id, is_said, person, faces
    from public.face_embeddings as face
    left join public.face_clusters as cluster on cluster.id = face.cluster_id
   where face.face_id = p_face
   order by face.model_version = kizu.answering('faces') desc, face.id
   limit 1;
end;
$$;

create function kizu.say_two_are_one(p_user uuid, p_one uuid, p_other uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_one     constant record := kizu.place_of(p_one);
  v_other   constant record := kizu.place_of(p_other);
  v_pair    constant record := kizu.pair_of(p_user, p_one, p_other);
  v_contact constant uuid   := coalesce(v_one.person, v_other.person);
  v_cluster uuid := coalesce(v_one.cluster_id, v_other.cluster_id);
  v_come    uuid[];
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb;
begin
  if v_pair.asset_id = v_pair.other_asset then
    raise sqlstate 'PT409'
      using message = 'conflict', detail = 'both faces are in one photo, and one person is in a photo once';
  elsif v_one.person <> v_other.person then
    raise sqlstate 'PT409' using message = 'conflict', detail = 'these faces are two people who have names';
  elsif v_one.cluster_id <> v_other.cluster_id then
    v_done := case
                when (v_one.person is null, -v_one.faces) <= (v_other.person is null, -v_other.faces)
                then kizu.say_they_are_one(p_user, v_one.cluster_id, array[v_other.cluster_id])
                else kizu.say_they_are_one(p_user, v_other.cluster_id, array[v_one.cluster_id])
              end;
    -- These two above all, unless one stayed behind.
    if (kizu.place_of(p_one)).cluster_id = (kizu.place_of(p_other)).cluster_id then
      v_verdict := (v_done ->> 'verdict_id')::bigint;
      perform set_config('kizu.verdict', v_verdict::text, true);
      perform kizu.tell_same(p_user, p_one, array[p_other], v_verdict);
      perform kizu.end_verdict(v_verdict);
    end if;
    return v_done - array['cluster_id', 'contact_id', 'moved', 'left_behind'];
  end if;

  v_come := array(
    select face_id
      from unnest(array[p_one, p_other], array[v_one.cluster_id, v_other.cluster_id], array[v_one.is_said, v_other.is_said])
           as face (face_id, cluster_id, is_said)
     where cluster_id is null
        or (v_contact is not null and not is_said)
  );
  if v_come = '{}' and exists (
       select from kizu.face_pairs
        where face_id = v_pair.face_id and other_id = v_pair.other_id and same
     ) then
    return '{}';
  end if;

  v_names  := kizu.photos_of_names(p_user, case when v_contact is null then '{}' else v_come end, v_contact);
  v_photos := v_names.photos || kizu.photos_of(p_user, kizu.same_faces(p_user, array[p_one, p_other]));
  perform kizu.lock_photos(v_photos);
  v_verdict := kizu.begin_verdict(p_user, 'same', null, v_cluster);
  if v_cluster is null then
    insert into public.face_clusters (user_id) values (p_user) returning id into v_cluster;
  end if;
  if v_come <> '{}' then
    perform kizu.bring_faces(p_user, v_come, v_cluster, case when v_contact is null then '{}' else v_come end);
  end if;
  perform kizu.tell_same(p_user, p_one, array[p_other], v_verdict);
  v_done := kizu.look_again(p_user, v_photos);
  perform kizu.end_verdict(v_verdict, array[p_one, p_other]);
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'left',       kizu.leave_names(p_user, case when v_contact is null then '{}' else v_come end, v_names.left_over)
  ) || v_done;
end;
$$;

create function kizu.say_two_differ(p_user uuid, p_one uuid, p_other uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_one     constant record := kizu.place_of(p_one);
  v_other   constant record := kizu.place_of(p_other);
  v_pair    constant record := kizu.pair_of(p_user, p_one, p_other);
  v_leaves  constant uuid   := case when v_one.is_said and not v_other.is_said then p_other else p_one end;
  v_leaving uuid[] := '{}';
  v_names   record;
  v_photos  uuid[];
  v_verdict bigint;
  v_done    jsonb;
begin
  if v_one.cluster_id = v_other.cluster_id or v_one.contact_id = v_other.contact_id then
    v_leaving := array[v_leaves];
  elsif exists (
          select from kizu.face_pairs
           where face_id = v_pair.face_id and other_id = v_pair.other_id and not same
        ) then
    return '{}';
  end if;

  v_names  := kizu.photos_of_names(p_user, case when v_one.is_said and v_other.is_said then v_leaving else '{}' end, null);
  v_photos := v_names.photos || kizu.photos_of(p_user, array[p_one, p_other]);
  perform kizu.lock_photos(v_photos);
  v_verdict := kizu.begin_verdict(p_user, 'different');
  perform kizu.let_go(p_user, v_leaving);
  insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)
  values (v_pair.face_id, v_pair.other_id, p_user, v_pair.asset_id, v_pair.other_asset, false, v_verdict)
      on conflict (face_id, other_id) do update
     set same = false, verdict_id = excluded.verdict_id;
  perform kizu.exclude_strangers(p_user, v_one.cluster_id);
  perform kizu.exclude_strangers(p_user, v_other.cluster_id);
  v_done := kizu.look_again(p_user, v_photos);
  perform kizu.end_verdict(v_verdict, array[p_one, p_other]);
  return jsonb_build_object(
    'verdict_id', v_verdict,
    'left',       kizu.leave_names(p_user, v_leaving, v_names.left_over)
  ) || v_done;
end;
$$;

create function kizu.ask_no_more(p_user uuid, p_one uuid, p_other uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_pair    constant record := kizu.pair_of(p_user, p_one, p_other);
  v_verdict bigint;
begin
  if exists (select from kizu.unasked_pairs where face_id = v_pair.face_id and other_id = v_pair.other_id) then
    return '{}';
  end if;
  perform kizu.lock_photos(array[v_pair.asset_id, v_pair.other_asset]);
  v_verdict := kizu.begin_verdict(p_user, 'ignore');
  insert into kizu.unasked_pairs (face_id, other_id, user_id, asset_id, other_asset, verdict_id)
  values (v_pair.face_id, v_pair.other_id, p_user, v_pair.asset_id, v_pair.other_asset, v_verdict);
  perform kizu.end_verdict(v_verdict, array[p_one, p_other]);
  return jsonb_build_object('verdict_id', v_verdict);
end;
$$;

select kizu.keep_internal('kizu.ask_again()');
select kizu.keep_internal('kizu.pair_of(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.place_of(uuid)');
select kizu.keep_internal('kizu.say_two_are_one(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.say_two_differ(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.ask_no_more(uuid, uuid, uuid)');

select kizu.let_call('public.answer_face_question(uuid, uuid, text, uuid)', 'authenticated', 'service_role');
