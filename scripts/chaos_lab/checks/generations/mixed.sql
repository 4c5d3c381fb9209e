-- an answer has rows of the version that was asked for and of no other, and each photo once
select id from chaos.searches where error is null and exists (select from unnest(versions) as got where got <> version)
 union
select id
  from (select id, photo from chaos.searches cross join unnest(photos) as photo) as answer
 group by id, photo
having count(*) > 1
