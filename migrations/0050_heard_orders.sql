-- What the upstream said last of orders that are not here: not approved, cancelled, or refused for now. What it said before, and
-- comes later, is overtaken. Rows of what is silent for long are deleted.
create table heard_orders (
    number text not null,
    -- Its channel and its key: which of several orders of one number.
    identity text not null,
    -- The upstream's date of change.
    heard_date timestamptz not null,
    payload jsonb not null,
    modified_date timestamptz not null default now(),
    primary key (number, identity)
);
