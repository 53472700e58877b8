-- A package or a transfer began with the first row of its log and was last changed with the last, and a package has had as
-- many changes as its version counts. (The answer of an invoice service changes a package without a move, and so does a change
-- of its order.)
select 'package ' || p.number,
       case when l.began <> p.created_date then 'it was not created when its log begins'
            when l.ended <> p.modified_date then 'it was not last changed when its log ends'
            else 'its version is ' || p.version || ', and its log has ' || l.count || ' rows' end
  from packages p
  join (select package_id, min(created_date) as began, max(created_date) as ended, count(*) as count
          from transition_logs group by 1) l on l.package_id = p.id
 where l.began <> p.created_date or l.ended > p.modified_date or p.version < l.count - 1
    or (p.invoice_number is null and (l.ended <> p.modified_date or p.version <> l.count - 1)
        and not exists (select from orders o where o.id = p.order_id and o.revision > 0))
union all
select 'transfer ' || t.number,
       case when l.began <> t.created_date then 'it was not created when its log begins'
            else 'it was not last changed when its log ends' end
  from transfers t
  join (select transfer_id, min(created_date) as began, max(created_date) as ended
          from transfer_logs group by 1) l on l.transfer_id = t.id
 where l.began <> t.created_date or l.ended <> t.modified_date
 order by 1
