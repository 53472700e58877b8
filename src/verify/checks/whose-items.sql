-- A package has items of its own order, and a transfer brings all of an item of its package's order.
select 'package ' || p.number, 'item ' || i.id || ' is of another order'
  from package_items i
  join packages p on p.id = i.package_id
  join order_items oi on oi.id = i.order_item_id
 where oi.order_id <> p.order_id
union all
select 'transfer ' || t.number,
       case when tp.order_id <> ip.order_id then 'item ' || ti.id || ' is of another order'
            else 'it brings ' || ti.quantity || ' of item ' || i.id || ', which are ' || i.quantity end
  from transfer_items ti
  join transfers t on t.id = ti.transfer_id
  join packages tp on tp.id = t.package_id
  join package_items i on i.id = ti.package_item_id
  join packages ip on ip.id = i.package_id
 where tp.order_id <> ip.order_id or ti.quantity <> i.quantity
 order by 1
