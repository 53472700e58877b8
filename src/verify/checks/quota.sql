-- The quota of a location equals the packages that occupy it, and the sum of its ledger.
select 'location ' || l.erp_code,
       'quota is ' || l.quota || ', its packages occupy ' || coalesce(p.occupied, 0) || ', its ledger sums to '
       || coalesce(q.total, 0)
  from stock_locations l
  left join (select stock_location_id, count(*) as occupied
               from packages join states s on s.id = state_id and s.occupies_quota group by 1) p
         on p.stock_location_id = l.id
  left join (select stock_location_id, sum(delta)::bigint as total from quota_ledger group by 1) q
         on q.stock_location_id = l.id
 where (l.quota <> coalesce(p.occupied, 0) or l.quota <> coalesce(q.total, 0))
   and not exists (select from quota_recounts)
 order by l.id
