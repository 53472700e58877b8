-- First come, first served: what waits for a place, by SKU and by turn, so that a plan leaves to older orders what they wait for.

-- The items of packages that wait for a place. Derived: each command that brings a package into such a state, or out of it,
-- or changes one that waits, writes it in the same transaction. `oms verify` compares it, `oms repair` makes it again.
create table waiting_items (
    package_item_id bigint primary key,
    package_id bigint not null,
    order_id bigint not null,
    order_item_id bigint not null,
    -- The order's: who placed the order first is served first.
    date_placed timestamptz not null,
    sku text not null,
    quantity bigint not null
);
create index waiting_items_queue on waiting_items (sku, date_placed, order_id, package_id, package_item_id);
create index waiting_items_turn on waiting_items (date_placed, order_id, package_id);
create index waiting_items_package on waiting_items (package_id);

-- Makes the rows of these packages as they are to be, or of all.
create function note_waiting(packages bigint[]) returns void language plpgsql as $$
begin
    delete from waiting_items where packages is null or package_id = any(packages);
    insert into waiting_items (package_item_id, package_id, order_id, order_item_id, date_placed, sku, quantity)
    select i.id, p.id, p.order_id, i.order_item_id, o.date_placed, oi.sku, i.quantity
      from packages p
      join states s on s.id = p.state_id and s.slug in ('out-of-stock', 'needs-rescheduling')
      join package_items i on i.package_id = p.id
      join order_items oi on oi.id = i.order_item_id
      join orders o on o.id = p.order_id
     where packages is null or p.id = any(packages);
end $$;
select note_waiting(null);

-- What a plan does with what older orders wait for: it leaves it to them, or takes whatever fits.
alter table scenarios
    add column waiting text not null default 'first_come' check (waiting in ('first_come', 'whoever_fits'));
