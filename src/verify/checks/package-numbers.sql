-- Packages of an order are numbered 1, 2, 3 … up to its count, and have its number and its place among the orders of it.
with numbered as (
    select p.id, p.order_id, p.number, row_number() over (partition by p.order_id order by p.id) as n from packages p
)
select 'order ' || o.number, 'it counts ' || o.package_count || ' packages, and has ' || count(n.id)
  from orders o left join numbered n on n.order_id = o.id
 group by o.id having count(n.id) <> o.package_count
union all
select 'package ' || n.number, 'it is number ' || n.n || ' of order ' || o.number
  from numbered n join orders o on o.id = n.order_id
 where n.number <> o.number || 'P' || n.n || case when o.occurrence > 1 then '-' || o.occurrence else '' end
union all
select 'transfer ' || t.number, 'it is number ' || t.n || ' of package ' || p.number
  from (select t.number, t.package_id, row_number() over (partition by t.package_id order by t.id) as n
          from transfers t) t
  join packages p on p.id = t.package_id
 where t.number <> p.number || 'T' || t.n
 order by 1
