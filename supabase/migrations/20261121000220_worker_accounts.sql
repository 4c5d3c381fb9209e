-- Accounts that are workers: Auth gives their tokens the role kizu_worker. Repeatable.
--
-- Such an account signs in like any other, with its password or a refresh token, but is a machine: it serves every
-- user through the worker's verbs and is nobody's library. Its tokens are signed by the project, live an hour, and
-- become an ordinary user's at the first refresh after the account has been taken off the list.

create table if not exists kizu.worker_accounts (
  user_id  uuid primary key references auth.users on delete cascade,
  added_at timestamptz not null default now()
);

alter table kizu.worker_accounts enable row level security;
revoke all on kizu.worker_accounts from public, anon, authenticated, service_role;

-- Auth is not above row policies.
grant usage on schema kizu to supabase_auth_admin;
grant select on kizu.worker_accounts to supabase_auth_admin;
drop policy if exists kizu_auth_reads on kizu.worker_accounts;
create policy kizu_auth_reads on kizu.worker_accounts for select to supabase_auth_admin using (true);

-- Auth's custom access token hook: the claims of the event, with the role kizu_worker where the account is a
-- worker's. Whatever else the event says is passed on as it is, and what users say of themselves is not asked:
-- user_metadata is theirs to write. A token that is no signed-in user's keeps its role.
create or replace function kizu.custom_access_token_hook(event jsonb)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  if event #>> '{claims,role}' = 'authenticated'
     and exists (select from kizu.worker_accounts where user_id = (event ->> 'user_id')::uuid) then
    return jsonb_set(event, '{claims,role}', '"kizu_worker"');
  end if;
  return event;
end;
$$;

select kizu.let_call('kizu.custom_access_token_hook(jsonb)', 'supabase_auth_admin');

-- Puts the account with this e-mail address on the list, or takes it off; answers its id. For the service alone.
-- What tokens the account holds stays true until they expire.
-- Raises PT404 `not_found` where there is no such account, and PT400 `bad_params` where it has photos, because a
-- worker's account reads no table and their owner would no longer reach them, or where nobody has confirmed its
-- address: whoever signed up with it may be somebody else.
create or replace function public.set_worker_account(p_email text, p_works boolean default true)
returns uuid
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_user      uuid;
  v_confirmed timestamptz;
begin
  -- An identity provider's accounts may share an address with others; they have no password to sign in with.
  select id, email_confirmed_at
    into v_user, v_confirmed
    from auth.users
   where lower(email) = lower(p_email)
     and is_sso_user is not true;
  if v_user is null then
    raise sqlstate 'PT404' using message = 'not_found', detail = 'no account has this e-mail address';
  end if;

  if not p_works then
    delete from kizu.worker_accounts where user_id = v_user;
    return v_user;
  end if;

  if exists (select from public.assets where user_id = v_user) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'email: expected an account without photos of its own';
  end if;

  if v_confirmed is null then
    raise sqlstate 'PT400' using message = 'bad_params', detail = 'email: expected a confirmed address';
  end if;

  insert into kizu.worker_accounts (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;

select kizu.let_call('public.set_worker_account(text, boolean)', 'service_role');
