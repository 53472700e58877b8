-- References without a foreign key lead to what exists. (Keys that every command would check again are left out.)
select 'package ' || number, 'there is no state ' || state_id || ' of packages'
  from packages p where not exists (select from states where id = p.state_id and entity = 'package')
union all
select 'package item ' || id, 'there is no state ' || state_id || ' of packages'
  from package_items i where not exists (select from states where id = i.state_id and entity = 'package')
union all
select 'transfer ' || number, 'there is no state ' || state_id || ' of transfers'
  from transfers t where not exists (select from states where id = t.state_id and entity = 'transfer')
union all
select 'order ' || number, 'there is no state ' || state_id || ' of orders'
  from orders o where not exists (select from states where id = o.state_id and entity = 'order')
union all
select 'shipment ' || id, 'there is no package ' || package_id
  from shipments s where not exists (select from packages where id = s.package_id)
union all
select 'log row ' || id, 'there is no package ' || package_id
  from transition_logs l where not exists (select from packages where id = l.package_id)
union all
select 'log row ' || id, 'there is no location ' || stock_location_id
  from transition_logs l where not exists (select from stock_locations where id = l.stock_location_id)
union all
select 'log row ' || id, 'there is no user ' || user_id
  from (select id, user_id from transition_logs union all select id, user_id from transfer_logs) l
 where user_id is not null and not exists (select from users where id = l.user_id)
union all
select 'record of log row ' || transition_log_id,
       'there is no denial reason ' || (parameters ->> 'denial_reason')
  from transition_records r
 where parameters ? 'denial_reason'
   and not exists (select from denial_reasons where id = (r.parameters ->> 'denial_reason')::bigint)
 order by 1, 2
