-- Statements of the queue keep one plan each, whatever the statistics say. Repeatable.
--
-- A job table changes its shape within seconds: empty, then 100,000 pending, then as many finished. Left
-- alone, the planner at times reads and sorts the whole backlog for the first row of it, or scans an index
-- from end to end to find one id, and keeps that plan for as long as the connection lives. The verbs
-- are written so that each row is reached by one index descent; these settings leave the planner
-- nothing else to choose. They hold for everything a verb calls.
--
-- Three habits go with it. Where rows are joined by id, `id = any (array(…))` says so once more: if a table was
-- empty when it was last analyzed, say during an import that was not yet committed, a scan of its whole index
-- costs the planner no more than a descent. Where an order must come from an index, the function forbids sorting.
-- Where a row is to be found by its id, 'processing' is a variable: a literal would invite the planner to
-- read a partial index of all running jobs instead.

create or replace function kizu.pin_plans(p_verb regprocedure)
returns void
language plpgsql
set search_path = ''
as $$
begin
  execute format(
    'alter function %s'
    ' set plan_cache_mode = force_generic_plan'
    ' set enable_seqscan = off'
    ' set enable_bitmapscan = off'
    ' set enable_hashjoin = off'
    ' set enable_mergejoin = off'
    ' set jit = off',
    p_verb
  );
end;
$$;

select kizu.keep_internal('kizu.pin_plans(regprocedure)');
