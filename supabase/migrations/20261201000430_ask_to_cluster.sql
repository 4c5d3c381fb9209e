-- When a user's faces are clustered anew: when they ask, when enough has changed since the last time, and when another
-- generation of faces answers. Never while nothing has changed.

-- Asks for a clustering of p_user's faces; one request waits at most, and one that has begun does not count, as it may
-- have read what is older. Answers as enqueue_job does.
create function kizu.ask_to_cluster(p_user uuid, p_priority int, p_run_at timestamptz)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_kind   constant text := 'cluster_faces';
  c_status constant text := 'processing';
  v_answer jsonb;
begin
  perform pg_advisory_xact_lock(hashtextextended(concat_ws(':', 'asked', c_kind, p_user), 0));
  -- By its params first, as enqueue_job asks: so that the two are one.
  v_answer := kizu.enqueue(row(c_kind, null, '{}', p_priority, p_run_at, p_user, true, null)::kizu.request, null);
  if v_answer ->> 'status' = 'already_queued'
     and exists (select from public.jobs where id = (v_answer ->> 'id')::uuid and status = c_status) then
    v_answer := kizu.enqueue(row(c_kind, null, '{}', p_priority, p_run_at, p_user, true, 'again')::kizu.request, null);
  end if;
  update kizu.clusterings set new_faces = 0, new_verdicts = 0 where user_id = p_user;
  return v_answer;
end;
$$;

-- Asks for a clustering of all one's faces. Answers {"id", "status": "enqueued" or "already_queued"}. Users ask for
-- their own, the service for p_user's. Raises PT400 `bad_params` where the service names no user, PT404 `not_found`,
-- PT429 `too_many_jobs`.
create function public.cluster_people(p_user uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_usual constant int := 100;
  v_scope  constant uuid := kizu.caller_scope();
  v_answer jsonb;
begin
  if v_scope is not null and p_user <> v_scope then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such user';
  elsif v_scope is null and p_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'p_user: expected the user whose faces they are';
  end if;
  v_answer := kizu.ask_to_cluster(coalesce(v_scope, p_user), c_usual, kizu.now());
  if v_scope is not null and v_answer ->> 'status' = 'enqueued' then
    perform kizu.check_quota(v_scope, 1);
  end if;
  return v_answer;
end;
$$;

-- Notes what has changed for some users, and asks for a clustering where that is enough: for faces a tenth of what the
-- last one saw, so that all clusterings of a growing library together cost a few times the last; and a few verdicts,
-- as these are worth more. It waits for a while, since changes come in crowds.
create function kizu.note_changes(p_user uuid, p_faces int, p_verdicts int)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_least_faces constant int := 20;
  c_share       constant float8 := 0.1;
  c_verdicts    constant int := 10;
  c_behind      constant int := 200; -- priority: behind photos that wait
  c_pause       constant interval := '2 minutes';
  v_since kizu.clusterings;
begin
  insert into kizu.clusterings as since (user_id, new_faces, new_verdicts)
  values (p_user, p_faces, p_verdicts)
      on conflict (user_id) do update
     set new_faces = since.new_faces + excluded.new_faces, new_verdicts = since.new_verdicts + excluded.new_verdicts
  returning * into v_since;
  if v_since.new_faces >= greatest(c_least_faces, c_share * v_since.faces) or v_since.new_verdicts >= c_verdicts then
    perform kizu.ask_to_cluster(p_user, c_behind, kizu.now() + c_pause);
  end if;
end;
$$;

create function kizu.note_new_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.note_changes(user_id, count(*)::int, 0)
     from added
    where cluster_id is null
      and not is_from_video
      and model_version = kizu.answering('faces')
    group by user_id
    order by user_id;
  return null;
end;
$$;

create trigger new_faces_are_noted
  after insert on public.face_embeddings
  referencing new table as added
  for each statement
  execute function kizu.note_new_faces();

create function kizu.note_new_verdicts()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.note_changes(user_id, 0, count(*)::int) from added group by user_id order by user_id;
  return null;
end;
$$;

create trigger new_verdicts_are_noted
  after insert on public.face_verdicts
  referencing new table as added
  for each statement
  execute function kizu.note_new_verdicts();

-- Whom a change of the answering generation has still to be told to: the users after this one, null once all have been.
create table kizu.reclustering (
  only_one boolean primary key default true check (only_one),
  after    uuid
);

-- A library that is older has not been clustered.
insert into kizu.reclustering (after)
select case when exists (select from kizu.face_vectors) then '00000000-0000-0000-0000-000000000000'::uuid end;

alter table kizu.reclustering enable row level security;
revoke all on kizu.reclustering from public, anon, authenticated, service_role;

create function kizu.note_flip()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update kizu.reclustering set after = '00000000-0000-0000-0000-000000000000';
  return null;
end;
$$;

create trigger flips_of_faces_are_noted
  after update of state on public.generations
  for each row
  when (new.kind = 'faces' and new.state = 'active' and old.state <> 'active')
  execute function kizu.note_flip();

-- After another generation of faces has begun to answer: asks for a clustering for the next p_limit (at most 1,000)
-- users who have faces in it, but for those whose last one was of it. Workers call it from time to time; where
-- somebody is at it, or nothing has changed, it does nothing, nor does it for a user's own worker. Answers {"enqueued",
-- "more": whether to call again}.
create function public.cluster_after_flip(p_limit int default 200)
returns jsonb
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- each user is found by an index
as $$
declare
  c_behind constant int := 200;
  v_limit   constant int := least(greatest(coalesce(p_limit, 200), 1), 1000);
  v_version constant text := kizu.answering('faces');
  v_after    uuid;
  v_enqueued int := 0;
begin
  if kizu.caller_scope() is null then
    select after into v_after from kizu.reclustering where after is not null for update skip locked;
  end if;
  if v_after is null then
    return '{"enqueued": 0, "more": false}';
  end if;

  for step in 1 .. v_limit loop
    v_after := (select user_id from kizu.face_vectors where user_id > v_after order by user_id limit 1);
    exit when v_after is null;
    if exists (select from kizu.face_vectors where user_id = v_after and model_version = v_version)
       and not exists (select from kizu.clusterings where user_id = v_after and model_version = v_version) then
      perform kizu.ask_to_cluster(v_after, c_behind, kizu.now());
      v_enqueued := v_enqueued + 1;
    end if;
  end loop;
  update kizu.reclustering set after = v_after;
  return jsonb_build_object('enqueued', v_enqueued, 'more', v_after is not null);
end;
$$;

select kizu.keep_internal('kizu.ask_to_cluster(uuid, int, timestamptz)');
select kizu.keep_internal('kizu.note_changes(uuid, int, int)');
select kizu.keep_internal('kizu.note_new_faces()');
select kizu.keep_internal('kizu.note_new_verdicts()');
select kizu.keep_internal('kizu.note_flip()');

select kizu.let_call('public.cluster_people(uuid)', 'authenticated', 'service_role');
select kizu.let_call('public.cluster_after_flip(int)', 'authenticated', 'kizu_worker', 'service_role');
