-- A cancellation plan is about lines of its order and packages of it, and was decided as they came out.
with decided as (
    select plan_id, bool_or(outcome = 'refused') as refused, bool_or(outcome = 'cancelled') as cancelled,
           bool_or(outcome = 'waiting') as waiting
      from cancellation_plan_packages group by 1
)
select 'cancellation plan ' || c.remote_id, case
           when exists (select from unnest(c.order_item_ids) as line(id)
                         where not exists (select from order_items i where i.id = line.id and i.order_id = c.order_id))
               then 'it names a line of another order'
           when exists (select from unnest(c.order_item_ids, c.quantities) as line(id, quantity)
                          join order_items i on i.id = line.id where line.quantity not between 1 and i.quantity)
               then 'it cancels other units of a line than there are'
           when exists (select from cancellation_plan_packages k join packages p on p.id = k.package_id
                         where k.plan_id = c.id and p.order_id <> c.order_id)
               then 'it names a package of another order'
           when (c.decision is null) <> (c.decided_date is null) then 'it is decided without a date'
           else 'it is ' || coalesce(c.decision, 'not decided') || ', and its packages came out otherwise' end
  from cancellation_plans c
  left join decided d on d.plan_id = c.id
 where exists (select from unnest(c.order_item_ids) as line(id)
                where not exists (select from order_items i where i.id = line.id and i.order_id = c.order_id))
    or exists (select from unnest(c.order_item_ids, c.quantities) as line(id, quantity)
                 join order_items i on i.id = line.id where line.quantity not between 1 and i.quantity)
    or exists (select from cancellation_plan_packages k join packages p on p.id = k.package_id
                where k.plan_id = c.id and p.order_id <> c.order_id)
    or (c.decision is null) <> (c.decided_date is null)
    or (c.decision is null and d.plan_id is not null)
    or (c.plan_type = 'refund' and c.decision <> 'recorded')
    or (c.plan_type = 'cancel' and c.decision is distinct from case
            when c.decision is null then null
            when d.refused and (d.cancelled or d.waiting) then 'partly'
            when d.refused then 'refused'
            when d.waiting then 'waiting'
            else 'cancelled' end)
 order by 1
