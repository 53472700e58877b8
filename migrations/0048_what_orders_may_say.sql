-- Of two messages of one order, one may name the channel by its key and the other by its name. The name that a key had last
-- is looked up in the orders of the channel.
create index orders_channel_idx on orders (channel_id, id) where channel_name is not null;

-- Of a line without a unit there is nothing to pack; it is kept, for it was ordered.
alter table order_items
    drop constraint order_items_quantity_check,
    add constraint order_items_quantity_check check (quantity >= 0);
