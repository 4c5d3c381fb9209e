-- What slows a queue down without any job failing: old snapshots and dead rows. For `kizu doctor`.

-- Answers {vector_version, old_transactions, oldest_seconds, tables}: how many transactions of this database have
-- been open for longer than p_older_than (none of whose later dead rows can be cleaned up) and for how many seconds
-- the oldest has, both null where the function's owner may not see other sessions; and per job table its name,
-- live and dead rows as Postgres estimates them. Ages and counts only: whose sessions they are and what they ask
-- stays out of a worker's sight.
create function public.queue_health(p_older_than interval default '5 minutes')
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_sees_others constant boolean := pg_has_role(current_user, 'pg_read_all_stats', 'usage');
begin
  perform kizu.caller_scope();

  return (
    with
    -- Vacuum's own transactions hold nobody back.
    opened as (
      select activity.xact_start as since
        from pg_catalog.pg_stat_activity as activity
       where activity.datname = current_database()
         and activity.pid <> pg_backend_pid()
         and activity.backend_type <> 'autovacuum worker'
         and (activity.backend_xmin is not null or activity.backend_xid is not null)
      union all
      select prepared from pg_catalog.pg_prepared_xacts where database = current_database()
    ),
    old as (
      select count(*) as transactions, max(clock_timestamp() - since) as age
        from opened
       where clock_timestamp() - since > p_older_than
    ),
    tables as (
      select jsonb_agg(
               jsonb_build_object('table', stat.relname, 'live', stat.n_live_tup, 'dead', stat.n_dead_tup)
               order by stat.relname
             ) as rows
        from pg_catalog.pg_stat_user_tables as stat
       where stat.schemaname = 'public'
         and stat.relname in (select table_name from public.job_kinds)
    )
    select jsonb_build_object(
             'vector_version', (select extversion from pg_catalog.pg_extension where extname = 'vector'),
             'old_transactions', case when v_sees_others then old.transactions end,
             'oldest_seconds', case when v_sees_others then round(extract(epoch from old.age)) end,
             'tables', coalesce(tables.rows, '[]')
           )
      from old, tables
  );
end;
$$;

select kizu.let_call('public.queue_health(interval)', 'kizu_worker', 'service_role');
