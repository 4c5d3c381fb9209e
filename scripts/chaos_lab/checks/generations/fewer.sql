-- a photo that a search has found is found by every search that begins afterwards
with
found as materialized (
  select id, line, began, ended, photo from chaos.searches cross join unnest(photos) as photo
),
known as materialized (
  select line, photo, min(ended) as at from found group by line, photo
)
select distinct search.id
  from chaos.searches as search
  join known on known.line = search.line and known.at < search.began
  left join found on found.id = search.id and found.photo = known.photo
 where search.error is null
   and found.id is null
