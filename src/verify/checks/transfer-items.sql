-- An item of a package waits for a transfer exactly while one open transfer carries all of it.
select 'package item ' || id || ' of ' || number, case
           when waits and open = 0 then 'it waits for a transfer, and none brings it'
           when waits and open = 1 then 'its transfer brings another quantity, or to another package'
           when waits then open || ' open transfers bring it at once'
           else open || ' open transfers bring it, and it waits for none' end
  from (select i.id, p.number, s.slug = 'waiting-for-transfer' as waits, count(o.id) as open,
               bool_or(o.quantity <> i.quantity or o.package_id <> i.package_id) as differs
          from package_items i
          join packages p on p.id = i.package_id
          join states s on s.id = i.state_id
          left join (select ti.package_item_id as id, ti.quantity, t.package_id
                       from transfer_items ti
                       join transfers t on t.id = ti.transfer_id
                       join states ts on ts.id = t.state_id
                      where ts.enum_value in ('waiting', 'ready_to_shipment', 'in_transit')) o on o.id = i.id
         where s.slug = 'waiting-for-transfer' or o.id is not null
         group by i.id, p.number, s.slug) w
 where open <> case when waits then 1 else 0 end or differs
 order by id
