-- Lines that came with a status of which nothing is packed: cancelled, sent already, or not approved yet. Until here such lines
-- had no row, and only cancelled and refunded ones were left out.
alter table lines_not_packed drop constraint lines_not_packed_reason_check;
alter table lines_not_packed add constraint lines_not_packed_reason_check check (reason in ('kit', 'without_goods', 'status'));
insert into lines_not_packed (order_item_id, reason)
select i.id, 'status' from order_items i
 where not exists (select from package_items k where k.order_item_id = i.id)
   and not exists (select from lines_not_packed n where n.order_item_id = i.id);

-- Units that whoever sends the order still wants of a line, as far as was heard after it came; null: all that were ordered. A
-- line that wants more again is known by it: what is cancelled here need not be known there.
alter table order_items add column wanted_quantity bigint
    constraint order_items_wanted_quantity_check check (wanted_quantity between 0 and quantity);

-- Orders and lines follow their packages, whether an upstream is told of it or not. `tells`: some server has an upstream;
-- `releases`: its reservations are released once a package is packed.
alter table upstream_feed
    add column tells boolean not null default false,
    add column releases boolean not null default false;
update upstream_feed set tells = true where position is not null;

-- Where no upstream was told, orders stayed as they came.
with status as (
    select id, enum_value::bigint as number,
           case when enum_value = '50' then 50
                when enum_value ~ '^1[0-9][0-9]$' or enum_value in ('910', '920') then 400
                when enum_value ~ '^[2-5][0-9][0-9]$' then 450
                when enum_value = '600' then 500
                when enum_value = '610' then 520
                when enum_value in ('640', '660') then 540
                when enum_value = '700' then 550 end as status
      from states where entity = 'package' and enum_value ~ '^[0-9]{1,9}$'
), lines as (
    select i.order_item_id as id,
           case when bool_and(t.number = 900) then 100
                when bool_and(t.status = 50) filter (where t.number <> 900) then 50
                else min(case t.status when 50 then 400 else t.status end) filter (where t.number <> 900) end as status
      from package_items i
      join packages p on p.id = i.package_id
      join status t on t.id = p.state_id
     where i.quantity > i.passed_on and (select position from upstream_feed) is null
     group by 1
)
update order_items oi set state_id = s.id
  from lines l
  join states s on s.entity = 'order' and s.enum_value = l.status::text
 where oi.id = l.id and oi.state_id <> s.id
   and exists (select from states k where k.id = oi.state_id and k.enum_value ~ '^[0-9]{1,9}$' and k.enum_value <> '100'
                                      and (l.status in (50, 100) or l.status > k.enum_value::bigint));
update orders o set state_id = s.id
  from (select oi.order_id,
               coalesce(min(k.enum_value::bigint) filter (where k.enum_value <> '100' and n.reason is null),
                        min(k.enum_value::bigint) filter (where k.enum_value <> '100'), 100)::text as status
          from order_items oi join states k on k.id = oi.state_id
          left join lines_not_packed n on n.order_item_id = oi.id
         where k.enum_value ~ '^[0-9]{1,9}$' and (select position from upstream_feed) is null
         group by oi.order_id) c
  join states s on s.entity = 'order' and s.enum_value = c.status
 where o.id = c.order_id and o.state_id <> s.id
   and exists (select from order_items i where i.order_id = o.id and i.state_id <> i.placed_state_id);
