-- An order that has packages was planned when it came, and a plan of a package is of its order and was made with a move of
-- it.
select 'order ' || o.number, 'it has packages, and no plan'
  from orders o
 where o.package_count > 0
   and not exists (select from order_plans p where p.order_id = o.id and p.package_id is null)
union all
select 'order ' || o.number, 'plan ' || p.id || ' was not made with a move of its package'
  from order_plans p
  join orders o on o.id = p.order_id
  left join packages k on k.id = p.package_id
 where p.package_id is not null
   and (k.order_id <> p.order_id
        or not exists (select from transition_logs l where l.package_id = k.id and l.created_date = p.created_date))
union all
select 'order ' || o.number, 'plan ' || p.id || ' names a scenario that is not kept'
  from order_plans p join orders o on o.id = p.order_id
 where p.scenario_id is not null
   and not exists (select from scenario_versions v where v.scenario_id = p.scenario_id)
 order by 1
