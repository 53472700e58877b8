-- The events of an object are numbered 1, 2, 3 … up to its count, and come in that order. For objects older than the oldest
-- partition, the first events may be deleted.
with objects as (
    select 'package' as entity, id, number as name, event_sequence, created_date from packages
    union all select 'transfer', id, number, event_sequence, created_date from transfers
    union all select 'stock_location', id, erp_code, event_sequence, created_date from stock_locations
    union all select 'stock', t.id, t.sku || ' at ' || l.erp_code, t.event_sequence, t.created_date
                from stock_told t join stock_locations l on l.id = t.stock_location_id
    union all select 'webhook', id, id::text, event_sequence, created_date from webhooks
), told as (
    select entity, object_id, sequence, cardinality(types) as count,
           sequence <> lag(sequence + cardinality(types)) over w as leaps,
           (position, id) < (lag(position) over w, lag(id) over w) as runs_ahead
      from events window w as (partition by entity, object_id order by sequence)
), summed as (
    select entity, object_id, sum(count)::bigint as count, min(sequence) as first, max(sequence + count - 1) as last,
           bool_or(leaps) as leaps, bool_or(runs_ahead) as runs_ahead
      from told group by 1, 2
)
select replace(coalesce(o.entity, s.entity), '_', ' ') || ' ' || coalesce(o.name, s.object_id::text),
       case when o.id is null then 'it has events, and is not there'
            when coalesce(s.runs_ahead, false) then 'a later event of it is told before an earlier one'
            else 'it counts ' || o.event_sequence || ' events, has ' || coalesce(s.count, 0)
                 || ', the last is number ' || coalesce(s.last, 0) end
  from objects o
  full join summed s on s.entity = o.entity and s.object_id = o.id
 where (o.id is null and s.entity in ('package', 'transfer', 'stock'))
    or (o.id is not null and (coalesce(s.leaps or s.runs_ahead, false)
         or (s.last is not null and s.last <> o.event_sequence)
         or (s.first is not null and s.first <> 1 and o.created_date >= (select kept_since from event_clock))
         or (s.last is null and o.event_sequence <> 0
             and o.created_date >= (select kept_since from event_clock))))
 order by coalesce(o.entity, s.entity), coalesce(o.id, s.object_id)
