-- What a verdict changed is kept with it, so that it can be taken back: every row of people as it was before and after,
-- written down by triggers while a verdict is under way. And the few acts of which all verdicts are made: faces come to
-- a person, faces leave one, and what people said before gives way where it contradicts.

-- A contact has at most one cluster. Where there were more, the largest stays theirs, and gets the faces of the others.
create temporary table former_clusters on commit drop as
select cluster.id, cluster.contact_id, cluster.user_id,
       first_value(cluster.id) over (partition by cluster.contact_id order by cluster.face_count desc, cluster.id) as largest
  from public.face_clusters as cluster
 where cluster.contact_id is not null;
update public.face_clusters as cluster
   set contact_id = null, name = null
  from pg_temp.former_clusters as former
 where former.id = cluster.id
   and former.id <> former.largest;
drop index public.face_clusters_of_a_contact;
create unique index a_contact_has_one_cluster on public.face_clusters (contact_id) where contact_id is not null;

-- Whoever people named before has a cluster from now on, and is in it.
insert into public.face_clusters (user_id, contact_id, name)
select distinct contact.user_id, contact.id, contact.display_name
  from public.face_embeddings as face
  join public.contacts as contact on contact.id = face.contact_id
 where not face.recognised
   and not exists (select from public.face_clusters as cluster where cluster.contact_id = contact.id);

alter table public.face_embeddings disable trigger user;
-- A face has one cluster in all generations.
update public.face_embeddings as face
   set cluster_id = one.cluster_id
  from (select distinct on (face_id) face_id, cluster_id
          from public.face_embeddings
         where cluster_id is not null
         order by face_id, model_version = kizu.answering('faces') desc nulls last, cluster_id) as one
 where face.face_id = one.face_id
   and face.cluster_id is distinct from one.cluster_id;
update public.face_embeddings as face
   set cluster_id = former.largest
  from pg_temp.former_clusters as former
 where face.cluster_id = former.id
   and former.id <> former.largest;
update public.face_embeddings as face
   set cluster_id = cluster.id
  from public.face_embeddings as said
  join public.face_clusters as cluster on cluster.contact_id = said.contact_id
 where not said.recognised
   and face.face_id = said.face_id
   and face.cluster_id is distinct from cluster.id;
-- Who was said not to be the contact leaves, and of a photo all but one, unless people said that they are the contact.
update public.face_embeddings as face
   set cluster_id = null
 where face_id in (
         select member.face_id
           from kizu.exclusions as excluded
           join public.face_clusters as cluster on cluster.contact_id = excluded.contact_id
           join public.face_embeddings as member
             on member.face_id = excluded.face_id
            and member.cluster_id = cluster.id
       );
update public.face_embeddings as face
   set cluster_id = null
 where face_id in (
         select face_id
           from (select member.face_id,
                        bool_or((member.contact_id = cluster.contact_id) is true and not member.recognised) as said,
                        row_number() over (
                          partition by member.cluster_id, member.asset_id
                          order by bool_or((member.contact_id = cluster.contact_id) is true and not member.recognised) desc,
                                   bool_or((member.contact_id = cluster.contact_id) is true) desc,
                                   max(member.confidence) desc nulls last, member.face_id) as place
                   from public.face_embeddings as member
                   join public.face_clusters as cluster on cluster.id = member.cluster_id
                  where not member.is_from_video
                  group by member.cluster_id, member.asset_id, member.face_id) as each
          where place > 1
            and not said
       );
alter table public.face_embeddings enable trigger user;
drop table pg_temp.former_clusters;

do $$
begin
  perform kizu.count_people(user_id, array_agg(id)) from public.face_clusters group by user_id;
end;
$$;

-- What a verdict changed: a row of a face, a cluster, an exclusion, a pair, a mark or a tag of ours, before and after; null where there
-- was none. Contacts are told apart from the rest, so that they go from here, too, when they are deleted.
create table kizu.verdict_changes (
  verdict_id     bigint not null references public.face_verdicts on delete cascade,
  what           text not null,
  key            text not null, -- of the row, within `what`
  user_id        uuid not null,
  face_id        uuid,
  asset_id       uuid,
  other_id       uuid,          -- of a pair
  other_asset    uuid,
  cluster_id     uuid,          -- no reference: it may be gone, to be made again
  before         jsonb,
  after          jsonb,
  contact_before uuid,
  contact_after  uuid,

  primary key (verdict_id, what, key),
  constraint change_is_known check (what in ('face', 'cluster', 'exclusion', 'pair', 'mark', 'tag')),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint other_asset_belongs_to_the_same_user foreign key (other_asset, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint contact_before_belongs_to_the_same_user foreign key (contact_before, user_id)
    references public.contacts (id, user_id) on delete set null (contact_before),
  constraint contact_after_belongs_to_the_same_user foreign key (contact_after, user_id)
    references public.contacts (id, user_id) on delete set null (contact_after)
);

create index verdict_changes_of_an_asset on kizu.verdict_changes (asset_id);
create index verdict_changes_of_another_asset on kizu.verdict_changes (other_asset) where other_asset is not null;
create index verdict_changes_of_a_cluster on kizu.verdict_changes (cluster_id) where cluster_id is not null;
create index verdict_changes_from_a_contact on kizu.verdict_changes (contact_before) where contact_before is not null;
create index verdict_changes_to_a_contact on kizu.verdict_changes (contact_after) where contact_after is not null;

alter table kizu.verdict_changes enable row level security;
revoke all on kizu.verdict_changes from public, anon, authenticated, service_role;

-- Writes down what rows were and are for the verdict that is under way: what each was before the first change of it
-- counts. A verdict may be about thousands: all that a statement changed is written at once.
create function kizu.keep_changes()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_hashjoin = on -- of two transition tables, whose plan is made when they are almost empty
set enable_nestloop = off
as $$
declare
  v_what   constant text := tg_argv[0];
  v_before jsonb[];
  v_after  jsonb[];
begin
  if tg_op = 'INSERT' then
    v_after := array(select to_jsonb(come) from come);
  elsif tg_op = 'DELETE' then
    v_before := array(select to_jsonb(gone) from gone);
  elsif v_what = 'face' then -- without their vectors
    select array_agg(jsonb_build_object(
             'id', id, 'face_id', gone.face_id, 'asset_id', gone.asset_id, 'user_id', gone.user_id,
             'model_version', gone.model_version, 'contact_id', gone.contact_id, 'recognised', gone.recognised,
             'cluster_id', gone.cluster_id)),
           array_agg(jsonb_build_object(
             'id', id, 'face_id', come.face_id, 'asset_id', come.asset_id, 'user_id', come.user_id,
             'model_version', come.model_version, 'contact_id', come.contact_id, 'recognised', come.recognised,
             'cluster_id', come.cluster_id))
      into v_before, v_after
      from gone
      join come using (id)
     where (gone.contact_id, gone.recognised, gone.cluster_id, gone.model_version)
           is distinct from (come.contact_id, come.recognised, come.cluster_id, come.model_version);
  elsif v_what = 'cluster' then
    select array_agg(to_jsonb(gone)), array_agg(to_jsonb(come))
      into v_before, v_after
      from gone
      join come using (id)
     where (gone.contact_id, gone.name, gone.hidden, gone.locked)
           is distinct from (come.contact_id, come.name, come.hidden, come.locked);
  elsif v_what = 'pair' then
    select array_agg(to_jsonb(gone)), array_agg(to_jsonb(come))
      into v_before, v_after
      from gone
      join come using (face_id, other_id);
  elsif v_what = 'mark' then
    select array_agg(to_jsonb(gone)), array_agg(to_jsonb(come)) into v_before, v_after from gone join come using (face_id);
  end if;

  insert into kizu.verdict_changes (verdict_id, what, key, user_id, face_id, asset_id, other_id, other_asset,
                                    cluster_id, before, after, contact_before, contact_after)
  select distinct on (key)
         current_setting('kizu.verdict')::bigint, v_what, key, (row ->> 'user_id')::uuid,
         (row ->> 'face_id')::uuid, (row ->> 'asset_id')::uuid,
         (row ->> 'other_id')::uuid, (row ->> 'other_asset')::uuid,
         case v_what when 'cluster' then (row ->> 'id')::uuid end,
         before - 'contact_id', after - 'contact_id',
         (before ->> 'contact_id')::uuid, (after ->> 'contact_id')::uuid
    from (select coalesce(now, former) as row, kizu.told_of(v_what, former) as before, kizu.told_of(v_what, now) as after
            from unnest(v_before, v_after) as changed (former, now)
          offset 0) as told
   cross join lateral (
           select case v_what
                    when 'pair'      then concat(row ->> 'face_id', ' ', row ->> 'other_id')
                    when 'exclusion' then concat(row ->> 'face_id', ' ', row ->> 'contact_id')
                    when 'mark'      then row ->> 'face_id'
                    when 'tag'       then concat(row ->> 'asset_id', ' ', row ->> 'contact_id', ' ', row ->> 'model_version')
                    else row ->> 'id'
                  end as key
         ) as named
   where before is distinct from after
   order by key
      on conflict (verdict_id, what, key) do update
     set after = excluded.after, contact_after = excluded.contact_after;
  return null;
end;
$$;

-- What of a row is a matter of people; null of none.
create function kizu.told_of(p_what text, p_row jsonb)
returns jsonb
language plpgsql
immutable
strict
set search_path = ''
as $$
begin
  return case p_what
           when 'face' then jsonb_build_object(
             'contact_id', p_row -> 'contact_id', 'recognised', p_row -> 'recognised',
             'cluster_id', p_row -> 'cluster_id', 'model_version', p_row -> 'model_version')
           when 'cluster' then jsonb_build_object(
             'contact_id', p_row -> 'contact_id', 'name', p_row -> 'name', 'hidden', p_row -> 'hidden',
             'locked', p_row -> 'locked', 'created_at', p_row -> 'created_at',
             'of_a_contact', coalesce(p_row ->> 'contact_id', '') <> '')
           when 'exclusion' then jsonb_build_object('contact_id', p_row -> 'contact_id', 'at', p_row -> 'at')
           when 'pair' then jsonb_build_object('same', p_row -> 'same', 'verdict_id', p_row -> 'verdict_id')
           when 'mark' then jsonb_build_object('mark', p_row -> 'mark', 'verdict_id', p_row -> 'verdict_id')
           when 'tag' then jsonb_build_object(
             'contact_id', p_row -> 'contact_id', 'run_id', p_row -> 'run_id', 'tag_value', p_row -> 'tag_value',
             'bounding_box', p_row -> 'bounding_box', 'face_index', p_row -> 'face_index',
             'model_version', p_row -> 'model_version', 'tagged_by', p_row -> 'tagged_by')
         end;
end;
$$;

create trigger change_is_kept_as_rows_change
  after update on public.face_embeddings referencing old table as gone new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('face');
create trigger change_is_kept_as_rows_come
  after insert on public.face_clusters referencing new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('cluster');
create trigger change_is_kept_as_rows_change
  after update on public.face_clusters referencing old table as gone new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('cluster');
create trigger change_is_kept_as_rows_go
  after delete on public.face_clusters referencing old table as gone
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('cluster');
create trigger change_is_kept_as_rows_come
  after insert on kizu.exclusions referencing new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('exclusion');
create trigger change_is_kept_as_rows_go
  after delete on kizu.exclusions referencing old table as gone
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('exclusion');
create trigger change_is_kept_as_rows_come
  after insert on kizu.face_pairs referencing new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('pair');
create trigger change_is_kept_as_rows_change
  after update on kizu.face_pairs referencing old table as gone new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('pair');
create trigger change_is_kept_as_rows_go
  after delete on kizu.face_pairs referencing old table as gone
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('pair');
create trigger change_is_kept_as_rows_come
  after insert on kizu.face_marks referencing new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('mark');
create trigger change_is_kept_as_rows_change
  after update on kizu.face_marks referencing old table as gone new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('mark');
create trigger change_is_kept_as_rows_go
  after delete on kizu.face_marks referencing old table as gone
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('mark');
create trigger change_is_kept_as_rows_come
  after insert on public.asset_tags referencing new table as come
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('tag');
create trigger change_is_kept_as_rows_go
  after delete on public.asset_tags referencing old table as gone
  for each statement when (current_setting('kizu.verdict', true) <> '')
  execute function kizu.keep_changes('tag');

-- A cluster has its contact's name.
create function kizu.name_cluster()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  new.name := nullif(left((select display_name from public.contacts where id = new.contact_id), 500), '');
  return new;
end;
$$;

create trigger cluster_is_named_like_its_contact
  before insert or update of contact_id on public.face_clusters
  for each row when (new.contact_id is not null)
  execute function kizu.name_cluster();

-- A verdict that was about faces goes with the last of their photos.
create function kizu.drop_verdicts_without_faces()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.face_verdicts as verdict
   where id in (select verdict_id from gone)
     and not exists (select from public.face_verdict_faces as face where face.verdict_id = verdict.id);
  return null;
end;
$$;

create trigger verdicts_go_with_their_faces
  after delete on public.face_verdict_faces
  referencing old table as gone
  for each statement execute function kizu.drop_verdicts_without_faces();

-- Begins a verdict of p_user: what changes of their people from here to kizu.end_verdict() is its doing. Who calls it
-- holds kizu.faces_of(user).
create function kizu.begin_verdict(p_user uuid, p_verdict text, p_contact uuid default null, p_cluster uuid default null)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  v_id bigint;
begin
  insert into public.face_verdicts (user_id, verdict, contact_id, cluster_id, said_by)
  values (p_user, p_verdict, p_contact, p_cluster, auth.uid())
  returning id into v_id;
  perform set_config('kizu.verdict', v_id::text, true);
  return v_id;
end;
$$;

-- From here on the transaction gives way to whoever has what it needs, sooner than the database looks for deadlocks: it has
-- people for whom who deletes photos waits.
create function kizu.give_way_soon()
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform set_config('lock_timeout', '100ms', true);
end;
$$;

-- Ends it. It is about p_faces, which are kept with what they were, in the generation that answers, if it changed that.
create function kizu.end_verdict(p_verdict bigint, p_faces uuid[] default '{}')
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, faces and a verdict's changes are found by an index,
set enable_nestloop = off -- once, and not the one for each of the other
as $$
declare
  v_version constant text := kizu.answering('faces');
begin
  perform set_config('kizu.verdict', '', true);
  delete from kizu.verdict_changes
   where verdict_id = p_verdict
     and (before, contact_before) is not distinct from (after, contact_after);
  insert into public.face_verdict_faces (verdict_id, face_id, asset_id, user_id, before)
  select distinct on (face_id) p_verdict, face_id, asset_id, user_id, changed.before
    from public.face_embeddings
    left join (select face_id, before - 'model_version' || jsonb_build_object('contact_id', contact_before) as before
                 from kizu.verdict_changes
                where verdict_id = p_verdict
                  and what = 'face'
                  and before ->> 'model_version' = v_version) as changed using (face_id)
   where face_id = any (p_faces)
   order by face_id, changed.before is null;
end;
$$;

-- The faces that hang together with these as people said that they are the same, these included.
create function kizu.same_faces(p_user uuid, p_faces uuid[])
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face's pairs are found by an index
as $$
begin
  return array(
    with recursive joined as (
      select unnest(p_faces) as face_id
       union
      select pair.face_id
        from joined
       cross join lateral (
               select other_id as face_id from kizu.face_pairs
                where face_id = joined.face_id and (same and user_id = p_user) is true
                union all
               select face_id from kizu.face_pairs
                where other_id = joined.face_id and (same and user_id = p_user) is true
             ) as pair
    )
    select face_id from joined
  );
end;
$$;

-- The cluster of a contact; else, made theirs, that of nobody which p_face is in; else a new one.
create function kizu.cluster_of(p_user uuid, p_contact uuid, p_face uuid default null)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_name    text;
  v_cluster uuid;
begin
  select id into v_cluster from public.face_clusters where contact_id = p_contact and user_id = p_user;
  if found then
    return v_cluster;
  end if;

  select left(display_name, 500) into v_name from public.contacts where id = p_contact and user_id = p_user;
  update public.face_clusters as cluster
     set contact_id = p_contact, updated_at = kizu.now()
   where cluster.user_id = p_user
     and cluster.contact_id is null
     and (cluster.name is null or cluster.name = v_name)
     and cluster.id = (select cluster_id from public.face_embeddings where face_id = p_face limit 1)
  returning id into v_cluster;
  if found then
    -- Who is not them does not stay among them.
    perform kizu.let_go(p_user, array(
      select distinct face.face_id
        from public.face_embeddings as face
        join kizu.exclusions as excluded on excluded.face_id = face.face_id and excluded.contact_id = p_contact
       where face.cluster_id = v_cluster
         and face.face_id <> p_face
    ));
    return v_cluster;
  end if;

  return kizu.cluster_of_contact(p_user, p_contact);
end;
$$;

-- Takes faces out of their clusters, and from them what they were taken for. What was said of them together with faces
-- that stay is said no more.
create function kizu.let_go(p_user uuid, p_faces uuid[])
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
as $$
begin
  if cardinality(p_faces) = 0 then
    return;
  end if;
  delete from kizu.face_pairs
   where user_id = p_user
     and same
     and (face_id = any (p_faces) or other_id = any (p_faces));
  update public.face_embeddings
     set contact_id = null, recognised = false
   where face_id = any (p_faces)
     and (user_id = p_user) is true -- a row is found by its face, not by the user
     and (contact_id is not null or recognised);
  perform kizu.move_faces(p_user, p_faces, null);
end;
$$;

-- Brings faces into a cluster, as people said that they are one person with those there, p_said of them also that they
-- are its contact. Whatever was said before gives way: marks and exclusions of these faces, and that they differ from
-- others in the cluster. Faces that were said to be the same come along, unless they cannot. Others of the same photos
-- make room, unless they were said to be its contact.
create function kizu.bring_faces(p_user uuid, p_faces uuid[], p_cluster uuid, p_said uuid[])
returns void
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, one user's faces are found by an index
as $$
declare
  v_contact constant uuid := (select contact_id from public.face_clusters where id = p_cluster);
  v_come    uuid[];
begin
  -- Of those that hang together with them comes who is nobody else by word, and not in a photo with one there.
  v_come := p_faces || array(
    select distinct on (face.asset_id) face.face_id
      from public.face_embeddings as face
     where face.face_id = any (kizu.same_faces(p_user, p_faces))
       and face.face_id not in (select unnest(p_faces)) -- of thousands, each is looked up
       and face.user_id = p_user
       and not face.is_from_video
       and not exists (select from kizu.face_marks as mark where mark.face_id = face.face_id)
       and not exists (select from kizu.exclusions as excluded
                        where excluded.face_id = face.face_id and excluded.contact_id = v_contact)
       and not exists (select from public.face_embeddings as known
                        where known.face_id = face.face_id and not known.recognised and known.contact_id is not null)
       and not exists (select from kizu.face_pairs as pair
                         join public.face_embeddings as member
                           on member.face_id = case when pair.face_id = face.face_id then pair.other_id
                                                    else pair.face_id end
                        where face.face_id in (pair.face_id, pair.other_id)
                          and not pair.same
                          and (member.cluster_id = p_cluster or member.face_id = any (p_faces)) is true)
       -- "is true": a neighbour is found by its photo, not by the cluster.
       and not exists (select from public.face_embeddings as neighbour
                        where neighbour.asset_id = face.asset_id
                          and neighbour.face_id <> face.face_id
                          and not neighbour.is_from_video
                          and (neighbour.face_id = any (p_faces)
                               or neighbour.cluster_id = p_cluster
                               or (neighbour.contact_id = v_contact and not neighbour.recognised)) is true)
     order by face.asset_id, face.face_id
  );

  delete from kizu.face_marks where face_id = any (v_come) and user_id = p_user;
  delete from kizu.exclusions where face_id = any (v_come) and contact_id = v_contact;
  delete from kizu.face_pairs as pair
   using unnest(v_come) as come (face_id)
   where come.face_id in (pair.face_id, pair.other_id)
     and pair.user_id = p_user
     and (pair.same
          <> exists (select from public.face_embeddings as member
                      where member.face_id = case when pair.face_id = come.face_id then pair.other_id
                                                  else pair.face_id end
                        and (member.cluster_id = p_cluster or member.face_id = any (v_come)) is true));

  update public.face_embeddings
     set contact_id = v_contact, recognised = false
   where face_id = any (p_said)
     and (user_id = p_user) is true
     and (recognised or contact_id is distinct from v_contact);
  update public.face_embeddings
     set contact_id = null, recognised = false
   where face_id = any (v_come)
     and face_id not in (select unnest(p_said))
     and (user_id = p_user) is true
     and contact_id <> coalesce(v_contact, '00000000-0000-0000-0000-000000000000');

  -- There is one of them in a photo.
  perform kizu.let_go(p_user, array(
    select distinct neighbour.face_id
      from public.face_embeddings as face
      join public.face_embeddings as neighbour
        on neighbour.asset_id = face.asset_id
       and neighbour.face_id not in (select unnest(v_come))
     where face.face_id = any (v_come)
       and (face.user_id = p_user) is true
       and not face.is_from_video
       and not neighbour.is_from_video
       and ((neighbour.cluster_id = p_cluster and neighbour.contact_id is null)
            or (neighbour.cluster_id = p_cluster and neighbour.recognised)
            or (neighbour.contact_id = v_contact and neighbour.recognised)) is true
  ));
  perform kizu.move_faces(p_user, v_come, p_cluster);
  perform kizu.exclude_strangers(p_user, p_cluster);
end;
$$;

-- Who was said to differ from one of a cluster is not its contact either.
create function kizu.exclude_strangers(p_user uuid, p_cluster uuid)
returns void
language plpgsql
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face's pairs are found by an index
as $$
begin
  insert into kizu.exclusions (face_id, contact_id, asset_id, user_id, at)
  select distinct stranger.face_id, cluster.contact_id, stranger.asset_id, p_user, kizu.now()
    from public.face_clusters as cluster
    join public.face_embeddings as member on member.cluster_id = cluster.id
   cross join lateral (
           select pair.other_id as face_id, pair.other_asset as asset_id
             from kizu.face_pairs as pair
            where pair.face_id = member.face_id and not pair.same
            union all
           select pair.face_id, pair.asset_id
             from kizu.face_pairs as pair
            where pair.other_id = member.face_id and not pair.same
         ) as stranger
   where cluster.id = p_cluster
     and cluster.user_id = p_user
     and cluster.contact_id is not null
     and not exists (select from public.face_embeddings as face
                      where face.face_id = stranger.face_id
                        and (face.cluster_id = p_cluster
                             or (face.contact_id = cluster.contact_id and not face.recognised)) is true)
      on conflict do nothing;
end;
$$;

-- Of a cluster's faces the best p_limit that are near its middle: by quality, as far as their cosine to the centroid is
-- no less than what the generation takes for one person, the nearest at least.
create function kizu.core_faces(p_user uuid, p_cluster uuid, p_limit int)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
  v_version constant text   := kizu.answering('faces');
  v_same    constant float8 := kizu.same_face(v_version);
begin
  return array(
    select face_id
      from (select face.face_id, coalesce(face.quality, 0) as quality,
                   -(vector.embedding::extensions.vector operator(extensions.<#>) cluster.centroid_embedding) as likeness
              from public.face_embeddings as face
              join kizu.face_vectors as vector on vector.id = face.id
              join public.face_clusters as cluster on cluster.id = face.cluster_id
             where face.cluster_id = p_cluster
               and face.user_id = p_user
               and face.model_version = v_version
               and not face.is_from_video
             offset 0) as member -- each cosine once
     order by likeness >= v_same desc,
              case when likeness >= v_same then quality end desc nulls last,
              likeness desc, face_id
     limit p_limit
  );
end;
$$;

-- Says of faces that they are not the person of a cluster: they differ from its representative and from the members
-- that they are most like.
create function kizu.tell_apart(p_user uuid, p_faces uuid[], p_cluster uuid, p_verdict bigint)
returns void
language plpgsql
set search_path = ''
as $$
declare
  c_nearest constant int := 8;
  c_many    constant int := 64; -- from so many faces on, each is told apart from the representative alone
  v_version constant text := kizu.answering('faces');
begin
  with
  member as materialized (
    select face.face_id, face.asset_id, vector.embedding, face.id = cluster.representative_face_id as best
      from public.face_embeddings as face
      join kizu.face_vectors as vector on vector.id = face.id
      join public.face_clusters as cluster on cluster.id = face.cluster_id
     where face.cluster_id = p_cluster
       and face.user_id = p_user
       and face.model_version = v_version
       and not face.is_from_video
       and face.face_id not in (select unnest(p_faces))
  ),
  best as materialized ( -- once, not for each that leaves
    select face_id, asset_id from member order by best desc, face_id limit 1
  ),
  leaving as materialized (
    select face.face_id, face.asset_id, vector.embedding
      from public.face_embeddings as face
      join kizu.face_vectors as vector on vector.id = face.id
     where face.face_id = any (p_faces)
       and face.user_id = p_user
       and face.model_version = v_version
  )
  insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)
  select least(leaving.face_id, other.face_id), greatest(leaving.face_id, other.face_id), p_user,
         case when leaving.face_id < other.face_id then leaving.asset_id else other.asset_id end,
         case when leaving.face_id < other.face_id then other.asset_id else leaving.asset_id end,
         false, p_verdict
    from leaving
   cross join lateral (
           (select best.face_id, best.asset_id from best)
            union
           (select member.face_id, member.asset_id
              from member
             where cardinality(p_faces) < c_many
             order by member.embedding operator(extensions.<=>) leaving.embedding, member.face_id
             limit c_nearest)
         ) as other
      on conflict (face_id, other_id) do update
     set same = false, verdict_id = excluded.verdict_id
   where kizu.face_pairs.same;
end;
$$;

-- Nobody is taken any more, by whatever generation, for whom p_verdict says that they are not: they were told apart from
-- who is said to be them, or from one of their cluster. Answers the photos. These are taken late: whoever is waited for
-- may wait for this transaction.
create function kizu.take_back_names(p_verdict bigint)
returns uuid[]
language plpgsql
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, what a verdict changed and a face's rows are found by an index
as $$
declare
  v_rows   uuid[];
  v_photos uuid[];
begin
  select array_agg(face.id), array_agg(distinct face.asset_id)
    into v_rows, v_photos
    from (select each.face_id, said.contact_id
            from kizu.face_pairs as pair
           cross join lateral (values (pair.face_id, pair.other_id), (pair.other_id, pair.face_id)) as each (face_id, other_id)
           cross join lateral (
                   select contact_id
                     from public.face_embeddings
                    where face_id = each.other_id
                      and (contact_id is not null and not recognised) is true
                   limit 1
                 ) as said
           where pair.verdict_id = p_verdict
             and not pair.same
           union
          select face_id, contact_after
            from kizu.verdict_changes
           where verdict_id = p_verdict
             and what = 'exclusion'
             and contact_after is not null) as word
   cross join lateral (
           select id, asset_id
             from public.face_embeddings
            where face_id = word.face_id
              and (contact_id = word.contact_id and recognised) is true
           offset 0
         ) as face;
  if v_rows is not null then
    perform kizu.give_way_soon();
    perform kizu.lock_photos(v_photos);
    update public.face_embeddings set contact_id = null, recognised = false where id = any (v_rows);
  end if;
  return v_photos;
end;
$$;

-- Says that faces are one person with p_face.
create function kizu.tell_same(p_user uuid, p_face uuid, p_others uuid[], p_verdict bigint)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)
  select distinct on (other.face_id)
         least(one.face_id, other.face_id), greatest(one.face_id, other.face_id), p_user,
         case when one.face_id < other.face_id then one.asset_id else other.asset_id end,
         case when one.face_id < other.face_id then other.asset_id else one.asset_id end,
         true, p_verdict
    from public.face_embeddings as one
    join public.face_embeddings as other
      on other.face_id = any (p_others)
     and other.user_id = p_user
     and other.asset_id <> one.asset_id
   where one.face_id = p_face
     and one.user_id = p_user
      on conflict (face_id, other_id) do update
     set same = true, verdict_id = excluded.verdict_id
   where not kizu.face_pairs.same;
end;
$$;

-- The faces that are meant by ids of faces or of any of their rows, of one user: p_user's or, for null, the first's.
-- Raises PT400 `bad_params` for none or too many, PT404 `not_found`.
create function kizu.find_faces(p_ids uuid[], p_user uuid, out faces uuid[], out user_id uuid)
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face is found by an index
as $$
declare
  c_most constant int := 1000;
begin
  if coalesce(cardinality(p_ids), 0) not between 1 and c_most or array_position(p_ids, null) is not null then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('face_ids: expected 1 to %s ids', c_most);
  end if;
  user_id := (kizu.find_face(p_ids[1], p_user)).user_id;
  faces := array(select distinct (kizu.find_face(id, find_faces.user_id)).face_id from unnest(p_ids) as id order by 1);
end;
$$;

-- Raises PT404 `not_found` unless all are clusters of one user, who is answered: p_user or, for null, the first's.
create function kizu.find_clusters(p_ids uuid[], p_user uuid)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
  v_users uuid[] := array(
    select cluster.user_id
      from unnest(p_ids) as wanted (id)
      join public.face_clusters as cluster on cluster.id = wanted.id
  );
begin
  if cardinality(v_users) <> cardinality(p_ids) or coalesce(p_user, v_users[1]) <> any (v_users)
     or v_users[1] <> any (v_users) then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'there is no such person';
  end if;
  return v_users[1];
end;
$$;

-- A name as people give it, trimmed. Raises PT400 `bad_params`, also for a contact and a name at once.
create function kizu.checked_name(p_contact uuid, p_name text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  c_longest constant int := 500; -- characters, as tags have it
  v_name    constant text := btrim(p_name);
begin
  if p_contact is not null and p_name is not null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'expected a contact or a name, not both';
  elsif v_name = '' or length(v_name) > c_longest or v_name ~ '[[:cntrl:]]' then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('name: expected 1 to %s characters, and no control character', c_longest);
  end if;
  return v_name;
end;
$$;

-- Photos for which it matters that these faces are p_contact, or nobody for null, or with p_as_said whoever they are said
-- to be; and how far each face has been told: {face: the photo to go on after}. As many as one call looks through are found now; the rest is for spread_names.
create function kizu.photos_of_names(p_user uuid, p_faces uuid[], p_contact uuid, p_as_said boolean default false,
                                     out photos uuid[], out left_over jsonb)
language plpgsql
set search_path = ''
as $$
declare
  c_page        constant int  := 5000;
  c_most_photos constant int  := 100;
  c_most_faces  constant int  := 8;
  c_first       constant uuid := '00000000-0000-0000-0000-000000000000';
  v_face uuid;
  v_page record;
begin
  photos := '{}';
  left_over := '{}';
  for v_number in 1 .. cardinality(p_faces) loop
    v_face := p_faces[v_number];
    if v_number > c_most_faces or cardinality(photos) > c_most_photos then
      left_over := left_over || jsonb_build_object(v_face, c_first);
      continue;
    end if;
    v_page := kizu.photos_of_a_name(
      p_user, v_face,
      case
        when p_as_said then (select contact_id from public.face_embeddings
                              where face_id = v_face and not recognised limit 1)
        else p_contact
      end,
      c_first, c_page
    );
    photos := photos || v_page.photos;
    if v_page.last is not null then
      left_over := left_over || jsonb_build_object(v_face, v_page.last);
    end if;
  end loop;
end;
$$;

-- Leaves to spread_names what is left of names that were given or taken away; answers for how many faces.
create function kizu.leave_names(p_user uuid, p_faces uuid[], p_left_over jsonb)
returns bigint
language plpgsql
set search_path = ''
as $$
begin
  delete from kizu.namings where face_id = any (p_faces);
  insert into kizu.namings (face_id, user_id, after)
  select face_id::uuid, p_user, after::uuid from jsonb_each_text(p_left_over) as naming (face_id, after);
  return kizu.faces_after(p_user, (
    select after::uuid from jsonb_each_text(p_left_over) as naming (face_id, after) order by after::uuid limit 1
  ));
end;
$$;

-- Recognises faces anew in photos, for the verdict that is under way: where that takes names back and where a name has
-- to be told to, which kizu.photos_of_names bounds, come first, then those whose faces people spoke of. Where these are
-- too many for one call, the rest keep what is recognised in them, and their tags say so. p_placing as
-- kizu.recognise_again has it, of a few: where the others belong is found out when all faces are clustered. Answers
-- {"recognised", "taken_back"}.
create function kizu.look_again(p_user uuid, p_photos uuid[], p_placing boolean default true)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  c_most   constant int := 200; -- of photos_of_names come fewer
  c_placed constant int := 60;  -- in a large library each takes some 20 ms
  v_photos constant uuid[] := array(
    select id
      from unnest(kizu.take_back_names(current_setting('kizu.verdict')::bigint) || p_photos)
             with ordinality as photo (id, place)
     group by id
     order by min(place)
  );
  v_first jsonb;
  v_rest  jsonb;
begin
  if cardinality(v_photos) > c_most then
    perform kizu.tag_people(v_photos[c_most + 1:], null, model_version, null)
       from public.generations
      where kind = 'faces'
        and state in ('active', 'filling', 'former');
  end if;
  v_first := kizu.recognise_again(p_user, v_photos[:c_placed], p_placing);
  v_rest := kizu.recognise_again(p_user, v_photos[c_placed + 1:c_most], false);
  return jsonb_build_object(
    'recognised', (v_first -> 'recognised')::int + (v_rest -> 'recognised')::int,
    'taken_back', (v_first -> 'taken_back')::int + (v_rest -> 'taken_back')::int
  );
end;
$$;

-- Takes photos in the order in which settlements do, before their faces change.
create function kizu.lock_photos(p_photos uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform id from public.assets where id = any (p_photos) order by id for no key update;
end;
$$;

-- The photos of faces.
create function kizu.photos_of(p_user uuid, p_faces uuid[])
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a face is found by an index
as $$
begin
  return array(select distinct asset_id
                 from public.face_embeddings
                where face_id = any (p_faces)
                  and (user_id = p_user) is true);
end;
$$;

select kizu.keep_internal('kizu.keep_changes()');
select kizu.keep_internal('kizu.name_cluster()');
select kizu.keep_internal('kizu.told_of(text, jsonb)');
select kizu.keep_internal('kizu.drop_verdicts_without_faces()');
select kizu.keep_internal('kizu.begin_verdict(uuid, text, uuid, uuid)');
select kizu.keep_internal('kizu.give_way_soon()');
select kizu.keep_internal('kizu.end_verdict(bigint, uuid[])');
select kizu.keep_internal('kizu.same_faces(uuid, uuid[])');
select kizu.keep_internal('kizu.cluster_of(uuid, uuid, uuid)');
select kizu.keep_internal('kizu.let_go(uuid, uuid[])');
select kizu.keep_internal('kizu.bring_faces(uuid, uuid[], uuid, uuid[])');
select kizu.keep_internal('kizu.exclude_strangers(uuid, uuid)');
select kizu.keep_internal('kizu.core_faces(uuid, uuid, int)');
select kizu.keep_internal('kizu.tell_apart(uuid, uuid[], uuid, bigint)');
select kizu.keep_internal('kizu.take_back_names(bigint)');
select kizu.keep_internal('kizu.tell_same(uuid, uuid, uuid[], bigint)');
select kizu.keep_internal('kizu.find_faces(uuid[], uuid)');
select kizu.keep_internal('kizu.find_clusters(uuid[], uuid)');
select kizu.keep_internal('kizu.checked_name(uuid, text)');
select kizu.keep_internal('kizu.photos_of_names(uuid, uuid[], uuid, boolean)');
select kizu.keep_internal('kizu.leave_names(uuid, uuid[], jsonb)');
select kizu.keep_internal('kizu.look_again(uuid, uuid[], boolean)');
select kizu.keep_internal('kizu.lock_photos(uuid[])');
select kizu.keep_internal('kizu.photos_of(uuid, uuid[])');
