-- The vectors that a library already has are checked, and get their generations' indexes. Searches go on meanwhile,
-- with the index there was; writes wait until this is done. After faces have got their face_id: each row that is
-- changed is put into all indexes anew.

set local statement_timeout = 0;

-- A zero vector was found by nobody; its photo is looked at again.
with
nothing as (
  delete from public.image_embeddings
   where extensions.vector_norm(embedding) = 0
  returning asset_id, model_version
)
delete from public.asset_facts
 using nothing
 where asset_facts.asset_id = nothing.asset_id and fact = 'embedding' and version = nothing.model_version;

alter table public.image_embeddings validate constraint vector_is_not_zero;
alter table public.face_embeddings validate constraint vector_is_not_zero;

select kizu.index_generation(generation) from public.generations as generation order by id;
