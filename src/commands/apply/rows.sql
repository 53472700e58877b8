-- Writes packages that are there, and all that follows from their changes; or nothing, with error 40001. Its arrays are
-- declared in rows.rs, in the order of their numbers; a test compares numbers, types and names. `all_moved` is asked by
-- whatever would break a constraint, or wait for nothing, where somebody else was faster; a gate like
-- `(select count from written) >= 0` is always open and says what comes before. Rows are counted together: no part can
-- write more rows than it was sent, so all were written if the sum is right. The log and the events are sealed here: the
-- trigger that does it elsewhere would cost more than all else about a row.
with installed as materialized (
    select from installation where only_row and version = $1 for share
), c as materialized (
    select c.*, nextval('transition_logs_id_seq') as log_id
      from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                  $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[])
           as c(id, version, state_id, stock_location_id, events, transition_id, source_state_id, user_id,
                request_id, left_id, entered_id)
), moved as (
    update packages p
       set state_id = c.state_id, stock_location_id = c.stock_location_id, version = p.version + 1,
           event_sequence = p.event_sequence + c.events, modified_date = now()
      from c
     where p.id = c.id and p.version = c.version
       and ($1::bigint is null or exists (select from installed))
    returning p.id
), all_moved as materialized (
    select count(*) = $2 as is_so from moved
), items as (
    update package_items i
       set package_id = c.package_id, state_id = c.state_id, modified_date = now()
      from unnest($15::bigint[], $16::bigint[], $17::bigint[]) as c(id, package_id, state_id)
     where i.id = c.id
    returning i.id
), released as (
    delete from reservations where package_item_id = any($18) returning package_item_id
), reserved as (
    insert into reservations (package_item_id, stock_location_id, sku, quantity)
    select * from unnest($19::bigint[], $20::bigint[], $21::text[], $22::bigint[])
           as c(package_item_id, stock_location_id, sku, quantity)
     where (select is_so from all_moved)
    returning package_item_id
), shipped as (
    insert into shipments (package_id, cargo_company_id, tracking_number, label_key)
    select * from unnest($23::bigint[], $24::bigint[], $25::text[], $26::uuid[])
           as c(package_id, cargo_company_id, tracking_number, label_key)
     where (select is_so from all_moved)
    returning id
), logged as (
    insert into transition_logs
           (id, package_id, transition_id, source_state_id, destination_state_id, stock_location_id, user_id,
            request_id, seal)
    select c.log_id, c.id, c.transition_id, c.source_state_id, c.state_id, c.stock_location_id, c.user_id,
           c.request_id,
           seal(row(c.log_id, c.id, c.transition_id, c.source_state_id, c.state_id, c.stock_location_id, c.user_id,
                    now(), c.request_id, null)::transition_logs)
      from c
    returning id
), ledger as (
    insert into quota_ledger (transition_log_id, package_id, stock_location_id, delta)
    select c.log_id, c.id, q.stock_location_id, q.delta
      from c
     cross join lateral (values (c.left_id, -1::smallint), (c.entered_id, 1::smallint))
           as q(stock_location_id, delta)
     where q.stock_location_id is not null
    returning id
), happened as (
    insert into events (id, position, entity, object_id, sequence, types, stock_location_ids, installation_version,
                        facts, created_date, request_id, traceparent, seal)
    select e.*,
           seal(row(e.id, e.position, e.entity, e.object_id, e.sequence, e.types, e.stock_location_ids,
                    e.installation_version, e.facts, e.created_date, e.request_id, e.traceparent, null)::events)
      from (select nextval('event_ids') as id, (select event_position()) as position, 'package' as entity,
                   c.package_id as object_id, c.sequence, string_to_array(c.types, ' ') as types,
                   case when c.came_from <> c.stock_location_id then array[c.came_from, c.stock_location_id]
                        else array[c.stock_location_id] end as stock_location_ids,
                   (select version from installation where only_row) as installation_version,
                   c.facts::json as facts, now() as created_date, c.request_id, c.traceparent
              from unnest($27::bigint[], $28::bigint[], $29::text[], $30::bigint[], $31::bigint[], $32::text[],
                          $33::text[], $34::text[])
                   as c(package_id, sequence, types, came_from, stock_location_id, facts, request_id,
                        traceparent)) as e
    returning id
), stocked as (
    update stocks s
       set quantity = greatest(s.quantity + c.quantity, 0), moved = s.moved + c.quantity,
           recorded = s.recorded + greatest(-s.quantity - c.quantity, 0), reserved = s.reserved + c.reserved,
           modified_date = now()
      from (select c.* from unnest($35::text[], $36::bigint[], $37::bigint[], $38::bigint[], $39::boolean[],
                                   $40::bigint[])
                            as c(sku, stock_location_id, quantity, reserved, bound, unbound)
             where (select is_so from all_moved)) c
     where s.sku = c.sku and s.stock_location_id = c.stock_location_id
       and (not c.bound or c.reserved - c.unbound <= c.quantity
            or s.quantity + c.quantity >= s.reserved + c.reserved - c.unbound + s.missing)
    returning s.sku
), written as materialized (
    select count(*)
      from (select from items union all select from released union all select from reserved union all
            select from shipped union all select from logged union all select from ledger union all
            select from happened union all select from stocked) as rows
), counted as (
    update stock_locations l
       set quota = l.quota + c.delta
      from (select c.* from unnest($41::bigint[], $42::bigint[], $43::boolean[], $44::bigint[])
                            as c(id, delta, bound, unbound)
             where (select count from written) >= 0 and (select is_so from all_moved)) c
     where l.id = c.id
       and (not c.bound or c.delta - c.unbound <= 0 or l.max_quota is null
            or l.quota + c.delta - c.unbound <= l.max_quota)
    returning l.id
)
select require_all_written(
           (select count(*) from (select from moved union all select from items union all
                                  select from stocked union all select from counted) as rows)
           = $3) as written
