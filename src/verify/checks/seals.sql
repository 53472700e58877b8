-- What is written once is as it was written: the digest of the row is the one that it was sealed with. A line whose product was
-- replaced or scanned is as it was sealed but for the product, of which an earlier one is kept.
select 'order ' || number, 'it is not as it came' from orders o where seal <> seal(o)
union all
select 'order ' || o.number, 'what it was before change ' || h.revision || ' is not as it was'
  from order_history h join orders o on o.id = h.order_id where h.seal <> seal(h)
union all
select 'order ' || o.number, 'line ' || i.position || ' (' || i.sku || ') is not as it came'
  from order_items i join orders o on o.id = i.order_id
 where i.seal <> seal(i)
   and not exists (select from order_item_history h
                    where h.order_item_id = i.id
                      and i.seal = seal(row(i.id, i.order_id, i.position, i.omnitron_id, i.state_id, h.sku, i.quantity,
                                            i.price, i.price_currency, i.tax_rate, i.discount_amount, h.product,
                                            i.created_date, i.modified_date, i.placed_state_id, null,
                                            i.parent_omnitron_id, i.extra_field, null)::order_items))
union all
select 'order ' || o.number, 'the product that line ' || i.position || ' had before is not as it was'
  from order_item_history h
  join order_items i on i.id = h.order_item_id
  join orders o on o.id = i.order_id
 where h.seal <> seal(h)
union all
select 'order ' || o.number, 'plan ' || p.id || ' is not as it was made'
  from order_plans p join orders o on o.id = p.order_id where p.seal <> seal(p)
union all
select 'package ' || coalesce(p.number, l.package_id::text), 'log row ' || l.id || ' is not as it was written'
  from transition_logs l left join packages p on p.id = l.package_id where l.seal <> seal(l)
union all
select 'package ' || coalesce(p.number, l.package_id::text),
       'what is recorded of log row ' || r.transition_log_id || ' is not as it was written'
  from transition_records r
  left join transition_logs l on l.id = r.transition_log_id
  left join packages p on p.id = l.package_id
 where r.seal <> seal(r)
union all
select 'transfer ' || t.number, 'log row ' || l.id || ' is not as it was written'
  from transfer_logs l join transfers t on t.id = l.transfer_id where l.seal <> seal(l)
union all
select 'transfer ' || t.number, 'item ' || i.id || ' is not as it was written'
  from transfer_items i join transfers t on t.id = i.transfer_id where i.seal <> seal(i)
union all
select replace(entity, '_', ' ') || ' ' || coalesce(
           case entity when 'package' then (select number from packages where id = object_id)
                       when 'transfer' then (select number from transfers where id = object_id)
                       when 'stock_location' then (select erp_code from stock_locations where id = object_id) end,
           object_id::text), 'event ' || sequence || ' is not as it happened'
  from events e where seal <> seal(e)
union all
select 'scenario ' || coalesce(s.name, v.scenario_id::text), 'version ' || v.version || ' is not as it was written'
  from scenario_versions v left join scenarios s on s.id = v.scenario_id where v.seal <> seal(v)
union all
select 'location ' || l.erp_code, 'what it was since version ' || installation_version || ' is not as it was written'
  from stock_location_versions v join stock_locations l on l.id = v.stock_location_id where v.seal <> seal(v)
union all
select 'words of the installation', 'those since version ' || installation_version || ' are not as they were written'
  from installation_words w where seal <> seal(w)
union all
select 'installation ' || number, 'it is not as it was applied' from installations i where seal <> seal(i)
union all
select 'stock ledger', 'the beginning of it is not as it was' from stock_ledger_start s where seal <> seal(s)
union all
select 'cancellation plan ' || remote_id, 'it is not as it came' from cancellation_plans p where seal <> seal(p)
union all
select 'cancellation plan ' || p.remote_id, 'what became of a package is not as it was written'
  from cancellation_plan_packages k join cancellation_plans p on p.id = k.plan_id where k.seal <> seal(k)
union all
select 'call ' || id, 'it is not as it was asked for' from upstream_calls c where seal <> seal(c)
 order by 1, 2
