-- Tokens with a name, an end and a last use; users who are removed and still named; and who changed what.

alter table tokens
    add column name text not null default '',
    -- The first characters of the key, to know it by; null: made before they were kept.
    add column key_prefix text,
    -- Made by a login: it ends with the password. Others are given to programs, which a new password does not stop.
    add column is_login boolean not null default false,
    -- null: never.
    add column expires_date timestamptz,
    -- Coarse: written now and then, for many requests together. It is no change of rights.
    add column last_used_date timestamptz;

drop trigger rights_announced on tokens;
create trigger rights_announced after update of user_id, key_hash, expires_date or delete or truncate on tokens
    for each statement execute function announce_rights();

alter table users
    -- The row stays, for all that names the user.
    add column removed_date timestamptz,
    add constraint users_removed_check check (removed_date is null or (not is_active and password_hash is null));

-- ---------------------------------------------------------------- who changed what

create table audit (
    id bigint generated always as identity primary key,
    created_date timestamptz not null default now(),
    -- `user`: by a request; `command_line`; `server`: by itself; `database`: by a statement of somebody else.
    actor_kind text not null check (actor_kind in ('user', 'command_line', 'server', 'database')),
    -- The name as it was then: of the user, of the account of the system, of the work, of the role.
    actor text not null,
    user_id bigint,
    kind text not null,
    -- null: there is only one.
    object_id bigint,
    -- The name as it was then.
    object text not null,
    action text not null check (action in ('created', 'changed', 'deleted')),
    -- {"role": {"from": "store", "to": "operator"}}; secrets are masked.
    changes jsonb not null
);
create index audit_kind_object_id_idx on audit (kind, object_id);
create index audit_actor_idx on audit (actor);
-- Rows come in the order of time.
create index audit_created_date_idx on audit using brin (created_date) with (pages_per_range = 16);

create function refuse_change_of_audit() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is only added to: nothing of it is changed or deleted';
end
$$;
create trigger audit_is_kept before update or delete or truncate on audit
    for each statement execute function refuse_change_of_audit();

-- Whoever changes something says who it is, for the transaction: set_config('oms.actor', '{"kind", "name", "user_id"}', true).
-- A connection of a server or a tool (`oms.names_actors`) that does not is refused, so none of its ways to a change can
-- forget it. Others, psql for instance, are known by their role.
create function write_audit(kind text, object_id bigint, object text, action text, changes jsonb)
returns void language plpgsql as $$
declare
    actor jsonb := nullif(current_setting('oms.actor', true), '')::jsonb;
begin
    if actor is null and nullif(current_setting('oms.names_actors', true), '') is not null then
        raise exception 'a change of % "%" that says not who makes it: begin its transaction by audit::begin', kind, object;
    end if;
    insert into audit (actor_kind, actor, user_id, kind, object_id, object, action, changes)
    values (coalesce(actor->>'kind', 'database'), coalesce(actor->>'name', session_user), (actor->>'user_id')::bigint,
            kind, object_id, object, action, changes);
end
$$;

-- A value of a row; of a secret, only whether there is one.
create function audit_value(key text, facts jsonb, secrets text[]) returns jsonb language sql immutable as $$
    select case when coalesce(facts->key, 'null') = 'null' then 'null'::jsonb
                when key = any(secrets) then '"********"'
                else facts->key end
$$;

-- What differs between two rows, each null where there is none; of secrets only that.
create function audit_changes(was jsonb, becomes jsonb, secrets text[]) returns jsonb language sql immutable as $$
    select jsonb_object_agg(key, jsonb_build_object('from', audit_value(key, was, secrets),
                                                    'to', audit_value(key, becomes, secrets)))
      from (select jsonb_object_keys(coalesce(was, '{}') || coalesce(becomes, '{}')) as key) as keys
     where coalesce(was->key, 'null') is distinct from coalesce(becomes->key, 'null')
$$;

-- Arguments: the kind; the column that names it; columns of secrets; columns that are left out.
create function audit_row() returns trigger language plpgsql as $$
declare
    was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    facts jsonb := coalesce(becomes, was);
    left_out text[] := tg_argv[3]::text[] || '{id,created_date,modified_date,attributes}'::text[];
    changes jsonb;
begin
    -- Attributes of a location are columns in all but storage.
    was := (was || coalesce(was->'attributes', '{}')) - left_out;
    becomes := (becomes || coalesce(becomes->'attributes', '{}')) - left_out;
    changes := audit_changes(was, becomes, tg_argv[2]::text[]);
    if changes is not null then
        perform write_audit(tg_argv[0], (facts->>'id')::bigint, coalesce(facts->>tg_argv[1], tg_argv[0]),
                            case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'changed' else 'deleted' end,
                            changes);
    end if;
    return null;
end
$$;

-- A user's locations are the user's.
create function audit_user_location() returns trigger language plpgsql as $$
declare
    whose bigint := case when tg_op = 'DELETE' then old.user_id else new.user_id end;
    was text := (select erp_code from stock_locations l where tg_op <> 'INSERT' and l.id = old.stock_location_id);
    becomes text := (select erp_code from stock_locations l where tg_op <> 'DELETE' and l.id = new.stock_location_id);
begin
    perform write_audit('user', whose, coalesce((select username from users u where u.id = whose), ''),
                        'changed', jsonb_build_object('location', jsonb_build_object('from', was, 'to', becomes)));
    return null;
end
$$;

create function audit_installation() returns trigger language plpgsql as $$
begin
    perform write_audit('installation', null, 'installation', 'changed',
                        jsonb_build_object('version', jsonb_build_object('from', new.version - 1, 'to', new.version)));
    return null;
end
$$;

-- `truncate` would pass the triggers of rows by.
create function refuse_truncate() returns trigger language plpgsql as $$
begin
    raise exception '% is audited: delete its rows instead', tg_table_name;
end
$$;

do $$
declare
    audited record;
begin
    -- Of an update only the columns named fire; all, where none is. What a server counts or notes by itself is not among
    -- them: last uses, failures and pauses of webhooks, quota.
    for audited in
        select * from (values
            ('users', 'user', 'username', '{password_hash}', '{}', null),
            ('tokens', 'token', 'name', '{}', '{key_hash,last_used_date}',
             'user_id, key_hash, name, key_prefix, is_login, expires_date'),
            ('webhooks', 'webhook', 'target_url', '{secret_key,additional_headers,config}',
             '{pause_reason,failing_since,last_delivered_date,last_delivered_event_date,event_sequence}',
             'user_id, target_url, is_active, secret_key, event_type, callback, retry_countdown_config, '
             'additional_headers, config'),
            ('scenarios', 'scenario', 'name', '{}', '{}', null),
            ('sender_addresses', 'sender_address', 'origin_id', '{}', '{}', null),
            ('denial_reasons', 'denial_reason', 'title', '{}', '{}', null),
            ('cancellation_reasons', 'cancellation_reason', 'subject', '{}', '{}', null),
            ('cargo_companies', 'cargo_company', 'slug', '{}', '{}', null),
            ('cargo_company_conditions', 'cargo_company_condition', 'cargo_company_id', '{}', '{}', null),
            ('states', 'state', 'slug', '{}', '{}', null),
            ('transitions', 'transition', 'slug', '{parameters}', '{}', null),
            ('inventory_engine', 'stock_service', '', '{settings}', '{only_row}', null),
            ('invoice_services', 'invoice_service', 'slug', '{settings}', '{}', null)
        ) as a(relation, kind, name, secrets, left_out, columns)
    loop
        execute format('create trigger audited after insert or delete or update %s on %I
                            for each row execute function audit_row(%L, %L, %L, %L)',
                       'of ' || audited.columns, audited.relation, audited.kind, audited.name, audited.secrets,
                       audited.left_out);
    end loop;
end
$$;

do $$
declare
    audited text;
begin
    foreach audited in array array['users', 'user_stock_locations', 'tokens', 'webhooks', 'scenarios', 'sender_addresses',
                                   'denial_reasons', 'cancellation_reasons', 'cargo_companies', 'cargo_company_conditions',
                                   'states', 'transitions', 'inventory_engine', 'invoice_services', 'installation',
                                   'stock_locations']
    loop
        execute format('create trigger audited_whole before truncate on %I
                            for each statement execute function refuse_truncate()', audited);
    end loop;
end
$$;

create trigger audited after insert or delete or update on user_stock_locations
    for each row execute function audit_user_location();
create trigger audited after update of applied_date on installation
    for each row execute function audit_installation();

-- Quota changes with every packing: the trigger of changes names the other columns, as those of versions and events do.
create trigger location_audited after insert or delete on stock_locations
    for each row execute function audit_row('location', 'erp_code', '{}', '{quota,event_sequence}');

create or replace function follow_location_changes() returns void language plpgsql as $$
declare
    columns text;
    news text;
    follower record;
begin
    select string_agg(quote_ident(attname), ', '),
           format('(%s) is distinct from (%s)', string_agg('old.' || quote_ident(attname), ', '),
                  string_agg('new.' || quote_ident(attname), ', '))
      into columns, news
      from pg_attribute
     where attrelid = 'stock_locations'::regclass and attnum > 0 and not attisdropped
       and attname not in ('id', 'quota', 'event_sequence', 'created_date', 'modified_date');
    for follower in
        select * from (values
            ('location_counted_again', 'before', 'count_location_event()'),
            ('location_recorded_again', 'after', 'record_location_event()'),
            ('location_woken_again', 'after', 'wake_for_location()'),
            ('location_audited_again', 'after', 'audit_row(''location'', ''erp_code'', ''{}'', ''{quota,event_sequence}'')')
        ) as f(name, moment, call)
    loop
        execute format('create or replace trigger %I %s update of %s on stock_locations
                            for each row when (%s) execute function %s',
                       follower.name, follower.moment, columns, news, follower.call);
    end loop;
end
$$;
select follow_location_changes();
