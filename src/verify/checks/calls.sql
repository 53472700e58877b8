-- A call is about a package and a line of its order, and has one end.
select 'call ' || c.id, case
           when p.order_id <> c.order_id then 'its package ' || p.number || ' is of another order'
           when i.order_id <> c.order_id then 'its line is of another order'
           when l.package_id <> c.package_id then 'the move that asked for it is of another package'
           else 'it was answered, and is not done' end
  from upstream_calls c
  join packages p on p.id = c.package_id
  left join order_items i on i.id = c.order_item_id
  left join transition_logs l on l.id = c.transition_log_id
 where p.order_id <> c.order_id or i.order_id <> c.order_id or l.package_id <> c.package_id
    or (c.done_date is not null and c.attempts = 0)
 order by c.id
