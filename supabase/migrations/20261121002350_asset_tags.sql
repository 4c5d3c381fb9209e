-- What is in a photo, in words: set by people, or found by us (then created_by is null).

create table public.asset_tags (
  id           uuid primary key default gen_random_uuid(),
  user_id      uuid not null default auth.uid(),
  asset_id     uuid not null,
  run_id       uuid references public.runs on delete set null,
  tag_type     text not null,
  tag_value    text not null,
  contact_id   uuid,
  bounding_box jsonb,
  face_index   int,
  created_by   uuid default auth.uid() references auth.users on delete cascade,
  tagged_by    jsonb not null default '{}', -- of ours: {source, model, similarity}
  created_at   timestamptz not null default now(),

  constraint tag_type_is_known check (tag_type in ('object', 'person')),
  constraint tag_is_short check (length(tag_value) between 1 and 500),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade,
  constraint contact_belongs_to_the_same_user foreign key (contact_id, user_id)
    references public.contacts (id, user_id) on delete cascade
);

create unique index we_tag_a_thing_once on public.asset_tags (asset_id, tag_type, tag_value)
  where created_by is null and tag_type = 'object';
create unique index we_tag_a_person_once on public.asset_tags (asset_id, contact_id)
  where created_by is null and tag_type = 'person';
create index asset_tags_of_an_asset on public.asset_tags (asset_id, tag_type);
create index asset_tags_by_value on public.asset_tags (user_id, tag_type, tag_value);
create index asset_tags_of_a_contact on public.asset_tags (contact_id);
create index asset_tags_of_a_run on public.asset_tags (run_id);
create index asset_tags_of_a_creator on public.asset_tags (created_by);

select kizu.let_owners_edit('asset_tags');

-- What a person wrote or corrected is theirs, and no later look of ours removes it.
create function kizu.sign_tag()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.created_by := auth.uid();
  return new;
end;
$$;

create trigger people_sign_their_tags
  before insert or update on public.asset_tags
  for each row when (current_user = 'authenticated')
  execute function kizu.sign_tag();

select kizu.keep_internal('kizu.sign_tag()');

-- Replaces the things we saw in a photo by those we see now, each once; people's own tags stay.
create function kizu.replace_object_tags(p_rows jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.asset_tags
   where asset_id = p_asset
     and user_id = p_user
     and tag_type = 'object'
     and created_by is null;

  insert into public.asset_tags (user_id, asset_id, run_id, tag_type, tag_value, created_by, tagged_by)
  select distinct on (row.tag_value)
         p_user, p_asset, p_run, 'object', row.tag_value, null, coalesce(row.tagged_by, '{}')
    from jsonb_populate_recordset(null::public.asset_tags, p_rows) as row
   order by row.tag_value, row.tagged_by;
end;
$$;

select kizu.keep_internal('kizu.replace_object_tags(jsonb, uuid, uuid, uuid)');

insert into public.result_tables (table_name, mode, columns, writer)
values ('asset_tags', 'replace', array['tag_value', 'tagged_by'], 'replace_object_tags');
