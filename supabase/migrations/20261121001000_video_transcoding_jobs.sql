-- Jobs that turn a video into one a browser plays. Apps fill the input columns and read the output
-- columns; handlers read `params` and answer with a `result`, from which the outputs follow.

insert into public.job_kinds (kind, table_name, on_upload, needs_asset)
values ('transcode_video', 'video_transcoding_jobs', '{video}', true)
on conflict (kind) do nothing;

select kizu.make_job_table('video_transcoding_jobs', 'transcode_video');

alter table public.video_transcoding_jobs
  add column input_url              text,
  add column input_format           text,
  add column input_duration_ms      bigint,
  add column input_width            int,
  add column input_height           int,
  add column input_size_bytes       bigint,
  add column quality_preset         text,
  add column target_resolution      text,
  add column metadata               jsonb not null default '{}',
  add column output_url             text   generated always as (result ->> 'output_url') stored,
  add column output_format          text   generated always as (result ->> 'output_format') stored,
  add column output_codec           text   generated always as (result ->> 'output_codec') stored,
  add column output_width           int    generated always as ((result ->> 'output_width')::int) stored,
  add column output_height          int    generated always as ((result ->> 'output_height')::int) stored,
  add column output_size_bytes      bigint generated always as ((result ->> 'output_size_bytes')::bigint) stored,
  add column output_duration_ms     bigint generated always as ((result ->> 'output_duration_ms')::bigint) stored,
  add column output_bitrate_kbps    int    generated always as ((result ->> 'output_bitrate_kbps')::int) stored,
  add column thumbnail_url          text   generated always as (result ->> 'thumbnail_url') stored,
  add column thumbnail_generated_at timestamptz
    generated always as (case when result ? 'thumbnail_url' then completed_at end) stored,
  add column started_at             timestamptz generated always as (picked_up_at) stored,
  add column retry_count            int generated always as (greatest(attempts - 1, 0)) stored,
  add constraint preset_is_known
    check (quality_preset in ('low', 'medium', 'high', 'lossless')),
  add constraint resolution_is_known
    check (target_resolution in ('480p', '720p', '1080p', 'original'));

-- An app's input columns become the job's params; what params already say wins.
create function kizu.read_video_input()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.params := jsonb_strip_nulls(jsonb_build_object(
                  'input_url',         new.input_url,
                  'input_format',      new.input_format,
                  'input_duration_ms', new.input_duration_ms,
                  'input_width',       new.input_width,
                  'input_height',      new.input_height,
                  'input_size_bytes',  new.input_size_bytes,
                  'quality_preset',    new.quality_preset,
                  'target_resolution', new.target_resolution
                )) || new.params;
  return new;
end;
$$;

select kizu.keep_internal('kizu.read_video_input()');

create trigger input_becomes_params
  before insert on public.video_transcoding_jobs
  for each row
  execute function kizu.read_video_input();
