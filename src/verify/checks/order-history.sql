-- What an order was before each of its changes is kept, from the first on, and was so until an event that a later one followed.
select 'order ' || o.number, 'it was changed ' || o.revision || ' times, and ' || count(h.order_id) || ' are kept'
  from orders o left join order_history h on h.order_id = o.id
 where o.revision > 0 or h.order_id is not null
 group by o.id
having count(h.order_id) <> o.revision or coalesce(max(h.revision), -1) <> o.revision - 1
union all
select 'order ' || o.number, 'its change ' || h.revision || ' is not after the one before'
  from (select order_id, revision, until_event_id,
               lag(until_event_id) over (partition by order_id order by revision) as before from order_history) h
  join orders o on o.id = h.order_id
 where h.until_event_id <= h.before
 order by 1
