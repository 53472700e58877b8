-- A package that was packed may end without its goods back on the shelf. Its items are then in a state that holds what was
-- taken, while the log of their package leads on to one that holds nothing. `goods_moved` asks the items, so it is right;
-- the history of a stock follows the log, and asks the item besides. All else is as in migration 30.
create or replace function stock_history(wanted text) returns table (
    -- Its place in the order in which they happened.
    turn bigint,
    created_date timestamptz,
    sku text,
    stock_location_id bigint,
    kind text,
    delta bigint,
    quantity_after bigint,
    missing bigint,
    reason text,
    door text,
    actor_kind text,
    actor text,
    user_id bigint,
    request_id text,
    package_id bigint,
    transfer_id bigint,
    transition_id bigint
)
-- A SKU's moves are looked up one by one, by indexes: Postgres does not know how many there are, and would otherwise read
-- all logs to find those of a SKU that sells.
language sql stable set enable_hashjoin = off set enable_mergejoin = off as $$
with taking as materialized (
    select s.id from states s where takes_goods(s.entity, s.slug, s.enum_value)
), start as materialized (
    select t.transition_log_id, t.transfer_log_id from stock_ledger_start t
), lines as materialized (
    select o.id, o.sku,
           exists (select from order_item_history h where h.order_item_id = o.id and h.transition_log_id is not null)
               as was_another
      from order_items o
     where o.id in (select l.id from order_items l where l.sku = wanted
                    union all
                    select h.order_item_id from order_item_history h
                     where h.sku = wanted and h.transition_log_id is not null)
), held as (
    -- The packages that an item is or was in, each with the last row of its log that was the item's.
    select i.package_id, i.id as item_id, l.id as line_id, l.sku, l.was_another, i.quantity, null::bigint as until,
           i.state_id in (select t.id from taking t) as is_taken
      from lines l join package_items i on i.order_item_id = l.id
    union all
    select d.package_id, i.id, l.id, l.sku, l.was_another, i.quantity, d.transition_log_id, false
      from lines l join package_items i on i.order_item_id = l.id
      join package_item_departures d on d.package_item_id = i.id
), steps as (
    select g.*, h.quantity, source.id is not null as took, taken.id is not null and h.until is distinct from g.id as reaches,
           -- What is still taken though its package has gone on from there was not put back since it was taken last.
           h.is_taken and g.id > coalesce(max(g.id) filter (where taken.id is not null)
                                              over (partition by h.package_id, h.item_id), 0) as stays,
           case when h.was_another
                then coalesce((select k.sku from order_item_history k
                                where k.order_item_id = h.line_id and k.transition_log_id >= g.id
                                order by k.transition_log_id limit 1), h.sku)
                else h.sku end as sku_before,
           case when h.was_another
                then coalesce((select k.sku from order_item_history k
                                where k.order_item_id = h.line_id and k.transition_log_id > g.id
                                order by k.transition_log_id limit 1), h.sku)
                else h.sku end as sku_after
      from held h
      join transition_logs g on g.package_id = h.package_id and (h.until is null or g.id <= h.until)
      left join taking source on source.id = g.source_state_id
      left join taking taken on taken.id = g.destination_state_id
     where g.id > (select t.transition_log_id from start t) and (source.id is not null or taken.id is not null)
), placed as (
    select s.*, s.reaches or s.stays as takes, case when s.took then (select b.stock_location_id from transition_logs b
                                        where b.package_id = s.package_id and b.id < s.id
                                        order by b.id desc limit 1) end as came_from
      from steps s
), moves as (
    select p.created_date, 1 as source, p.id, m.side, m.stock_location_id, 'package' as kind, m.delta, p.user_id,
           p.request_id, p.package_id, null::bigint as transfer_id, p.transition_id
      from placed p
     cross join lateral (values (0, p.came_from, p.sku_before, p.quantity, p.took),
                                (1, p.stock_location_id, p.sku_after, -p.quantity, p.takes))
           as m(side, stock_location_id, sku, delta, happens)
     where m.happens and m.sku = wanted
       and not (p.took and p.takes and p.came_from = p.stock_location_id and p.sku_before = p.sku_after)
    union all
    select g.created_date, 2, g.id, m.side, m.stock_location_id, 'transfer', m.delta, g.user_id, g.request_id,
           t.package_id, t.id, g.transition_id
      from transfer_items ti
      join transfers t on t.id = ti.transfer_id
      join transfer_logs g on g.transfer_id = t.id and g.id > (select t.transfer_log_id from start t)
      left join states was on was.id = g.source_state_id
      left join states becomes on becomes.id = g.destination_state_id
     cross join lateral (values
               (0, t.source_location_id, ti.quantity * (coalesce(g.source_state_id in (select id from taking), false)::integer
                                                        - (g.destination_state_id in (select id from taking))::integer)),
               (1, t.destination_location_id, ti.quantity * ((becomes.enum_value = 'transferred')::integer
                                                             - coalesce(was.enum_value = 'transferred', false)::integer)))
           as m(side, stock_location_id, delta)
     where ti.sku = wanted and m.delta <> 0
), changes as (
    -- Of one moment: rows of the ledger, then of packages' logs, then of transfers' logs.
    select m.created_date, m.source, m.id, m.side, m.stock_location_id, m.kind, m.delta, null::bigint as recorded,
           null::bigint as missing, null::text as reason, 'command' as door, 'user' as actor_kind, null::text as actor,
           m.user_id, m.request_id, m.package_id, m.transfer_id, m.transition_id
      from moves m
    union all
    select l.created_date, 0, l.id, 0, l.stock_location_id, l.kind, l.quantity_after - l.quantity_before,
           l.quantity_after, l.missing, l.reason, l.door, l.actor_kind, l.actor, l.user_id, l.request_id, l.package_id,
           l.transfer_id, null
      from stock_ledger l
     where l.sku = wanted
), running as (
    select c.*, sum(c.delta) over w as quantity, count(c.recorded) over w as stretch
      from changes c
    window w as (partition by c.stock_location_id order by c.created_date, c.source, c.id, c.side)
), fitting as (
    -- A stretch is from one row of the ledger to the next. It is as it was if the sum fits at both.
    select r.*, coalesce(bool_and(r.recorded = r.quantity) over w, true) as is_as_it_was
      from running r
    window w as (partition by r.stock_location_id order by r.stretch range between current row and 1 following)
)
select row_number() over (order by f.created_date, f.source, f.id, f.side), f.created_date, wanted, f.stock_location_id,
       f.kind, f.delta,
       coalesce(f.recorded, case when f.is_as_it_was then f.quantity::bigint end), f.missing, f.reason, f.door,
       f.actor_kind, f.actor, f.user_id, f.request_id, f.package_id, f.transfer_id, f.transition_id
  from fitting f
$$;

-- What packages and transfers moved of these SKUs after a moment, for counts that were taken then: the part of `stock_history`
-- that is told by logs, found by what was changed since, and not by what a SKU has sold.
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
    select i.package_id, i.order_item_id, i.quantity, null::bigint as until, i.state_id in (select t.id from taking t) as is_taken
      from changed c join package_items i on i.package_id = c.id
    union all
    select d.package_id, i.order_item_id, i.quantity, d.transition_log_id, false
      from changed c join package_item_departures d on d.package_id = c.id
      join package_items i on i.id = d.package_item_id
), steps as (
    select g.*, h.quantity, source.id is not null as took,
           taken.id is not null and h.until is distinct from g.id
           -- What is still taken though its package has gone on from there was not put back since it was taken last.
           or h.is_taken and g.id > (select coalesce(max(x.id), 0) from transition_logs x
                                      where x.package_id = h.package_id
                                        and x.destination_state_id in (select t.id from taking t)) as takes,
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
