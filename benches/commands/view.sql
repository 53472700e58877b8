-- The reference for reading: the statements of src/packages/view.rs, for one package.
\set id random(1, {packages})
\set location 1 + :id % {locations}
select p.id, p.number, p.state_id, p.order_id, p.stock_location_id, p.remote_id, p.invoice_number,
       p.created_date, p.modified_date,
       o.number as order_number, o.omnitron_id, o.date_placed, o.notes, o.channel_name, o.payment_type,
       o.currency, o.amount::text as amount, o.delivery_type, o.shipping_option_slug,
       o.details->'shipping_address'->'city' as city,
       o.details->'channel' as channel,
       o.details->'customer' as customer,
       o.details->'shipping_address' as shipping_address,
       s.id as shipment_id, s.cargo_company_id, s.tracking_number, s.label_key,
       s.created_date as shipment_created_date, s.modified_date as shipment_modified_date,
       array(select r.successor_id from package_replacements r where r.package_id = p.id order by 1) as replaced_by
  from packages p
  join orders o on o.id = p.order_id
  left join shipments s on s.package_id = p.id
 where p.id = :id;
select i.id, i.package_id, i.state_id, i.quantity, i.created_date, i.modified_date, i.order_item_id,
       oi.omnitron_id, oi.sku, oi.quantity as ordered, oi.price::text as price, oi.price_currency,
       oi.tax_rate::text as tax_rate, oi.discount_amount::text as discount_amount, oi.product
  from package_items i
  join order_items oi on oi.id = i.order_item_id
 where i.package_id = :id
 order by i.id;
-- The server keeps what it read of a location, and reads only its room again.
select id, erp_code, name, stock_location_type, priority, is_active, max_quota, quota, address, attributes,
       cargo_company_id, created_date, modified_date
  from stock_locations where id = :location;
