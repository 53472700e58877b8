-- Calls to the upstream and to invoice services: independent of each other, bounded per host, with an end.

alter table upstream_calls
    -- What a call shares with others: `upstream`, or host and port of an invoice service. Each has its own limits.
    add column lane text not null default 'upstream',
    -- The first attempt, counted anew when a person asks for another: from then on the time runs until the last one.
    add column first_attempt_date timestamptz,
    -- Set when it is made no more without an answer: after its last attempt, or because a person ended it.
    add column given_up_date timestamptz,
    -- The person.
    add column ended_by bigint references users,
    add constraint upstream_calls_one_end check (done_date is null or given_up_date is null),
    add constraint upstream_calls_ended_check check (ended_by is null or given_up_date is not null);

-- Of an invoice call neither user, password and query of the address nor the answer is shown: they may hold what is a secret.
update upstream_calls
   set lane = coalesce(lower(substring(payload ->> 'remote_url' from '^https?://(?:[^/?#]*@)?([^/?#@]+)')), 'unknown'),
       payload = jsonb_build_object('remote_url', regexp_replace(
                     split_part(split_part(payload ->> 'remote_url', '#', 1), '?', 1), '^(https?://)[^/]*@', '\1')),
       answer = null
 where kind = 'invoice';

drop index upstream_calls_open_idx, upstream_calls_next_idx, upstream_calls_done_idx;
create index upstream_calls_open_idx on upstream_calls (order_id, id) where done_date is null and given_up_date is null;
create index upstream_calls_lane_idx on upstream_calls (lane, next_attempt_date, id)
    where done_date is null and given_up_date is null;
create index upstream_calls_over_idx on upstream_calls (coalesce(done_date, given_up_date))
    where coalesce(done_date, given_up_date) is not null;
create index upstream_calls_failed_idx on upstream_calls (given_up_date) where given_up_date is not null;
create index upstream_calls_ended_by_idx on upstream_calls (ended_by) where ended_by is not null;

create index upstream_calls_invoice_idx on upstream_calls (package_id, id) where kind = 'invoice';
create index upstream_calls_item_idx on upstream_calls (order_item_id, id) where kind = 'status';

-- The services of the installation that make invoices, by slug: {"url", "auth", "timeout_seconds"} as src/invoicing.rs has
-- them.
create table invoice_services (
    slug text primary key,
    settings jsonb not null
);
