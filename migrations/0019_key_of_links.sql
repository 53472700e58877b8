-- The key that signs the addresses of labels and invoices: one for all servers of this database, made by the first that
-- starts. Whoever deletes the row ends every address that was given out; the servers make a new one when they start.
create table link_key (
    is_only boolean primary key default true check (is_only),
    key bytea not null check (octet_length(key) = 32),
    created_date timestamptz not null default now()
);
