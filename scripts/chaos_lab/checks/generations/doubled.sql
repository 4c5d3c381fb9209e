-- no photo has more vectors of a generation than it has faces, or than one
select asset_id
  from chaos.kept
 where vectors > case kind
                   when 'pictures' then 1
                   else (select count(*) from chaos.faces where asset_id = kept.asset_id)
                 end
