-- The reference: everything that COMPLETE_PACKING writes for one package, in one statement, in the order of locks that
-- the server keeps. (The tracking number lacks its check digit, which costs something and changes no row's size.)
-- `next` counts a client's own packages, so no two clients take the same one, and all together take them in the order in
-- which they came in, as shops do.
\set next :next + 1
\set id 1 + (:client_id + :clients * :next) % {packages}
with package as (
    update packages set state_id = {packed}, version = version + 1,
           event_sequence = event_sequence + 3, modified_date = now()
     where id = :id and state_id = {waiting}
    returning id, order_id, stock_location_id, event_sequence - 3 as event_sequence
), items as (
    update package_items i set state_id = {packed}, modified_date = now()
      from package where i.package_id = package.id
    returning i.id, i.order_item_id, i.quantity
), released as (
    delete from reservations r using items where r.package_item_id = items.id returning r.package_item_id
), shipment as (
    insert into shipments (package_id, cargo_company_id, tracking_number, label_key)
    select package.id, coalesce(o.cargo_company_id, l.cargo_company_id, {cargo_company}),
           'OMS' || lpad(package.id::text, 10, '0') || '0',
           overlay(gen_random_uuid()::text placing left(now_in_hex, 8) || '-' || right(now_in_hex, 4) from 1 for 13)::uuid
      from package join orders o on o.id = package.order_id join stock_locations l on l.id = package.stock_location_id
     cross join lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') now_in_hex
    returning id, cargo_company_id, tracking_number, label_key
), logged as (
    insert into transition_logs
           (id, package_id, transition_id, source_state_id, destination_state_id, stock_location_id, user_id, seal)
    select m.id, m.package_id, {transition}, {waiting}, {packed}, m.stock_location_id, {user},
           seal(row(m.id, m.package_id, {transition}, {waiting}, {packed}, m.stock_location_id, {user}, now(), null,
                    null)::transition_logs)
      from (select nextval('transition_logs_id_seq') as id, id as package_id, stock_location_id from package) as m
    returning id, package_id, stock_location_id
), ledger as (
    insert into quota_ledger (transition_log_id, package_id, stock_location_id, delta)
    select id, package_id, stock_location_id, -1 from logged
    returning id
), happened as (
    insert into events (id, position, entity, object_id, sequence, types, stock_location_ids, installation_version, facts,
                        created_date, seal)
    select e.*,
           seal(row(e.id, e.position, e.entity, e.object_id, e.sequence, e.types, e.stock_location_ids,
                    e.installation_version, e.facts, e.created_date, null, null, null)::events)
      from (select nextval('event_ids') as id, (select event_position()) as position, 'package' as entity,
                   package.id as object_id, package.event_sequence + 1 as sequence,
                   '{package.status.transitioned,package.status.packed,shipment.created}'::text[] as types,
                   array[package.stock_location_id] as stock_location_ids,
                   (select version from installation) as installation_version,
                   json_build_object('state', {packed}, 'at', package.stock_location_id, 'items',
                                     (select json_agg(json_build_array(id, {packed}, null)) from items),
                                     'shipment', (select json_build_object('by', cargo_company_id,
                                                                           'number', tracking_number,
                                                                           'label_key', label_key)
                                                    from shipment)) as facts, now() as created_date
              from package) as e
    returning id
), units as (
    select oi.sku, package.stock_location_id, sum(items.quantity)::bigint as quantity
      from items join order_items oi on oi.id = items.order_item_id, package group by 1, 2
), taken as (
    update stocks s
       set quantity = greatest(s.quantity - w.quantity, 0), moved = s.moved - w.quantity,
           recorded = s.recorded + greatest(w.quantity - s.quantity, 0), reserved = s.reserved - w.quantity,
           modified_date = now()
      from (select * from units order by sku, stock_location_id) w
     where s.sku = w.sku and s.stock_location_id = w.stock_location_id
    returning s.sku
), written as (
    select (select count(*) from released) + (select count(*) from shipment) + (select count(*) from ledger)
         + (select count(*) from happened) + (select count(*) from taken) as rows
)
update stock_locations l set quota = l.quota - 1
  from package where l.id = package.stock_location_id and (select rows from written) > 0;
