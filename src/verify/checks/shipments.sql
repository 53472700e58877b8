-- A shipment began and was changed by moves of its package.
select 'package ' || p.number, 'its shipment was not made or changed by a move of it'
  from shipments s join packages p on p.id = s.package_id
 where not exists (select from transition_logs l where l.package_id = p.id and l.created_date = s.created_date)
    or not exists (select from transition_logs l where l.package_id = p.id and l.created_date = s.modified_date)
 order by p.id
