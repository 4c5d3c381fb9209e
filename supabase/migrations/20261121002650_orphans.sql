-- Files that nobody will ask for any more: those of attempts that were lost, cancelled or replaced. Repeatable.
--
-- A file's path names its job and its epoch, `{user}/processed/{asset}/{job}.{epoch}/…`. It can become a result
-- only while that job is processing under that epoch; from then on it is in derived_assets, or it is an orphan.

-- Looks at up to p_limit (1 to 1,000) files of the bucket `assets` that come after p_after by name, and answers
-- {"orphans": [name…], "next": name}: those that are older than p_older_than, were written by an attempt that
-- has ended, and are in no row of derived_assets; and where to go on, null when all have been looked at.
-- Users see their own.
create or replace function public.list_orphans(
  p_older_than interval default '24 hours',
  p_after      text     default '',
  p_limit      int      default 1000
)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_bucket     constant text := 'assets';
  c_processing constant text := 'processing';
  c_attempt    constant text :=
    '^[0-9a-f-]{36}/processed/[^/]+/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([0-9]{1,18})/';
  v_scope  constant uuid := kizu.caller_scope();
  v_before constant timestamptz := kizu.now() - greatest(coalesce(p_older_than, '24 hours'), '0');
  v_limit  constant int := least(greatest(coalesce(p_limit, 1000), 1), 1000);
  v_first  constant text := coalesce(v_scope || '/', '');
  v_end    constant text := v_scope || '0'; -- what follows a slash
  v_answer jsonb;
begin
  with
  looked_at as materialized (
    select name, coalesce(updated_at, created_at) as written_at
      from storage.objects
     where bucket_id = c_bucket
       and name collate "C" > greatest(coalesce(p_after, '') collate "C", v_first)
       and (v_end is null or name collate "C" < v_end)
     order by name collate "C"
     limit v_limit
  ),
  attempts as materialized (
    select name, attempt[1]::uuid as job_id, attempt[2]::bigint as epoch
      from looked_at
     cross join lateral regexp_match(name, c_attempt) as attempt
     where attempt is not null
       and written_at < v_before
  ),
  orphans as (
    select name
      from attempts
     where not exists (
             select from public.derived_assets as derived
              where derived.bucket = c_bucket
                and derived.key = attempts.name
           )
       and not exists (
             select from public.jobs as job
              where job.id = attempts.job_id
                and job.status = c_processing
                and job.lease_epoch = attempts.epoch
           )
  )
  select jsonb_build_object(
           'orphans', coalesce((select jsonb_agg(name order by name collate "C") from orphans), '[]'),
           'next',    case count(*) when v_limit then max(name collate "C") end
         )
    into v_answer
    from looked_at;

  return v_answer;
end;
$$;

select kizu.pin_plans('public.list_orphans(interval, text, int)');

select kizu.let_call('public.list_orphans(interval, text, int)', 'authenticated', 'kizu_worker', 'service_role');
