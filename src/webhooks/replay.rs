//! Replay: delivers again events that a receiver lost, by object, by time, or since the last delivery.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    hook,
    relay::{self, Subscription},
};
use crate::{
    db::PgConnection,
    error::{Refusal, Result},
    events::{self, Cursor, ENTITIES, Wanted},
    reading::{self, values},
};

/// Rows, or events, in one transaction.
const BATCH: i64 = 1000;

/// The events to deliver again.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
#[schema(as = WebhookReplay)]
pub struct ReplayRange {
    /// With `object_id`: one of [`ENTITIES`].
    #[schema(value_type = String, required = false)]
    pub entity: Option<String>,
    /// Events of this object alone.
    #[schema(value_type = i64, required = false)]
    pub object_id: Option<i64>,
    /// Events from this time on.
    #[schema(value_type = String, format = DateTime, required = false)]
    pub from: Option<DateTime<Utc>>,
    /// Events before this time.
    #[schema(value_type = String, format = DateTime, required = false)]
    pub to: Option<DateTime<Utc>>,
    /// Events after the latest delivered one.
    #[schema(required = false)]
    pub since_last_delivered: bool,
}

/// The result of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WebhookReplayResult)]
pub struct Replayed {
    /// Deliveries that are made again.
    pub replayed: u64,
    /// Events that had not been delivered to this subscription, and are now.
    pub added: u64,
}

impl ReplayRange {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 that names every wrong field, also when no field selects events.
    pub fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        reading::body(body, |reader| {
            let entity = reader.text_within("entity", 64);
            let object_id = reader.id("object_id");
            let [from, to] = ["from", "to"].map(|name| {
                let text = reader.text_within(name, 64)?;
                let date = values::date_time(&text);
                if date.is_none() {
                    reader.wrong(name, values::wrong_date(&text, "Enter a valid date/time."));
                }
                date
            });
            let since_last_delivered = reader.flag("since_last_delivered").unwrap_or(false);
            if let Some(entity) = entity.as_ref().filter(|entity| !ENTITIES.contains(&entity.as_str())) {
                reader.wrong("entity", format!("\"{entity}\" is not a valid choice."));
            }
            match (&entity, object_id) {
                (Some(_), None) if !reader.has("object_id") => reader.wrong("object_id", "This field is required."),
                (None, Some(_)) if !reader.has("entity") => reader.wrong("entity", "This field is required."),
                (None, None) if from.is_none() && to.is_none() && !since_last_delivered => {
                    let what = "Say what: entity and object_id, from, to, or since_last_delivered.";
                    reader.wrong("non_field_errors", what);
                }
                _ => {}
            }
            Self { entity, object_id, from, to, since_last_delivered }
        })
    }
}

/// Marks delivered rows as not delivered, and creates missing ones. It works in batches, each with its own transaction,
/// so that no lock is held for long. A replay that was interrupted is simply sent again.
///
/// # Errors
/// When the database fails.
pub async fn replay(connection: &mut PgConnection, webhook_id: i64, range: &ReplayRange) -> Result<Replayed> {
    let (from, to) = dates(&mut *connection, webhook_id, range).await?;
    // What is made below may be delivered before the rest is marked, and must not be delivered twice.
    let newest = newest_id(&mut *connection, webhook_id).await?;
    let added = add(&mut *connection, webhook_id, range, from, to).await?;
    let mut replayed = 0;
    let mut after = first_id(&mut *connection, webhook_id, range, from).await?;
    while let Some(id) = after {
        let (count, last) = again(&mut *connection, webhook_id, range, (from, to), (id, newest)).await?;
        replayed += count;
        after = last;
    }
    Ok(Replayed { replayed, added })
}

type Date = Option<DateTime<Utc>>;

/// The time range.
async fn dates(connection: &mut PgConnection, webhook_id: i64, range: &ReplayRange) -> Result<(Date, Date)> {
    let last = sqlx::query_scalar!("select last_delivered_event_date from webhooks where id = $1", webhook_id)
        .fetch_optional(connection)
        .await?
        .ok_or_else(Refusal::not_found)?;
    let since = last.filter(|_| range.since_last_delivered).map(|last| last + chrono::TimeDelta::microseconds(1));
    Ok((range.from.max(since), range.to))
}

/// The id of the latest row there is.
async fn newest_id(connection: &mut PgConnection, webhook_id: i64) -> Result<i64> {
    let newest = sqlx::query_scalar!(
        r#"select coalesce(max(id), 0) as "newest!" from hook_events where webhook_id = $1"#,
        webhook_id
    );
    Ok(newest.fetch_one(connection).await?)
}

/// The id before the first row of the range.
async fn first_id(
    connection: &mut PgConnection,
    webhook_id: i64,
    range: &ReplayRange,
    from: Date,
) -> Result<Option<i64>> {
    if range.object_id.is_some() || from.is_none() {
        return Ok(Some(0));
    }
    let first = sqlx::query_scalar!(
        "select min(id) from hook_events where event_date >= $1 and webhook_id = $2",
        from,
        webhook_id
    )
    .fetch_one(connection)
    .await?;
    Ok(first.map(|id| id - 1))
}

/// The next rows after an id, up to another: their number, and the last id if there may be more.
async fn again(
    connection: &mut PgConnection,
    webhook_id: i64,
    range: &ReplayRange,
    (from, to): (Date, Date),
    (after, newest): (i64, i64),
) -> Result<(u64, Option<i64>)> {
    let (entity, object_id) = (range.entity.clone(), range.object_id);
    let ids = sqlx::query_scalar!(
        r#"update hook_events h
              set delivered = false, retry_count = 0, held_back = false, next_attempt_date = now(), modified_date = now()
            where h.id in (select id from hook_events
                            where webhook_id = $1 and id > $2 and id <= $8 and ($3::text is null or (entity = $3 and object_id = $4))
                              and ($5::timestamptz is null or event_date >= $5)
                              and ($6::timestamptz is null or event_date < $6)
                            order by id limit $7 for no key update)
           returning h.id"#,
        webhook_id,
        after,
        entity,
        object_id,
        from,
        to,
        BATCH,
        newest
    )
    .fetch_all(connection)
    .await?;
    let is_more = i64::try_from(ids.len()).is_ok_and(|count| count >= BATCH);
    Ok((ids.len() as u64, ids.into_iter().max().filter(|_| is_more)))
}

/// Creates missing rows of events that the relay has passed.
async fn add(connection: &mut PgConnection, webhook_id: i64, range: &ReplayRange, from: Date, to: Date) -> Result<u64> {
    let row = sqlx::query!(
        r#"select w.event_type, w.user_id, u.role,
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id)
                  as "location_ids!",
                  (select seed from webhook_relay) as "seed!", (select position from webhook_relay) as "position!",
                  (select event_id from webhook_relay) as "event_id!"
             from webhooks w join users u on u.id = w.user_id where w.id = $1"#,
        webhook_id
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(Refusal::not_found)?;
    let relayed = Cursor::new(row.position, row.event_id);
    let hearing = hook::hearing(row.user_id, &row.role, row.location_ids)?;
    let wanted = Wanted {
        types: vec![row.event_type.clone()],
        object: range.entity.clone().zip(range.object_id),
        hearing: hearing.clone(),
        ..Wanted::default()
    };
    let subscription = Subscription {
        id: webhook_id,
        event_type: row.event_type,
        created_date: from.unwrap_or(DateTime::<Utc>::MIN_UTC),
        hearing,
    };
    let mut cursor = begin(&mut *connection, from).await?;
    let mut added = 0;
    loop {
        let (mut changes, next) = events::after(&mut *connection, cursor, &wanted, BATCH).await?;
        let read = changes.len();
        changes.retain(|change| to.is_none_or(|to| change.created_date < to) && change.cursor() <= relayed);
        let mut transaction = connection.begin().await?;
        let subscriptions = std::slice::from_ref(&subscription);
        added += relay::create_rows(&mut transaction, &changes, subscriptions, row.seed).await?;
        transaction.commit().await?;
        if changes.len() < read || i64::try_from(read).is_ok_and(|read| read < BATCH) || next > relayed {
            return Ok(added);
        }
        cursor = next;
    }
}

/// The cursor at a time.
async fn begin(connection: &mut PgConnection, from: Date) -> Result<Cursor> {
    let Some(from) = from else { return Ok(Cursor::START) };
    let position =
        sqlx::query_scalar!("select position from events where created_date >= $1 order by position, id limit 1", from)
            .fetch_optional(&mut *connection)
            .await?;
    match position {
        Some(position) => Ok(Cursor::new(position - 1, i64::MAX)),
        None => Cursor::now(connection).await,
    }
}
