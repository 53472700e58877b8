-- The last event of a package tells what the package is: its state, place and items, and its shipment and invoice unless they
-- were changed since. (Events of before snapshots were kept, and those that are no longer kept, tell nothing. After a later
-- move that was no event, items and place may be others.)
with told as (
    select p.id, p.number, p.state_id, p.stock_location_id, p.invoice_number, e.facts::jsonb as facts,
           e.created_date as told_date, e.created_date = p.modified_date as is_latest
      from packages p
      join events e on e.entity = 'package' and e.object_id = p.id
                   and e.sequence + cardinality(e.types) - 1 = p.event_sequence
     where e.facts::text <> '{}'
), items as (
    select package_id, jsonb_agg(jsonb_build_array(id, state_id) order by id) as items from package_items group by 1
), compared as (
    select t.id, t.number, case
               when (t.facts ->> 'state')::bigint is distinct from t.state_id then 'its state is not the one last told'
               when t.is_latest and (t.facts ->> 'at')::bigint is distinct from t.stock_location_id
                   then 'its place is not the one last told'
               when t.is_latest
                    and (select jsonb_agg(jsonb_build_array(told -> 0, told -> 1) order by (told ->> 0)::bigint)
                           from jsonb_array_elements(t.facts -> 'items') as told) is distinct from i.items
                   then 'its items are not those last told'
               when s.modified_date <= t.told_date
                    and ((t.facts -> 'shipment' ->> 'number') is distinct from s.tracking_number
                         or (t.facts -> 'shipment' ->> 'by')::bigint is distinct from s.cargo_company_id
                         or (t.facts -> 'shipment' ->> 'label_key') is distinct from s.label_key::text
                         or (t.facts -> 'shipment' ->> 'query_number') is distinct from s.query_number)
                   then 'its shipment is not the one last told'
               when t.facts -> 'shipment' is not null and s.id is null then 'its shipment is gone'
               when d.modified_date <= t.told_date
                    and ((t.facts ->> 'document_key') is distinct from d.document_key::text
                         or (t.facts ->> 'invoice_date') is distinct from d.invoice_date::text)
                   then 'its invoice is not the one last told'
               when t.is_latest and (t.facts ->> 'invoice_number') is distinct from t.invoice_number
                   then 'its invoice is not the one last told'
           end as fault
      from told t
      left join items i on i.package_id = t.id
      left join shipments s on s.package_id = t.id
      left join package_invoices d on d.package_id = t.id
)
select 'package ' || number, fault from compared where fault is not null order by id
