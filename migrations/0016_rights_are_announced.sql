-- Servers cache what a token may do, with the version of the installation at which they read it. So every change of it
-- raises the version, by whatever way it is made. (A new user or token takes nothing away.)
create function announce_rights() returns trigger language plpgsql as $$
begin
    update installation set version = version + 1;
    return null;
end
$$;

create trigger rights_announced after update of role, is_active or delete on users
    for each statement execute function announce_rights();
create trigger rights_announced after insert or update or delete or truncate on user_stock_locations
    for each statement execute function announce_rights();
create trigger rights_announced after update of user_id, key_hash or delete or truncate on tokens
    for each statement execute function announce_rights();
