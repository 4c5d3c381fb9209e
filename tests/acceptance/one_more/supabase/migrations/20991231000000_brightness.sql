-- How bright photos are: a fact of each, and a sum for their user.
create table public.image_brightness (
  id             uuid primary key default gen_random_uuid(),
  user_id        uuid not null,
  asset_id       uuid not null,
  run_id         uuid references public.runs on delete set null,
  brightness     real not null,
  model_version  text not null,
  weights_digest text,
  foreign key (asset_id, user_id) references public.assets (id, user_id) on delete cascade
);
create table public.brightness_sums (
  id       uuid primary key default gen_random_uuid(),
  user_id  uuid not null references auth.users on delete cascade,
  run_id   uuid references public.runs on delete set null,
  photos   int not null,
  rounding text not null,
  digits   int not null
);
select kizu.let_owners_read('image_brightness');
select kizu.let_owners_read('brightness_sums');
insert into public.result_tables (table_name, mode, owner, columns)
values ('image_brightness', 'replace', 'asset', '{brightness,model_version,weights_digest}'),
       ('brightness_sums', 'replace', 'user', '{photos,rounding,digits}');
insert into public.facts (fact, kind, media, listed_in)
values ('brightness', 'image_ai', '{image}', 'operations');
insert into public.job_kinds (kind, table_name) values ('sum_brightness', 'ai_processing_jobs');
