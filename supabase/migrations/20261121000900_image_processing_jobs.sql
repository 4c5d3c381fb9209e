-- Jobs that make thumbnails and web versions. Apps fill the input columns and read the URL columns;
-- handlers read `params` and answer with a `result`, from which the URLs follow.

insert into public.job_kinds (kind, table_name, on_upload, needs_asset, default_params)
values ('optimize_image', 'image_processing_jobs', '{image}', true, '{"needs_web_version": true}')
on conflict (kind) do nothing;

select kizu.make_job_table('image_processing_jobs', 'optimize_image');

alter table public.image_processing_jobs
  add column input_url         text,
  add column input_orientation smallint,
  add column needs_web_version boolean not null default false,
  add column metadata          jsonb not null default '{}',
  add column thumbnail_url     text generated always as (result ->> 'thumbnail_url') stored,
  add column web_url           text generated always as (result ->> 'web_url') stored,
  add column started_at        timestamptz generated always as (picked_up_at) stored;

-- An app's input columns become the job's params; what params already say wins.
create function kizu.read_image_input()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.params := jsonb_strip_nulls(jsonb_build_object(
                  'input_url',            new.input_url,
                  'input_orientation',    new.input_orientation,
                  'needs_web_version',    new.needs_web_version,
                  'generate_thumbnail',   new.metadata -> 'generate_thumbnail',
                  'generate_web_version', new.metadata -> 'generate_web_version'
                )) || new.params;
  return new;
end;
$$;

select kizu.keep_internal('kizu.read_image_input()');

create trigger input_becomes_params
  before insert on public.image_processing_jobs
  for each row
  execute function kizu.read_image_input();

-- An app that looks at the asset sees that its photo could not be read.
create function kizu.show_image_failure()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.assets
     set image_processing_status = 'failed'
   where id = new.asset_id
     and user_id = new.user_id;
  return null;
end;
$$;

select kizu.keep_internal('kizu.show_image_failure()');

create trigger failure_shows_on_the_asset
  after update of status on public.image_processing_jobs
  for each row
  when (new.status = 'failed' and old.status <> 'failed')
  execute function kizu.show_image_failure();
