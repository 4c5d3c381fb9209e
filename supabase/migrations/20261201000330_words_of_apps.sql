-- What apps do to tags and contacts is a word about people, too: a tag of ours that is deleted does not come back, and a
-- contact that is renamed, born or deleted is so wherever they are known.

-- Things that a photo does not show, as its owner deleted the tag.
create table kizu.deleted_tags (
  asset_id  uuid not null,
  tag_value text not null,
  user_id   uuid not null,

  primary key (asset_id, tag_value),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

alter table kizu.deleted_tags enable row level security;
revoke all on kizu.deleted_tags from public, anon, authenticated, service_role;

-- As before, without what its owner said is not there.
create or replace function kizu.replace_object_tags(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.asset_tags
   where asset_id = p_asset
     and (user_id = p_user and tag_type = 'object' and created_by is null) is true; -- or all such tags would be looked at

  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, created_by, tagged_by)
  select distinct on (row.tag_value)
         p_user, p_asset, p_run, 'object', row.tag_value, null, coalesce(row.tagged_by, '{}')
    from jsonb_populate_recordset(null::public.asset_tags, p_rows) as row
   where not exists (
           select from kizu.deleted_tags as deleted
            where deleted.asset_id = p_asset
              and deleted.tag_value = row.tag_value
         )
   order by row.tag_value, row.tagged_by;
end;
$$;

-- A user who edits tags or contacts may be speaking of people: their faces are taken before any row, as everybody does.
create function kizu.take_own_people()
returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '3s'
as $$
begin
  perform pg_advisory_xact_lock(kizu.faces_of(auth.uid()));
  return null;
exception
  when lock_not_available then
    raise sqlstate 'PT503' using message = 'database_busy', detail = 'these people are being worked on; try again';
end;
$$;

create trigger people_are_taken_first
  before update or delete on public.asset_tags
  for each statement when (current_user = 'authenticated')
  execute function kizu.take_own_people();
create trigger people_are_taken_first
  before update or delete on public.contacts
  for each statement when (current_user = 'authenticated')
  execute function kizu.take_own_people();

-- Who deletes a person's tag of ours says that this is not them.
create function kizu.hear_deleted_tags()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.deleted_tags (asset_id, tag_value, user_id)
  select asset_id, tag_value, user_id
    from deleted
   where created_by is null
     and tag_type = 'object'
     and exists (select from public.assets as asset where asset.id = deleted.asset_id)
      on conflict do nothing;

  perform kizu.hear_of_people(user_id, contact_id, null, array_agg(deleted::public.asset_tags))
     from deleted
    where created_by is null
      and tag_type = 'person'
      and contact_id is not null
    group by user_id, contact_id;
  return null;
end;
$$;

-- Who gives it to another contact says that it is they, and who makes it a tag of something else or of another photo that
-- it is not who it was; and a thing that was corrected is not what it was.
create function kizu.hear_changed_tags()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.deleted_tags (asset_id, tag_value, user_id)
  select former.asset_id, former.tag_value, former.user_id
    from former
    left join latter using (id)
   where former.created_by is null
     and former.tag_type = 'object'
     and (latter.asset_id, latter.tag_type, latter.tag_value)
         is distinct from (former.asset_id, former.tag_type, former.tag_value)
      on conflict do nothing;

  perform kizu.hear_of_people(former.user_id, former.contact_id, other.contact_id,
                              array_agg(former::public.asset_tags))
     from former
     left join latter using (id)
    cross join lateral (
            select case
                     when latter.asset_id = former.asset_id and latter.tag_type = former.tag_type
                     then latter.contact_id
                   end as contact_id
          ) as other
    where former.created_by is null
      and former.tag_type = 'person'
      and former.contact_id is not null
      and (latter.asset_id, latter.tag_type, latter.contact_id)
          is distinct from (former.asset_id, former.tag_type, former.contact_id)
    group by former.user_id, former.contact_id, other.contact_id;
  return null;
end;
$$;

-- Who tags a thing says that it is there.
create function kizu.hear_new_tags()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from kizu.deleted_tags as deleted
   using added
   where deleted.asset_id = added.asset_id
     and deleted.tag_value = added.tag_value
     and added.tag_type = 'object';
  return null;
end;
$$;

create trigger deleted_tags_are_heard
  after delete on public.asset_tags referencing old table as deleted
  for each statement when (current_user = 'authenticated') execute function kizu.hear_deleted_tags();
create trigger changed_tags_are_heard
  after update on public.asset_tags referencing old table as former new table as latter
  for each statement when (current_user = 'authenticated') execute function kizu.hear_changed_tags();
create trigger new_tags_are_heard
  after insert on public.asset_tags referencing new table as added
  for each statement when (current_user = 'authenticated') execute function kizu.hear_new_tags();

-- Whom these tags of ours, which are gone, say to be p_former is p_contact, or for null not p_former. Taken back, they are
-- there again. Who calls it holds kizu.faces_of(user).
create function kizu.hear_of_people(p_user uuid, p_former uuid, p_contact uuid, p_tags public.asset_tags[])
returns void
language plpgsql
set search_path = ''
set lock_timeout = '3s'
set enable_seqscan = off -- whatever the statistics say, a photo's faces are found by an index
as $$
declare
  v_faces constant uuid[] := array(
    select distinct face_id
      from public.face_embeddings
     where asset_id in (select asset_id from unnest(p_tags))
       and user_id = p_user
       and contact_id = p_former
     order by face_id
  );
  v_said jsonb;
begin
  if cardinality(v_faces) = 0 then
    return;
  elsif p_contact is null then
    -- Nor is anybody else in these photos: or the tag would come back with the next face that is like them.
    v_said := kizu.say_they_are_not(p_user, array(
      select distinct face_id
        from public.face_embeddings
       where asset_id in (select asset_id from unnest(p_tags))
         and user_id = p_user
       order by face_id
    ), p_former, (select id from public.face_clusters where contact_id = p_former), 'is_not');
  else
    v_said := kizu.say_they_are(p_user, v_faces, p_contact);
  end if;
  insert into kizu.verdict_changes (verdict_id, what, key, user_id, asset_id, before, contact_before)
  select (v_said ->> 'verdict_id')::bigint, 'tag', concat(asset_id, ' ', contact_id, ' ', model_version), p_user,
         asset_id, kizu.told_of('tag', to_jsonb(tag)) - 'contact_id', contact_id
    from unnest(p_tags) as tag
      on conflict do nothing;
exception
  when lock_not_available or deadlock_detected then
    raise sqlstate 'PT503'
      using message = 'database_busy', detail = 'these photos are being worked on; try again';
end;
$$;

-- A contact who is deleted is nobody's any more: their cluster is a person without a name, and their faces are so, too.
create function kizu.forget_contact()
returns trigger
language plpgsql
security definer
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, a contact's faces are found by an index
as $$
declare
  v_clusters constant uuid[] := array(select id from public.face_clusters where contact_id = old.id);
begin
  -- With their user goes everything, and who deletes a user has photos already, for which others may wait who have these.
  if not exists (select from auth.users where id = old.user_id) then
    return old;
  end if;
  perform pg_advisory_xact_lock(kizu.faces_of(old.user_id));
  update public.face_embeddings
     set contact_id = null, recognised = false
   where contact_id = old.id;
  update public.face_clusters
     set contact_id = null, name = null, updated_at = kizu.now()
   where contact_id = old.id;
  perform kizu.part_doubles(old.user_id, v_clusters);
  return old;
end;
$$;

create trigger contact_is_forgotten
  before delete on public.contacts
  for each row execute function kizu.forget_contact();

-- A cluster that was kept for its contact, without a face, goes with them.
create function kizu.drop_clusters_of_nobody()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.face_clusters as cluster
   where cluster.user_id in (select user_id from gone)
     and cluster.face_count = 0
     and cluster.contact_id is null
     and cluster.name is null
     and not exists (select from public.face_embeddings as face where face.cluster_id = cluster.id);
  return null;
end;
$$;

create trigger clusters_of_nobody_go
  after delete on public.contacts
  referencing old table as gone
  for each statement execute function kizu.drop_clusters_of_nobody();

-- Names that are being spread go with the last row of their face.
create function kizu.drop_namings()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from kizu.namings as naming
   where face_id in (select face_id from gone)
     and not exists (select from public.face_embeddings as face where face.face_id = naming.face_id);
  return null;
end;
$$;

create trigger namings_go_with_their_faces
  after delete on public.face_embeddings
  referencing old table as gone
  for each statement execute function kizu.drop_namings();

-- A contact who is renamed is so in their cluster and in our tags.
create function kizu.rename_person()
returns trigger
language plpgsql
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, a contact's tags are found by an index
as $$
begin
  update public.face_clusters
     set name = nullif(left(new.display_name, 500), ''), updated_at = kizu.now()
   where contact_id = new.id;
  update public.asset_tags
     set tag_value = left(new.display_name, 500)
   where contact_id = new.id
     and tag_type = 'person'
     and created_by is null
     and new.display_name <> '';
  return null;
end;
$$;

create trigger person_is_renamed
  after update of display_name on public.contacts
  for each row when (new.display_name <> old.display_name)
  execute function kizu.rename_person();

-- Nobody is recognised in a photo from before their birth; with another date it is found out again who they are in.
create function kizu.hear_of_birth()
returns trigger
language plpgsql
security definer
set search_path = ''
set kizu.recognising = 'yes'
set enable_seqscan = off -- whatever the statistics say, a contact's faces are found by an index
as $$
declare
  c_teach constant int  := 16;
  c_first constant uuid := '00000000-0000-0000-0000-000000000000';
  v_photos uuid[];
begin
  v_photos := array(
    select distinct asset.id
      from public.face_embeddings as face
      join public.assets as asset on asset.id = face.asset_id
     where face.contact_id = new.id
       and face.recognised
       and kizu.day_of(asset.taken_at, asset.taken_at_offset_minutes) < new.birth_date
  );
  perform kizu.lock_photos(v_photos);
  update public.face_embeddings
     set contact_id = null, recognised = false
   where asset_id = any (v_photos)
     and contact_id = new.id
     and recognised;
  delete from public.asset_tags
   where asset_id = any (v_photos)
     and contact_id = new.id
     and tag_type = 'person'
     and created_by is null
     and model_version is not null;

  insert into kizu.namings (face_id, user_id, after)
  select face_id, new.user_id, c_first
    from (select distinct face_id
            from public.face_embeddings
           where contact_id = new.id
             and not recognised
           limit c_teach) as said
      on conflict (face_id) do update set after = c_first;
  return null;
end;
$$;

create trigger birth_is_heard_of
  after update of birth_date on public.contacts
  for each row when (new.birth_date is distinct from old.birth_date)
  execute function kizu.hear_of_birth();

select kizu.keep_internal('kizu.take_own_people()');
select kizu.keep_internal('kizu.hear_deleted_tags()');
select kizu.keep_internal('kizu.hear_changed_tags()');
select kizu.keep_internal('kizu.hear_new_tags()');
select kizu.keep_internal('kizu.hear_of_people(uuid, uuid, uuid, public.asset_tags[])');
select kizu.keep_internal('kizu.forget_contact()');
select kizu.keep_internal('kizu.drop_clusters_of_nobody()');
select kizu.keep_internal('kizu.drop_namings()');
select kizu.keep_internal('kizu.rename_person()');
select kizu.keep_internal('kizu.hear_of_birth()');
