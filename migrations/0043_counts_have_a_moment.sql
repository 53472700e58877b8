-- A count may say when it was taken: what was packed and what arrived after it is applied to it, and a count that a newer one
-- has overtaken is no news.

alter table stocks
    -- When the newest count was taken; null: the stock was never counted.
    add column counted_at timestamptz;
update stocks s
   set counted_at = c.counted_at
  from (select sku, stock_location_id, max(created_date) as counted_at
          from stock_ledger where kind = 'count' group by 1, 2) c
 where c.sku = s.sku and c.stock_location_id = s.stock_location_id;

-- What packages and transfers moved of these SKUs after a moment: the part of `stock_history` that is told by logs, found by
-- what was changed since, and not by what a SKU has sold.
create function goods_moved_since(since timestamptz, wanted text[]) returns table (
    created_date timestamptz,
    sku text,
    stock_location_id bigint,
    delta bigint
)
language sql stable set enable_hashjoin = off set enable_mergejoin = off as $$
with taking as materialized (
    select s.id from states s where takes_goods(s.entity, s.slug, s.enum_value)
), changed as materialized (
    select p.id from packages p where p.modified_date >= since
), held as (
    select i.package_id, i.order_item_id, i.quantity, null::bigint as until
      from changed c join package_items i on i.package_id = c.id
    union all
    select d.package_id, i.order_item_id, i.quantity, d.transition_log_id
      from changed c join package_item_departures d on d.package_id = c.id
      join package_items i on i.id = d.package_item_id
), steps as (
    select g.*, h.quantity, source.id is not null as took, taken.id is not null and h.until is distinct from g.id as takes,
           coalesce((select k.sku from order_item_history k
                      where k.order_item_id = o.id and k.transition_log_id >= g.id
                      order by k.transition_log_id limit 1), o.sku) as sku_before,
           coalesce((select k.sku from order_item_history k
                      where k.order_item_id = o.id and k.transition_log_id > g.id
                      order by k.transition_log_id limit 1), o.sku) as sku_after
      from held h
      join order_items o on o.id = h.order_item_id
      join transition_logs g on g.package_id = h.package_id and (h.until is null or g.id <= h.until)
      left join taking source on source.id = g.source_state_id
      left join taking taken on taken.id = g.destination_state_id
     where g.created_date > since and (source.id is not null or taken.id is not null)
), placed as (
    select s.*, case when s.took then (select b.stock_location_id from transition_logs b
                                        where b.package_id = s.package_id and b.id < s.id
                                        order by b.id desc limit 1) end as came_from
      from steps s
)
select p.created_date, m.sku, m.stock_location_id, m.delta
  from placed p
 cross join lateral (values (p.came_from, p.sku_before, p.quantity, p.took),
                            (p.stock_location_id, p.sku_after, -p.quantity, p.takes))
       as m(stock_location_id, sku, delta, happens)
 where m.happens and m.sku = any(wanted)
   and not (p.took and p.takes and p.came_from = p.stock_location_id and p.sku_before = p.sku_after)
union all
select g.created_date, ti.sku, m.stock_location_id, m.delta
  from transfers t
  join transfer_items ti on ti.transfer_id = t.id
  join transfer_logs g on g.transfer_id = t.id
  left join states was on was.id = g.source_state_id
  left join states becomes on becomes.id = g.destination_state_id
 cross join lateral (values
           (t.source_location_id, ti.quantity * (coalesce(g.source_state_id in (select id from taking), false)::integer
                                                 - (g.destination_state_id in (select id from taking))::integer)),
           (t.destination_location_id, ti.quantity * ((becomes.enum_value = 'transferred')::integer
                                                      - coalesce(was.enum_value = 'transferred', false)::integer)))
       as m(stock_location_id, delta)
 where t.modified_date >= since and g.created_date > since and ti.sku = any(wanted) and m.delta <> 0
$$;
