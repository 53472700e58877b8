//! How the upstream is followed, for people.

use serde::Serialize;
use utoipa::ToSchema;

use super::Upstream;
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    metrics::readings::UpstreamReadings,
    wire::Timestamp,
};

/// Most problems and calls that are counted for the metrics; one more says that there are more.
const MOST_COUNTED: i64 = 100_001;

/// How the upstream is followed.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpstreamStatus {
    /// Whether this server has an upstream (`OMS_UPSTREAM_URL`).
    is_configured: bool,
    /// The upstream's date of change of the last order that was read.
    seen_date: Option<Timestamp>,
    /// When its list was read to the end.
    polled_date: Option<Timestamp>,
    /// When it is looked at next.
    next_poll_date: Timestamp,
    /// Looks that failed since the last that did not.
    failures: i32,
    /// Why the last one failed.
    last_error: Option<String>,
    /// Orders that could not be taken yet.
    open_problems: i64,
    /// Calls that are still to be made.
    open_calls: i64,
    /// Calls that were given up after their last attempt, and that nobody has ended.
    failed_calls: i64,
}

impl Upstream {
    /// How it is followed, by all servers together.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn status(&self, pool: &PgPool) -> Result<UpstreamStatus> {
        let row = sqlx::query!(
            r#"select seen_date, polled_date, next_poll_date, failures, last_error,
                      (select count(*) from upstream_problems where resolved_date is null) as "open_problems!",
                      (select count(*) from upstream_calls where done_date is null and given_up_date is null)
                      as "open_calls!",
                      (select count(*) from upstream_calls where given_up_date is not null and ended_by is null)
                      as "failed_calls!"
                 from upstream_cursor"#
        )
        .fetch_one(pool)
        .await?;
        Ok(UpstreamStatus {
            is_configured: self.client.is_some(),
            seen_date: row.seen_date.map(Timestamp),
            polled_date: row.polled_date.map(Timestamp),
            next_poll_date: Timestamp(row.next_poll_date),
            failures: row.failures,
            last_error: row.last_error,
            open_problems: row.open_problems,
            open_calls: row.open_calls,
            failed_calls: row.failed_calls,
        })
    }
}

/// What the metrics tell of all servers together.
///
/// # Errors
/// When the database fails.
pub async fn readings(connection: &mut PgConnection) -> Result<UpstreamReadings> {
    let row = sqlx::query!(
        r#"select extract(epoch from polled_date)::float8 as polled,
                  (select count(*) from (select from upstream_problems where resolved_date is null limit $1) as p)
                  as "problems!",
                  (select count(*) from (select from upstream_calls
                                          where given_up_date is not null and ended_by is null limit $1) as c)
                  as "failed!",
                  open.count as "open!", coalesce(extract(epoch from now() - open.since), 0)::float8 as "lag!"
             from upstream_cursor
            cross join (select count(*), min(created_date) as since
                          from (select created_date from upstream_calls
                                 where done_date is null and given_up_date is null limit $1) as c) as open"#,
        MOST_COUNTED
    )
    .fetch_one(connection)
    .await?;
    Ok(UpstreamReadings {
        polled_timestamp_seconds: row.polled,
        open_problems: row.problems,
        open_calls: row.open,
        failed_calls: row.failed,
        lag_seconds: row.lag,
    })
}
