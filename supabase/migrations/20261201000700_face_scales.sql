-- A generation of faces knows its model's whole scale: from where on two faces are one person and may be one, the
-- margin to the second best person, and the share of strangers that pass. Who said what is the same first is not
-- contradicted: what a library recognises with stays until it is given another generation.

drop function public.begin_generation(text, text, jsonb, int, text, text, double precision, boolean);

-- The generation that a model's vectors of a kind belong to.
--
-- Without p_new, as workers ask at their start: answers the active one, which p_version becomes where the kind has
-- none. What is not known of it yet (model, digest, precision, scale) is taken from who first asks with its version;
-- from a user, whom nobody vouches for, only where no vector of it is another's. Workers of before there were scales
-- say p_same_face alone; the rest of the scale is then taken from who first says the same p_same_face, as it is of it.
-- With p_new, for the service alone: p_version begins as `filling`, with its index, or is answered as it is.
-- Raises PT400 `bad_params`; PT503 `database_busy` where writers did not make room for the index within 3 seconds.
create function public.begin_generation(
  p_kind          text,
  p_version       text,
  p_model         jsonb,
  p_dimension     int,
  p_digest        text default null,
  p_precision     text default null,
  p_same_face     double precision default null,
  p_new           boolean default false,
  p_maybe_face    double precision default null,
  p_face_margin   double precision default null,
  p_false_accepts double precision default null
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
  v_user    constant uuid := kizu.caller_scope();
  v_now     constant timestamptz := kizu.now();
  -- With as many digits as a float4 holds of them: none is too small for one.
  v_maybe   constant numeric := round(p_maybe_face::numeric, 6);
  v_margin  constant numeric := round(p_face_margin::numeric, 6);
  v_accepts constant numeric := round(p_false_accepts::numeric, 30);
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
  if (coalesce(v_maybe, v_margin, v_accepts) is not null and p_same_face is null)
     or v_maybe not between -1 + 1e-6 and p_same_face::numeric
     or v_margin not between 0 and 1 - 1e-6
     or v_accepts not between 0 and 1 then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail = 'scale: expected, beside the cosine from which on faces are one person, one above -1 and not above '
                     'it, a margin from 0 to below 1 and a share from 0 to 1';
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
           (kind, model_version, model, weights_digest, precision, dimension, same_face, maybe_face, face_margin,
            false_accepts, state, activated_at)
    values (p_kind, p_version, p_model, p_digest, p_precision, p_dimension, p_same_face, v_maybe, v_margin, v_accepts,
            case when v_active.id is null then 'active' else 'filling' end,
            case when v_active.id is null then v_now end)
        on conflict (kind, model_version) do update
       set model = excluded.model, weights_digest = excluded.weights_digest, precision = excluded.precision,
           dimension = excluded.dimension, same_face = excluded.same_face, maybe_face = excluded.maybe_face,
           face_margin = excluded.face_margin, false_accepts = excluded.false_accepts, state = excluded.state,
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
        and (v_user is null or not kizu.is_anothers(v_found, v_user)) then
    if v_found.model = '{}' or v_found.weights_digest is null or v_found.precision is null
       or v_found.same_face is null then
      update public.generations
         set model = case when model = '{}' then p_model else model end,
             weights_digest = coalesce(weights_digest, p_digest),
             precision = coalesce(precision, p_precision),
             same_face = coalesce(same_face, p_same_face)
       where id = v_found.id;
    end if;
    update public.generations
       set maybe_face = v_maybe, face_margin = v_margin, false_accepts = v_accepts
     where id = v_found.id
       and same_face = p_same_face::real
       and coalesce(maybe_face, face_margin, false_accepts) is null
       and coalesce(v_maybe, v_margin, v_accepts) is not null;
  end if;

  select *
    into v_found
    from public.generations
   where kind = p_kind
     and case when p_new then model_version = p_version else state = 'active' end;
  return kizu.told(v_found);
end;
$$;

-- Libraries of before. What their workers said is the same stays, with what was measured or published of it.
update public.generations
   set maybe_face = 0.40, face_margin = 0.10, false_accepts = 1e-6
 where kind = 'faces'
   and model_version in ('insightface-buffalo_l', 'insightface-buffalo_m', 'insightface-buffalo_s',
                         'insightface-buffalo_sc', 'insightface-antelopev2')
   and same_face = 0.55::real;
update public.generations
   set maybe_face = 0.55, face_margin = 0.08, false_accepts = 1.6e-4
 where kind = 'faces'
   and model_version = 'dlib-resnet-yunet'
   and same_face = 0.65::real;

comment on column public.runs.models is
  'What told each fact: [{fact, task, name, version, digest, backend, precision, device, scale: {same, maybe, margin, '
  'false_accepts} of faces, parameters: {setting: value}, made_of: [models whose answers it was told]}…]. Earlier runs '
  'have same_face in place of scale.';

select kizu.let_call('public.begin_generation(text, text, jsonb, int, text, text, double precision, boolean, '
                     'double precision, double precision, double precision)',
                     'authenticated', 'kizu_worker', 'service_role');
