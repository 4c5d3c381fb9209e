-- Files: private buckets, in which every path begins with its owner's id. Repeatable.
--
-- Users have their own folder. The narrow worker role reads originals but writes only under
-- `{user}/processed/…`, so a worker's lost token cannot overwrite or delete a single original.

insert into storage.buckets (id, name, public)
values ('assets',          'assets',          false),
       ('thumbnails',      'thumbnails',      false),
       ('avatars',         'avatars',         false),
       ('face-thumbnails', 'face-thumbnails', false)
on conflict (id) do nothing;

drop policy if exists kizu_owners_read   on storage.objects;
drop policy if exists kizu_owners_add    on storage.objects;
drop policy if exists kizu_owners_edit   on storage.objects;
drop policy if exists kizu_owners_remove on storage.objects;

create policy kizu_owners_read on storage.objects
  for select to authenticated
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy kizu_owners_add on storage.objects
  for insert to authenticated
  with check (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
              and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy kizu_owners_edit on storage.objects
  for update to authenticated
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
              and (storage.foldername(name))[1] = (select auth.uid())::text);

create policy kizu_owners_remove on storage.objects
  for delete to authenticated
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and (storage.foldername(name))[1] = (select auth.uid())::text);

drop policy if exists kizu_workers_read   on storage.objects;
drop policy if exists kizu_workers_add    on storage.objects;
drop policy if exists kizu_workers_edit   on storage.objects;
drop policy if exists kizu_workers_remove on storage.objects;

create policy kizu_workers_read on storage.objects
  for select to kizu_worker
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails'));

create policy kizu_workers_add on storage.objects
  for insert to kizu_worker
  with check (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
              and (storage.foldername(name))[2] = 'processed');

create policy kizu_workers_edit on storage.objects
  for update to kizu_worker
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and (storage.foldername(name))[2] = 'processed')
  with check (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
              and (storage.foldername(name))[2] = 'processed');

create policy kizu_workers_remove on storage.objects
  for delete to kizu_worker
  using (bucket_id in ('assets', 'thumbnails', 'avatars', 'face-thumbnails')
         and (storage.foldername(name))[2] = 'processed');
