-- Orders {from} to {to} of the past, a delivered package each, as if they had been planned, packed, shipped and delivered
-- long ago.
insert into orders (number, state_id, channel_id, channel_name, customer_first_name, customer_last_name, payment_type,
                    shipping_option_slug, delivery_type, currency, amount, language_code, date_placed, details,
                    package_count)
select 'P' || n, (select id from states where entity = 'order' and enum_value = '400'), 1, 'web', 'Customer', n::text,
       'credit_card', 'standard', 'delivery', 'gbp', 10 + n % 90, 'en-us', now() - interval '1 year',
       jsonb_build_object('channel', jsonb_build_object('pk', 1, 'name', 'web'),
                          'customer', jsonb_build_object('pk', n, 'first_name', 'Customer', 'last_name', n::text)),
       1
  from generate_series({from}, {to}) n;

insert into order_items (order_id, position, state_id, sku, quantity, price, price_currency, product)
select o.id, 1, o.state_id, 'OLD' || o.id % 2000, 1, 2.55, 'gbp', jsonb_build_object('sku', 'OLD' || o.id % 2000)
  from generate_series({from}, {to}) n join orders o on o.number = 'P' || n;

insert into packages (number, order_id, stock_location_id, state_id, event_sequence)
select o.number || 'P1', o.id, (select min(id) from stock_locations) + o.id % {locations},
       (select id from states where entity = 'package' and slug = 'delivered'), 1
  from generate_series({from}, {to}) n join orders o on o.number = 'P' || n;

insert into package_items (package_id, order_item_id, state_id, quantity)
select p.id, i.id, p.state_id, i.quantity
  from generate_series({from}, {to}) n
  join orders o on o.number = 'P' || n join packages p on p.order_id = o.id join order_items i on i.order_id = o.id;

insert into transition_logs (package_id, destination_state_id, stock_location_id)
select p.id, p.state_id, p.stock_location_id
  from generate_series({from}, {to}) n join orders o on o.number = 'P' || n join packages p on p.order_id = o.id;

insert into events (position, entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
select 1, 'package', p.id, 1, '{package.created}', array[p.stock_location_id], installation.version,
       json_build_object('state', p.state_id, 'at', p.stock_location_id, 'items',
           (select json_agg(json_build_array(i.id, i.state_id, null)) from package_items i where i.package_id = p.id))
  from installation, generate_series({from}, {to}) n join orders o on o.number = 'P' || n join packages p on p.order_id = o.id;

insert into order_plans (order_id, trace)
select o.id, '{}' from generate_series({from}, {to}) n join orders o on o.number = 'P' || n;

-- What they took had been counted.
with taken as (
    select i.sku, p.stock_location_id, sum(i.quantity) as units
      from generate_series({from}, {to}) n
      join orders o on o.number = 'P' || n join packages p on p.order_id = o.id join order_items i on i.order_id = o.id
     group by 1, 2
), counted as (
    insert into stocks (sku, stock_location_id, quantity, recorded)
    select sku, stock_location_id, units, units from taken
    on conflict (sku, stock_location_id) do update
       set quantity = stocks.quantity + excluded.quantity, recorded = stocks.recorded + excluded.recorded
)
insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, door, actor_kind, actor)
select sku, stock_location_id, 'count', 0, units, 'import', 'server', 'benchmark' from taken;

update stocks s
   set quantity = s.quantity - t.units, moved = s.moved - t.units
  from (select i.sku, p.stock_location_id, sum(i.quantity) as units
          from generate_series({from}, {to}) n
          join orders o on o.number = 'P' || n join packages p on p.order_id = o.id join order_items i on i.order_id = o.id
         group by 1, 2) t
 where s.sku = t.sku and s.stock_location_id = t.stock_location_id;
