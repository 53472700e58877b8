-- Units of one line of an order may be in several packages, each in an item of its own.

-- What new packages took over of an item when its package ended. They have it in items of their own, and this one is kept
-- as history: what it has beside is cancelled. So the units of a line are, whatever became of them,
-- `sum(quantity - passed_on)` over its items, and `oms verify` proves it.
alter table package_items
    add column passed_on bigint not null default 0,
    add constraint package_items_passed_on_check check (passed_on between 0 and quantity);

-- A line was in one package at a time, as a whole. So all of its items but the last were taken over.
update package_items i
   set passed_on = quantity
 where exists (select from package_items later where later.order_item_id = i.order_item_id and later.id > i.id);

-- An item that was a part of another until some of its units went elsewhere. Events before tell both as one.
create table package_item_parts (
    package_item_id bigint primary key references package_items,
    part_of bigint not null references package_items,
    quantity bigint not null constraint package_item_parts_quantity_check check (quantity > 0),
    -- Events with a smaller id are from before.
    until_event_id bigint not null,
    transition_log_id bigint not null
);
create index package_item_parts_part_of_idx on package_item_parts (part_of);
