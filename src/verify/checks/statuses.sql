-- An order and its lines have the status that they came with, or one that was reported of a package: the least of its lines
-- that are packed and not cancelled (that of the others where all are), or the one of a state in which a package of the line
-- has been; of a kit, of one of its order's parts. Before the first report nothing changes them. (Those that came before their
-- first status was kept say nothing.)
with reported as materialized (
    select distinct i.order_item_id as id, r.status
      from package_items i
      join transition_logs l on l.package_id = i.package_id
      join {reported} as r(state_id, status) on r.state_id = l.destination_state_id
     where (select position from upstream_feed) is not null
), of_parts as (
    select distinct i.order_id, r.status
      from reported r join order_items i on i.id = r.id
     where i.parent_omnitron_id is not null
)
select 'order ' || o.number, 'line ' || i.position || ' (' || i.sku || ') has a status that nothing reports: ' || s.slug
  from order_items i
  join orders o on o.id = i.order_id
  join states s on s.id = i.state_id
 where i.state_id <> i.placed_state_id
   and not exists (select from reported r where r.id = i.id and r.status = s.enum_value)
   and not exists (select from lines_not_packed n join of_parts r on r.order_id = i.order_id and r.status = s.enum_value
                    where n.order_item_id = i.id and n.reason = 'kit')
union all
select 'order ' || o.number, 'it has a status that its lines have not: ' || s.slug
  from orders o
  join states s on s.id = o.state_id
 where o.state_id <> o.placed_state_id
   and s.enum_value is distinct from (
           select coalesce(min(k.enum_value::bigint) filter (where k.enum_value <> '100' and n.reason is null),
                           min(k.enum_value::bigint) filter (where k.enum_value <> '100'), 100)::text
             from order_items i join states k on k.id = i.state_id
             left join lines_not_packed n on n.order_item_id = i.id
            where i.order_id = o.id and k.enum_value ~ '^[0-9]{1,9}$' and (select position from upstream_feed) is not null)
 order by 1, 2
