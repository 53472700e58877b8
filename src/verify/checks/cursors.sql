-- No reader is further than what happened: it would not be told what comes.
select reader, 'it has read up to position ' || position || ', and the last event is at ' || last
  from (select 'relay of webhooks' as reader, position from webhook_relay
        union all select 'reports to the upstream', position from upstream_feed) as r,
       (select greatest((select max(position) from events), (select base from event_clock)) + (1::bigint << 32) as last) as e
 where position > last
union all
select 'clock of events', 'positions are counted from ' || base || ', below what was dropped, ' || dropped_position
  from event_clock where base < dropped_position - (1::bigint << 32)
 order by 1
