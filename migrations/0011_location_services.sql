-- What a location is for and how it is reached, for the clients that read it: planning asks none of it.

alter table stock_locations
    -- Orders are packed here. It was so for every location until now.
    add column is_fulfillment_center boolean not null default true,
    add column is_pickup_location boolean not null default false,
    add column is_delivery_location boolean not null default false,
    add column is_return_available boolean not null default false,
    add column is_fast_delivery_available boolean not null default false,
    add column fax_number text,
    add column evening_phone text;

-- They are told by events, too.
select follow_location_changes();
