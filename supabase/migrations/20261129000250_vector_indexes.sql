-- The vectors that a library already has get their generations' indexes. Searches go on meanwhile, with the index
-- there was; writes wait until this is done.

set local statement_timeout = 0;

select kizu.index_generation(generation) from public.generations as generation order by id;
