-- A problem that is open is about what was heard last of its order: what was heard since has closed it or stands in its place.
select 'problem ' || p.id || ' of order ' || p.reference, 'it is open, and a later message was heard'
  from upstream_problems p
  join heard_orders h on h.number = p.reference and h.identity = p.identity
 where p.resolved_date is null and p.kind = 'not_taken'
   and p.payload ->> 'modified_date' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$'
   and (p.payload ->> 'modified_date')::timestamptz < h.heard_date
 order by 1
