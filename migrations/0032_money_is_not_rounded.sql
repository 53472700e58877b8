-- Money and rates are kept as they were sent, instead of rounded to two places: KWD has three, a unit price or a tax rate
-- may have four (8.875 %). The types lose their scale, which rewrites nothing; the checks read the tables once.
--
-- `src/orders/input.rs` reads by the same limits: so many digits in all, where at least two stand after the point.
create function is_decimal(number numeric, digits integer, places integer) returns boolean
    language sql immutable parallel safe as $$
    select scale(number) <= places and abs(number) < power(10::numeric, digits - greatest(scale(number), 2))
$$;

alter table orders
    alter column amount type numeric,
    add constraint orders_amount_check check (is_decimal(amount, 14, 4));
alter table order_items
    alter column price type numeric,
    alter column discount_amount type numeric,
    alter column tax_rate type numeric,
    add constraint order_items_price_check check (is_decimal(price, 14, 4)),
    add constraint order_items_discount_amount_check check (is_decimal(discount_amount, 14, 4)),
    add constraint order_items_tax_rate_check check (is_decimal(tax_rate, 6, 4));
