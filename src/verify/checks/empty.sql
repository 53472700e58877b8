-- An order has lines, a package has items, a transfer brings some.
select 'order ' || number, 'it has no lines'
  from orders o where not exists (select from order_items i where i.order_id = o.id)
union all
select 'package ' || number, 'it has no items'
  from packages p where not exists (select from package_items i where i.package_id = p.id)
union all
select 'transfer ' || number, 'it brings nothing'
  from transfers t where not exists (select from transfer_items i where i.transfer_id = t.id)
 order by 1
