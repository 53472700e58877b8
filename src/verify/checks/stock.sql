-- Each quantity is made again: by its ledger, from the opening on, and by what the logs moved since. Of a log only its end is
-- left in that sum, which is where its package or transfer stands (`moves` proves it); so items and transfers are summed,
-- and no log is read.
with ledger as (
    select sku, stock_location_id, sum(quantity_after - quantity_before)::bigint as recorded,
           coalesce(sum(moved_before), 0)::bigint as moved_before
      from stock_ledger group by 1, 2
), summed as (
    select coalesce(l.sku, m.sku) as sku, coalesce(l.stock_location_id, m.stock_location_id) as stock_location_id,
           coalesce(l.recorded, 0) as recorded, coalesce(m.moved, 0) - coalesce(l.moved_before, 0) as moved
      from ledger l
      full join goods_moved m on m.sku = l.sku and m.stock_location_id = l.stock_location_id
)
select 'stock of ' || coalesce(s.sku, t.sku) || ' at ' || o.erp_code,
       case when s.sku is null then format('it is gone, and its ledger and logs make %s', t.recorded + t.moved)
            when s.quantity <> coalesce(t.recorded, 0) + coalesce(t.moved, 0)
            then format('quantity is %s, its ledger and logs make %s', s.quantity,
                        coalesce(t.recorded, 0) + coalesce(t.moved, 0))
            else format('it says that %s are recorded and %s moved, its ledger sums to %s, its logs to %s', s.recorded,
                        s.moved, coalesce(t.recorded, 0), coalesce(t.moved, 0)) end
  from stocks s
  full join summed t on t.sku = s.sku and t.stock_location_id = s.stock_location_id
  join stock_locations o on o.id = coalesce(s.stock_location_id, t.stock_location_id)
 where coalesce(s.quantity, 0) <> coalesce(t.recorded, 0) + coalesce(t.moved, 0)
    or coalesce(s.recorded, 0) <> coalesce(t.recorded, 0) or coalesce(s.moved, 0) <> coalesce(t.moved, 0)
union all
-- What was not found since the last count.
select 'stock of ' || s.sku || ' at ' || o.erp_code,
       format('it says that %s are missing, its ledger says %s', s.missing, coalesce(m.missing, 0))
  from stocks s
  join stock_locations o on o.id = s.stock_location_id
  left join missing_by_ledger() m on m.sku = s.sku and m.stock_location_id = s.stock_location_id
 where s.missing <> coalesce(m.missing, 0)
 order by 1, 2
