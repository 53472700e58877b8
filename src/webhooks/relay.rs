//! Creates the rows to deliver: one for each event and subscription that wants it.
//!
//! One server at a time does this: the row of `webhook_relay` is the lock. Only final events are read, so none is
//! missed. Rows and cursor are written in one transaction, so none is created twice.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{hook, record::BEGIN};
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    events::{self, Change, Cursor, Hearing, Wanted},
};

/// Events read at a time.
pub(super) const BATCH: i64 = 500;
/// When no subscription wants an event, the cursor moves on only after this many positions.
const FAR: i64 = 5000;

/// The result of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Passed {
    /// Rows created.
    pub made: u64,
    /// True if there are more events to read.
    pub is_more: bool,
}

/// A subscription, as far as the relay needs it.
pub(super) struct Subscription {
    pub id: i64,
    pub event_type: String,
    pub created_date: DateTime<Utc>,
    /// What its owner may hear of.
    pub hearing: Hearing,
}

impl Subscription {
    /// The events of a change that the subscription gets: none from before its creation, none that its owner may not hear
    /// of. What waits is looked at once more when it is sent.
    fn wants(&self, change: &Change) -> impl Iterator<Item = usize> {
        let is_wanted = self.hearing.has(change) && change.created_date >= self.created_date;
        let types = change.types.iter().enumerate();
        types.filter(move |(_, name)| is_wanted && **name == self.event_type).map(|(nth, _)| nth)
    }
}

/// All active subscriptions, paused ones too: their rows wait.
async fn subscriptions(connection: &mut PgConnection) -> Result<Vec<Subscription>> {
    let rows = sqlx::query!(
        r#"select w.id, w.event_type, w.created_date, w.user_id, u.role,
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id) as "location_ids!"
             from webhooks w join users u on u.id = w.user_id
            where w.is_active and u.is_active"#
    )
    .fetch_all(connection)
    .await?;
    let subscriptions = rows.into_iter().map(|row| {
        let hearing = hook::hearing(row.user_id, &row.role, row.location_ids)?;
        Ok(Subscription { id: row.id, event_type: row.event_type, created_date: row.created_date, hearing })
    });
    subscriptions.collect()
}

/// Reads the next events and creates their rows. Does nothing while another server does it.
///
/// # Errors
/// When the database fails: then nothing is written.
pub(super) async fn pass(pool: &PgPool, batch: i64) -> Result<Passed> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    let Some(relay) = sqlx::query!("select position, event_id, seed from webhook_relay for update skip locked")
        .fetch_optional(&mut *transaction)
        .await?
    else {
        return Ok(Passed::default());
    };
    let cursor = Cursor::new(relay.position, relay.event_id);
    let subscriptions = subscriptions(&mut transaction).await?;
    let mut types: Vec<String> = subscriptions.iter().map(|subscription| subscription.event_type.clone()).collect();
    types.sort_unstable();
    types.dedup();
    let (changes, next) = if types.is_empty() {
        (Vec::new(), Cursor::now(&mut transaction).await?.max(cursor))
    } else {
        let wanted = Wanted { types, ..Wanted::default() };
        events::after(&mut transaction, cursor, &wanted, batch).await?
    };
    let is_more = i64::try_from(changes.len()).is_ok_and(|count| count >= batch);
    if changes.is_empty() && next.position() - cursor.position() < FAR {
        return Ok(Passed::default());
    }
    let made = create_rows(&mut transaction, &changes, &subscriptions, relay.seed).await?;
    sqlx::query!("update webhook_relay set position = $1, event_id = $2", next.position(), next.id())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Passed { made, is_more })
}

/// Columns of new rows.
#[derive(Default)]
struct Rows {
    webhook_ids: Vec<i64>,
    positions: Vec<i64>,
    event_ids: Vec<i64>,
    event_dates: Vec<DateTime<Utc>>,
    nths: Vec<i16>,
    uuids: Vec<Uuid>,
    entities: Vec<String>,
    object_ids: Vec<i64>,
    sequences: Vec<i64>,
}

/// Creates a row for each event and subscription that wants it, unless the row exists.
///
/// # Errors
/// When the database fails.
pub(super) async fn create_rows(
    connection: &mut PgConnection,
    changes: &[Change],
    subscriptions: &[Subscription],
    seed: Uuid,
) -> Result<u64> {
    let mut rows = Rows::default();
    for change in changes {
        for subscription in subscriptions {
            for nth in subscription.wants(change) {
                rows.webhook_ids.push(subscription.id);
                rows.positions.push(change.position);
                rows.event_ids.push(change.id);
                rows.event_dates.push(change.created_date);
                rows.nths.push(i16::try_from(nth).unwrap_or(i16::MAX));
                // The seed belongs to this installation, so no two installations share uuids.
                rows.uuids.push(change.uuid(nth, &format!("{seed}/{}", subscription.id)));
                rows.entities.push(change.entity.clone());
                rows.object_ids.push(change.object_id);
                rows.sequences.push(change.sequence + i64::try_from(nth).unwrap_or_default());
            }
        }
    }
    if rows.webhook_ids.is_empty() {
        return Ok(0);
    }
    let made = sqlx::query!(
        "insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence)
         select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::uuid[],
                              $7::text[], $8::bigint[], $9::bigint[])
         on conflict (uuid) do nothing",
        &rows.webhook_ids,
        &rows.positions,
        &rows.event_ids,
        &rows.event_dates,
        &rows.nths,
        &rows.uuids,
        &rows.entities,
        &rows.object_ids,
        &rows.sequences
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected())
}
