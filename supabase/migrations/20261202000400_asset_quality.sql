-- What makes a photo the best of several of the same thing, measured once, when it is decoded anyway.

create table public.asset_quality (
  id         uuid primary key default gen_random_uuid(),
  user_id    uuid not null,
  asset_id   uuid not null,
  run_id     uuid references public.runs on delete set null,
  sharpness  real not null,              -- of its sharpest parts, at 1,024 pixels; 2 to 25 of most photos
  exposure   real not null,              -- 0 to 1: seen, neither too dark nor too bright
  contrast   real not null,              -- standard deviation of luma over 32 x 32 fields
  fine_hash  bit(256),                   -- as the perceptual hash, finer; null of a blank picture
  created_at timestamptz not null default now(),

  constraint an_asset_is_measured_once unique (asset_id),
  constraint measures_are_not_negative
    check (sharpness between 0 and 255 and exposure between 0 and 1 and contrast between 0 and 255),
  constraint asset_belongs_to_the_same_user foreign key (asset_id, user_id)
    references public.assets (id, user_id) on delete cascade
);

create index asset_quality_of_a_user on public.asset_quality (user_id, asset_id);
create index asset_quality_of_a_run on public.asset_quality (run_id);

select kizu.let_owners_read('asset_quality');
select kizu.bound_columns('public.asset_quality');

insert into public.result_tables (table_name, mode, columns)
values ('asset_quality', 'replace', array['sharpness', 'exposure', 'contrast', 'fine_hash']);

insert into public.facts (fact, kind, media, listed_in)
values ('quality', 'image_ai', '{image}', 'operations');
