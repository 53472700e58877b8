-- A database knows its home. A copy that is started elsewhere (a backup that was restored for a trial, a copy for tests)
-- would otherwise deliver webhooks to the real receivers, and report to the real upstream.
create table home (
    is_one boolean primary key default true check (is_one),
    -- The name that the servers there have in common (OMS_INSTANCE), if they have one.
    instance text,
    -- Where it is: the cluster's identifier, the database's number there, and the folder of a private Postgres. A dump has
    -- another wherever it is restored. Null until the first server has started.
    place text
);
insert into home default values;

create trigger audited after insert or delete or update of instance, place on home
    for each row execute function audit_row('home', 'place', '{}', '{is_one}');
create trigger audited_whole before truncate on home for each statement execute function refuse_truncate();
