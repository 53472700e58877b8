-- What an installation says once: the time zone of days. There is no row where it says nothing.
create table installation_settings (
    only_row boolean primary key default true check (only_row),
    -- By its name in the IANA database: Europe/Istanbul.
    time_zone text not null
);
create trigger audited after insert or delete or update on installation_settings
    for each row execute function audit_row('installation_settings', '', '{}', '{only_row}');
create trigger audited_whole before truncate on installation_settings
    for each statement execute function refuse_truncate();
