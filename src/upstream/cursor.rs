//! The single row that says how far the upstream was read, and which server reads now.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{db::PgPool, error::Result};

/// The right to read, for a limited time.
#[derive(Debug)]
pub(super) struct Lease {
    holder: Uuid,
    lasts: Duration,
    /// The date of the last order read.
    pub seen: Option<DateTime<Utc>>,
    /// Failed polls in a row.
    pub failures: u32,
}

/// Takes the lease if it is time and no other server has it; otherwise returns the time to wait.
pub(super) async fn take(pool: &PgPool, lasts: Duration) -> Result<Result<Lease, Duration>> {
    let holder = Uuid::new_v4();
    let taken = sqlx::query!(
        "update upstream_cursor set holder = $1, leased_until = now() + make_interval(secs => $2)
          where next_poll_date <= now() and (leased_until is null or leased_until < now())
         returning seen_date, failures",
        holder,
        lasts.as_secs_f64()
    )
    .fetch_optional(pool)
    .await?;
    if let Some(row) = taken {
        let failures = u32::try_from(row.failures).unwrap_or_default();
        return Ok(Ok(Lease { holder, lasts, seen: row.seen_date, failures }));
    }
    let wait = sqlx::query_scalar!(
        r#"select extract(epoch from greatest(next_poll_date, coalesce(leased_until, next_poll_date)) - now())::float8
                  as "wait!"
             from upstream_cursor"#
    )
    .fetch_one(pool)
    .await?;
    Ok(Err(Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(lasts)))
}

impl Lease {
    /// Extends the lease and stores how far was read. False if it ran out and another server has it.
    pub(super) async fn renew(&self, pool: &PgPool, seen: Option<DateTime<Utc>>) -> Result<bool> {
        let renewed = sqlx::query!(
            "update upstream_cursor
                set leased_until = now() + make_interval(secs => $2), seen_date = greatest(seen_date, $3)
              where holder = $1",
            self.holder,
            self.lasts.as_secs_f64(),
            seen
        )
        .execute(pool)
        .await?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Ends the lease: the list was read to its end.
    pub(super) async fn done(self, pool: &PgPool, next_in: Duration) -> Result<()> {
        sqlx::query!(
            "update upstream_cursor
                set holder = null, leased_until = null, next_poll_date = now() + make_interval(secs => $2),
                    failures = 0, last_error = null, polled_date = now()
              where holder = $1",
            self.holder,
            next_in.as_secs_f64()
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    /// Ends the lease after a failure or an interruption (`why` is none). Other servers may read after a while.
    pub(super) async fn give_back(self, pool: &PgPool, why: Option<&str>, next_in: Duration) -> Result<()> {
        sqlx::query!(
            "update upstream_cursor
                set holder = null, leased_until = null, next_poll_date = now() + make_interval(secs => $2),
                    failures = failures + case when $3::text is null then 0 else 1 end,
                    last_error = coalesce($3, last_error)
              where holder = $1",
            self.holder,
            next_in.as_secs_f64(),
            why
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}
