-- Items are changed as often as their package, and packages of one page are moved together: with half a page free, all
-- new versions stay on it, and none of the table's three indexes has to be written.
alter table package_items set (fillfactor = 50);

-- Asked for by every statement that writes events. A function in SQL is parsed and planned anew by each; this one keeps
-- its plan.
create or replace function event_position() returns bigint language plpgsql stable as $$
begin
    return (select base + greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                                   pg_current_xact_id()::text::bigint + 1)
              from event_clock);
end
$$;
