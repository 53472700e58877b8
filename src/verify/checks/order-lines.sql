-- Every unit that was ordered is in exactly one place of its life: in one live package, or in packages that were
-- cancelled, or the line was over before it came. What a package holds of a line is all of it.
with held as (
    select i.order_item_id, count(*) filter (where s.slug <> 'packaging-canceled') as live, count(*) as items,
           min(i.quantity) as least, max(i.quantity) as most
      from package_items i
      join packages p on p.id = i.package_id
      join states s on s.id = p.state_id
     group by 1
)
select 'order ' || o.number, 'line ' || oi.position || ' (' || oi.sku || '): ' || case
           when h.order_item_id is null then oi.quantity || ' units are ordered, and no package has them'
           when h.live > 1 then 'it is in ' || h.live || ' packages at once'
           else oi.quantity || ' units are ordered, and its package has '
                || case when h.least <> oi.quantity then h.least else h.most end
       end
  from order_items oi
  join orders o on o.id = oi.order_id
  join states os on os.id = o.state_id
  join states ls on ls.id = oi.state_id
  left join held h on h.order_item_id = oi.id
 where (h.order_item_id is null and os.enum_value not in ('100', '600') and ls.enum_value not in ('100', '600'))
    or h.live > 1 or h.least <> oi.quantity or h.most <> oi.quantity
 order by oi.order_id, oi.position
