-- A location is one record. What is joined, counted, sorted, filtered on or unique is a column; everything else is in
-- `attributes`, under the names of the wire, so that a further attribute is no change of a table, a version or a trigger.

-- ---------------------------------------------------------------- what was kept, as it is kept from now on

-- Not for what is moved here: nothing of it is news.
drop trigger location_begun on stock_locations;
drop trigger location_changed on stock_locations;
drop trigger location_counted on stock_locations;
drop trigger location_counted_again on stock_locations;
drop trigger location_recorded on stock_locations;
drop trigger location_recorded_again on stock_locations;
drop trigger stock_locations_wake_insert on stock_locations;
drop trigger stock_locations_wake_update on stock_locations;
drop function keep_location_version;

-- A row with a column for each attribute, as one record.
create function pg_temp.as_record(was jsonb) returns jsonb language sql immutable as $$
    select jsonb_object_agg(key, value)
      from jsonb_each((was - array['quota', 'event_sequence', 'latitude', 'longitude', 'phone', 'hours'])
                      || jsonb_build_object(
                             'address', (coalesce(was->'address', '{}') - array['latitude', 'longitude'])
                                        || jsonb_build_object('latitude', was->>'latitude',
                                                              'longitude', was->>'longitude'),
                             'daytime_phone', was->'phone', 'conf', coalesce(was->'hours', '{}')))
     where value <> 'null'
$$;

update events set facts = pg_temp.as_record(facts::jsonb) where entity = 'stock_location' and facts->>'id' is not null;

-- Two tables held what locations were in each version of the installation: one for plans, one for events. What plans saw
-- is right where they differ: the other began later, with what locations were by then.
create table location_records (
    stock_location_id bigint not null references stock_locations on delete cascade,
    installation_version bigint not null,
    -- The record as it was from this version on.
    location jsonb not null,
    primary key (stock_location_id, installation_version)
);
insert into location_records
select id, version, pg_temp.as_record(
           coalesce(h.location, (select n.location from stock_location_history n
                                  where n.stock_location_id = v.stock_location_id
                                  order by n.installation_version <= v.installation_version desc,
                                           abs(n.installation_version - v.installation_version) limit 1))
           || coalesce(to_jsonb(v) - array['stock_location_id', 'installation_version'], '{}'))
  from stock_location_versions v
  full join stock_location_history h using (stock_location_id, installation_version)
 cross join lateral (select coalesce(v.stock_location_id, h.stock_location_id) as id,
                            coalesce(v.installation_version, h.installation_version) as version) as key
 where version >= (select min(f.installation_version) from stock_location_versions f where f.stock_location_id = id);
drop table stock_location_versions, stock_location_history;
alter table location_records rename to stock_location_versions;
alter table stock_location_versions rename constraint location_records_pkey to stock_location_versions_pkey;
alter table stock_location_versions
    rename constraint location_records_stock_location_id_fkey to stock_location_versions_stock_location_id_fkey;

alter table stock_locations add column attributes jsonb not null default '{}';
update stock_locations l
   set address = record->'address',
       attributes = record - array['id', 'erp_code', 'name', 'stock_location_type', 'priority', 'is_active', 'max_quota',
                                   'address', 'cargo_company_id', 'omnitron_id', 'created_date', 'modified_date']
  from (select id, pg_temp.as_record(to_jsonb(s) - 'attributes') as record from stock_locations s) r
 where r.id = l.id;
alter table stock_locations
    drop column latitude, drop column longitude, drop column fax_number, drop column phone, drop column evening_phone,
    drop column email, drop column is_fulfillment_center, drop column is_pickup_location,
    drop column is_delivery_location, drop column is_return_available, drop column is_fast_delivery_available,
    drop column tags, drop column hours,
    add constraint stock_locations_latitude_check check ((address->>'latitude')::numeric between -90 and 90),
    add constraint stock_locations_longitude_check check ((address->>'longitude')::numeric between -180 and 180);

drop function pg_temp.as_record;

-- ---------------------------------------------------------------- who hears of a change

-- The whole record. `quota` changes with every packing: versions and events leave it out.
create function location_record(l stock_locations) returns jsonb language sql stable as $$
    select (to_jsonb(l) - array['attributes', 'event_sequence']) || l.attributes
$$;

create or replace function count_location_event() returns trigger language plpgsql as $$
begin
    new.event_sequence := new.event_sequence + 1;
    if tg_op = 'UPDATE' then
        new.modified_date := now();
    end if;
    return new;
end
$$;

create or replace function record_location_event() returns trigger language plpgsql as $$
declare
    version bigint := (select version from installation);
    record jsonb := location_record(new) - 'quota';
begin
    insert into stock_location_versions (stock_location_id, installation_version, location)
    values (new.id, version, record)
    on conflict (stock_location_id, installation_version) do update set location = excluded.location;
    insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
    values ('stock_location', new.id, new.event_sequence,
            array[case tg_op when 'INSERT' then 'stock_location.created' else 'stock_location.updated' end],
            array[new.id], version, record);
    return null;
end
$$;

create trigger location_counted before insert on stock_locations
    for each row execute function count_location_event();
create trigger location_recorded after insert on stock_locations
    for each row execute function record_location_event();
create trigger location_woken after insert on stock_locations
    for each row execute function wake_for_location();

-- Makes the triggers of changes anew, for all columns there are: call it after adding one. The columns are named so that a
-- change of the quota alone, which comes with every packing, does not even ask.
create or replace function follow_location_changes() returns void language plpgsql as $$
declare
    columns text;
    news text;
    follower record;
begin
    select string_agg(quote_ident(attname), ', '),
           format('(%s) is distinct from (%s)', string_agg('old.' || quote_ident(attname), ', '),
                  string_agg('new.' || quote_ident(attname), ', '))
      into columns, news
      from pg_attribute
     where attrelid = 'stock_locations'::regclass and attnum > 0 and not attisdropped
       and attname not in ('id', 'quota', 'event_sequence', 'created_date', 'modified_date');
    for follower in
        select * from (values ('location_counted_again', 'before', 'count_location_event'),
                              ('location_recorded_again', 'after', 'record_location_event'),
                              ('location_woken_again', 'after', 'wake_for_location')) as f(name, moment, function)
    loop
        execute format('create or replace trigger %I %s update of %s on stock_locations
                            for each row when (%s) execute function %I()',
                       follower.name, follower.moment, columns, news, follower.function);
    end loop;
end
$$;
select follow_location_changes();

-- ---------------------------------------------------------------- dates of change

-- A record that is written again as it was keeps the date of its last change.
create function move_modified_date() returns trigger language plpgsql as $$
begin
    new.modified_date := now();
    return new;
end
$$;
do $$
declare
    records regclass;
begin
    foreach records in array array['states', 'transitions', 'cargo_companies', 'cargo_company_conditions',
                                   'denial_reasons', 'cancellation_reasons', 'sender_addresses']::regclass[]
    loop
        execute format('create trigger moved_modified_date before update on %s
                            for each row when (old.* is distinct from new.*) execute function move_modified_date()',
                       records);
    end loop;
end
$$;
