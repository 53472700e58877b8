-- A group of commands is written by one statement, on what was read before without a lock. Three things make that safe
-- and cheap.

-- 1. Goes up with every change of a package, so that a writer can tell whether it is still what was read.
alter table packages add column version bigint not null default 0;

-- 2. A statement that finds less than it was sent for takes itself back, by an error that means "try again".
create function require_all_written(complete boolean) returns boolean language plpgsql as $$
begin
    if not complete then
        raise exception 'somebody else was faster' using errcode = 'serialization_failure';
    end if;
    return true;
end
$$;

-- 3. Foreign keys whose every check repeats what is known: a package goes only where the log's foreign key to
-- `transition_moves` lets it go, so its state and its items' is one; and the log's package and the shipment's is the
-- one that the same statement just changed. Each check is a look-up and a lock of a row that all others lock too.
-- States in use are not removed (installation/apply.rs), packages never are, and `oms verify` looks for what refers to
-- nothing.
alter table packages drop constraint packages_state_id_fkey;
alter table package_items drop constraint package_items_state_id_fkey;
alter table shipments drop constraint shipments_package_id_fkey;
alter table transition_logs drop constraint transition_logs_package_id_fkey;
