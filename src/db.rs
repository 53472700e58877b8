//! Connect and migrate.

use std::time::{Duration, Instant};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::{Migrate, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::error::{Error, Result};

/// The migrations, compiled into the binary.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Key of the advisory lock that plans hold shared and a change of the installation holds alone: nothing is planned by
/// half of an installation, or written by the rules of the one before. (Commands that do not plan check the
/// installation's version when they write instead.)
pub const INSTALLATION_LOCK: i64 = 0x6f6d_7301;

/// Opens a transaction that may write packages: it keeps the installation as it is until its end, and looks up what
/// arrays name element by element, so that rows are locked in the order of the arrays.
pub const BEGIN_UNDER_INSTALLATION: &str = "begin; set local enable_hashjoin = off; set local enable_mergejoin = off; \
                                            set local enable_seqscan = off; \
                                            select pg_advisory_xact_lock_shared(1869443841)";

/// How long a database that cannot be reached is tried again: it may be starting, as we are.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Each element of an array is looked up by an index, by a plan that is made once.
const LOOKUPS: &str = "set jit = off; set plan_cache_mode = force_generic_plan; set enable_seqscan = off; \
                       set enable_hashjoin = off; set enable_mergejoin = off";

/// Opens the pool.
///
/// # Errors
/// When the database cannot be reached within ten seconds, or turns us away.
pub async fn connect(options: PgConnectOptions, connections: u32) -> Result<PgPool> {
    let options = options.application_name("oms");
    wait_for(&options).await?;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // Compiling a statement takes longer than any of ours, and a plan without a way to scan a table looks so dear that
        // Postgres would.
        .after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql("set jit = off").execute(connection).await.map(drop) })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// A first connection outside the pool, which would only say that it timed out, and not why.
async fn wait_for(options: &PgConnectOptions) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match PgConnection::connect_with(options).await {
            Ok(connection) => return Ok(connection.close().await?),
            Err(error) if Error::is_passing(&error) && Instant::now() < deadline => {
                tracing::debug!(%error, "the database cannot be reached yet");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// More connections to the same database, for statements that take arrays and look each element up by an index.
///
/// That is the right plan whatever the arrays hold and however large the tables are, so it is made once and kept. Left
/// to itself Postgres plans anew for short arrays, which takes longer than the work, and goes on reading a whole table
/// that was empty when the plan was made.
#[must_use]
pub fn for_lookups(pool: &PgPool, connections: u32) -> PgPool {
    lookups(pool, connections, None)
}

/// The same for groups of commands, which do not wait long for a lock: whoever holds it keeps one of them waiting, and
/// the others need not be.
#[must_use]
pub fn for_groups(pool: &PgPool, connections: u32) -> PgPool {
    lookups(pool, connections, Some("set lock_timeout = '2s'"))
}

fn lookups(pool: &PgPool, connections: u32, besides: Option<&'static str>) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(LOOKUPS).execute(&mut *connection).await?;
                if let Some(besides) = besides {
                    sqlx::raw_sql(besides).execute(connection).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with((*pool.connect_options()).clone())
}

/// Has a transaction fail, as one that may be tried again, rather than wait for a lock for good: somebody's forgotten
/// transaction is to hold up only those who want the same thing, and not for ever.
///
/// # Errors
/// When the database fails.
pub async fn set_patience(transaction: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("set local lock_timeout = '10s'").execute(transaction).await?;
    Ok(())
}

/// Brings the schema up to date; safe to run from several processes at once.
///
/// # Errors
/// When a migration fails, or the database was migrated by a newer version.
pub async fn migrate(pool: &PgPool) -> Result<()> {
    MIGRATOR.run(pool).await.map_err(|error| Error::Fault(format!("migrate: {error}")))
}

/// Whether every migration of this binary has been applied, for `/readyz`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn is_current(connection: &mut PgConnection) -> Result<bool> {
    let applied = connection
        .list_applied_migrations(&MIGRATOR.table_name)
        .await
        .map_err(|error| Error::Fault(format!("migrations: {error}")))?;
    Ok(MIGRATOR
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
        .all(|wanted| applied.iter().any(|done| done.version == wanted.version)))
}

/// Tells every server to read again what it keeps in memory, once this transaction commits.
///
/// # Errors
/// When the database cannot be written.
pub async fn announce(connection: &mut PgConnection) -> Result<i64> {
    let version = sqlx::query_scalar!("update installation set version = version + 1 returning version")
        .fetch_one(connection)
        .await?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_begin_statement_names_the_lock() {
        assert!(BEGIN_UNDER_INSTALLATION.ends_with(&format!("({INSTALLATION_LOCK})")));
    }
}
