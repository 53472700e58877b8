-- Lines of orders that are never packed, with the reason: a kit is packed as its parts, and a line without goods (a gift card, a
-- service) is nothing to pack. Orders of before have their items, whatever their lines are.
create table lines_not_packed (
    order_item_id bigint primary key references order_items (id),
    reason text not null check (reason in ('kit', 'without_goods'))
);
