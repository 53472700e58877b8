-- A package waits for transfers exactly while one of its transfers is open, and those go to its location.
select 'package ' || number, case
           when astray > 0 then astray || ' of its open transfers go elsewhere'
           when waits then 'it waits for transfers, and none is open'
           else 'it has ' || open || ' open transfers and does not wait for them' end
  from (select p.id, p.number, s.slug = 'waiting-for-transfer' as waits, count(o.id) as open,
               count(o.id) filter (where o.destination_location_id <> p.stock_location_id) as astray
          from packages p
          join states s on s.id = p.state_id
          left join (select t.* from transfers t join states ts on ts.id = t.state_id
                      where ts.enum_value in ('waiting', 'ready_to_shipment', 'in_transit')) o on o.package_id = p.id
         where s.slug = 'waiting-for-transfer' or o.id is not null
         group by p.id, p.number, s.slug) w
 where waits <> (open > 0) or astray > 0
 order by id
