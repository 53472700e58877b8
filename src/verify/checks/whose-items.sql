-- A package has items of its own order, and a transfer brings all of an item of its package's order, with what was a part of
-- the item then. A part is of the line of its whole.
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
 where tp.order_id <> ip.order_id or ti.quantity < i.quantity
    or ti.quantity > i.quantity + (select coalesce(sum(part.quantity), 0) from package_item_parts part
                                    where part.part_of = i.id)
union all
select 'package item ' || part.package_item_id, 'it is no part of item ' || part.part_of
  from package_item_parts part
  join package_items i on i.id = part.package_item_id
  join package_items whole on whole.id = part.part_of
 where i.order_item_id <> whole.order_item_id or i.id <= whole.id
    or part.quantity <> i.quantity + (select coalesce(sum(later.quantity), 0) from package_item_parts later
                                       where later.part_of = i.id)
    or not exists (select from transition_logs l where l.id = part.transition_log_id)
union all
-- What is told of an item before a part left it is told of both.
select 'package item ' || part.package_item_id, 'it is told as a part of item ' || part.part_of || ' until another event'
  from package_item_parts part
  join transition_logs l on l.id = part.transition_log_id
  join package_items i on i.id = part.package_item_id
 where exists (select from events e where e.entity = 'package' and e.object_id = l.package_id
                                      and e.created_date < l.created_date and e.id > part.until_event_id)
    or exists (select from events e where e.entity = 'package' and e.object_id in (l.package_id, i.package_id)
                                      and e.created_date = l.created_date and e.id < part.until_event_id)
union all
select 'package item ' || d.package_item_id, 'it did not leave package ' || p.number
  from package_item_departures d
  join package_items i on i.id = d.package_item_id
  join packages own on own.id = i.package_id
  join packages p on p.id = d.package_id
 where own.order_id <> p.order_id or own.id = p.id
 order by 1
