-- The last event of a transfer tells what it is.
select 'transfer ' || t.number,
       case when (e.facts ->> 'state')::bigint is distinct from t.state_id then 'its state is not the one last told'
            when e.stock_location_ids is distinct from array[t.source_location_id, t.destination_location_id]
                then 'its places are not those last told'
            else 'its carrier is not the one last told' end
  from transfers t
  join events e on e.entity = 'transfer' and e.object_id = t.id
               and e.sequence + cardinality(e.types) - 1 = t.event_sequence
 where e.stock_location_ids is distinct from array[t.source_location_id, t.destination_location_id]
    or (e.facts::text <> '{}'
        and ((e.facts ->> 'state')::bigint is distinct from t.state_id
             or (e.created_date = t.modified_date
                 and ((e.facts ->> 'cargo_company')::bigint is distinct from t.cargo_company_id
                      or (e.facts ->> 'tracking_number') is distinct from t.tracking_number))))
 order by t.id
