-- An order that is sent again may say otherwise. What it says is compared with what is stored; who it is for and where it
-- goes is changed while nothing of it is packed.

alter table orders
    -- How often it was changed.
    add column revision integer not null default 0,
    -- The upstream's date of change of what was heard of it last: what is older is no news.
    add column heard_date timestamptz;

-- What an order was before its nth change. Events and plans of then tell it so.
create table order_history (
    order_id bigint not null references orders,
    -- The change that ended it: it was so while the order had this revision.
    revision integer not null,
    -- It was so for events with smaller ids, of its packages and their transfers.
    until_event_id bigint not null,
    customer_first_name text,
    customer_last_name text,
    latitude numeric(11, 8),
    longitude numeric(11, 8),
    details jsonb not null,
    created_date timestamptz not null default now(),
    primary key (order_id, revision)
);
select seal_rows('order_history', '{}');
select seal_rows('orders', '{state_id, package_count, modified_date, revision, heard_date}');

-- What differs between what was sent and what is kept is a problem too. It is not tried again by itself: only what is sent
-- next can settle it.
alter table upstream_problems
    add column kind text not null default 'not_taken'
        constraint upstream_problems_kind_check check (kind in ('not_taken', 'differs')),
    -- Which of several orders of one number: its channel and its key. Empty: of before they were told apart.
    add column identity text not null default '',
    -- The order that is here.
    add column order_id bigint references orders,
    alter column next_attempt_date drop not null;
drop index upstream_problems_open_idx;
create unique index upstream_problems_open_idx on upstream_problems (reference, identity) where resolved_date is null;
