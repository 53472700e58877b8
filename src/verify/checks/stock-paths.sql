-- What the history of stock follows leads to rows of logs: an item that left a package, a product that was replaced.
select 'package item ' || d.package_item_id,
       'log row ' || d.transition_log_id || ', by which it left, is none of package ' || p.number
  from package_item_departures d
  join packages p on p.id = d.package_id
 where not exists (select from transition_logs l where l.id = d.transition_log_id and l.package_id = d.package_id)
union all
select 'order item ' || h.order_item_id,
       'there is no log row ' || h.transition_log_id || ', by which its product was replaced'
  from order_item_history h
 where h.transition_log_id is not null
   and not exists (select from transition_logs l where l.id = h.transition_log_id)
 order by 1, 2
