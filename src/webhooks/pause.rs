//! Pausing: a subscription whose receiver has failed for too long is paused, an event says so, and it can be resumed.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{db::PgConnection, error::Result, events, wire::Timestamp};

/// Rows made due at a time.
const BATCH: i64 = 1000;

/// A subscription that has just been paused.
#[derive(Debug, Clone)]
pub(crate) struct Paused {
    pub id: i64,
    pub target_url: String,
    pub reason: String,
}

/// Records failures of subscriptions, and pauses those without a success for `pause_after`.
pub(crate) async fn count_failures(
    connection: &mut PgConnection,
    ids: &[i64],
    pause_after: Duration,
) -> Result<Vec<Paused>> {
    sqlx::query!("update webhooks set failing_since = now() where id = any($1) and failing_since is null", ids)
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query!(
        r#"update webhooks
              set paused_date = now(), event_sequence = event_sequence + 1,
                  pause_reason = 'no delivery has succeeded since ' ||
                                 to_char(failing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            where id = any($1) and is_active and paused_date is null
              and failing_since <= now() - make_interval(secs => $2)
           returning id, target_url, event_type, pause_reason as "reason!", event_sequence, paused_date as "date!""#,
        ids,
        pause_after.as_secs_f64()
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut paused = Vec::with_capacity(rows.len());
    for row in rows {
        let event = PauseEvent {
            id: row.id,
            target_url: &row.target_url,
            event_type: &row.event_type,
            is_active: false,
            modified_date: Timestamp(row.date),
            reason: Some(&row.reason),
        };
        event.record(&mut *connection, row.event_sequence, "webhook.paused").await?;
        paused.push(Paused { id: row.id, target_url: row.target_url, reason: row.reason });
    }
    Ok(paused)
}

/// What an event says of a subscription. Nothing secret: whoever sees all events sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookPause)]
pub(crate) struct PauseEvent<'a> {
    /// Id of the subscription.
    id: i64,
    target_url: &'a str,
    event_type: &'a str,
    /// False: it is paused.
    is_active: bool,
    modified_date: Timestamp,
    /// Why it is paused.
    reason: Option<&'a str>,
}

impl PauseEvent<'_> {
    async fn record(&self, connection: &mut PgConnection, sequence: i64, event_type: &str) -> Result<()> {
        events::record_webhook(connection, self.id, sequence, event_type, &json!(self)).await
    }
}

/// Resumes a paused subscription, in the caller's transaction. True if it was paused. Call [`wake`] after the commit.
///
/// # Errors
/// When the database fails.
pub async fn resume(connection: &mut PgConnection, id: i64) -> Result<bool> {
    let row = sqlx::query!(
        r#"update webhooks
              set paused_date = null, pause_reason = null, failing_since = null, is_active = true,
                  event_sequence = event_sequence + 1, modified_date = now()
            where id = $1 and paused_date is not null
           returning target_url, event_type, event_sequence, modified_date"#,
        id
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let event = PauseEvent {
        id,
        target_url: &row.target_url,
        event_type: &row.event_type,
        is_active: true,
        modified_date: Timestamp(row.modified_date),
        reason: None,
    };
    event.record(connection, row.event_sequence, "webhook.resumed").await?;
    Ok(true)
}

/// Makes the retries of a subscription due at once, in batches, so that no lock is held for long.
///
/// # Errors
/// When the database fails: some rows are due then, the others at their old time.
pub async fn wake(connection: &mut PgConnection, id: i64) -> Result<u64> {
    let mut woken = 0;
    loop {
        let mut transaction = connection.begin().await?;
        let done = sqlx::query!(
            "update hook_events set next_attempt_date = now()
              where id in (select id from hook_events
                            where webhook_id = $1 and not delivered and not held_back
                              and next_attempt_date > now() and retry_count > 0
                            order by next_attempt_date limit $2 for update skip locked)",
            id,
            BATCH
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        woken += done.rows_affected();
        if done.rows_affected() == 0 {
            return Ok(woken);
        }
    }
}
