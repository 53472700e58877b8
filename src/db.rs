//! Connect and migrate.
//!
//! [`PgPool`] and [`PgConnection`] stand in for those of sqlx in the whole crate: their statements have a deadline, so
//! that a connection which falls silent stops nothing for good.

mod connection;
mod failures;
mod links;
mod listener;
mod pool;
mod servers;
mod transaction;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::migrate::{MigrateError, Migrator};

pub use connection::PgConnection;
pub use failures::text;
pub(crate) use failures::{is_of_the_connection, never_arrived};
pub use listener::Listener;
pub use pool::{PgPool, PoolConnection};
pub use servers::Servers;
pub use transaction::Transaction;

use failures::may_start;
use pool::Opener;

use crate::error::{Error, Result};

/// The migrations, compiled into the binary.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Key of the advisory lock that plans hold shared and a change of the installation holds alone: no plan sees half of
/// an installation, or is written by the rules of the one before. (Commands that do not plan check the installation's
/// version when they write.)
pub const INSTALLATION_LOCK: i64 = 0x6f6d_7301;

/// Begins a transaction that may write packages. It keeps the installation unchanged until the end. It looks up the
/// elements of arrays one by one, so that rows are locked in the order of the arrays.
pub const BEGIN_UNDER_INSTALLATION: &str = "begin; set local enable_hashjoin = off; set local enable_mergejoin = off; \
                                            set local enable_seqscan = off; \
                                            select pg_advisory_xact_lock_shared(1869443841)";

/// How long to try to reach the database: it may be starting too.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks up each element of an array by an index, with a plan that is made once.
const LOOKUPS: &str = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_hashjoin = off; \
                       set enable_mergejoin = off";

/// For every connection. Compiling a statement takes longer than running any of ours. But without sequential scans a
/// plan looks so expensive that Postgres would compile it.
///
/// And a crash or a failover of Postgres ends all connections, and begins an epoch of event positions: the first new
/// connection that may write begins it before anything is written. (A writer would begin it too, but in its own
/// transaction, and others would wait for that.)
///
/// `oms.names_actors`: what is audited is changed only in transactions that say who changes it ([`crate::audit`]). Of
/// connections with our name: a test with another plays somebody else at the database.
const ON_CONNECT: &str = "set jit = off; \
    do $$ begin \
        if current_setting('application_name') = 'oms' then \
            perform set_config('oms.names_actors', 'on', false); \
        end if; \
        if to_regproc('begin_event_epoch') is not null and not pg_is_in_recovery() \
           and not current_setting('transaction_read_only')::boolean then \
            perform begin_event_epoch(); \
        end if; \
    end $$";

/// The limits of a server's statements: a request must not hold for ever what others need. Work that may take longer
/// takes a connection by [`for_long_work`]. Postgres keeps the first of each pair; we give up a little later, which
/// happens only if it is silent ([`connection`]).
const LIMITS: (&str, Duration) =
    ("set statement_timeout = '25s'; set idle_in_transaction_session_timeout = '60s'", Duration::from_secs(28));
/// The same for lookups of single objects, which take milliseconds.
const LOOKUP_LIMITS: (&str, Duration) =
    ("set statement_timeout = '8s'; set idle_in_transaction_session_timeout = '8s'", Duration::from_secs(9));
/// How long Postgres may be silent while a tool, a migration or an installation works.
const LONG_WORK: Duration = Duration::from_hours(1);

/// Opens the pool of a tool, whose statements may take an hour.
///
/// # Errors
/// When the database cannot be reached within ten seconds, or refuses the connection.
pub async fn connect(servers: impl Into<Servers>, connections: u32) -> Result<PgPool> {
    open(servers.into(), connections, None, LONG_WORK).await
}

/// Opens the pool of a server, whose statements have a limit.
///
/// # Errors
/// As [`connect`].
pub async fn connect_server(servers: impl Into<Servers>, connections: u32) -> Result<PgPool> {
    open(servers.into(), connections, Some(LIMITS.0), LIMITS.1).await
}

/// Takes a connection out of the pool for work that may take long. It is closed when it is dropped.
///
/// # Errors
/// When the database fails.
pub async fn for_long_work(pool: &PgPool) -> Result<PgConnection> {
    let mut connection = pool.acquire().await?.detach();
    sqlx::raw_sql("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        .execute(&mut connection)
        .await?;
    connection.set_patience(LONG_WORK);
    Ok(connection)
}

async fn open(servers: Servers, connections: u32, limits: Option<&'static str>, patience: Duration) -> Result<PgPool> {
    let settings = [ON_CONNECT].into_iter().chain(limits).collect();
    let opener = Opener::new(Arc::new(servers.named("oms")), settings, patience, Arc::default());
    let first = first_connection(&opener).await?;
    Ok(PgPool::new(opener.with_ready(first), connections))
}

/// The first connection of a pool, which is waited for.
async fn first_connection(opener: &Opener) -> Result<PgConnection> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let error = match opener.try_within(ATTEMPT_TIMEOUT).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if !may_start(&error) || Instant::now() > deadline {
            return Err(error.into());
        }
        tracing::debug!(error = text(&error), "the database cannot be reached yet");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// More connections to the same database, for statements that take arrays and look each element up by an index.
///
/// That plan is right for all arrays and all sizes of tables, so it is made once and kept. By default Postgres plans
/// again for short arrays, which takes longer than the work, and keeps scanning a table that was empty when the plan
/// was made.
#[must_use]
pub fn for_lookups(pool: &PgPool, connections: u32) -> PgPool {
    lookups(pool, connections, None)
}

/// The same for groups of commands, with a short lock timeout: a held lock should delay only the command that needs it,
/// not the others.
#[must_use]
pub fn for_groups(pool: &PgPool, connections: u32) -> PgPool {
    lookups(pool, connections, Some("set lock_timeout = '2s'"))
}

fn lookups(pool: &PgPool, connections: u32, besides: Option<&'static str>) -> PgPool {
    let Opener { servers, links, .. } = pool.opener().clone();
    let settings = [ON_CONNECT, LOOKUPS, LOOKUP_LIMITS.0].into_iter().chain(besides).collect();
    PgPool::new(Opener::new(servers, settings, LOOKUP_LIMITS.1, links), connections)
}

/// Lets a transaction fail with a lock timeout, to be tried again, instead of waiting without end: a forgotten
/// transaction should delay only those that need the same rows, and not for ever.
///
/// # Errors
/// When the database fails.
pub async fn set_lock_timeout(transaction: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("set local lock_timeout = '10s'").execute(transaction).await?;
    Ok(())
}

/// Migrates the schema. Several processes may call it at the same time.
///
/// # Errors
/// When a migration fails, or the database is from a newer version.
pub async fn migrate(pool: &PgPool) -> Result<()> {
    let mut connection = for_long_work(pool).await?;
    match schema(&mut connection).await? {
        Schema::Empty => refuse_unfit(&mut connection).await?,
        Schema::Newer(version) => return Err(made_by_newer(version)),
        Schema::Older | Schema::Current => {}
    }
    MIGRATOR.run(connection.raw()).await.map_err(|error| failed("migrate", error))
}

/// A schema, beside what this binary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// No migration is applied.
    Empty,
    /// Some are not applied.
    Older,
    /// Exactly those of this binary.
    Current,
    /// One that this binary does not know, by its number.
    Newer(i64),
}

/// The schema of a database.
///
/// # Errors
/// When the database fails.
pub async fn schema(connection: &mut PgConnection) -> Result<Schema> {
    let has_table = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "has!""#);
    if !has_table.fetch_one(&mut *connection).await? {
        return Ok(Schema::Empty);
    }
    let applied: Vec<i64> = connection
        .applied_migrations(&MIGRATOR)
        .await
        .map_err(|error| failed("migrations", error))?
        .iter()
        .map(|migration| migration.version)
        .collect();
    let known: Vec<i64> = MIGRATOR
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .map(|migration| migration.version)
        .collect();
    let last = known.iter().copied().max().unwrap_or_default();
    Ok(match applied.iter().copied().max() {
        None => Schema::Empty,
        Some(newest) if newest > last => Schema::Newer(newest),
        Some(_) if known.iter().all(|version| applied.contains(version)) => Schema::Current,
        Some(_) => Schema::Older,
    })
}

/// What is said of a database that a newer version has migrated.
#[must_use]
pub fn made_by_newer(version: i64) -> Error {
    Error::Fault(format!(
        "the database was made by a newer oms: it has migration {version}, which this one ({}) does not know; run the newer \
         oms, or restore a backup of before",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Refuses a database in which texts would be kept or compared wrongly. It cannot be changed later.
async fn refuse_unfit(connection: &mut PgConnection) -> Result<()> {
    let database = sqlx::query!(
        r#"select pg_encoding_to_char(encoding)::text as "encoding!", datcollate::text as "collation!",
                  lower('I') = 'i' and upper('i') = 'I' as "folds!"
             from pg_database where datname = current_database()"#
    )
    .fetch_one(connection)
    .await?;
    let remedy = "make another: create database … encoding 'UTF8' locale 'C.UTF-8' template template0";
    if database.encoding != "UTF8" {
        return Err(Error::Fault(format!("the database is encoded in {}, not in UTF8; {remedy}", database.encoding)));
    }
    if !database.folds {
        let collation = database.collation;
        return Err(Error::Fault(format!(
            "in the database's collation {collation} the small letter of I is not i, so words would not be found; {remedy}"
        )));
    }
    Ok(())
}

/// True if the connections are a superuser's, who may do more than a server has to.
///
/// # Errors
/// When the database fails.
pub async fn is_superuser(pool: &PgPool) -> Result<bool> {
    let is = sqlx::query_scalar!(r#"select rolsuper as "is!" from pg_roles where rolname = current_user"#);
    Ok(is.fetch_one(pool).await?)
}

/// True if every migration of this binary is applied, for `/readyz`.
///
/// # Errors
/// When the database fails.
pub async fn is_current(connection: &mut PgConnection) -> Result<bool> {
    let applied = connection.applied_migrations(&MIGRATOR).await.map_err(|error| failed("migrations", error))?;
    Ok(MIGRATOR
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .all(|wanted| applied.iter().any(|done| done.version == wanted.version)))
}

fn failed(what: &str, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        other => Error::Fault(format!("{what}: {other}")),
    }
}

/// Tells every server, when this transaction commits, to reload its catalog.
///
/// # Errors
/// When the database fails.
pub async fn announce(connection: &mut PgConnection) -> Result<i64> {
    let version = sqlx::query_scalar!("update installation set version = version + 1 returning version")
        .fetch_one(connection)
        .await?;
    Ok(version)
}

/// Tells every server, when this transaction commits, to read again what tokens may do. Changes of rights take turns: each
/// begins with this, which locks the installation's row.
///
/// # Errors
/// When the database fails.
pub async fn announce_rights(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("update installation set version = version + 1, rights_changes = rights_changes + 1")
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_begin_statement_names_the_lock() {
        assert!(BEGIN_UNDER_INSTALLATION.ends_with(&format!("({INSTALLATION_LOCK})")));
    }
}
