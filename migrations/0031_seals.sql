-- What is written once and never changed is sealed: the row keeps a digest of itself, made by the database when the row is
-- written, and `oms verify` makes it again. A name, an address, a price, the facts of an event or the reasons of a plan
-- follow from nothing else that is stored, so nothing else can prove them.
--
-- It finds mistakes: an edit by hand, a disk that lies, a program with a fault. It is no signature: who may write the row
-- and knows how can write the seal.

-- The digest of the columns of a row. It is the same on every supported Postgres, and whatever a session's time zone, form
-- of dates or language are: moments count as seconds and days as numbers, and the hash is the one that partitions by hash
-- are kept by. (Only a dump that is restored on a machine with the other order of bytes, big-endian, would differ.)
--
-- Makes of a table a sealed one, but for columns that may change: its function `seal(row)`, its column `seal`, and the
-- trigger that fills it. What is there is sealed as it is, in one pass that rewrites the table: cheaper than an update,
-- which would leave every row twice. Call it again after adding a column that does not change; verify before, for it seals
-- what is there. Statements that write many rows hand the seal on themselves, for a trigger costs more than all else about
-- a row.
create function seal_rows(sealed text, changing text[]) returns void language plpgsql as $$
declare
    digest text := (
        select 'hashtextextended(row(' || string_agg(
                   case format_type(atttypid, null)
                       when 'timestamp with time zone' then format('extract(epoch from %%1$s%I)', attname)
                       when 'date' then format('%%1$s%I - date ''2000-01-01''', attname)
                       else format('%%1$s%I', attname) end, ', ' order by attnum) || ')::text, 0)'
          from pg_attribute
         where attrelid = sealed::regclass and attnum > 0 and not attisdropped
           and attname <> 'seal' and not attname = any(changing)
    );
begin
    execute format('create or replace function seal(r %I) returns bigint language sql stable as %L', sealed,
                   'select ' || format(digest, 'r.'));
    execute format('drop trigger if exists sealed on %I', sealed);
    execute format('alter table %I add column if not exists seal bigint', sealed);
    execute format('alter table %I alter column seal drop not null', sealed);
    execute format('alter table %I alter column seal type bigint using %s', sealed, format(digest, ''));
    execute format('alter table %I alter column seal set not null', sealed);
    execute format('create or replace function seal_%s() returns trigger language plpgsql as %L', sealed,
                   'begin new.seal := seal(new); return new; end');
    execute format('create trigger sealed before insert on %I for each row when (new.seal is null)
                        execute function seal_%s()', sealed, sealed);
end
$$;

-- ---------------------------------------------------------------- what an order was when it came

-- The state changes as it is reported; this one does not. Null: it came before this was kept.
alter table orders add column placed_state_id bigint references states;
alter table order_items add column placed_state_id bigint references states;

create function keep_placed_state() returns trigger language plpgsql as $$
begin
    new.placed_state_id := new.state_id;
    return new;
end
$$;
-- By name the first of the triggers: what it sets is sealed.
create trigger placed before insert on orders for each row when (new.placed_state_id is null)
    execute function keep_placed_state();
create trigger placed before insert on order_items for each row when (new.placed_state_id is null)
    execute function keep_placed_state();

-- ---------------------------------------------------------------- what is sealed

select seal_rows('orders', '{state_id, package_count, modified_date}');
-- Of a product that was replaced or scanned, the first row of `order_item_history` has what was sealed.
select seal_rows('order_items', '{state_id, modified_date}');
select seal_rows('order_item_history', '{}');
select seal_rows('order_plans', '{}');
select seal_rows('transition_logs', '{}');
select seal_rows('transfer_logs', '{}');
select seal_rows('transfer_items', '{modified_date}');
-- An invoice call is blanked when it is over.
select seal_rows('transition_records', '{invoice_call}');
select seal_rows('events', '{}');
select seal_rows('scenario_versions', '{}');
select seal_rows('stock_location_versions', '{}');
select seal_rows('installation_words', '{}');
select seal_rows('installations', '{}');
-- The ledger of stock itself refuses every change.
select seal_rows('stock_ledger_start', '{}');
select seal_rows('cancellation_plans', '{decision, reason, decided_date}');
select seal_rows('cancellation_plan_packages', '{}');
select seal_rows('upstream_calls', '{attempts, next_attempt_date, leased_until, answered_status, answer, last_error,
                                     done_date, first_attempt_date, given_up_date, ended_by}');

-- Two kinds of rows are written again within one version of the installation, and are sealed again then.

create or replace function record_location_event() returns trigger language plpgsql as $$
declare
    version bigint := (select version from installation);
    record jsonb := location_record(new) - 'quota';
begin
    insert into stock_location_versions (stock_location_id, installation_version, location)
    values (new.id, version, record)
    on conflict (stock_location_id, installation_version) do update
       set location = excluded.location, seal = excluded.seal;
    insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
    values ('stock_location', new.id, new.event_sequence,
            array[case tg_op when 'INSERT' then 'stock_location.created' else 'stock_location.updated' end],
            array[new.id], version, record);
    return null;
end
$$;

create or replace function keep_installation_words() returns void language sql as $$
    insert into installation_words (installation_version, states, transitions, cargo_companies)
    select i.version, words.*
      from installation i
     cross join (select coalesce((select jsonb_agg(to_jsonb(s) order by s.id) from states s), '[]'),
                        coalesce((select jsonb_agg(to_jsonb(t) order by t.id) from transitions t
                                   where t.retired_date is null), '[]'),
                        coalesce((select jsonb_agg(to_jsonb(c) order by c.id) from cargo_companies c), '[]')) words
     where words is distinct from (select row(w.states, w.transitions, w.cargo_companies) from installation_words w
                                    order by w.installation_version desc limit 1)
    on conflict (installation_version) do update
       set states = excluded.states, transitions = excluded.transitions, cargo_companies = excluded.cargo_companies,
           seal = excluded.seal
$$;
