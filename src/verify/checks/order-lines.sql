-- Every unit that was ordered is in exactly one place of its life: in a live package, or cancelled with one, or the line was
-- not packed for the status that it came with, or is never packed: it is a kit, whose parts have goods, or it is without goods.
-- A package that ended passed units on to others, or they are cancelled.
with held as (
    select i.order_item_id, sum(i.quantity - i.passed_on)::bigint as units,
           coalesce(bool_or(i.passed_on > 0 and s.slug <> 'packaging-canceled'), false) as passes_on
      from package_items i
      join packages p on p.id = i.package_id
      join states s on s.id = p.state_id
     group by 1
)
select 'order ' || o.number, 'line ' || oi.position || ' (' || oi.sku || '): ' || case
           when n.reason is not null and h.units is not null then 'it is not to be packed, and a package has it'
           when n.reason = 'status' then 'nothing is packed of it, and it came approved'
           when n.reason = 'kit' then 'it is a kit without parts that are packed'
           when n.reason is not null then 'it is without goods, and has parts that are packed'
           when h.order_item_id is null then oi.quantity || ' units are ordered, and no package has them'
           when h.passes_on then 'a live package has passed on what it has'
           else oi.quantity || ' units are ordered, and its packages have ' || h.units
       end
  from order_items oi
  join orders o on o.id = oi.order_id
  left join states os on os.id = o.placed_state_id
  left join states ls on ls.id = oi.placed_state_id
  left join held h on h.order_item_id = oi.id
  left join lines_not_packed n on n.order_item_id = oi.id
  left join lateral (select exists (select from order_items part left join lines_not_packed pn on pn.order_item_id = part.id
                                     where part.order_id = oi.order_id and part.id <> oi.id
                                       and part.parent_omnitron_id = oi.omnitron_id
                                       and pn.reason is distinct from 'without_goods')
                            and not exists (select from order_items twin
                                             where twin.order_id = oi.order_id and twin.omnitron_id = oi.omnitron_id
                                               and twin.position < oi.position)) parts(has_some)
         on n.reason is not null
 where (n.reason is not null and (h.units is not null or (n.reason in ('kit', 'without_goods') and (n.reason = 'kit') <> parts.has_some)))
    or (n.reason is null and h.order_item_id is null)
    or (n.reason = 'status' and os.enum_value ~ '^4[0-9][0-9]$' and os.enum_value <> '425'
                            and ls.enum_value ~ '^4[0-9][0-9]$' and ls.enum_value <> '425')
    or h.units <> oi.quantity or h.passes_on
 order by oi.order_id, oi.position
