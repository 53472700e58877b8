#!/bin/sh
# Makes the role of the server and its database; docker-compose.yml runs it before each start of the server. The role owns
# the database and is no superuser: whoever makes the server run a statement of their own gets no program run.
#
# It needs the socket of Postgres, where the superuser comes in without a password, the role's password in
# POSTGRES_PASSWORD, and ownership.sql beside it. The superuser's own password is taken away: nobody comes in as the
# superuser from the network.
set -eu

as() { # ROLE DATABASE OPTION...: runs the statements of the standard input
  role=$1 database=$2
  shift 2
  psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --username "$role" --dbname "$database" "$@"
}

# Versions before had one role, `oms`, the superuser that initdb makes. That one stays a superuser, so it gets another name.
if ! echo 'select' | as postgres postgres >/dev/null 2>&1; then
  echo 'create role oms_renames superuser login' | as oms postgres
  echo 'alter role oms rename to postgres' | as oms_renames postgres
  echo 'drop role oms_renames' | as postgres postgres
fi

as postgres postgres --set password="$POSTGRES_PASSWORD" <<'SQL'
select 'create role oms' where not exists (select from pg_roles where rolname = 'oms') \gexec
alter role oms login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
grant pg_read_all_stats to oms;
select 'create database oms owner oms' where not exists (select from pg_database where datname = 'oms') \gexec
alter database oms owner to oms;
alter role postgres password null;
SQL
as postgres oms <"$(dirname "$0")/ownership.sql"
