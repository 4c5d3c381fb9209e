-- Jobs that look at pictures. Apps know this table by its `input_params`; handlers read `params`.

insert into public.job_kinds (kind, table_name, on_upload, needs_asset, default_params, alias_of)
values ('image_ai',      'ai_processing_jobs', '{image}', true, '{"operations": ["all"]}', null),
       ('process_image', 'ai_processing_jobs', '{}',      true, '{}', 'image_ai')
on conflict (kind) do nothing;

select kizu.make_job_table('ai_processing_jobs', 'image_ai');

alter table public.ai_processing_jobs
  add column input_params jsonb,
  add column processed    int not null default 0,
  add column total        int not null default 0,
  add column ai_version   text;

-- An app's input_params become the job's params; the asset named there becomes the job's asset.
create function kizu.read_ai_input()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.asset_id := coalesce(new.asset_id, (new.input_params ->> 'asset_id')::uuid);
  new.params   := coalesce(new.input_params - 'asset_id', '{}') || new.params;
  return new;
end;
$$;

select kizu.keep_internal('kizu.read_ai_input()');

create trigger input_becomes_params
  before insert on public.ai_processing_jobs
  for each row
  execute function kizu.read_ai_input();
