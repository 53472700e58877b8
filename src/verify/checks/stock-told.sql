-- What was told last of a shelf is what its latest event says; and while changes are noted, what differs from it is noted to be
-- told.
select 'stock of ' || t.sku || ' at ' || l.erp_code,
       case when e.id is not null then 'its latest event says other units than are kept as told'
            else 'it has changed since it was told, and no change is noted' end
  from stock_told t
  join stock_locations l on l.id = t.stock_location_id
  join stocks s on s.sku = t.sku and s.stock_location_id = t.stock_location_id
 cross join stock_feed f
  left join events e on e.entity = 'stock' and e.object_id = t.id and e.sequence = t.event_sequence
        and ((e.facts ->> 'quantity')::bigint, (e.facts ->> 'reserved')::bigint, (e.facts ->> 'missing')::bigint,
             e.facts ->> 'sku', (e.facts ->> 'stock_location')::bigint)
            is distinct from (t.quantity, t.reserved, t.missing, t.sku, t.stock_location_id)
 where e.id is not null
    or (f.is_on and f.is_compared and (s.quantity, s.reserved, s.missing) is distinct from (t.quantity, t.reserved, t.missing)
        and not exists (select from stock_changes c
                         where c.sku = t.sku and c.stock_location_id = t.stock_location_id))
union all
-- Of an earlier one only what it is of can be known again.
select 'stock of ' || t.sku || ' at ' || l.erp_code, 'event ' || e.position || '-' || e.id || ' of it says of another shelf, or no units'
  from events e
  join stock_told t on t.id = e.object_id
  join stock_locations l on l.id = t.stock_location_id
 where e.entity = 'stock'
   and ((e.facts ->> 'sku', e.facts ->> 'stock_location', e.stock_location_ids)
        is distinct from (t.sku, t.stock_location_id::text, array[t.stock_location_id])
        or (e.facts ->> 'quantity')::bigint - (e.facts ->> 'reserved')::bigint - (e.facts ->> 'missing')::bigint
           is distinct from (e.facts ->> 'available')::bigint)
 order by 1, 2
