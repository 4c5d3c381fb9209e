-- whoever was named is recognised in photos that were uploaded later, and nobody is taken for somebody else
select distinct shown.asset_id
  from chaos.shown
  join chaos.photos as photo using (asset_id)
  left join chaos.people as person using (person)
 where (person.contact_id is not null
        and photo.uploaded_at > person.named_at
        and shown.contact_id is distinct from person.contact_id::text)
    or (shown.contact_id is not null and shown.contact_id is distinct from person.contact_id::text)
