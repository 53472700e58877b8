//! The roles and the databases of a private Postgres.
//!
//! The server connects as a role that owns its database and nothing else. Whoever makes it run a statement of their own
//! reaches the shop's data: no file, no program, no other database. The superuser is only for what is done here.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

/// The superuser of the cluster, for every account.
pub(super) const SUPERUSER: &str = "postgres";
/// The role of servers and tools. [`OWNERSHIP`] names it too.
pub(super) const OWNER: &str = "oms";
/// Gives the role what a version before made as the superuser.
const OWNERSHIP: &str = include_str!("ownership.sql");
/// Several processes may begin at once: they take turns.
const TURN: &str = "select pg_advisory_lock(1869443843)";

/// Creates the role and, with it as the owner, the database `name`, if they do not exist. `superuser` is connected to
/// another database.
pub(super) async fn create_database(superuser: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(TURN).execute(&mut *superuser).await?;
    create_role(superuser).await?;
    let owner = "select pg_get_userbyid(datdba)::text from pg_database where datname = $1";
    let owner: Option<String> = sqlx::query_scalar(owner).bind(name).fetch_optional(&mut *superuser).await?;
    let name = quoted(name);
    let statement = match owner.as_deref() {
        Some(OWNER) => return Ok(()),
        Some(_) => format!("alter database {name} owner to {OWNER}"),
        None => format!("create database {name} owner {OWNER}"),
    };
    sqlx::query(AssertSqlSafe(statement)).execute(superuser).await.map(drop)
}

/// Its statistics of others tell which transaction holds events back.
async fn create_role(superuser: &mut PgConnection) -> Result<(), sqlx::Error> {
    let is_good =
        "select rolcanlogin and not (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)
                     from pg_roles where rolname = $1";
    let is_good: Option<bool> = sqlx::query_scalar(is_good).bind(OWNER).fetch_optional(&mut *superuser).await?;
    let verb = match is_good {
        Some(true) => return Ok(()),
        Some(false) => "alter",
        None => "create",
    };
    let rights = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls";
    let statement = format!("{verb} role {OWNER} {rights}; grant pg_read_all_stats to {OWNER}");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(superuser).await.map(drop)
}

/// Gives the role all that is in a database. `superuser` is connected to it.
pub(super) async fn give_database(mut superuser: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(TURN).execute(&mut superuser).await?;
    sqlx::raw_sql(OWNERSHIP).execute(&mut superuser).await?;
    superuser.close().await
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
