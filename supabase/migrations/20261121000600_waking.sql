-- New work rings a bell. A broadcast per statement, not per row, on a private topic, says only which
-- table has something; workers then claim, because the table is the truth and the bell a hint.

-- Rings for the table it fires on. A project without realtime.send stays silent, and a bell that
-- cannot ring never breaks the insert.
create function kizu.wake_workers()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (select from added where status = 'pending')
     and to_regprocedure('realtime.send(jsonb, text, text, boolean)') is not null then
    perform realtime.send(jsonb_build_object('table', tg_table_name), 'wake', 'kizu:jobs', true);
  end if;
  return null;
exception
  when others then
    raise warning 'could not wake the workers: %', sqlerrm;
    return null;
end;
$$;

select kizu.keep_internal('kizu.wake_workers()');

-- The narrow worker role may listen to that topic; nobody else but the service hears it, because when
-- others have work is none of a user's business. Personal workers listen to their own rows instead.
do $$
begin
  if to_regclass('realtime.messages') is not null and to_regprocedure('realtime.topic()') is not null then
    drop policy if exists kizu_workers_hear_the_bell on realtime.messages;
    create policy kizu_workers_hear_the_bell on realtime.messages
      for select to kizu_worker
      using (extension = 'broadcast' and (select realtime.topic()) = 'kizu:jobs');
  end if;
end;
$$;
