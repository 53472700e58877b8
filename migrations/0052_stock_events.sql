-- Events of stock, for who subscribes to `stock.changed`: a shelf's changes of a second are one event.

-- Whether changes of stock are noted: while an active webhook asks for them.
create table stock_feed (
    one boolean primary key default true constraint stock_feed_one_check check (one),
    is_on boolean not null default false,
    -- Whether what changed before is noted too, of the shelves that were told of earlier.
    is_compared boolean not null default false
);
insert into stock_feed default values;

-- Shelves that changed and are not told yet: a row a change.
create table stock_changes (
    id bigint generated always as identity primary key,
    sku text not null,
    stock_location_id bigint not null
);

-- What was told last of a shelf.
create table stock_told (
    -- The object of its events.
    id bigint generated always as identity primary key,
    sku text not null,
    stock_location_id bigint not null references stock_locations,
    quantity bigint not null,
    reserved bigint not null,
    missing bigint not null,
    -- Sequence number of its latest event.
    event_sequence bigint not null default 1,
    created_date timestamptz not null default now(),
    told_date timestamptz not null default now(),
    constraint stock_told_shelf_key unique (sku, stock_location_id)
);

create function note_stock_changes() returns trigger language plpgsql as $$
begin
    if not (select is_on from stock_feed) then
        return null;
    end if;
    if tg_op = 'INSERT' then
        insert into stock_changes (sku, stock_location_id) select n.sku, n.stock_location_id from becomes n;
    else
        insert into stock_changes (sku, stock_location_id)
        select n.sku, n.stock_location_id
          from becomes n
          join was o using (sku, stock_location_id)
         where (n.quantity, n.reserved, n.missing) is distinct from (o.quantity, o.reserved, o.missing);
    end if;
    return null;
end
$$;
create trigger stocks_noted_when_new after insert on stocks
    referencing new table as becomes for each statement execute function note_stock_changes();
create trigger stocks_noted after update on stocks
    referencing old table as was new table as becomes for each statement execute function note_stock_changes();
