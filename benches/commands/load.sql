-- {packages} packages that wait to be packed, one an order, as if they had been planned and reserved just now; package n
-- is at location {location}. Everything `oms verify` proves holds afterwards.

insert into orders (id, number, state_id, channel_id, channel_name, customer_first_name, customer_last_name,
                    payment_type, shipping_option_slug, delivery_type, currency, amount, language_code, date_placed,
                    details, package_count)
select n, 'B' || n, (select id from states where entity = 'order' and enum_value = '400'), 1, 'web', 'Customer',
       n::text, 'credit_card', 'standard', 'delivery', 'gbp', 10 + n % 90, 'en-us', now(),
       jsonb_build_object(
           'channel', jsonb_build_object('pk', 1, 'name', 'web'),
           'customer', jsonb_build_object('pk', n, 'first_name', 'Customer', 'last_name', n::text,
                                          'email', n || '@example.com'),
           'shipping_address', jsonb_build_object(
               'line', '63 High Street', 'city', jsonb_build_object('name', 'Bristol'),
               'country', jsonb_build_object('code', 'gb', 'name', 'United Kingdom'))),
       1
  from generate_series(1, {packages}) n;

-- One to three lines an order, out of 2,000 SKUs.
insert into order_items (order_id, position, state_id, sku, quantity, price, price_currency, tax_rate,
                         discount_amount, product)
select n, k, o.state_id, sku, 1 + n % 3, 2.55, 'gbp', 20, 0,
       jsonb_build_object('pk', sku::bigint, 'sku', sku, 'base_code', sku, 'name', 'Product ' || sku,
                          'barcode', '2025' || sku)
  from generate_series(1, {packages}) n
 cross join lateral generate_series(1, 1 + n % 3) k
 cross join lateral (select lpad(((hashint4(n::integer)::bigint + 2147483648 + k * 577) % 2000)::text, 6, '0')) s(sku)
  join orders o on o.id = n
 order by n, k;

insert into packages (id, number, order_id, stock_location_id, state_id, event_sequence)
select n, 'B' || n || 'P1', n, {location}, (select id from states where entity = 'package' and slug = 'waiting'), 1
  from generate_series(1, {packages}) n;

insert into package_items (package_id, order_item_id, state_id, quantity)
select oi.order_id, oi.id, p.state_id, oi.quantity
  from order_items oi join packages p on p.id = oi.order_id
 order by oi.id;

insert into reservations (package_item_id, stock_location_id, sku, quantity)
select i.id, p.stock_location_id, oi.sku, i.quantity
  from package_items i join packages p on p.id = i.package_id join order_items oi on oi.id = i.order_item_id
 order by i.id;

insert into stocks (sku, stock_location_id, quantity, recorded, reserved)
select sku, stock_location_id, sum(quantity) + 100, sum(quantity) + 100, sum(quantity) from reservations group by 1, 2;

insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, door, actor_kind, actor)
select sku, stock_location_id, 'count', 0, quantity, 'import', 'server', 'benchmark' from stocks;

insert into transition_logs (package_id, destination_state_id, stock_location_id)
select id, state_id, stock_location_id from packages order by id;

insert into quota_ledger (transition_log_id, package_id, stock_location_id, delta)
select id, package_id, stock_location_id, 1 from transition_logs order by id;

insert into events (position, entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
select 1, 'package', p.id, 1, '{package.created}', array[p.stock_location_id], installation.version,
       json_build_object('state', p.state_id, 'at', p.stock_location_id, 'items',
           (select json_agg(json_build_array(i.id, i.state_id, null)) from package_items i where i.package_id = p.id))
  from installation, packages p order by p.id;

insert into order_plans (order_id, trace) select id, '{}' from orders order by id;

update stock_locations l set quota = p.quota
  from (select stock_location_id, count(*) as quota from packages group by 1) p
 where p.stock_location_id = l.id;

select setval(pg_get_serial_sequence('orders', 'id'), {packages}),
       setval(pg_get_serial_sequence('packages', 'id'), {packages});
