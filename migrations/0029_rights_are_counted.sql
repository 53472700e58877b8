-- A change of rights raises the version of the installation, so that servers read again what a token may do. It changes
-- nothing of what is installed, and anybody may make one (by ending a token of one's own): so it is counted, and servers
-- do not read the whole installation again for it.
alter table installation add column rights_changes bigint not null default 0;

create or replace function announce_rights() returns trigger language plpgsql as $$
begin
    update installation set version = version + 1, rights_changes = rights_changes + 1;
    return null;
end
$$;
