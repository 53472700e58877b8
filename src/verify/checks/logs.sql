-- Each log is a path in the table of moves: it begins with the creation, and ends at the object's state and, for a
-- package, at its place.
with logs as (
    select 'package' as entity, id, package_id as object_id, transition_id, source_state_id, destination_state_id,
           stock_location_id
      from transition_logs
    union all
    select 'transfer', id, transfer_id, transition_id, source_state_id, destination_state_id, null
      from transfer_logs
), path as (
    select l.*, lag(l.destination_state_id) over w as reached, row_number() over w as n,
           lead(l.id) over w is null as is_last
      from logs l window w as (partition by l.entity, l.object_id order by l.id)
), objects as (
    select 'package' as entity, id, number, state_id, stock_location_id from packages
    union all
    select 'transfer', id, number, state_id, null from transfers
)
select o.entity || ' ' || o.number, case
           when path.id is null then 'it has no log'
           when path.n = 1 and path.transition_id is not null then 'its log does not begin with its creation'
           when path.n > 1 and path.source_state_id is distinct from path.reached
               then 'log row ' || path.id || ' does not start where the one before ended'
           when path.transition_id is not null and m.transition_id is null
               then 'log row ' || path.id || ' is no move of the table'
           else 'its state or place is not where its log ends'
       end
  from objects o
  left join path on path.entity = o.entity and path.object_id = o.id
  left join transition_moves m
         on m.transition_id = path.transition_id and m.source_state_id = path.source_state_id
        and m.destination_state_id = path.destination_state_id
 where path.id is null
    or (path.n = 1 and path.transition_id is not null)
    or (path.n > 1 and path.source_state_id is distinct from path.reached)
    or (path.transition_id is not null and m.transition_id is null)
    or (path.is_last and (path.destination_state_id <> o.state_id
                          or path.stock_location_id is distinct from o.stock_location_id))
 order by o.entity, o.id
