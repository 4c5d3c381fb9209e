-- Whose row is it: the same few lines for every table, so that no table can forget one. Repeatable.
--
-- Nothing is granted to anon, ever. Signed-in users reach their own rows, to read or also to edit; no
-- policy is without a role.

-- Makes public.<p_table> readable by its owners (p_owner names the column that says who), and by nobody else.
create or replace function kizu.let_owners_read(p_table text, p_owner text default 'user_id')
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format('alter table public.%I enable row level security', p_table);
  execute format('revoke all on public.%I from public, anon, authenticated, service_role', p_table);
  execute format('grant select on public.%I to authenticated, service_role', p_table);
  execute format(
    'create policy owners_read on public.%I for select to authenticated using ((select auth.uid()) = %I)',
    p_table, p_owner
  );
end;
$$;

-- Lets the owners of public.<p_table> also add, edit and remove their rows, and the service everybody's.
create or replace function kizu.let_owners_edit(p_table text, p_owner text default 'user_id')
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform kizu.let_owners_read(p_table, p_owner);

  execute format('grant insert, update, delete on public.%I to authenticated, service_role', p_table);
  execute format(
    'create policy owners_add on public.%I for insert to authenticated with check ((select auth.uid()) = %I)',
    p_table, p_owner
  );
  execute format(
    'create policy owners_edit on public.%1$I for update to authenticated'
    ' using ((select auth.uid()) = %2$I) with check ((select auth.uid()) = %2$I)',
    p_table, p_owner
  );
  execute format(
    'create policy owners_remove on public.%I for delete to authenticated using ((select auth.uid()) = %I)',
    p_table, p_owner
  );
end;
$$;

select kizu.keep_internal('kizu.let_owners_read(text, text)');
select kizu.keep_internal('kizu.let_owners_edit(text, text)');
