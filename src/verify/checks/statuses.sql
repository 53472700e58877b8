-- An order and its lines have the status that they came with, or one that follows from their packages: the order the least of its
-- lines that are packed and not cancelled (that of the others where all are), a line the one of a state in which a package of it
-- has been, a kit one of its order's parts. A line that was not approved when it came has, once it is, the status of then. And
-- none is behind: the least status of a line's packages was noted, unless what happened last is still to be followed. (Those
-- that came before their first status was kept say nothing.)
with reported as materialized (
    select distinct i.order_item_id as id, r.status
      from package_items i
      join transition_logs l on l.package_id = i.package_id
      join {reported} as r(state_id, status) on r.state_id = l.destination_state_id
), of_parts as (
    select distinct i.order_id, r.status
      from reported r join order_items i on i.id = r.id
     where i.parent_omnitron_id is not null
), not_followed as (
    select distinct e.object_id as package_id
      from upstream_feed f join events e on e.position >= f.position and (e.position, e.id) > (f.position, f.id)
     where e.entity = 'package'
), due as (
    select i.order_item_id as id,
           case when bool_and(s.slug = 'packaging-canceled') then 100
                when bool_and(r.status = '50') filter (where s.slug <> 'packaging-canceled') then 50
                else min(case r.status when '50' then 400 else r.status::bigint end)
                     filter (where s.slug <> 'packaging-canceled') end as status
      from package_items i
      join packages p on p.id = i.package_id
      join states s on s.id = p.state_id
      join states own on own.id = i.state_id
      left join {reported} as r(state_id, status) on r.state_id = p.state_id
     where i.quantity > i.passed_on
     group by 1
    having bool_and(i.state_id = p.state_id or own.slug = 'not-restocked')
       and not bool_or(exists (select from not_followed n where n.package_id = p.id))
), least as (
    select i.order_id,
           coalesce(min(k.enum_value::bigint) filter (where k.enum_value <> '100' and n.reason is null),
                    min(k.enum_value::bigint) filter (where k.enum_value <> '100'), 100)::text as status,
           bool_or(i.state_id <> i.placed_state_id) as has_moved
      from order_items i
      join states k on k.id = i.state_id
      left join lines_not_packed n on n.order_item_id = i.id
     where k.enum_value ~ '^[0-9]{1,9}$'
     group by 1
)
select 'order ' || o.number, 'line ' || i.position || ' (' || i.sku || ') has a status that nothing reports: ' || s.slug
  from order_items i
  join orders o on o.id = i.order_id
  join states s on s.id = i.state_id
  join states came on came.id = i.placed_state_id
 where i.state_id <> i.placed_state_id
   and not exists (select from reported r where r.id = i.id and r.status = s.enum_value)
   and not exists (select from lines_not_packed n join of_parts r on r.order_id = i.order_id and r.status = s.enum_value
                    where n.order_item_id = i.id and n.reason = 'kit')
   and not (s.enum_value ~ '^4[0-9][0-9]$' and s.enum_value <> '425'
            and (came.enum_value !~ '^4[0-9][0-9]$' or came.enum_value = '425'))
union all
select 'order ' || o.number, 'line ' || i.position || ' (' || i.sku || ') is ' || s.slug || ', and its packages are at ' || d.status
  from due d
  join order_items i on i.id = d.id
  join orders o on o.id = i.order_id
  join states s on s.id = i.state_id
 where i.placed_state_id is not null and s.enum_value ~ '^[0-9]{1,9}$' and s.enum_value <> '100'
   and d.status <> s.enum_value::bigint
   and (d.status in (50, 100) or s.enum_value = '50' or d.status > s.enum_value::bigint)
   and (select position from upstream_feed) is not null
union all
select 'order ' || o.number, 'it has a status that its lines have not: ' || s.slug
  from orders o
  join states s on s.id = o.state_id
  left join least l on l.order_id = o.id
 where (o.state_id <> o.placed_state_id or l.has_moved)
   and s.enum_value is distinct from coalesce(l.status, '100')
 order by 1, 2
