-- A package that was planned again into others is cancelled without its items: each of its lines goes on in one of them.
-- (It may also have kept some lines, and go on itself.) Both are of one order, and the other began with a move of it.
select 'package ' || p.number,
       case when s.order_id <> p.order_id then 'its successor ' || s.number || ' is of another order'
            else 'its successor ' || s.number || ' did not begin with a move of it' end
  from package_replacements r
  join packages p on p.id = r.package_id
  join packages s on s.id = r.successor_id
 where s.order_id <> p.order_id
    or not exists (select from transition_logs l where l.package_id = p.id and l.created_date = s.created_date)
 order by 1
