-- A package that did not come with its order took over items of one other of the order, by a move of that one.
select 'package ' || p.number, case
           when b.id is null then 'it did not come with its order, and took over no other package'
           when b.order_id <> p.order_id then 'it took over ' || b.number || ', which is of another order'
           else 'it did not begin with a move of ' || b.number || ', which it took over' end
  from packages p
  join orders o on o.id = p.order_id
  left join package_replacements r on r.successor_id = p.id
  left join packages b on b.id = r.package_id
 where (b.id is null and p.created_date <> o.created_date)
    or b.order_id <> p.order_id
    or (b.id is not null
        and not exists (select from transition_logs l where l.package_id = b.id and l.created_date = p.created_date
                                                        and l.transition_id is not null))
 order by p.id
