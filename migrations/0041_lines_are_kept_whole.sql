-- What a line of an order carries beside: the line that it is a part of, by the upstream's key, and what the channel adds.
alter table order_items
    add column parent_omnitron_id bigint,
    add column extra_field jsonb;
select seal_rows('order_items', '{state_id, modified_date}');
