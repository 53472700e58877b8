-- An item began with a package of its order, or as a part of another item, and was last changed by a move of its package.
select 'package ' || p.number,
       'item ' || i.id || case when l.package_id is null then ' was not last changed by a move of its package'
                               else ' did not begin with a package of its order' end
  from package_items i
  join packages p on p.id = i.package_id
  left join (select distinct package_id, created_date from transition_logs) l
         on l.package_id = i.package_id and l.created_date = i.modified_date
 where l.package_id is null
    or not exists (select from packages b where b.order_id = p.order_id and b.created_date = i.created_date)
       and not exists (select from package_item_parts part where part.package_item_id = i.id)
 order by p.id, i.id
