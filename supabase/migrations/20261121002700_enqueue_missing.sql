-- Reconciliation: every photo that lacks a fact gets a job for just what it lacks. Asked again, nothing is
-- doubled; and what was looked at without finding anything is not missing.

-- Looks at the next p_limit photos (at most 5,000) after p_after in id order, of the caller or, for the
-- service, of p_user_id or everybody. p_versions is {operation: version of the model}; an operation is
-- missing where the asset does not say it is known in that version, or everywhere with p_force. A file that
-- turned out to be no picture lacks nothing.
--
-- Left alone: photos with an image job pending or running, and, without p_force, those whose last job for the
-- same versions has failed for a reason that lies in the photo. Jobs go behind everything that somebody just
-- uploaded.
--
-- Answers {"looked_at", "missing", "enqueued", "next"}; `next` is the p_after of the next page, null at
-- the end. p_dry_run enqueues nothing.
create function public.enqueue_missing(
  p_versions jsonb,
  p_user_id  uuid default null,
  p_after    uuid default null,
  p_limit    int default 1000,
  p_force    boolean default false,
  p_dry_run  boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_kind     constant text := 'image_ai';
  c_behind   constant int := 100;
  c_mendable constant text[] := array['weights_missing', 'bad_weights', 'package_missing', 'licence_refused',
                                      'unknown_model', 'storage_unavailable', 'database_unavailable', 'timeout'];
  c_no_picture constant text[] := array['not_an_image', 'unreadable'];
  c_most_operations constant int := 64;
  c_largest_version constant int := 200; -- characters
  v_scope constant uuid := kizu.caller_scope();
  v_user  constant uuid := coalesce(kizu.caller_scope(), p_user_id);
  v_limit constant int := least(greatest(coalesce(p_limit, 1000), 1), 5000);
  v_kind  public.job_kinds;
  v_page  uuid[];
  v_looked_at int;
  v_missing   int;
  v_enqueued  int;
begin
  if jsonb_typeof(p_versions) is distinct from 'object' or p_versions = '{}' then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'versions: expected {operation: version}, at least one';
  end if;
  if (select count(*) from jsonb_object_keys(p_versions)) > c_most_operations
     or exists (
          select from jsonb_each(p_versions)
           where key !~ '^[a-z][a-z0-9_]{0,62}$'
              or jsonb_typeof(value) <> 'string'
              or length(value #>> '{}') not between 1 and c_largest_version
        ) then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('versions: expected at most %s operations, each with a version of at most %s characters',
                            c_most_operations, c_largest_version);
  end if;
  select * into strict v_kind from public.job_kinds where kind = c_kind;

  v_page := array(
    select id
      from public.assets
     where (v_user is null or user_id = v_user)
       and (p_after is null or id > p_after)
       and kizu.media_class(media_type) = 'image'
     order by id
     limit v_limit
  );
  v_looked_at := cardinality(v_page);

  with
  lacking as materialized (
    select asset.id as asset_id,
           asset.user_id,
           wanted.params,
           kizu.dedupe_key(c_kind, asset.id, wanted.params || jsonb_build_object('versions', wanted.versions))
             as dedupe_key
      from public.assets as asset
     cross join lateral (
             select v_kind.default_params
                    || jsonb_build_object('operations', jsonb_agg(key order by key)) as params,
                    jsonb_object_agg(key, value) as versions
               from jsonb_each_text(p_versions)
              where p_force
                 or not coalesce(
                          asset.ai_operations -> key @> jsonb_build_object('version', value, 'ok', true),
                          false)
             having count(*) > 0
           ) as wanted
     where asset.id = any (v_page)
       and (p_force or coalesce((
             select job.status <> 'failed' or job.error_code <> all (c_no_picture)
               from public.jobs as job
              where job.asset_id = asset.id
                and job.job_type in (c_kind, 'process_image')
              order by job.created_at desc
              limit 1
           ), true))
  ),
  enqueued as (
    insert into public.ai_processing_jobs (user_id, asset_id, job_type, params, priority, max_attempts, dedupe_key)
    select user_id, asset_id, c_kind, params, least(v_kind.priority + c_behind, 1000),
           v_kind.max_attempts, dedupe_key
      from lacking
     where not p_dry_run
       and not exists (
             select from public.jobs as job
              where job.asset_id = lacking.asset_id
                and job.job_type in (c_kind, 'process_image')
                and job.status in ('pending', 'processing')
           )
       and (p_force or coalesce((
             select job.status <> 'failed' or job.error_code = any (c_mendable)
               from public.jobs as job
              where job.asset_id = lacking.asset_id
                and job.dedupe_key = lacking.dedupe_key
              order by job.created_at desc
              limit 1
           ), true))
     order by asset_id
        on conflict (dedupe_key) where status in ('pending', 'processing') do nothing
 returning id
  )
  select (select count(*) from lacking), (select count(*) from enqueued)
    into v_missing, v_enqueued;

  return jsonb_build_object(
    'looked_at', v_looked_at,
    'missing',   v_missing,
    'enqueued',  v_enqueued,
    'next',      case when v_looked_at = v_limit then v_page[v_limit] end
  );
end;
$$;

revoke execute on function public.enqueue_missing(jsonb, uuid, uuid, int, boolean, boolean) from public, anon;
grant execute on function public.enqueue_missing(jsonb, uuid, uuid, int, boolean, boolean)
  to authenticated, service_role;
