-- Every unit that was ordered is in exactly one place of its life: in a live package, or cancelled with one, or the line was
-- over before it came. A package that ended passed units on to others, or they are cancelled.
with held as (
    select i.order_item_id, sum(i.quantity - i.passed_on)::bigint as units,
           coalesce(bool_or(i.passed_on > 0 and s.slug <> 'packaging-canceled'), false) as passes_on
      from package_items i
      join packages p on p.id = i.package_id
      join states s on s.id = p.state_id
     group by 1
)
select 'order ' || o.number, 'line ' || oi.position || ' (' || oi.sku || '): ' || case
           when h.order_item_id is null then oi.quantity || ' units are ordered, and no package has them'
           when h.passes_on then 'a live package has passed on what it has'
           else oi.quantity || ' units are ordered, and its packages have ' || h.units
       end
  from order_items oi
  join orders o on o.id = oi.order_id
  join states os on os.id = o.state_id
  join states ls on ls.id = oi.state_id
  left join held h on h.order_item_id = oi.id
 where (h.order_item_id is null and os.enum_value not in ('100', '600') and ls.enum_value not in ('100', '600'))
    or h.units <> oi.quantity or h.passes_on
 order by oi.order_id, oi.position
