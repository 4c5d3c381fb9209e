-- Which faces to ask about first: comparisons are kept with the gain that is expected of an answer, so that the best are
-- found by an index, however many there are. The gain follows what people say and what clusters do; what has become
-- moot has none.

-- Pairs that nobody wants to be asked about again. The smaller id comes first.
create table kizu.unasked_pairs (
  face_id     uuid not null,
  other_id    uuid not null,
  user_id     uuid not null,
  asset_id    uuid not null,
  other_asset uuid not null,
  verdict_id  bigint not null references public.face_verdicts on delete cascade,

  primary key (face_id, other_id),
  constraint smaller_id_comes_first check (face_id < other_id),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint other_asset_belongs_to_the_same_user foreign key (other_asset, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index unasked_pairs_of_another on kizu.unasked_pairs (other_id);
create index unasked_pairs_of_a_user on kizu.unasked_pairs (user_id);
create index unasked_pairs_of_an_asset on kizu.unasked_pairs (asset_id);
create index unasked_pairs_of_another_asset on kizu.unasked_pairs (other_asset);
create index unasked_pairs_of_a_verdict on kizu.unasked_pairs (verdict_id);

alter table kizu.unasked_pairs enable row level security;
revoke all on kizu.unasked_pairs from public, anon, authenticated, service_role;

alter table kizu.face_questions add column gain real not null default 0; -- see kizu.question_gain; 0: moot

create index face_questions_by_gain on kizu.face_questions (user_id, gain desc, face_id, other_id);
drop index kizu.face_questions_of_a_user;

-- How many faces an answer is expected to settle. That two people are one is as likely as the cosine of their centroids
-- is far from `maybe` to `same`; that they are not changes nothing, as they are apart already. If they are one, p_faces
-- and p_others faces come together, by which their recalls (B-cubed) rise by twice the product over the sum; and p_named
-- faces get a name. models/people/gain.py has the same formula, which is measured by answers.
create function kizu.question_gain(p_likeness float8, p_maybe float8, p_same float8,
                                   p_faces int, p_others int, p_named int)
returns float8
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_sure   constant float8 := 0.95; -- no likeness makes an answer certain
  v_band   constant float8 := greatest(p_same - p_maybe, 1e-6);
  v_chance constant float8 := least(greatest((p_likeness - p_maybe) / v_band, 0), c_sure);
begin
  return v_chance * (2 * p_faces::float8 * p_others / (p_faces + p_others) + p_named);
end;
$$;

-- What is worth knowing of questions of a user, in the generation that answers: rows and clusters of both faces, and
-- the gain of an answer. None is expected where it would change nothing or be no news: faces of one cluster, unless the
-- one was said to be its person and the other could not be told; of one photo; of different people, or names; where
-- people have said how the two stand, or that one is none, or not the other; from before the other's birth; of clusters
-- that are hidden or locked; or whose centroids are no more alike than strangers, whatever two of their faces are.
-- A question of a face that the generation does not have is left out.
create function kizu.judge_questions(p_user uuid, p_questions kizu.face_questions[])
returns table (face_id uuid, other_id uuid, likeness real, one_row uuid, other_row uuid,
               one_cluster uuid, other_cluster uuid, one_faces int, other_faces int,
               one_person uuid, other_person uuid, gain real)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  return query
  with
  pairs as (
    select asked.face_id, asked.other_id, asked.likeness,
           one.id as one_row, other.id as other_row,
           one.cluster_id as one_cluster, other.cluster_id as other_cluster,
           one.asset_id, other.asset_id as other_asset,
           coalesce(one.cluster_id = other.cluster_id, false) as together,
           -- Who the other is was said, and it is unknown whether this one is, too.
           coalesce(one.cluster_id = other.cluster_id
                    and (one.contact_id is null) <> (other.contact_id is null)
                    and not (one.recognised or other.recognised)
                    and mine.contact_id = coalesce(one.contact_id, other.contact_id), false) as half_known,
           greatest(coalesce(mine.face_count, 1), 1) as one_faces,
           greatest(coalesce(theirs.face_count, 1), 1) as other_faces,
           case
             when one.cluster_id = other.cluster_id then one.contact_id
             else coalesce(case when not one.recognised then one.contact_id end, mine.contact_id, one.contact_id)
           end as one_person,
           case
             when one.cluster_id = other.cluster_id then other.contact_id
             else coalesce(case when not other.recognised then other.contact_id end, theirs.contact_id,
                           other.contact_id)
           end as other_person,
           mine.name as one_name,
           theirs.name as other_name,
           case
             when one.cluster_id = other.cluster_id then
               greatest(asked.likeness,
                        least(-(own.embedding::extensions.vector operator(extensions.<#>) mine.centroid_embedding),
                              -(others.embedding::extensions.vector operator(extensions.<#>) mine.centroid_embedding)))
             else -(coalesce(mine.centroid_embedding, own.embedding::extensions.vector)
                    operator(extensions.<#>)
                    coalesce(theirs.centroid_embedding, others.embedding::extensions.vector))
           end as alike,
           coalesce(mine.hidden or mine.locked, false) or coalesce(theirs.hidden or theirs.locked, false) as left_alone
      from unnest(p_questions) as asked
      -- `offset 0`: each row is asked for by its id, which is all that an index is told; as a join, all of a table would
      -- be read for each question where the planner takes it for empty.
     cross join lateral (
             select *
               from public.face_embeddings as face
              where face.face_id = asked.face_id
                and (face.user_id = p_user and face.model_version = v_version and not face.is_from_video) is true
             offset 0
           ) as one
     cross join lateral (
             select *
               from public.face_embeddings as face
              where face.face_id = asked.other_id
                and (face.user_id = p_user and face.model_version = v_version and not face.is_from_video) is true
             offset 0
           ) as other
     cross join lateral (select * from kizu.face_vectors where id = one.id offset 0) as own
     cross join lateral (select * from kizu.face_vectors where id = other.id offset 0) as others
      left join lateral (select * from public.face_clusters where id = one.cluster_id offset 0) as mine on true
      left join lateral (select * from public.face_clusters where id = other.cluster_id offset 0) as theirs on true
  ),
  sized as (
    select pair.*,
           case when together then 1 else pair.one_faces end as one_size,
           case when together then 1 else pair.other_faces end as other_size,
           coalesce(pair.one_person::text, one_name) is not null as one_is_known,
           coalesce(pair.other_person::text, other_name) is not null as other_is_known
      from pairs as pair
  )
  select pair.face_id, pair.other_id, pair.likeness, pair.one_row, pair.other_row,
         pair.one_cluster, pair.other_cluster, pair.one_size, pair.other_size,
         pair.one_person, pair.other_person,
         case
           when pair.asset_id = pair.other_asset
             or left_alone
             or (together and not half_known)
             or (not together and pair.one_person is not null and pair.other_person is not null)
             or (not together and one_name <> other_name)
             or exists (select from kizu.face_pairs as said
                         where said.face_id = pair.face_id
                           and said.other_id = pair.other_id
                           and not (said.same and half_known))
             or exists (select from kizu.unasked_pairs as unasked
                         where unasked.face_id = pair.face_id and unasked.other_id = pair.other_id)
             or exists (select from kizu.face_marks as mark where mark.face_id in (pair.face_id, pair.other_id))
             or exists (select from kizu.exclusions as excluded
                         where (excluded.face_id = pair.face_id and excluded.contact_id = pair.other_person)
                            or (excluded.face_id = pair.other_id and excluded.contact_id = pair.one_person))
             or exists (select
                          from public.contacts as contact
                          join public.assets as asset on asset.id in (pair.asset_id, pair.other_asset)
                         where contact.id in (pair.one_person, pair.other_person)
                           and contact.birth_date > kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes))
           then 0
           else kizu.question_gain(
                  pair.alike, scale.maybe, scale.same, one_size, other_size,
                  case
                    when half_known then 1
                    when one_is_known = other_is_known then 0
                    when one_is_known then other_size
                    else one_size
                  end
                )
         end::real
    from sized as pair
   cross join kizu.face_scale(v_version) as scale;
end;
$$;

-- Weighs the questions about faces anew, but those that are about to go with a photo.
create function kizu.weigh_questions(p_user uuid, p_faces uuid[])
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face's questions are found by an index
set enable_nestloop = on -- unlike who calls it
as $$
declare
  v_questions constant kizu.face_questions[] := array(
    select asked
      from kizu.face_questions as asked
     where user_id = p_user
       and (face_id = any (p_faces) or other_id = any (p_faces))
       and exists (select from public.assets where id = asked.asset_id offset 0) -- by its id, not as a join with all
       and exists (select from public.assets where id = asked.other_asset offset 0)
  );
begin
  if cardinality(v_questions) > 0 then
    update kizu.face_questions as asked
       set gain = judged.gain
      from kizu.judge_questions(p_user, v_questions) as judged
     where asked.face_id = judged.face_id
       and asked.other_id = judged.other_id
       and asked.gain <> judged.gain;
  end if;
end;
$$;

create function kizu.weigh_changed_pairs()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform kizu.weigh_questions(user_id, array_agg(distinct face_id)) from changed group by user_id;
  return null;
end;
$$;

create trigger questions_are_weighed after insert on kizu.face_questions
  referencing new table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_was_said after insert on kizu.face_pairs
  referencing new table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_holds_no_more after delete on kizu.face_pairs
  referencing old table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_was_said after insert on kizu.unasked_pairs
  referencing new table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_holds_no_more after delete on kizu.unasked_pairs
  referencing old table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_was_said after insert on kizu.face_marks
  referencing new table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_holds_no_more after delete on kizu.face_marks
  referencing old table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_was_said after insert on kizu.exclusions
  referencing new table as changed for each statement execute function kizu.weigh_changed_pairs();
create trigger questions_are_weighed_by_what_holds_no_more after delete on kizu.exclusions
  referencing old table as changed for each statement execute function kizu.weigh_changed_pairs();

create function kizu.weigh_changed_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_hashjoin = on -- of two transition tables, whose plan is made when they are almost empty
set enable_nestloop = off
as $$
begin
  perform kizu.weigh_questions(latter.user_id, array_agg(distinct latter.face_id))
     from latter
     join former on former.id = latter.id
    where (former.cluster_id, former.contact_id) is distinct from (latter.cluster_id, latter.contact_id)
    group by latter.user_id;
  return null;
end;
$$;

create trigger questions_are_weighed after update on public.face_embeddings
  referencing old table as former new table as latter for each statement execute function kizu.weigh_changed_faces();

-- With the size of a cluster gains change little by little: they are weighed anew whenever it has doubled or halved, so
-- that each is within that factor, and a cluster's questions are weighed as often as its size has digits in base two.
create function kizu.weigh_changed_clusters()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a cluster's faces are found by an index
as $$
begin
  perform kizu.weigh_questions(latter.user_id, array_agg(distinct face.face_id))
     from latter
     join former on former.id = latter.id
    -- `offset 0`: by the cluster; to have them in groups, an index of all of the user's might be read.
    cross join lateral (select face_id from public.face_embeddings where cluster_id = latter.id offset 0) as face
    where (floor(log(2, former.face_count + 1)), former.contact_id, former.name, former.hidden or former.locked)
          is distinct from
          (floor(log(2, latter.face_count + 1)), latter.contact_id, latter.name, latter.hidden or latter.locked)
    group by latter.user_id;
  return null;
end;
$$;

create trigger questions_are_weighed after update on public.face_clusters
  referencing old table as former new table as latter
  for each statement execute function kizu.weigh_changed_clusters();

-- Whether "same" would say of any two faces of two clusters, or faces by themselves, what cannot be or what people said
-- is not so: faces of one photo, a pair that differs or that nobody wants to hear of, somebody who is not who the other
-- is. Reads the faces of the first cluster, which should be the smaller.
create function kizu.are_apart(p_user uuid, p_face uuid, p_cluster uuid, p_person uuid,
                               p_other uuid, p_other_cluster uuid, p_other_person uuid)
returns boolean
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a cluster's faces are found by an index
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  return exists (
           select
             from public.face_embeddings as member
            where member.user_id = p_user
              and member.model_version = v_version
              and (member.cluster_id = p_cluster or (p_cluster is null and member.face_id = p_face))
              and (exists (
                     select from public.face_embeddings as neighbour
                      where neighbour.asset_id = member.asset_id
                        and neighbour.model_version = v_version
                        and not (neighbour.is_from_video or member.is_from_video)
                        and (neighbour.cluster_id = p_other_cluster
                             or (p_other_cluster is null and neighbour.face_id = p_other))
                   )
                   or exists (
                     select
                       from (select said.other_id as id from kizu.face_pairs as said
                              where said.face_id = member.face_id and not said.same
                              union all
                             select said.face_id from kizu.face_pairs as said
                              where said.other_id = member.face_id and not said.same
                              union all
                             select unasked.other_id from kizu.unasked_pairs as unasked
                              where unasked.face_id = member.face_id
                              union all
                             select unasked.face_id from kizu.unasked_pairs as unasked
                              where unasked.other_id = member.face_id) as stranger
                      where stranger.id = p_other
                         or exists (select from public.face_embeddings as face
                                     where face.face_id = stranger.id
                                       and face.cluster_id = p_other_cluster)
                   )
                   or exists (
                     select from kizu.exclusions as excluded
                      where excluded.face_id = member.face_id
                        and excluded.contact_id = p_other_person
                   ))
         )
      or exists (
           select
             from kizu.exclusions as excluded
             join public.face_embeddings as face on face.face_id = excluded.face_id
            where excluded.contact_id = p_person
              and (face.face_id = p_other or face.cluster_id = p_other_cluster)
         );
end;
$$;

-- A face as a question shows it.
create function kizu.face_of_a_question(p_row uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
             'face_id',       face.face_id,
             'asset_id',      face.asset_id,
             'thumbnail_url', face.face_thumbnail_url,
             'bounding_box',  face.bounding_box,
             'cluster_id',    face.cluster_id,
             'name',          coalesce(contact.display_name, cluster.name)
           )
      from public.face_embeddings as face
      left join public.face_clusters as cluster on cluster.id = face.cluster_id
      left join public.contacts as contact on contact.id = coalesce(cluster.contact_id, face.contact_id)
     where face.id = p_row
  );
end;
$$;

-- The comparisons worth asking a user, best first, at most p_limit (up to 100): {"questions": [{"face", "other":
-- {"face_id", "asset_id", "thumbnail_url", "bounding_box", "cluster_id", "name"}, "likeness": their cosine, "gain": how
-- many faces an answer is expected to settle}…]}. `other` is the one who is better known. Of two clusters at most one
-- question is asked. However many are kept, at most the 10,000 of the largest gains are looked at.
--
-- Users are asked about their own faces; the service says about whose, by p_user. Raises PT400 `bad_params`.
create function public.list_face_questions(p_limit int default 20, p_user uuid default null)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, one user's questions are found by an index
as $$
declare
  c_page  constant int := 500;
  c_pages constant int := 20;
  v_user  constant uuid := coalesce(kizu.caller_scope(), p_user);
  v_limit constant int := least(greatest(coalesce(p_limit, 20), 1), 100);
  v_page  kizu.face_questions[];
  v_last  kizu.face_questions;
  v_pair  record;
  v_seen  text[] := '{}'; -- pairs of clusters
  v_asked jsonb[] := '{}';
begin
  if v_user is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'user: expected whose questions';
  end if;

  for n in 1 .. c_pages loop
    v_page := array(
      select asked
        from kizu.face_questions as asked
       where user_id = v_user
         and gain > 0
         and gain <= coalesce(v_last.gain, 'infinity')
         and (v_last.face_id is null
              or gain < v_last.gain
              or (face_id, other_id) > (v_last.face_id, v_last.other_id))
       order by gain desc, face_id, other_id
       limit c_page
    );
    exit when v_page = '{}';
    v_last := v_page[cardinality(v_page)];

    for v_pair in
      select pair.*, least(one_unit, other_unit) || ' ' || greatest(one_unit, other_unit) as units
        from (select judged.*, together,
                     case when together or one_cluster is null then face_id else one_cluster end::text as one_unit,
                     case when together or other_cluster is null then other_id else other_cluster end::text as other_unit
                from kizu.judge_questions(v_user, v_page) as judged,
                     coalesce(one_cluster = other_cluster, false) as together
               where gain > 0) as pair
       order by gain desc, likeness desc, face_id, other_id
    loop
      exit when cardinality(v_asked) = v_limit;
      continue when v_pair.units = any (v_seen);
      v_seen := v_seen || v_pair.units;
      continue when not v_pair.together
        and case
              when v_pair.one_faces <= v_pair.other_faces
              then kizu.are_apart(v_user, v_pair.face_id, v_pair.one_cluster, v_pair.one_person,
                                  v_pair.other_id, v_pair.other_cluster, v_pair.other_person)
              else kizu.are_apart(v_user, v_pair.other_id, v_pair.other_cluster, v_pair.other_person,
                                  v_pair.face_id, v_pair.one_cluster, v_pair.one_person)
            end;
      v_asked := v_asked || jsonb_build_object(
        'rows',     case
                      when (v_pair.one_person is null, -v_pair.one_faces, v_pair.face_id)
                           < (v_pair.other_person is null, -v_pair.other_faces, v_pair.other_id)
                      then jsonb_build_array(v_pair.other_row, v_pair.one_row)
                      else jsonb_build_array(v_pair.one_row, v_pair.other_row)
                    end,
        'likeness', v_pair.likeness,
        'gain',     v_pair.gain
      );
    end loop;
    exit when cardinality(v_asked) = v_limit or cardinality(v_page) < c_page;
  end loop;

  return jsonb_build_object('questions', (
    select coalesce(jsonb_agg(question order by (question ->> 'gain')::real desc, place), '[]')
      from (select jsonb_build_object(
                     'face',     kizu.face_of_a_question((asked -> 'rows' ->> 0)::uuid),
                     'other',    kizu.face_of_a_question((asked -> 'rows' ->> 1)::uuid),
                     'likeness', asked -> 'likeness',
                     'gain',     asked -> 'gain'
                   ) as question, place
              from unnest(v_asked) with ordinality as best (asked, place)) as best
  ));
end;
$$;

select kizu.keep_internal('kizu.question_gain(float8, float8, float8, int, int, int)');
select kizu.keep_internal('kizu.judge_questions(uuid, kizu.face_questions[])');
select kizu.keep_internal('kizu.weigh_questions(uuid, uuid[])');
select kizu.keep_internal('kizu.weigh_changed_pairs()');
select kizu.keep_internal('kizu.weigh_changed_faces()');
select kizu.keep_internal('kizu.weigh_changed_clusters()');
select kizu.keep_internal('kizu.are_apart(uuid, uuid, uuid, uuid, uuid, uuid, uuid)');
select kizu.keep_internal('kizu.face_of_a_question(uuid)');

select kizu.let_call('public.list_face_questions(int, uuid)', 'authenticated', 'service_role');
