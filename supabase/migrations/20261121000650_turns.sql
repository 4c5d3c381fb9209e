-- When a user was last served, as far as their jobs do not say so any more: deleting a photo with its job
-- must not make its owner somebody who was never served.
create table kizu.turns (
  user_id   uuid not null references auth.users on delete cascade,
  job_type  text not null,
  served_at timestamptz not null,

  primary key (user_id, job_type)
);

create function kizu.remember_turns()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into kizu.turns as turn (user_id, job_type, served_at)
  select user_id, job_type, max(picked_up_at)
    from gone
   where picked_up_at is not null
     and exists (select from auth.users where id = gone.user_id)
   group by user_id, job_type
   order by user_id, job_type
      on conflict (user_id, job_type) do update
     set served_at = greatest(turn.served_at, excluded.served_at);
  return null;
end;
$$;

select kizu.keep_internal('kizu.remember_turns()');
