-- An installation is a deployment: what was applied is kept, with who and when, and what is gone is retired.
--
-- Nothing here reads or writes a row of a large table: the columns have constant defaults, and there is no new index.

alter table states
    -- Set when an installation no longer holds it. It stays: logs and packages may name it, and to look whether any does
    -- would be work that grows, while all commands wait.
    add column retired_date timestamptz,
    -- The files say that nothing leads to it.
    add column unused boolean not null default false;

-- Every installation that was applied: its files as they were.
create table installations (
    number bigint primary key,
    -- The version of `installation` from which on it held; the same as that of the one before if it changed nothing.
    installation_version bigint not null,
    applied_date timestamptz not null default now(),
    -- Who: a user of the operating system, or what `--by` said.
    applied_by text not null,
    -- [{"name", "text"}], in order. May hold passwords, as `inventory_engine` does.
    files jsonb not null,
    -- The difference, in lines for people.
    summary text not null
);

-- A change of which states occupy quota sets `stock_locations.quota` at once. The ledger's rows, one a package, are
-- written afterwards, in steps. A row here says that they are not complete. (What is missing of a package's ledger does
-- not change while commands run: each writes the package and its ledger by the same rule. So it can be counted at any
-- time, and whoever continues after a crash counts again.)
create table quota_recounts (
    installation_version bigint primary key,
    created_date timestamptz not null default now()
);
