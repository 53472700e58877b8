-- Scenarios with versions, locations with what scenarios ask of them, plans that can be made again.
--
-- A plan names what it was made from rather than copying it: its scenario by (id, version), its locations by the
-- installation's version. So both keep their history: `scenario_versions`, `stock_location_versions`.

-- ---------------------------------------------------------------- locations

alter table stock_locations
    -- Groups a location is in, in the shop's own words.
    add column tags text[] not null default '{}',
    -- {"timezone", "opening_hours", "holidays"}, each optional: when it is open.
    add column hours jsonb not null default '{}';

-- What plans see of a location besides stock and quota, from one version of the installation on. Written by the
-- database itself, so that no writer can forget it.
create table stock_location_versions (
    stock_location_id bigint not null references stock_locations on delete cascade,
    installation_version bigint not null,
    erp_code text not null,
    name text not null,
    stock_location_type text not null,
    priority integer not null,
    is_active boolean not null,
    cargo_company_id bigint,
    latitude numeric(11, 8),
    longitude numeric(11, 8),
    address jsonb not null,
    tags text[] not null,
    hours jsonb not null,
    primary key (stock_location_id, installation_version)
);

create function keep_location_version() returns trigger language plpgsql as $$
begin
    insert into stock_location_versions (stock_location_id, installation_version, erp_code, name, stock_location_type,
                                         priority, is_active, cargo_company_id, latitude, longitude, address, tags,
                                         hours)
    values (new.id, (select version from installation), new.erp_code, new.name, new.stock_location_type, new.priority,
            new.is_active, new.cargo_company_id, new.latitude, new.longitude, new.address, new.tags, new.hours)
    on conflict (stock_location_id, installation_version) do update
        set erp_code = excluded.erp_code, name = excluded.name, stock_location_type = excluded.stock_location_type,
            priority = excluded.priority, is_active = excluded.is_active,
            cargo_company_id = excluded.cargo_company_id, latitude = excluded.latitude,
            longitude = excluded.longitude, address = excluded.address, tags = excluded.tags, hours = excluded.hours;
    return null;
end
$$;
create trigger location_begun after insert on stock_locations
    for each row execute function keep_location_version();
-- Not for changes of quota, which are many.
create trigger location_changed
    after update of erp_code, name, stock_location_type, priority, is_active, cargo_company_id, latitude, longitude,
                    address, tags, hours
    on stock_locations for each row
    when ((old.erp_code, old.name, old.stock_location_type, old.priority, old.is_active, old.cargo_company_id,
           old.latitude, old.longitude, old.address, old.tags, old.hours)
          is distinct from
          (new.erp_code, new.name, new.stock_location_type, new.priority, new.is_active, new.cargo_company_id,
           new.latitude, new.longitude, new.address, new.tags, new.hours))
    execute function keep_location_version();

insert into stock_location_versions
select id, 0, erp_code, name, stock_location_type, priority, is_active, cargo_company_id, latitude, longitude, address,
       tags, hours
  from stock_locations;

-- ---------------------------------------------------------------- scenarios

alter table scenarios
    add column version integer not null default 1,
    -- {"allowed", "most_packages", "kilometres_per_package"}, each optional.
    add column splitting jsonb not null default '{}',
    -- Whether the installation's files hold it: then they decide what it is.
    add column is_installed boolean not null default false;
update scenarios set is_installed = true;

-- Every version of every scenario, those that are gone too.
create table scenario_versions (
    scenario_id bigint not null,
    version integer not null,
    change text not null check (change in ('created', 'changed', 'deleted')),
    -- The scenario as somebody writes it, with its location and state by name.
    definition jsonb not null,
    -- null: `oms install`.
    user_id bigint references users,
    created_date timestamptz not null default now(),
    primary key (scenario_id, version)
);
insert into scenario_versions (scenario_id, version, change, definition, created_date)
select s.id, 1, 'created',
       jsonb_build_object('name', s.name, 'description', s.description, 'priority', s.priority,
                          'is_active', s.is_active, 'channels', s.channels, 'shipping', s.shipping,
                          'payments', s.payments, 'default_location', l.erp_code,
                          'initial_state_when_split', st.slug, 'splitting', s.splitting, 'rules', s.rules),
       s.created_date
  from scenarios s join stock_locations l on l.id = s.default_location_id
  join states st on st.id = s.initial_state_when_split_id;

-- ---------------------------------------------------------------- plans

alter table order_plans
    -- null in plans that were made before versions were kept.
    add column scenario_version integer,
    -- What the plan was made from; null in plans that were made before it was kept. `trace` is then the reasons
    -- themselves, else the decision alone.
    add column facts json,
    -- A scenario may go; its versions stay.
    drop constraint order_plans_scenario_id_fkey,
    add constraint order_plans_scenario_version foreign key (scenario_id, scenario_version)
        references scenario_versions (scenario_id, version);
