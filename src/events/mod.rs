//! Events: what happened to which object, in which order, and how readers follow.
//!
//! A command writes its events in its own transaction: one row of `events` for each object that it changed
//! ([`Change`]). It notifies no one and renders no payload. A reader ([`crate::api::events`], webhooks, the upstream) continues
//! from a [`Cursor`]; [`EventNotifier`] wakes it after a commit. The payload is rendered when it is read ([`crate::payloads`])
//! from the event's snapshot, so it is the resource as it was at the event.

mod hearing;
mod notifier;
mod recent;
pub mod retention;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::PgConnection,
    error::{Error, Result},
};

pub use hearing::Hearing;
pub use notifier::EventNotifier;
pub use recent::{Batch, Following, Held, RecentEvents};

/// All event types, in the order of the Akinon OMS documentation. `package.order.updated` and the types of
/// locations, of stock and of subscriptions are ours: the public pages do not print any.
pub const TYPES: [&str; 23] = [
    "package.created",
    "package.status.transitioned",
    "package.status.packed",
    "package.status.cancelled",
    "package.status.shipped",
    "package.status.packed_for_refund",
    "package.shipment.awb_number",
    "package.refused",
    "package.order.updated",
    "shipment.created",
    "shipment.status.updated",
    "shipment.cancelled",
    "transfer.status.created",
    "transfer.status.transitioned",
    "transfer.status.in_transit",
    "transfer.status.transferred",
    "transfer.status.cancelled",
    "transfer.status.ready_to_shipment",
    "stock_location.created",
    "stock_location.updated",
    "stock.changed",
    "webhook.paused",
    "webhook.resumed",
];

/// What events tell of.
pub const ENTITIES: [&str; 5] = ["package", "transfer", "stock_location", "stock", "webhook"];

/// The events of one object in one transaction: a row of `events`, one or more events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Unique. Grows for one object.
    pub id: i64,
    /// The place among all changes; `id` breaks ties ([`Cursor`]).
    pub position: i64,
    /// One of [`ENTITIES`].
    pub entity: String,
    /// The object's id.
    pub object_id: i64,
    /// The number of the first event among the object's; each further event has the next number.
    pub sequence: i64,
    /// The events, in order.
    pub types: Vec<String>,
    /// The locations where it happened; none of a subscription.
    pub stock_location_ids: Vec<i64>,
    /// Of a subscription, its user.
    pub owner_id: Option<i64>,
    /// The version of the installation whose words (names of states, carriers) describe it.
    pub installation_version: i64,
    /// The snapshot of the object, as JSON.
    pub facts: String,
    /// When it happened.
    pub created_date: DateTime<Utc>,
    /// The id of the request that caused it.
    pub request_id: Option<String>,
    /// That request's place in a trace.
    pub traceparent: Option<String>,
}

impl Change {
    /// The cursor after this change.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { position: self.position, id: self.id }
    }

    /// The id of the nth event: the same each time it is read.
    #[must_use]
    pub fn event_id(&self, n: usize) -> String {
        format!("{}-{}-{n}", self.position, self.id)
    }

    /// A uuid of the nth event for one receiver: derived, so it is the same for every attempt and is stored nowhere.
    #[must_use]
    pub fn uuid(&self, n: usize, receiver: &str) -> Uuid {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(format!("{}/{}/{}/{n}/{receiver}", self.entity, self.object_id, self.event_id(n)));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// A position in the feed: everything up to it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor {
    position: i64,
    id: i64,
}

impl Cursor {
    /// Before everything.
    pub const START: Self = Self { position: 0, id: 0 };

    /// From its parts, as they are stored.
    #[must_use]
    pub const fn new(position: i64, id: i64) -> Self {
        Self { position, id }
    }

    /// The cursor after everything that is final now: the last final event. Never the horizon itself: ids of transactions
    /// that were rolled back can be given out again, and events written then must not stand before a cursor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(connection: &mut PgConnection) -> Result<Self> {
        let last = sqlx::query!(
            r#"select last.position as "position!", last.id as "id!"
                 from ((select position, id from events where position <= event_horizon()
                         order by position desc, id desc limit 1)
                       union all select dropped_position, $1 from event_clock) last
                order by 1 desc, 2 desc limit 1"#,
            i64::MAX
        )
        .fetch_one(connection)
        .await?;
        Ok(Self { position: last.position, id: last.id })
    }

    /// The position of the last change read.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// The id of the last change read.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id == i64::MAX { write!(f, "{}", self.position) } else { write!(f, "{}-{}", self.position, self.id) }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |part: &str| part.parse::<i64>().ok().filter(|number| *number >= 0).ok_or(());
        match text.split_once('-') {
            Some((position, id)) => Ok(Self { position: number(position)?, id: number(id)? }),
            None => Ok(Self { position: number(text)?, id: i64::MAX }),
        }
    }
}

/// A filter of changes. An empty field does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// At least one of these types.
    pub types: Vec<String>,
    /// At one of these locations.
    pub stock_location_ids: Option<Vec<i64>>,
    /// This object only: `package`, and its id.
    pub object: Option<(String, i64)>,
    /// Only what the reader may hear of.
    pub hearing: Hearing,
}

impl Wanted {
    /// Whether a change passes, as [`after`] has it in SQL.
    #[must_use]
    pub fn matches(&self, change: &Change) -> bool {
        (self.types.is_empty() || self.types.iter().any(|wanted| change.types.contains(wanted)))
            && self
                .stock_location_ids
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| change.stock_location_ids.contains(id)))
            && self.object.as_ref().is_none_or(|(entity, id)| *entity == change.entity && *id == change.object_id)
            && self.hearing.has(change)
    }
}

/// The next changes, in order, and the cursor after them. Everything before the cursor is final: nothing is added there
/// later, so a reader that continues from it misses nothing. Fewer changes than `limit` mean that there are no more
/// now.
///
/// # Errors
/// When the database fails.
pub async fn after(
    connection: &mut PgConnection,
    cursor: Cursor,
    wanted: &Wanted,
    limit: i64,
) -> Result<(Vec<Change>, Cursor)> {
    let (entity, object_id) = wanted.object.clone().unzip();
    let end = Cursor::now(&mut *connection).await?;
    let changes = sqlx::query_as!(
        Change,
        r#"select id, position, entity, object_id, sequence, types, stock_location_ids, installation_version,
                  case when entity = 'webhook' then (select user_id from webhooks w where w.id = object_id) end
                  as owner_id, facts::text as "facts!", created_date, request_id, traceparent
             from events
            where (position, id) > ($1, $2) and (position, id) <= ($3, $4)
              and ($5::text[] = '{}' or types && $5) and ($6::bigint[] is null or stock_location_ids && $6)
              and ($7::text is null or (entity = $7 and object_id = $8))
              and case when entity = 'webhook'
                       then $9::bigint is null
                            or exists (select from webhooks w where w.id = object_id and w.user_id = $9)
                       else $10::bigint[] is null or stock_location_ids && $10 end
            order by position, id
            limit $11"#,
        cursor.position,
        cursor.id,
        end.position,
        end.id,
        &wanted.types,
        wanted.stock_location_ids.as_deref(),
        entity,
        object_id,
        wanted.hearing.webhooks_of,
        wanted.hearing.location_ids.as_deref(),
        limit
    )
    .fetch_all(connection)
    .await?;
    let is_all = i64::try_from(changes.len()).is_ok_and(|count| count < limit);
    let next = if is_all { Some(end) } else { changes.last().map(Change::cursor) };
    Ok((changes, next.unwrap_or(cursor).max(cursor)))
}

/// Writes that a subscription was paused or resumed, in the same transaction, which then waits for the disk: no event is
/// told that a crash can take back. The whole payload is stored: it is small, and there is no other source for it.
///
/// # Errors
/// When the database fails.
pub async fn record_webhook(
    connection: &mut PgConnection,
    id: i64,
    sequence: i64,
    event_type: &str,
    payload: &serde_json::Value,
) -> Result<()> {
    sqlx::query!("set local synchronous_commit = on").execute(&mut *connection).await?;
    sqlx::query!(
        "insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts)
         select 'webhook', $1, $2, array[$3::text], '{}', version, $4::text::json from installation",
        id,
        sequence,
        event_type,
        payload.to_string()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Seconds since the oldest event that nobody is shown yet, because a transaction before it is open; 0 if there is none.
///
/// # Errors
/// When the database fails.
pub async fn lag_seconds(connection: &mut PgConnection) -> Result<f64> {
    let lag = sqlx::query_scalar!(
        r#"select extract(epoch from now() - created_date)::float8 as "lag!" from events
            where position > event_horizon() order by position limit 1"#
    );
    Ok(lag.fetch_optional(connection).await?.unwrap_or_default())
}

/// True if changes after a cursor may be deleted, because they are older than events are kept.
///
/// # Errors
/// When the database fails.
pub async fn is_too_old(connection: &mut PgConnection, cursor: Cursor) -> Result<bool> {
    let dropped = sqlx::query_scalar!("select dropped_position from event_clock").fetch_optional(connection).await?;
    let dropped = dropped.ok_or_else(|| Error::Fault("event_clock is empty".to_owned()))?;
    Ok(cursor.position < dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written_and_ordered() {
        let cursors =
            [Cursor::START, Cursor::new(7, 3), Cursor::new(7, 4), Cursor::new(7, i64::MAX), Cursor::new(8, 1)];
        assert!(cursors.is_sorted());
        for cursor in cursors {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for nonsense in ["", "-", "x", "7-", "-7", "7-x", "7-1-2", "-7-1"] {
            assert_eq!(nonsense.parse::<Cursor>(), Err(()), "{nonsense}");
        }
    }

    #[test]
    fn an_event_has_the_same_identifier_each_time_and_each_another() {
        let change = Change {
            id: 5,
            position: 900,
            entity: "package".to_owned(),
            object_id: 1,
            sequence: 1,
            types: vec!["package.created".to_owned()],
            stock_location_ids: vec![1],
            owner_id: None,
            installation_version: 1,
            facts: "{}".to_owned(),
            created_date: DateTime::UNIX_EPOCH,
            request_id: None,
            traceparent: None,
        };
        let uuid = change.uuid(0, "hook 1");
        assert_eq!(uuid, change.uuid(0, "hook 1"));
        assert_eq!(uuid.get_version_num(), 4);
        assert_ne!(uuid, change.uuid(1, "hook 1"));
        assert_ne!(uuid, change.uuid(0, "hook 2"));
    }
}
