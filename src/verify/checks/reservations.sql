-- Exactly the waiting items have a reservation, of their quantity, at their package's location, or at the source of the
-- transfer that brings them. Exception: packages that gave up their reservations and since then only waited, at the same
-- place, without being planned again.
with released as (
    select l.package_id, l.stock_location_id, max(l.id) as log_id
      from transition_records d join transition_logs l on l.id = d.transition_log_id
     where d.reservations = 'released'
     group by 1, 2
), without as (
    select d.package_id from released d
     where not exists (select from transition_logs l
                         left join transition_records n on n.transition_log_id = l.id
                        where l.package_id = d.package_id and l.id > d.log_id
                          and (n.reservations = 'renewed' or l.destination_state_id <> all({reserved})
                               or l.stock_location_id <> d.stock_location_id))
)
select 'package item ' || coalesce(i.id, r.package_item_id) || coalesce(' of ' || p.number, ''),
       case when i.id is not null and r.package_item_id is null then 'waits without a reservation'
            else 'has a reservation that is not its own' end
  from (select i.id, i.quantity, oi.sku, p.stock_location_id
          from package_items i
          join packages p on p.id = i.package_id
          join order_items oi on oi.id = i.order_item_id
         where i.state_id = any({reserved}) and p.id not in (select package_id from without)
        union all
        select i.id, ti.quantity, oi.sku, t.source_location_id
          from transfer_items ti
          join transfers t on t.id = ti.transfer_id
          join package_items i on i.id = ti.package_item_id
          join order_items oi on oi.id = i.order_item_id
         where t.state_id = any({reserved})) i
  full join reservations r on r.package_item_id = i.id
  left join package_items pi on pi.id = coalesce(i.id, r.package_item_id)
  left join packages p on p.id = pi.package_id
 where i.id is null or r.package_item_id is null or r.quantity <> i.quantity or r.sku <> i.sku
    or r.stock_location_id <> i.stock_location_id
 order by coalesce(i.id, r.package_item_id)
