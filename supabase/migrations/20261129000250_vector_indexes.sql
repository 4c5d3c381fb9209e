-- The vectors that a library already has are checked, and get their generations' indexes. Searches go on meanwhile, with the index
-- there was; writes wait until this is done.

set local statement_timeout = 0;

alter table public.image_embeddings validate constraint vector_is_not_zero;
alter table public.face_embeddings validate constraint vector_is_not_zero;

select kizu.index_generation(generation) from public.generations as generation order by id;
