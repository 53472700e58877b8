-- The queue has exactly the items of packages that wait for a place, each with the turn of its order.
select 'package item ' || coalesce(i.id, w.package_item_id) || coalesce(' of ' || i.number, ''),
       case when w.package_item_id is null then 'waits for a place and is not in the queue'
            when i.id is null then 'is in the queue and does not wait for a place'
            else 'is not in the queue as it is' end
  from (select i.id, i.package_id, p.number, p.order_id, i.order_item_id, o.date_placed, oi.sku, i.quantity
          from packages p
          join states s on s.id = p.state_id and s.slug in ('out-of-stock', 'needs-rescheduling')
          join package_items i on i.package_id = p.id
          join order_items oi on oi.id = i.order_item_id
          join orders o on o.id = p.order_id) i
  full join waiting_items w on w.package_item_id = i.id
 where w.package_item_id is null or i.id is null
    or (w.package_id, w.order_id, w.order_item_id, w.date_placed, w.sku, w.quantity)
       is distinct from (i.package_id, i.order_id, i.order_item_id, i.date_placed, i.sku, i.quantity)
 order by coalesce(i.id, w.package_item_id)
