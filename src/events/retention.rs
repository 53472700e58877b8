//! How long events are kept, and where: in partitions of a week, created ahead of time and dropped whole. No writer of
//! events waits for either.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    db::{self, PgConnection, PgPool},
    error::Result,
};

/// Weeks for which partitions are created ahead. Without a partition for today commands would fail; so a server that
/// cannot create them has two months to be noticed.
const WEEKS_AHEAD: i32 = 8;
/// How often partitions are created and dropped.
const EVERY: Duration = Duration::from_hours(1);

/// Key of the advisory lock for dropping partitions: one server does it at a time.
const DROPPING: i64 = 0x6f6d_7303;

/// Creates the partitions of the next weeks, and begins the epoch of positions unless it has begun. Call it before
/// anything is written.
///
/// # Errors
/// When the database fails.
pub async fn prepare(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("select create_event_partitions(now() + make_interval(weeks => $1))", WEEKS_AHEAD)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar!("select begin_event_epoch()").fetch_one(connection).await?;
    Ok(())
}

/// Creates and drops partitions until it is stopped.
pub async fn maintain(pool: PgPool, days: u32, stop: CancellationToken) {
    let mut hours = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hours.tick() => {}
        }
        let prepared = async { prepare(&mut *pool.acquire().await?).await };
        if let Err(error) = prepared.await {
            tracing::error!(%error, "cannot make the next weeks' partitions of events; commands fail without them");
        }
        match drop_old(&pool, days).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, days, "dropped old partitions of events"),
            Err(error) => tracing::warn!(%error, "cannot drop old partitions of events"),
        }
    }
}

/// Drops the partitions whose events are all older than some days; returns their number. One server does it at a time.
///
/// # Errors
/// When the database fails. The next call finishes the work.
pub async fn drop_old(pool: &PgPool, days: u32) -> Result<usize> {
    // Detaching a partition waits for its readers.
    let mut connection = db::for_long_work(pool).await?;
    let is_free = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "free!""#, DROPPING);
    if !is_free.fetch_one(&mut connection).await? {
        return Ok(0);
    }
    let dropped = drop_partitions(&mut connection, days).await;
    sqlx::query!("select pg_advisory_unlock($1)", DROPPING).fetch_one(&mut connection).await?;
    dropped
}

async fn drop_partitions(connection: &mut PgConnection, days: u32) -> Result<usize> {
    let days = i32::try_from(days).unwrap_or(i32::MAX);
    // The bound of a partition is read from its text: `FOR VALUES FROM ('…') TO ('…')`.
    let old = sqlx::query!(
        r#"select c.relname::text as "name!", i.inhdetachpending as is_detached,
                  b.until as "until!: chrono::DateTime<chrono::Utc>"
             from pg_inherits i
             join pg_class c on c.oid = i.inhrelid
            cross join lateral (select substring(pg_get_expr(c.relpartbound, c.oid)
                                                 from 'TO \(''([^'']+)''\)')::timestamptz as until) b
            where i.inhparent = 'events'::regclass and b.until <= now() - make_interval(days => $1)
            order by b.until"#,
        days
    )
    .fetch_all(&mut *connection)
    .await?;
    for partition in &old {
        // Marked first: a reader with a cursor from there gets an error instead of a gap.
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "update event_clock
                set kept_since = greatest(kept_since, $1),
                    dropped_position = greatest(dropped_position, (select max(position) from \"{}\"))",
            partition.name
        )))
        .bind(partition.until)
        .execute(&mut *connection)
        .await?;
        let how = if partition.is_detached { "finalize" } else { "concurrently" };
        let detach = format!("alter table events detach partition \"{}\" {how}", partition.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(detach)).execute(&mut *connection).await?;
    }
    drop_detached(connection).await?;
    Ok(old.len())
}

/// Drops detached partitions, also those that a crash left behind.
async fn drop_detached(connection: &mut PgConnection) -> Result<()> {
    let tables = sqlx::query_scalar!(
        r#"select relname::text as "name!" from pg_class
            where relnamespace = (select relnamespace from pg_class where oid = 'events'::regclass)
              and relname ~ '^events_([0-9]{8}|first)$' and relkind = 'r' and not relispartition"#
    )
    .fetch_all(&mut *connection)
    .await?;
    for table in tables {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop table \"{table}\""))).execute(&mut *connection).await?;
    }
    Ok(())
}
