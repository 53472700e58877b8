-- An order is known by its number and its channel, and by the upstream's key where both have one; no two are the same. The orders
-- of a number are counted 1, 2, 3 …
select 'order ' || later.number, 'it is here twice, as ' || earlier.id || ' and as ' || later.id
  from orders later
  join orders earlier
    on earlier.number = later.number and earlier.occurrence < later.occurrence
   and earlier.channel_id is not distinct from later.channel_id
   and (earlier.channel_id is not null or earlier.channel_name is not distinct from later.channel_name)
   and (earlier.omnitron_id = later.omnitron_id or earlier.omnitron_id is null or later.omnitron_id is null)
 where later.occurrence > 1
union all
select 'order ' || number, 'there is number ' || occurrence || ' of it, and none before'
  from orders o
 where occurrence > 1
   and not exists (select from orders b where b.number = o.number and b.occurrence = o.occurrence - 1)
 order by 1
