-- Who changed the stock of a SKU at a place, when and why.
--
-- What packages and transfers move is in their logs, and is not written twice. Every other change of a quantity is a row
-- of `stock_ledger`. A stock keeps the sums of both, and its quantity is nothing but these:
--
--     quantity = recorded (by its ledger) + moved (by what logs tell)
--
-- So whoever changes a quantity has to say by which of the two. A change that says neither is refused by the constraint,
-- whoever makes it, and `oms verify` proves both sums.

-- Whoever has logged a move has changed the stock in the same transaction. So with these locks, what the logs hold and
-- what the stocks say are of one moment. In the order in which commands take them.
do $$
begin
    lock table transition_logs in share row exclusive mode;
    lock table stocks in access exclusive mode;
    lock table transfer_logs in share row exclusive mode;
end
$$;

-- ---------------------------------------------------------------- what packages and transfers move

-- Whether what is in a state has left the shelf: `workflow.rs` has the same rule, and a test compares.
create function takes_goods(entity text, slug text, enum_value text) returns boolean language sql immutable as $$
    select case when entity = 'transfer' then enum_value in ('in_transit', 'transferred')
                when entity <> 'package' or slug in ('oms-not-found', 'waiting-for-transfer') then false
                when enum_value !~ '^[0-9]{1,9}$' then false
                else enum_value::bigint >= 450 and enum_value::bigint not between 900 and 999
                     and enum_value::bigint <> 1100 end
$$;

-- What a transfer carries is what it took, also if the product of its package's item is replaced.
alter table transfer_items add column sku text;
update transfer_items ti
   set sku = oi.sku
  from package_items i join order_items oi on oi.id = i.order_item_id
 where i.id = ti.package_item_id;
alter table transfer_items alter column sku set not null;
create index transfer_items_sku_idx on transfer_items (sku);

-- An item that left a package for another one, without an end of the package: by which row of its log. Until then the
-- package's moves were the item's.
create table package_item_departures (
    package_item_id bigint not null references package_items,
    -- The package that it left.
    package_id bigint not null references packages,
    transition_log_id bigint not null,
    primary key (package_item_id, transition_log_id)
);

-- By which row of the log a product was replaced; null: it was not, or by a version before.
alter table order_item_history add column transition_log_id bigint;
create index order_item_history_sku_idx on order_item_history (sku) where transition_log_id is not null;

-- What all moves together have done to a stock: what has left a shelf and is not back, and what transfers have brought.
-- Each log is a path from the creation to the state of now, so of its moves only the end is left in the sum.
create view goods_moved as
select sku, stock_location_id, sum(delta)::bigint as moved
  from (select oi.sku, p.stock_location_id, -i.quantity as delta
          from package_items i
          join states s on s.id = i.state_id and takes_goods(s.entity, s.slug, s.enum_value)
          join packages p on p.id = i.package_id
          join order_items oi on oi.id = i.order_item_id
        union all
        select ti.sku, t.source_location_id, -ti.quantity
          from transfer_items ti
          join transfers t on t.id = ti.transfer_id
          join states s on s.id = t.state_id and takes_goods(s.entity, s.slug, s.enum_value)
        union all
        select ti.sku, t.destination_location_id, ti.quantity
          from transfer_items ti
          join transfers t on t.id = ti.transfer_id
          join states s on s.id = t.state_id and s.enum_value = 'transferred') as moves
 group by 1, 2;

-- ---------------------------------------------------------------- the ledger

create table stock_ledger (
    id bigint generated always as identity,
    sku text not null,
    stock_location_id bigint not null,
    -- `opening`: what there was when the ledger began. `count`: the units on the shelf, as somebody counted. `adjustment`:
    -- units added or taken. `not_found`: units that a location looked for and did not find; nothing changes by it.
    -- `surplus`: units that were packed or sent although they had not been counted.
    kind text not null
        constraint stock_ledger_kind_check check (kind in ('opening', 'count', 'adjustment', 'not_found', 'surplus')),
    quantity_before bigint not null,
    quantity_after bigint not null,
    -- Of an opening: what logs had moved before, which the ledger does not explain.
    moved_before bigint,
    -- Of `not_found`: the units.
    missing bigint,
    reason text,
    -- Where it came in: `request`, `import` (of a file), `command_line`, `stock_service`, `command` (of a package or a
    -- transfer), `upgrade` (the migration).
    door text not null constraint stock_ledger_door_check
        check (door in ('request', 'import', 'command_line', 'stock_service', 'command', 'upgrade')),
    -- As in `audit`; the name as it was then.
    actor_kind text not null constraint stock_ledger_actor_kind_check
        check (actor_kind in ('user', 'command_line', 'server')),
    actor text not null,
    user_id bigint,
    request_id text,
    -- Of `not_found`: whose item it was.
    package_id bigint,
    transfer_id bigint,
    -- The moment at which the stock was locked, or a moment later: what it was changed by before is older.
    created_date timestamptz not null default clock_timestamp(),
    constraint stock_ledger_opening_check check ((kind = 'opening') = (moved_before is not null)),
    constraint stock_ledger_not_found_check
        check ((kind = 'not_found') = (missing is not null) and (kind <> 'not_found' or quantity_before = quantity_after)),
    -- Read by SKU and location, so that is how it is kept: one index less to write.
    primary key (sku, stock_location_id, id)
);

create function refuse_change_of_stock_ledger() returns trigger language plpgsql as $$
begin
    raise exception 'the stock ledger is only added to: correct a quantity by oms stock adjust';
end
$$;
create trigger stock_ledger_is_kept before update or delete on stock_ledger
    for each statement execute function refuse_change_of_stock_ledger();

alter table stocks
    -- The sum of its ledger.
    add column recorded bigint not null default 0,
    -- What packages and transfers have moved since the ledger began.
    add column moved bigint not null default 0;
update stocks set recorded = quantity;
alter table stocks add constraint stocks_quantity_is_explained check (quantity = recorded + moved);

-- More was packed or sent than was counted: then the count was wrong, not the clerk. The statement that moves leaves
-- nothing below 0; this is the row for what it added. A count changes what is recorded, a move what is moved, and nothing
-- else changes both.
create function record_surplus() returns trigger language plpgsql as $$
begin
    insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, door, actor_kind, actor,
                              created_date)
    values (new.sku, new.stock_location_id, 'surplus', old.quantity, old.quantity + new.recorded - old.recorded, 'command',
            'server', 'commands', now());
    return null;
end
$$;
create trigger stocks_surplus after update on stocks
    for each row when (new.recorded <> old.recorded and new.moved <> old.moved) execute function record_surplus();

-- The last rows of the logs that are not explained: what there was then is the opening.
create table stock_ledger_start (
    only_row boolean primary key default true check (only_row),
    transition_log_id bigint not null,
    transfer_log_id bigint not null
);
insert into stock_ledger_start (transition_log_id, transfer_log_id)
select coalesce((select max(id) from transition_logs), 0), coalesce((select max(id) from transfer_logs), 0);

insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, moved_before, door, actor_kind,
                          actor)
select coalesce(s.sku, m.sku), coalesce(s.stock_location_id, m.stock_location_id), 'opening', 0, coalesce(s.quantity, 0),
       coalesce(m.moved, 0), 'upgrade', 'server', 'upgrade'
  from stocks s
  full join goods_moved m on m.sku = s.sku and m.stock_location_id = s.stock_location_id
 order by 1, 2;

-- ---------------------------------------------------------------- both in one order

-- Everything that changed the stock of a SKU since the ledger began, at every location. `quantity_after` is null where two
-- changes at once leave their order unknown: then the changes between two rows of the ledger do not lead from one to the
-- other. It asks by the SKU's lines of orders, so it costs what the SKU has sold, not what the shop has.
create function stock_history(wanted text) returns table (
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
    select i.package_id, l.id as line_id, l.sku, l.was_another, i.quantity, null::bigint as until
      from lines l join package_items i on i.order_item_id = l.id
    union all
    select d.package_id, l.id, l.sku, l.was_another, i.quantity, d.transition_log_id
      from lines l join package_items i on i.order_item_id = l.id
      join package_item_departures d on d.package_item_id = i.id
), steps as (
    select g.*, h.quantity, source.id is not null as took, taken.id is not null and h.until is distinct from g.id as takes,
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
    select s.*, case when s.took then (select b.stock_location_id from transition_logs b
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
