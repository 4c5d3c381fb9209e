-- What a model thinks likely to be in a photo is stored, and what it is sure of is shown.

alter table public.detected_objects
  add column sure boolean not null default true; -- so far nothing else was kept

comment on column public.detected_objects.sure is
  'Tagged, counted and described. What is only likely is there to be searched, with its confidence.';

update public.result_tables
   set columns = columns || array['sure']
 where table_name = 'detected_objects';
