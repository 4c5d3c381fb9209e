-- Generations of vectors: which model's vectors of each kind answer searches and recognition, and which others are
-- kept beside them, so that a library changes its model without a moment in which it knows nothing.
--
-- A generation is all vectors of one kind that one model made. Exactly one of a kind is `active`. `filling`: a new
-- one that back-fill works on; `former`: was active, is still written to, and can be again at once; `dropping`: being
-- deleted; `dropped`: only its row is left. The library decides which model a worker asks, through these rows: a
-- worker's settings choose the model of a project's first generation and nothing after.

create table public.vector_kinds (
  kind       text primary key,
  fact       text not null unique references public.facts,  -- known of a photo once it has been embedded
  table_name name not null unique                           -- with columns asset_id, embedding, model_version
);

alter table public.vector_kinds enable row level security;
revoke all on public.vector_kinds from public, anon, authenticated, service_role;
grant select on public.vector_kinds to service_role;

insert into public.vector_kinds (kind, fact, table_name)
values ('pictures', 'embedding', 'image_embeddings'),
       ('faces', 'faces', 'face_embeddings');

create table public.generations (
  id             int generated always as identity primary key,
  kind           text not null references public.vector_kinds,
  model_version  text not null,             -- as on every row of it
  model          jsonb not null default '{}', -- {setting: value} that select the model; empty: not known yet
  weights_digest text,
  precision      text,
  dimension      int not null,              -- numbers of its vectors; shorter ones of the model get zeros at their end
  same_face      real,                      -- the cosine from which two faces are one person, where it is of faces
  cutoff         real,                      -- the cosine from which a picture answers a sentence, once calibrated
  state          text not null,
  filled_to      uuid,                      -- the asset that back-fill has come to
  filled_at      timestamptz,               -- when it last came to the end
  passed_by      boolean not null default false, -- whether on its way it left alone what had a job under way
  comparison     jsonb,                     -- what compare found
  created_at     timestamptz not null default kizu.now(),
  activated_at   timestamptz,

  constraint a_model_is_a_generation_once unique (kind, model_version),
  constraint version_is_short check (length(model_version) between 1 and 200),
  constraint dimension_can_be_indexed check (dimension between 1 and 4000),
  constraint same_face_is_a_cosine check (same_face > 0 and same_face < 1),
  constraint cutoff_is_a_cosine check (cutoff between -1 and 1),
  constraint model_is_an_object check (jsonb_typeof(model) = 'object'),
  constraint state_is_known check (state in ('filling', 'active', 'former', 'dropping', 'dropped')),
  constraint only_what_was_active_is_former check (state not in ('active', 'former') or activated_at is not null)
);

create unique index one_generation_of_a_kind_answers on public.generations (kind) where state = 'active';

alter table public.generations enable row level security;
revoke all on public.generations from public, anon, authenticated, service_role;
grant select on public.generations to service_role;

select kizu.bound_columns('public.vector_kinds');
select kizu.bound_columns('public.generations');

-- The version whose vectors of a kind answer; null before the first. Row policies ask it.
create function kizu.answering(p_kind text)
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (select model_version from public.generations where kind = p_kind and state = 'active');
end;
$$;

-- What workers and apps may know of a generation.
create function kizu.told(p_generation public.generations)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return to_jsonb(p_generation) - array['filled_to', 'filled_at', 'passed_by', 'comparison'];
end;
$$;

-- Vectors of any length, and none that is zero: it has no direction, and its distance to everything is NaN.
alter table public.image_embeddings
  alter column embedding type extensions.vector,
  add constraint vector_is_not_zero check (extensions.vector_norm(embedding) > 0) not valid;
alter table public.face_embeddings
  alter column embedding type extensions.vector,
  add constraint vector_is_not_zero check (extensions.vector_norm(embedding) > 0) not valid;
alter table public.face_clusters
  alter column centroid_embedding type extensions.vector;

-- Indexes are of halves, which hold no number above 65504: such vectors keep their direction, which is all that a cosine
-- asks for. Not where the indexes are made, as what a transaction has changed itself is put into those, too.
update public.image_embeddings
   set embedding = extensions.l2_normalize(embedding)
 where extensions.vector_norm(embedding) > 65504;
update public.face_embeddings
   set embedding = extensions.l2_normalize(embedding)
 where extensions.vector_norm(embedding) > 65504;

-- Workers of before there were generations ask at their start how long each column's vectors have to be, and make
-- sure of nothing where they are not told.
create or replace function public.vector_dimensions()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform kizu.caller_scope();
  return '{}';
end;
$$;

-- What a library already has: the version that most rows are of answers, and the others can. Their settings are
-- filled in by the first worker whose settings mean that version.
insert into public.generations (kind, model_version, weights_digest, dimension, same_face, state, activated_at)
select kind,
       model_version,
       digest,
       512,
       same_face,
       case row_number() over most when 1 then 'active' else 'former' end,
       case row_number() over most when 1 then now() else newest end
  from (select 'pictures' as kind, model_version, max(weights_digest) as digest, null::real as same_face,
               count(*) as vectors, max(created_at) as newest
          from public.image_embeddings
         group by model_version
        union all
        select 'faces', model_version, max(weights_digest), max(same_face), count(*), max(created_at)
          from public.face_embeddings
         group by model_version) as present
window most as (partition by kind order by vectors desc, newest desc);

-- Facts were known of one version only: those of the others are where their vectors are.
alter table public.asset_facts disable trigger user;
insert into public.asset_facts (asset_id, user_id, fact, version, state, at, run_id)
select distinct on (kind, asset_id, model_version) asset_id, user_id, fact, model_version, 'done', vector.created_at, run_id
  from (select 'pictures' as kind, 'embedding' as fact, asset_id, user_id, model_version, created_at, run_id
          from public.image_embeddings
        union all
        select 'faces', 'faces', asset_id, user_id, model_version, created_at, run_id
          from public.face_embeddings) as vector
  join public.generations using (kind, model_version)
 where generations.state = 'former'
 order by kind, asset_id, model_version, vector.created_at desc
    on conflict do nothing;
alter table public.asset_facts enable trigger user;

-- Whether a generation is being dropped, or was: what a worker that has not heard of that sends is passed over.
create function kizu.is_dropped(p_kind text, p_version text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (
    select from public.generations
     where kind = p_kind
       and model_version = p_version
       and state in ('dropping', 'dropped')
  );
end;
$$;

-- Only a generation's vectors are written. Those of one that is being dropped, which a worker that has not heard of
-- it may still send, are passed over.
create function kizu.keep_to_generations()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_kind  constant text := tg_argv[0];
  v_state text;
begin
  select state into v_state from public.generations where kind = v_kind and model_version = new.model_version;
  if not found then
    raise exception 'unknown_generation: % is no generation of %', left(new.model_version, 200), v_kind;
  end if;
  return case when v_state not in ('dropping', 'dropped') then new end;
end;
$$;

create trigger vectors_are_of_a_generation
  before insert or update of model_version on public.image_embeddings
  for each row
  execute function kizu.keep_to_generations('pictures');

create trigger vectors_are_of_a_generation
  before insert or update of model_version on public.face_embeddings
  for each row
  execute function kizu.keep_to_generations('faces');

create function kizu.pass_over_facts_of_the_dropped()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  return case
           when not kizu.is_dropped((select kind from public.vector_kinds where fact = new.fact), new.version) then new
         end;
end;
$$;

create trigger facts_of_the_dropped_are_passed_over
  before insert on public.asset_facts
  for each row
  execute function kizu.pass_over_facts_of_the_dropped();

create function kizu.index_of(p_generation public.generations)
returns name
language plpgsql
stable
set search_path = ''
as $$
begin
  return (select table_name || '_of_generation_' || p_generation.id
            from public.vector_kinds
           where kind = p_generation.kind);
end;
$$;

-- Makes the index of a generation's vectors, if it is not there. A new generation has none yet, so that this reads
-- past the rows of the others and no more: writes wait for as long as that takes, searches do not. Starting parallel
-- workers for it would take ten times as long.
create function kizu.index_generation(p_generation public.generations)
returns void
language plpgsql
set search_path = ''
set lock_timeout = '3s'
as $$
declare
  v_table constant name := (select table_name from public.vector_kinds where kind = p_generation.kind);
  v_empty boolean;
begin
  execute format('select not exists (select from public.%I where model_version = $1)', v_table)
     into v_empty
    using p_generation.model_version;
  if v_empty then
    perform set_config('max_parallel_maintenance_workers', '0', true);
  end if;
  execute format(
    'create index if not exists %I on public.%I'
    ' using hnsw ((embedding::extensions.halfvec(%s)) extensions.halfvec_cosine_ops)'
    ' with (m = 24, ef_construction = 128) where model_version = %L',
    kizu.index_of(p_generation),
    v_table,
    p_generation.dimension,
    p_generation.model_version
  );
end;
$$;

-- As before, where a worker says several versions of a fact that it can find out.
create or replace function public.announced_facts()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_most_workers constant int := 1000;
  v_scope constant uuid := kizu.caller_scope();
begin
  return (
    select coalesce(jsonb_object_agg(fact, versions), '{}')
      from (select told.key as fact, jsonb_agg(distinct version) as versions
              from (select info -> 'facts' as facts
                      from public.workers
                     where last_seen > kizu.now() - interval '30 days'
                       and jsonb_typeof(info -> 'facts') = 'object'
                       and (owner is null or owner = v_scope)
                     order by last_seen desc
                     limit c_most_workers) as known
             cross join lateral jsonb_each(known.facts) as told
             cross join lateral jsonb_array_elements(
                     case jsonb_typeof(told.value) when 'array' then told.value else jsonb_build_array(told.value) end
                   ) as version
             group by told.key) as each
  );
end;
$$;

-- All generations that are written to or being dropped, oldest first: [{id, kind, model_version, model,
-- weights_digest, precision, dimension, same_face, cutoff, state, created_at, activated_at}…].
create function public.generations()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform kizu.caller_scope();
  return (
    select coalesce(jsonb_agg(kizu.told(generation) order by id), '[]')
      from public.generations as generation
     where state <> 'dropped'
  );
end;
$$;

-- Whether anybody but p_user has vectors of a generation.
create function kizu.is_anothers(p_generation public.generations, p_user uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_found boolean;
begin
  execute format('select exists (select from public.%I where model_version = $1 and user_id <> $2)',
                 (select table_name from public.vector_kinds where kind = p_generation.kind))
     into v_found
    using p_generation.model_version, p_user;
  return v_found;
end;
$$;

-- The generation that a model's vectors of a kind belong to.
--
-- Without p_new, as workers ask at their start: answers the active one, which p_version becomes where the kind has
-- none. What is not known of it yet (model, digest, precision) is taken from who first asks with its version; from
-- a user, whom nobody vouches for, only where no vector of it is another's.
-- With p_new, for the service alone: p_version begins as `filling`, with its index, or is answered as it is.
-- Raises PT400 `bad_params`; PT503 `database_busy` where writers did not make room for the index within 3 seconds.
create function public.begin_generation(
  p_kind      text,
  p_version   text,
  p_model     jsonb,
  p_dimension int,
  p_digest    text default null,
  p_precision text default null,
  p_same_face double precision default null,
  p_new       boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  c_most_settings constant int := 16;
  c_longest       constant int := 300;  -- characters of a setting's value
  c_longest_index constant int := 4000; -- numbers
  v_user   constant uuid := kizu.caller_scope();
  v_now    constant timestamptz := kizu.now();
  v_active public.generations;
  v_found  public.generations;
begin
  if p_new and not pg_has_role(coalesce(nullif(current_setting('role', true), 'none'), session_user),
                               'service_role', 'member') then
    raise insufficient_privilege using message = 'only the service begins a new generation';
  end if;
  if not exists (select from public.vector_kinds where kind = p_kind)
     or coalesce(length(p_version), 0) not between 1 and 200
     or coalesce(p_dimension, 0) not between 1 and c_longest_index
     or length(p_digest) > 200
     or length(p_precision) > 50
     -- As a float4 it has to lie between 0 and 1, too.
     or (p_same_face is not null and p_same_face not between 1e-6 and 1 - 1e-6) then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('generation: expected a known kind, a version of at most 200 characters, 1 to %s numbers '
                            'and a cosine', c_longest_index);
  end if;
  if jsonb_typeof(p_model) is distinct from 'object'
     or (select count(*) from jsonb_object_keys(p_model)) > c_most_settings
     or exists (
          select from jsonb_each(p_model)
           where jsonb_typeof(value) <> 'string'
              or length(value #>> '{}') > c_longest
              or key !~ '^[a-z_]{1,50}$'
        ) then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = format('model: expected at most %s settings with texts of at most %s characters',
                            c_most_settings, c_longest);
  end if;

  perform pg_advisory_xact_lock(hashtextextended('generations', 0));
  select * into v_active from public.generations where kind = p_kind and state = 'active';
  select * into v_found from public.generations where kind = p_kind and model_version = p_version;

  if v_active.id is null or (p_new and coalesce(v_found.state, 'dropped') = 'dropped') then
    insert into public.generations as generation
           (kind, model_version, model, weights_digest, precision, dimension, same_face, state, activated_at)
    values (p_kind, p_version, p_model, p_digest, p_precision, p_dimension, p_same_face,
            case when v_active.id is null then 'active' else 'filling' end,
            case when v_active.id is null then v_now end)
        on conflict (kind, model_version) do update
       set model = excluded.model, weights_digest = excluded.weights_digest, precision = excluded.precision,
           dimension = excluded.dimension, same_face = excluded.same_face, state = excluded.state,
           activated_at = excluded.activated_at, cutoff = null, filled_to = null, filled_at = null, passed_by = false,
           comparison = null, created_at = v_now
    returning * into v_found;
    -- Of one that was dropped before: what had failed may go well now.
    delete from kizu.misses
     where fact = (select fact from public.vector_kinds where kind = p_kind)
       and version = p_version;
    begin
      perform kizu.index_generation(v_found);
    exception
      when lock_not_available then
        raise sqlstate 'PT503'
          using message = 'database_busy', detail = 'the table of vectors was written to without a pause; try again';
    end;
  elsif v_found.id is not null
        and (v_found.model = '{}' or v_found.weights_digest is null or v_found.precision is null
             or v_found.same_face is null)
        and (v_user is null or not kizu.is_anothers(v_found, v_user)) then
    update public.generations
       set model = case when model = '{}' then p_model else model end,
           weights_digest = coalesce(weights_digest, p_digest),
           precision = coalesce(precision, p_precision),
           same_face = coalesce(same_face, p_same_face)
     where id = v_found.id;
  end if;

  select *
    into v_found
    from public.generations
   where kind = p_kind
     and case when p_new then model_version = p_version else state = 'active' end;
  return kizu.told(v_found);
end;
$$;

-- Owners see what answers, and not what is kept beside it.
alter policy owners_read on public.image_embeddings
  using ((select auth.uid()) = user_id and model_version = (select kizu.answering('pictures')));
alter policy owners_read on public.face_embeddings
  using ((select auth.uid()) = user_id and model_version = (select kizu.answering('faces')));

select kizu.keep_internal('kizu.told(public.generations)');
select kizu.keep_internal('kizu.is_dropped(text, text)');
select kizu.keep_internal('kizu.keep_to_generations()');
select kizu.keep_internal('kizu.pass_over_facts_of_the_dropped()');
select kizu.keep_internal('kizu.index_of(public.generations)');
select kizu.keep_internal('kizu.index_generation(public.generations)');
select kizu.keep_internal('kizu.is_anothers(public.generations, uuid)');

select kizu.let_call('kizu.answering(text)', 'authenticated');
select kizu.let_call('public.generations()', 'authenticated', 'kizu_worker', 'service_role');
select kizu.let_call('public.begin_generation(text, text, jsonb, int, text, text, double precision, boolean)',
                     'authenticated', 'kizu_worker', 'service_role');
