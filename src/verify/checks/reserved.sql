-- `reserved` of a stock equals the sum of its reservations.
select 'stock of ' || coalesce(s.sku, r.sku) || ' at ' || l.erp_code,
       'reserved is ' || coalesce(s.reserved, 0) || ', its reservations sum to ' || coalesce(r.total, 0)
  from stocks s
  full join (select sku, stock_location_id, sum(quantity)::bigint as total from reservations group by 1, 2) r
         on r.sku = s.sku and r.stock_location_id = s.stock_location_id
  join stock_locations l on l.id = coalesce(s.stock_location_id, r.stock_location_id)
 where coalesce(s.reserved, 0) <> coalesce(r.total, 0)
 order by coalesce(s.sku, r.sku), l.erp_code
