-- An order and its lines have the status that they came with, or one that was reported of a package: the least of its lines
-- that are not cancelled, or the one of a state in which a package of the line has been. Before the first report nothing
-- changes them. (Those that came before their first status was kept say nothing.)
with reported as materialized (
    select distinct i.order_item_id as id, case
               when s.enum_value::bigint = 50 then '50'
               when s.enum_value::bigint between 100 and 199 or s.enum_value::bigint in (910, 920) then '400'
               when s.enum_value::bigint between 200 and 599 then '450'
               when s.enum_value::bigint = 600 then '500'
               when s.enum_value::bigint = 610 then '520'
               when s.enum_value::bigint in (640, 660) then '540'
               when s.enum_value::bigint = 700 then '550'
               when s.enum_value::bigint = 900 then '100' end as status
      from package_items i
      join transition_logs l on l.package_id = i.package_id
      join states s on s.id = l.destination_state_id and s.enum_value ~ '^[0-9]{1,9}$'
     where (select position from upstream_feed) is not null
)
select 'order ' || o.number, 'line ' || i.position || ' (' || i.sku || ') has a status that nothing reports: ' || s.slug
  from order_items i
  join orders o on o.id = i.order_id
  join states s on s.id = i.state_id
 where i.state_id <> i.placed_state_id
   and not exists (select from reported r where r.id = i.id and r.status = s.enum_value)
union all
select 'order ' || o.number, 'it has a status that its lines have not: ' || s.slug
  from orders o
  join states s on s.id = o.state_id
 where o.state_id <> o.placed_state_id
   and s.enum_value is distinct from (
           select coalesce(min(k.enum_value::bigint) filter (where k.enum_value <> '100'), 100)::text
             from order_items i join states k on k.id = i.state_id
            where i.order_id = o.id and k.enum_value ~ '^[0-9]{1,9}$' and (select position from upstream_feed) is not null)
 order by 1, 2
