-- The ledger of a package says where it occupies quota now.
select 'package ' || p.number, 'its ledger at ' || l.erp_code || ' sums to ' || coalesce(q.total, 0)
  from (select package_id, stock_location_id, sum(delta)::bigint as total from quota_ledger group by 1, 2) q
  full join (select p.id, p.stock_location_id from packages p
               join states s on s.id = p.state_id and s.occupies_quota) o
         on o.id = q.package_id and o.stock_location_id = q.stock_location_id
  join packages p on p.id = coalesce(q.package_id, o.id)
  join stock_locations l on l.id = coalesce(q.stock_location_id, o.stock_location_id)
 where coalesce(q.total, 0) <> case when o.id is null then 0 else 1 end
   and not exists (select from quota_recounts)
 order by p.id
