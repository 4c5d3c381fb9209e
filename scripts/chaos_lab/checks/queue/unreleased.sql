-- no job is held any more
select id
  from chaos.jobs
 where status = 'processing' or lease_expires_at is not null or claim_id is not null
