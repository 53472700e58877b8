-- A delivery is of the event that it names, as long as that is kept.
select 'delivery ' || h.id, 'it is not of the event that it names'
  from hook_events h
  join events e on e.position = h.event_position and e.id = h.event_id
 where e.entity <> h.entity or e.object_id <> h.object_id or e.sequence + h.nth <> h.sequence
    or e.created_date <> h.event_date or h.nth < 0 or h.nth >= cardinality(e.types)
union all
select 'delivery ' || h.id, 'the event that it names is not there'
  from hook_events h
 where h.event_position > (select dropped_position from event_clock)
   and h.event_date >= (select kept_since from event_clock)
   and not exists (select from events e where e.position = h.event_position and e.id = h.event_id)
 order by 1
