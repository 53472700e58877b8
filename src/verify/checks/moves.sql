-- A transition of the installation has its own move in the table of moves.
select 'transition ' || slug, 'its move is not in the table of moves'
  from transitions t
 where retired_date is null
   and not exists (select from transition_moves m
                    where m.transition_id = t.id and m.source_state_id = t.source_state_id
                      and m.destination_state_id = t.destination_state_id)
 order by 1
