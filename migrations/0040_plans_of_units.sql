-- A cancellation plan may be about some units of a line.
alter table cancellation_plans
    -- How many units of each of `order_item_ids` are cancelled, null: all of it; null: all of each.
    add column quantities bigint[],
    add constraint cancellation_plans_quantities_check
        check (quantities is null or cardinality(quantities) = cardinality(order_item_ids));
select seal_rows('cancellation_plans', '{decision, reason, decided_date}');
