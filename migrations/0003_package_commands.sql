-- What the commands of packages record beyond the move itself.

-- One row a log row, and only where there is something to say: a plain move costs nothing here.
create table transition_records (
    transition_log_id bigint primary key references transition_logs,
    -- Common parameters that differ from their documented defaults, as they were when it ran:
    -- {"sync_remote_order_status": false, "remote_bill_fulfillment_call": true}.
    parameters jsonb,
    -- `remote_invoice_call`, complete with its defaults. It holds a password or a token: no route, event or log shows it.
    invoice_call jsonb,
    cancellation_reason text,
    denial_reason_id bigint references denial_reasons,
    -- [{"package_item", "from", "to"}]: products that were replaced, by SKU.
    replacements jsonb,
    -- The package's items gave their reservations up while they wait (released), or hold them again since they were
    -- planned anew (renewed).
    reservations text constraint transition_records_reservations_check check (reservations in ('released', 'renewed'))
);
create index transition_records_released_idx on transition_records (transition_log_id) where reservations = 'released';

-- The carrier's number to ask for the shipment's whereabouts, where it is another than the tracking number.
alter table shipments add column query_number text;

-- The invoice of a package; its number stands in packages.invoice_number.
create table package_invoices (
    package_id bigint primary key references packages,
    invoice_date date,
    -- pdf, png, jpeg or xml, with the document itself; both or none.
    document_type text,
    document bytea,
    -- In the document's URL: a link that only those who were shown the package can know. A new document has a new one.
    document_key uuid constraint package_invoices_document_key_key unique,
    created_date timestamptz not null default now(),
    modified_date timestamptz not null default now(),
    constraint package_invoices_whole_document
        check ((document is null) = (document_type is null) and (document is null) = (document_key is null))
);
