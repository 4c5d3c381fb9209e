-- every search is answered, at once but for the time that the gateway was away
select id
  from chaos.searches as search
 where error is not null
    or (unreachable and not exists (
          select
            from chaos.outages
           where search.began < outages.ended + interval '1 second'
             and search.ended > outages.began
        ))
