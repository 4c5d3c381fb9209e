-- whom the user named, they see under that name at every moment from then on
select name.asset_id
  from chaos.names as name
  join chaos.people as person using (person)
  join chaos.moments as moment on moment.at > person.named_at
 where moment.name in (select moment from chaos.seen)
   and not exists (
         select
           from chaos.shown
          where shown.moment = moment.name
            and shown.asset_id = name.asset_id
            and shown.person = name.person
            and shown.contact_id = person.contact_id::text
            and not shown.recognised
       )
