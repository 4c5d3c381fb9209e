-- Where the list of a search ends: each generation of pictures has a cut-off, measured among the photos of the library
-- from sentences that fit none of them, soon after there are photos enough and again when there are four times as many.
-- The sentences are a worker's, and what follows from the cosines too; these verbs say whose turn it is, compare, and
-- keep what came out.

alter table public.generations
  add column measured_photos int,  -- there were so many when the cut-off was measured; null: it never was
  add column measured_by     uuid, -- the user whose worker said so, whom nobody vouches for; null: the service's did
  add constraint measured_photos_are_counted check (measured_photos > 0);

-- As before; who measured is nobody else's business.
create or replace function kizu.told(p_generation public.generations)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return to_jsonb(p_generation) - array['filled_to', 'filled_at', 'passed_by', 'comparison', 'measured_by'];
end;
$$;

-- Whether a cut-off says nothing to a caller who is confined to p_scope: a user measured it, and there are vectors of
-- others now.
create function kizu.is_anothers_cutoff(p_generation public.generations, p_scope uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return p_generation.measured_by is not null
         and p_generation.measured_by is distinct from p_scope
         and kizu.is_anothers(p_generation, p_generation.measured_by);
end;
$$;

-- The generation of pictures whose background a caller who is confined to p_scope may measure: a user, whom nobody
-- vouches for, where no vector of it is another's. Raises PT404 `not_found`.
create function kizu.measurable(p_scope uuid, p_id int)
returns public.generations
language plpgsql
stable
set search_path = ''
as $$
declare
  v_generation constant public.generations := kizu.pictures_of(p_id);
begin
  if p_scope is not null and kizu.is_anothers(v_generation, p_scope) then
    raise sqlstate 'PT404'
      using message = 'not_found', detail = format('generation %s has vectors of others', p_id);
  end if;
  return v_generation;
end;
$$;

-- How many photos a generation of pictures knows, of a user or, for null, of all; of more than p_most, p_most.
create function kizu.count_known(p_generation public.generations, p_most int, p_user uuid)
returns int
language plpgsql
stable
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, facts are counted in their index
as $$
begin
  return (
    select count(*)
      from (select
              from public.asset_facts as fact
             where fact.fact = 'embedding'
               and fact.version = p_generation.model_version
               and (p_user is null or fact.user_id = p_user)
             limit p_most) as known
  );
end;
$$;

-- The generations of pictures whose cut-off is to be measured by somebody who has their model: [{"id", "photos": how
-- many they know, a million at most}…]. Those with 20 photos or more that have no measured cut-off, or four times the
-- photos that it was measured among, or one that a user measured who is no longer alone; of a user only what is all
-- their own, and no photo of others is counted: of a blank one there is a fact without a vector.
create function public.unmeasured_generations()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  c_fewest constant int := 20;
  c_times  constant int := 4;
  c_most   constant int := 1000000;
  v_scope  constant uuid := kizu.caller_scope();
  v_generation public.generations;
  v_enough int;
  v_due    jsonb := '[]';
begin
  for v_generation in
    select * from public.generations
     where kind = 'pictures' and state not in ('dropping', 'dropped') order by id
  loop
    v_enough := case
                  when v_generation.cutoff is null or v_generation.measured_photos is null
                    or kizu.is_anothers_cutoff(v_generation, v_scope) then c_fewest
                  else least(v_generation.measured_photos::bigint * c_times, c_most + 1)
                end;
    if v_enough <= c_most
       and kizu.count_known(v_generation, v_enough, v_scope) = v_enough
       and (v_scope is null or not kizu.is_anothers(v_generation, v_scope)) then
      v_due := v_due || jsonb_build_object(
        'id', v_generation.id, 'photos', kizu.count_known(v_generation, c_most, v_scope)
      );
    end if;
  end loop;
  return v_due;
end;
$$;

-- How near sentences come to photos of a generation of pictures: to the first 10,000 in the order of their ids, which
-- are random, dealt to eight blocks in turn. p_vectors are 1 to 50 sentences, as the generation's model sees them.
-- Answers {"photos": how many these are, "nearest": for each sentence the highest cosine in each block that has some}.
-- Raises PT400 `bad_params`, PT404 `not_found`.
create function public.measure_background(p_id int, p_vectors text[])
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off -- whatever the statistics say, facts are read in their order, and vectors by their photos
set jit = off
as $$
declare
  c_photos    constant int := 10000;
  c_blocks    constant int := 8;
  c_sentences constant int := 50;
  c_longest   constant int := 100000;
  v_generation constant public.generations := kizu.measurable(kizu.caller_scope(), p_id);
  v_vectors extensions.vector[];
  v_wrong   boolean;
begin
  v_wrong := coalesce(cardinality(p_vectors) not between 1 and c_sentences, true)
             or array_ndims(p_vectors) <> 1
             or exists (select from unnest(p_vectors) as sentence where coalesce(length(sentence) > c_longest, true));
  if not v_wrong then
    begin
      v_vectors := array(select extensions.l2_normalize(sentence::extensions.vector)
                           from unnest(p_vectors) with ordinality as said (sentence, place) order by place);
      v_wrong := exists (select from unnest(v_vectors) as sentence
                          where extensions.vector_dims(sentence) <> v_generation.dimension
                             or extensions.vector_norm(sentence) = 0);
    exception
      when data_exception or program_limit_exceeded then -- more numbers than a vector has
        v_wrong := true;
    end;
  end if;
  if v_wrong then
    raise sqlstate 'PT400'
      using message = 'bad_params',
            detail  = format('vectors: expected 1 to %s of %s numbers, none of them all zeros', c_sentences,
                             v_generation.dimension);
  end if;

  return (
    with
    photos as materialized (
      select extensions.l2_normalize(own.embedding) as looks,
             (row_number() over (order by fact.asset_id) - 1) % c_blocks as block
        from (select asset_id
                from public.asset_facts
               where fact = 'embedding'
                 and version = v_generation.model_version
               order by asset_id
               limit c_photos) as fact
        join public.image_embeddings as own
          on own.asset_id = fact.asset_id and own.model_version = v_generation.model_version
    ),
    nearest as (
      select said.place, of_blocks.cosines
        from unnest(v_vectors) with ordinality as said (sentence, place)
       cross join lateral (
               -- Not grouped by block, or all photos might be sorted for each sentence.
               select array_remove(array[
                        max(cosine) filter (where block = 0), max(cosine) filter (where block = 1),
                        max(cosine) filter (where block = 2), max(cosine) filter (where block = 3),
                        max(cosine) filter (where block = 4), max(cosine) filter (where block = 5),
                        max(cosine) filter (where block = 6), max(cosine) filter (where block = 7)
                      ], null) as cosines
                 from (select block, -(looks operator(extensions.<#>) said.sentence) as cosine from photos) as compared
             ) as of_blocks
    )
    select jsonb_build_object(
             'photos',  (select count(*) from photos),
             'nearest', (select jsonb_agg(cosines order by place) from nearest)
           )
  );
end;
$$;

-- Keeps a measured cut-off and how many photos there were. What was measured among more stands: of two who measured at a
-- time one is heard. What a user said, who may say anything, stands only while all vectors are theirs. Answers the generation. Raises PT400 `bad_params`, PT404 `not_found`.
create function public.keep_cutoff(p_id int, p_cutoff double precision, p_photos int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_scope constant uuid := kizu.caller_scope();
  v_generation public.generations;
begin
  perform kizu.measurable(v_scope, p_id);
  if not coalesce(p_cutoff between -1 and 1, false) or not coalesce(p_photos > 0, false) then
    raise sqlstate 'PT400'
      using message = 'bad_params', detail = 'cutoff: expected a cosine, and a number of photos';
  end if;
  v_generation := kizu.hold_generation(p_id);
  update public.generations
     set cutoff = p_cutoff, measured_photos = p_photos, measured_by = v_scope
   where id = p_id
     and (cutoff is null or measured_photos is null or measured_photos < p_photos
          or kizu.is_anothers_cutoff(v_generation, v_scope));
  return kizu.told(kizu.pictures_of(p_id));
end;
$$;

select kizu.keep_internal('kizu.measurable(uuid, int)');
select kizu.keep_internal('kizu.is_anothers_cutoff(public.generations, uuid)');
select kizu.keep_internal('kizu.count_known(public.generations, int, uuid)');

select kizu.let_call('public.unmeasured_generations()', 'authenticated', 'kizu_worker', 'service_role');
select kizu.let_call('public.measure_background(int, text[])', 'authenticated', 'kizu_worker', 'service_role');
select kizu.let_call('public.keep_cutoff(int, double precision, int)', 'authenticated', 'kizu_worker', 'service_role');
