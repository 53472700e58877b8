-- Events as an outbox that can be followed. A row is a change of an object: its events are `types`, numbered on from
-- `sequence`. What the object looked like then is not stored whole but as what may change of it (`facts`); the rest
-- never changes or is kept by version. Old rows go in partitions, dropped whole.
--
-- Whoever follows must not miss what commits late. `position` is greater than the id of the transaction that writes it,
-- and not smaller than that of any before it. So transactions that are open or to come write greater positions than the
-- oldest open transaction's id: up to there, everything is final. And it never falls for one object: who changes it has
-- seen the change before, so that one's transaction is over, and its id and its position were given out already.

create table event_clock (
    only_row boolean primary key default true check (only_row),
    -- Added to transaction ids. A database that is restored elsewhere begins with small ids again: then this is raised,
    -- so that positions go on growing.
    base bigint not null default 0,
    -- Positions up to this one may be gone: the partitions that held them were dropped.
    dropped_position bigint not null default 0,
    -- What was created before may be gone.
    kept_since timestamptz not null default '-infinity'
);
insert into event_clock default values;

create function event_position() returns bigint language sql stable as $$
    select base + greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint + 1)
      from event_clock
$$;

-- Events with a position up to this one are final: none will be added.
create function event_horizon() returns bigint language sql stable as $$
    select base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint from event_clock
$$;

alter table events rename to events_before;
alter table events_before rename constraint events_pkey to events_before_pkey;
alter table events_before rename constraint events_in_sequence to events_before_in_sequence;

create sequence event_ids as bigint;

-- No primary key: ids come from one sequence, and an index on them alone would serve nobody. That an object's events
-- have no gap and no number twice follows from its lock, and `oms verify` proves it.
create table events (
    id bigint not null default nextval('event_ids'),
    position bigint not null default event_position(),
    entity text not null,
    object_id bigint not null,
    -- Of the first of `types`; the next has the next number.
    sequence bigint not null,
    types text[] not null constraint events_types_check check (cardinality(types) > 0),
    -- Where it happened, before and after: who may see it.
    stock_location_ids bigint[] not null,
    -- By whose words (locations' names and addresses) it is told.
    installation_version bigint not null,
    -- What may change of the object, as it was then.
    facts json not null,
    created_date timestamptz not null default now()
) partition by range (created_date);
create index events_position_idx on events (position, id);
create index events_object_idx on events (entity, object_id, sequence);

-- Makes the partitions, a week each, up to a date. Nobody who writes events waits for it: a table is made first and
-- attached then, and there is no default partition that would have to be searched.
create function create_event_partitions(until timestamptz) returns void language plpgsql as $$
declare
    week timestamp := date_trunc('week', now() at time zone 'UTC');
    partition text;
begin
    perform pg_advisory_xact_lock(1869443842);
    while week < until at time zone 'UTC' loop
        partition := 'events_' || to_char(week, 'YYYYMMDD');
        if to_regclass(partition) is null then
            execute format('create table %I (like events including defaults including constraints)', partition);
            execute format('alter table events attach partition %I for values from (%L) to (%L)', partition,
                           week at time zone 'UTC', (week + interval '7 days') at time zone 'UTC');
        end if;
        week := week + interval '7 days';
    end loop;
end
$$;
do $$
begin
    execute format('create table events_first partition of events for values from (minvalue) to (%L)',
                   date_trunc('week', now() at time zone 'UTC') at time zone 'UTC');
end
$$;
select create_event_partitions(now() + interval '8 weeks');

-- Events of before know only what happened: their facts are those of the object now.
insert into events (position, entity, object_id, sequence, types, stock_location_ids, installation_version, facts,
                    created_date)
select 0, e.entity, e.object_id, e.sequence, array[e.event_type],
       coalesce((select array[p.stock_location_id] from packages p where e.entity = 'package' and p.id = e.object_id),
                (select array[t.source_location_id, t.destination_location_id] from transfers t
                  where e.entity = 'transfer' and t.id = e.object_id), '{}'),
       (select version from installation), '{}', e.created_date
  from events_before e
 order by e.id;
drop table events_before;

-- ---------------------------------------------------------------- what the payload is made from

-- A location as it was in a version of the installation: the whole row.
create table stock_location_history (
    stock_location_id bigint not null references stock_locations on delete cascade,
    installation_version bigint not null,
    location jsonb not null,
    primary key (stock_location_id, installation_version)
);
insert into stock_location_history select l.id, 0, to_jsonb(l) from stock_locations l;

alter table stock_locations add column event_sequence bigint not null default 0;

create function count_location_event() returns trigger language plpgsql as $$
begin
    new.event_sequence := new.event_sequence + 1;
    return new;
end
$$;

create function record_location_event() returns trigger language plpgsql as $$
declare
    version bigint := (select version from installation);
begin
    insert into stock_location_history (stock_location_id, installation_version, location)
    values (new.id, version, to_jsonb(new))
    on conflict (stock_location_id, installation_version) do update set location = excluded.location;
    insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
    values ('stock_location', new.id, new.event_sequence,
            array[case tg_op when 'INSERT' then 'stock_location.created' else 'stock_location.updated' end],
            array[new.id], version, to_json(new));
    return null;
end
$$;

create trigger location_counted before insert on stock_locations
    for each row execute function count_location_event();
create trigger location_recorded after insert on stock_locations
    for each row execute function record_location_event();
-- Its quota changes with every packing and is no news; whatever else it has is. The columns are named so that a change of
-- the quota alone does not even ask.
create function follow_location_changes() returns void language plpgsql as $$
declare
    columns text := (select string_agg(quote_ident(attname), ', ')
                       from pg_attribute
                      where attrelid = 'stock_locations'::regclass and attnum > 0 and not attisdropped
                        and attname not in ('id', 'quota', 'event_sequence', 'created_date', 'modified_date'));
    news text := (select format('(%s) is distinct from (%s)',
                                string_agg('old.' || quote_ident(attname), ', '),
                                string_agg('new.' || quote_ident(attname), ', '))
                    from pg_attribute
                   where attrelid = 'stock_locations'::regclass and attnum > 0 and not attisdropped
                     and attname not in ('id', 'quota', 'event_sequence', 'created_date', 'modified_date'));
begin
    execute format('create or replace trigger location_counted_again before update of %s on stock_locations
                        for each row when (%s) execute function count_location_event()', columns, news);
    execute format('create or replace trigger location_recorded_again after update of %s on stock_locations
                        for each row when (%s) execute function record_location_event()', columns, news);
end
$$;
select follow_location_changes();

-- What an order line was before its product was replaced or its barcode was scanned. Ids of one object's events grow,
-- because each is taken after the one before was written.
create table order_item_history (
    order_item_id bigint not null references order_items,
    -- It was so for events with smaller ids.
    until_event_id bigint not null,
    sku text not null,
    product jsonb not null,
    primary key (order_item_id, until_event_id)
);

-- The installation's words, each time they changed: states, transitions and cargo companies as they were from a version
-- of the installation on.
create table installation_words (
    installation_version bigint primary key,
    states jsonb not null,
    transitions jsonb not null,
    cargo_companies jsonb not null
);
create function keep_installation_words() returns void language sql as $$
    insert into installation_words
    select i.version, words.*
      from installation i
     cross join (select coalesce((select jsonb_agg(to_jsonb(s) order by s.id) from states s), '[]'),
                        coalesce((select jsonb_agg(to_jsonb(t) order by t.id) from transitions t
                                   where t.retired_date is null), '[]'),
                        coalesce((select jsonb_agg(to_jsonb(c) order by c.id) from cargo_companies c), '[]')) words
     where words is distinct from (select row(w.states, w.transitions, w.cargo_companies) from installation_words w
                                    order by w.installation_version desc limit 1)
    on conflict (installation_version) do update
       set states = excluded.states, transitions = excluded.transitions, cargo_companies = excluded.cargo_companies
$$;
select keep_installation_words();
