-- A door for results that are larger than a page: an attempt stages rows page by page, and its settlement writes them
-- all in its one transaction. They are there for that attempt only, and go when it ends, however it ends.

create table kizu.staged (
  job_table text not null,
  job_id    uuid not null,
  epoch     bigint not null,
  name      text not null, -- what the handler calls these rows
  page      int not null,  -- dense from 0
  user_id   uuid not null references auth.users on delete cascade,
  rows      jsonb not null,

  primary key (job_id, epoch, job_table, name, page)
);

create index staged_of_a_user on kizu.staged (user_id);

comment on table kizu.staged is
  'Logged, as a settlement that found its rows gone after a crash of the server would fail for good.';

alter table kizu.staged enable row level security;
revoke all on kizu.staged from public, anon, authenticated, service_role;

-- Keeps a page of rows for the settlement of the attempt (p_table, p_id, p_epoch) that p_worker runs, whose write says
-- {"staged": {"name": p_name, "pages": how many}} instead of its rows. The same page sent again takes its own place.
--
-- At most 1,000 rows and 1 MiB a page, and 1,000 pages an attempt. Raises PT409 `lease_lost` when the attempt is not
-- p_worker's any more, and PT400 `bad_params`.
create function public.stage_for_job(
  p_worker text,
  p_table  text,
  p_id     uuid,
  p_epoch  bigint,
  p_name   text,
  p_page   int,
  p_rows   jsonb
)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_processing constant text := 'processing';
  c_most_rows  constant int := 1000;
  c_most_bytes constant int := 1048576;
  c_most_pages constant int := 1000;
  v_table constant regclass := kizu.job_table(p_table);
  v_scope constant uuid := kizu.caller_scope();
  v_user  uuid;
begin
  -- Whoever ends the attempt waits, and takes away this page too.
  select user_id
    into v_user
    from public.jobs
   where tableoid = v_table
     and id = p_id
     and status = c_processing
     and worker_id = p_worker
     and lease_epoch = p_epoch
     and (v_scope is null or user_id = v_scope)
     for share;
  if not found then
    raise sqlstate 'PT409' using message = 'lease_lost', detail = 'the job is not held by this worker';
  end if;

  if coalesce(p_name, '') !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'name: expected a word';
  elsif coalesce(p_page, -1) not between 0 and c_most_pages - 1 then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('page: expected 0 to %s', c_most_pages - 1);
  elsif jsonb_typeof(p_rows) is distinct from 'array'
        or jsonb_array_length(p_rows) > c_most_rows
        or octet_length(p_rows::text) > c_most_bytes then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('rows: expected a list of at most %s rows and %s bytes', c_most_rows, c_most_bytes);
  elsif (select count(*)
           from kizu.staged
          where job_id = p_id
            and epoch = p_epoch
            and job_table = p_table
            and (name, page) <> (p_name, p_page)) >= c_most_pages then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = format('an attempt stages at most %s pages', c_most_pages);
  end if;

  insert into kizu.staged (job_table, job_id, epoch, name, page, user_id, rows)
  values (p_table, p_id, p_epoch, p_name, p_page, v_user, p_rows)
      on conflict (job_id, epoch, job_table, name, page) do update
     set rows = excluded.rows;
end;
$$;

-- The rows that the attempt behind p_run staged under p_staged, {"name", "pages"}, in order. Raises when pages are
-- missing.
create function kizu.staged_rows(p_staged jsonb, p_run uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_pages constant int := (p_staged ->> 'pages')::int;
  v_found int;
  v_rows  jsonb;
begin
  select count(distinct staged.page), coalesce(jsonb_agg(row order by page, place) filter (where row is not null), '[]')
    into v_found, v_rows
    from public.runs as run
    join kizu.staged
      on staged.job_id = run.job_id
     and staged.epoch = run.epoch
     and staged.job_table = run.job_table
    left join lateral jsonb_array_elements(staged.rows) with ordinality as each (row, place) on true
   where run.id = p_run
     and staged.name = p_staged ->> 'name'
     and staged.page < v_pages;
  if v_found is distinct from v_pages then
    raise exception 'staged %: expected % pages, found %', p_staged ->> 'name', v_pages, v_found;
  end if;
  return v_rows;
end;
$$;

-- Every attempt that ends has its line in the ledger; the rows are read before the transaction ends, and gone after.
create function kizu.forget_staged()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from kizu.staged where job_id = new.job_id and epoch <= new.epoch and job_table = new.job_table;
  return null;
end;
$$;

create constraint trigger staged_rows_go_with_the_attempt
  after insert on public.runs
  deferrable initially deferred
  for each row execute function kizu.forget_staged();

-- A job that is deleted leaves no events and no staged rows.
create or replace function kizu.forget_job_events()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.job_events where job_id = old.id;
  delete from kizu.staged where job_id = old.id and job_table = tg_table_name;
  return null;
end;
$$;

-- Results of a user may have a writer, too, and any write may be staged.
alter table public.result_tables
  drop constraint a_writer_replaces_what_an_asset_has,
  add constraint only_what_is_replaced_has_a_writer check (writer is null or mode = 'replace');

-- Applies one write of a job, under the job's own user, asset and run whatever its rows say. A write that says that it
-- is `staged` has the rows that stage_for_job was given.
-- Raises when the table or a column is not registered, or when a row breaks a rule.
create or replace function kizu.apply_write(p_write jsonb, p_user uuid, p_asset uuid, p_run uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_rows   jsonb := coalesce(p_write -> 'rows', '[]');
  v_write  jsonb := p_write;
  v_scope  jsonb;
  v_forced text[];
  v_target public.result_tables;
begin
  select *
    into v_target
    from public.result_tables
   where table_name = p_write ->> 'table';
  if not found then
    raise exception 'results are not written to %', coalesce(p_write ->> 'table', 'a table without a name');
  elsif v_target.parent is not null then
    raise exception 'rows of % are written with those of %', v_target.table_name, v_target.parent;
  end if;

  if p_write ? 'staged' then
    v_rows := kizu.staged_rows(p_write -> 'staged', p_run);
    v_write := p_write || jsonb_build_object('rows', v_rows);
  end if;

  if v_target.writer is not null then
    v_scope := kizu.scope_of(v_target, p_write);
    v_forced := kizu.forced_columns(v_target);
    perform kizu.written_columns(v_target, array(
      select distinct key
        from jsonb_array_elements(v_rows) as row
       cross join jsonb_object_keys(row) as key
       where key <> all (v_forced)
    ));
    if v_target.scope_columns = '{}' then
      execute format('select kizu.%I($1, $2, $3, $4)', v_target.writer) using v_rows, p_user, p_asset, p_run;
    else
      execute format('select kizu.%I($1, $2, $3, $4, $5)', v_target.writer)
        using v_rows, p_user, p_asset, p_run, v_scope;
    end if;
  else
    -- Crops by a worker that has heard of no generations are of the faces that it wrote just now, or found none of.
    if v_target.table_name = 'derived_assets'
       and p_write -> 'scope' = '{"kind": "face_crop"}' then
      v_write := jsonb_set(v_write, '{scope,model_version}', coalesce(to_jsonb(coalesce(
        (select max(model_version) from public.face_embeddings where asset_id = p_asset and run_id = p_run),
        kizu.answering('faces')
      )), 'null'));
    end if;
    case v_target.mode
      when 'replace' then perform kizu.replace_rows(v_target, v_write, p_user, p_asset, p_run);
      when 'upsert'  then perform kizu.insert_rows(v_target, v_rows, '{}', p_user, p_asset, p_run);
      when 'update'  then perform kizu.update_asset(v_target, p_write, p_user, p_asset);
    end case;
  end if;
end;
$$;

select kizu.pin_plans('public.stage_for_job(text, text, uuid, bigint, text, int, jsonb)');

select kizu.keep_internal('kizu.staged_rows(jsonb, uuid)');
select kizu.keep_internal('kizu.forget_staged()');

select kizu.let_call('public.stage_for_job(text, text, uuid, bigint, text, int, jsonb)',
                     'authenticated', 'kizu_worker', 'service_role');
