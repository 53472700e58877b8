-- Positions of events are counted by ids of transactions, and Postgres does not keep its count in all cases. After a
-- crash it gives ids out again whose transactions were rolled back and never written to disk; a standby that is promoted
-- gives out those of commits that it has not received; in another cluster a restored database begins with small ids. So
-- positions are counted in epochs: in each of these cases a new one begins, beyond everything of the one before.
--
-- The row says that an epoch has begun. The table is unlogged: Postgres empties it itself after a crash and at a
-- promotion. The time is for everything else (a dump, a copy of the files): there the row is another server's.
create unlogged table event_epoch (
    only_row boolean primary key default true check (only_row),
    -- The start of the Postgres server that counts in this epoch.
    started timestamptz not null,
    -- As in `event_clock`.
    base bigint not null
);

comment on column event_clock.base is 'Added to ids of transactions; raised by begin_event_epoch().';

-- Begins an epoch unless it has begun, and returns its base. No event of an epoch is written before this is committed, or
-- in the same transaction. So no reader sees a horizon of the new base while a writer still counts from the old one.
create function begin_event_epoch() returns bigint language plpgsql as $$
declare
    epoch bigint := (select base from event_epoch where started = pg_postmaster_start_time());
    last bigint;
begin
    if epoch is not null then
        return epoch;
    end if;
    -- Others wait here, and then find the row.
    select greatest(base, dropped_position) into last from event_clock for update;
    select base into epoch from event_epoch where started = pg_postmaster_start_time();
    if found then
        return epoch;
    end if;
    -- Fewer than 2^32 ids can be lost at once. But the database may have gone back to a time before the last epoch, which
    -- somebody has read in: so the base is not below the clock either (a million positions a millisecond, until 2248).
    epoch := greatest(greatest(last, (select max(position) from events)) + (1::bigint << 32),
                      floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 20);
    update event_clock set base = epoch;
    insert into event_epoch (started, base) values (pg_postmaster_start_time(), epoch)
    on conflict (only_row) do update set started = excluded.started, base = excluded.base;
    return epoch;
end
$$;

create or replace function event_position() returns bigint language plpgsql volatile as $$
begin
    return coalesce((select base from event_epoch where started = pg_postmaster_start_time()), begin_event_epoch())
           + greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint + 1);
end
$$;

-- The first epoch. Writers that count from the old base end before, and the next ones begin after.
do $$
begin
    lock table events in share row exclusive mode;
    perform begin_event_epoch();
end
$$;
