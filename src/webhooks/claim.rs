//! Claims the rows that are due, and prepares their deliveries.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    client::Delivery,
    hook::{self, Hook},
    json,
};
use crate::{
    catalog::CatalogCache,
    cause::Cause,
    db::PgConnection,
    error::{Error, Result},
    events::Change,
    links::{self, Addresses},
    payloads, wire,
};

/// Seconds of a lease: a claimed row is due again after them, if no result is written.
pub(crate) const LEASE_SECONDS: f64 = 45.0;
/// Longest time that a row is held back without a look at what it waits for.
pub(crate) const HELD_SECONDS: f64 = 60.0;

/// A claimed row.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub id: i64,
    pub webhook_id: i64,
    /// Whose subscription it is, and its receiver ([`super::hook`]).
    pub user_id: i64,
    pub target: String,
    pub event_position: i64,
    pub event_id: i64,
    pub event_date: DateTime<Utc>,
    pub nth: i16,
    pub uuid: Uuid,
    pub entity: String,
    pub object_id: i64,
    pub sequence: i64,
    pub retry_count: i32,
    /// Seconds since the row was created.
    pub age: f64,
    pub request_body: Option<String>,
    /// True: the row is not claimed, because an earlier row of its object comes first.
    pub held_back: bool,
}

/// Claims rows that are due: for each subscription at most its room (`first_room` for one that is not named), `most` in
/// total. The subscriptions behind `behind` come first, so each has its turn. A row is put off if an earlier row of its
/// object, of any subscription to its receiver that goes on, is neither delivered nor claimed with it.
///
/// The ids are named twice, here and in [`super::record`]: otherwise Postgres reads every row for a few ids while its
/// statistics say that the table is empty. Each subscription's earlier rows are looked up by themselves (`limit`), for the
/// same reason.
///
/// # Errors
/// When the database fails.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    rooms: (&[i64], &[i64]),
    first_room: i64,
    behind: i64,
    most: i64,
) -> Result<Vec<Claimed>> {
    let rows = sqlx::query_as!(
        Claimed,
        r#"with due as (
               select d.*, w.user_id, w.target
                 from (select w.id, w.user_id, w.target, coalesce(r.room, $3) as room
                         from webhooks w
                         join users u on u.id = w.user_id and u.is_active
                         left join unnest($1::bigint[], $2::bigint[]) as r(id, room) on r.id = w.id
                        where w.is_active and w.paused_date is null
                        order by w.id <= $4, w.id) as w
                cross join lateral (
                       select h.id, h.entity, h.object_id, h.sequence
                         from hook_events h
                        where h.webhook_id = w.id and not h.delivered and not h.held_back
                          and h.next_attempt_date <= now()
                        order by h.next_attempt_date, h.id
                        limit w.room
                          for update skip locked) as d
                limit $5
           ), judged as (
               select d.id, d.user_id, d.target, b.next_attempt_date as behind
                 from due d
                 left join lateral (
                       select b.next_attempt_date
                         from webhooks s
                        cross join lateral (
                              select b.sequence, b.next_attempt_date
                                from hook_events b
                               where b.webhook_id = s.id and b.object_id = d.object_id and b.entity = d.entity
                                 and b.sequence < d.sequence and not b.delivered
                                 and not exists (select from due x where x.id = b.id)
                               order by b.sequence
                               limit 1) as b
                        where s.user_id = d.user_id and s.target = d.target
                          and s.is_active and s.paused_date is null
                        order by b.sequence
                        limit 1) as b on true
           )
           update hook_events h
              set held_back = j.behind is not null,
                  next_attempt_date = case when j.behind is null then now() + make_interval(secs => $6)
                                           else least(greatest(j.behind, now()) + interval '5 seconds',
                                                      now() + make_interval(secs => $7)) end
             from judged j
            where h.id = j.id and h.id = any(array(select id from due))
           returning h.id, h.webhook_id, j.user_id, j.target, h.event_position, h.event_id, h.event_date, h.nth, h.uuid,
                     h.entity, h.object_id, h.sequence, h.retry_count,
                     extract(epoch from now() - h.created_date)::float8 as "age!", h.request_body, h.held_back"#,
        rooms.0,
        rooms.1,
        first_room,
        behind,
        most,
        LEASE_SECONDS,
        HELD_SECONDS
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Checks rows that are held back: those before them may have been delivered meanwhile, or their subscriptions may not go
/// on. Then they are due again.
///
/// # Errors
/// When the database fails.
pub(crate) async fn look_again(connection: &mut PgConnection, held_back: &[i64]) -> Result<u64> {
    let released = sqlx::query!(
        "with waiting as (
             select h.id
               from hook_events h
               join webhooks w on w.id = h.webhook_id
              where h.id = any($1) and h.held_back and not h.delivered
                and not exists (
                    select from webhooks s
                     cross join lateral (
                           select from hook_events b
                            where b.webhook_id = s.id and b.object_id = h.object_id and b.entity = h.entity
                              and b.sequence < h.sequence and not b.delivered
                            limit 1) as b
                     where s.user_id = w.user_id and s.target = w.target and s.is_active and s.paused_date is null)
              order by h.id
                for no key update of h)
         update hook_events h set held_back = false, next_attempt_date = now()
           from waiting w
          where h.id = w.id",
        held_back
    )
    .execute(connection)
    .await?;
    Ok(released.rows_affected())
}

/// Looks at rows that have been held back for [`HELD_SECONDS`]: nothing makes them due if the subscription before them was
/// paused, deactivated or sent elsewhere, if what was before them was given up, or if a server crashed. True if most of them
/// were: there may be more.
///
/// # Errors
/// When the database fails.
pub(crate) async fn look_at_held_back(connection: &mut PgConnection, most: i64) -> Result<bool> {
    let ids = sqlx::query_scalar!(
        "update hook_events set next_attempt_date = now() + make_interval(secs => $2)
          where id = any(array(
                select h.id
                  from webhooks w
                  join users u on u.id = w.user_id and u.is_active
                 cross join lateral (
                       select h.id
                         from hook_events h
                        where h.webhook_id = w.id and h.held_back and not h.delivered and h.next_attempt_date <= now()
                        order by h.next_attempt_date
                        limit $1
                          for update skip locked) as h
                 where w.is_active and w.paused_date is null
                 limit $1))
         returning id",
        most,
        HELD_SECONDS
    )
    .fetch_all(&mut *connection)
    .await?;
    if ids.is_empty() {
        return Ok(false);
    }
    let released = look_again(connection, &ids).await?;
    Ok(released * 2 > ids.len() as u64)
}

/// Reads rows without claiming them.
///
/// # Errors
/// When the database fails.
pub(crate) async fn peek(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<Claimed>> {
    let rows = sqlx::query_as!(
        Claimed,
        r#"select h.id, h.webhook_id, w.user_id, w.target, h.event_position, h.event_id, h.event_date, h.nth, h.uuid,
                  h.entity, h.object_id, h.sequence, h.retry_count,
                  extract(epoch from now() - h.created_date)::float8 as "age!", h.request_body, h.held_back
             from hook_events h join webhooks w on w.id = h.webhook_id where h.id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The data that is needed to send rows.
pub(crate) struct Prepared {
    hooks: HashMap<i64, Arc<Hook>>,
    /// The events by id, as far as they are kept.
    changes: HashMap<i64, Change>,
    payloads: Payloads,
    causes: Causes,
}

/// What becomes of a row when its turn comes.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is sent.
    Send(Bytes),
    /// The owner of the subscription may not hear of it any more.
    Withheld,
    /// Its event is kept, but no payload can be made of it now.
    Unreadable,
    /// Its event is no longer kept.
    Expired,
}

/// Reads this data.
///
/// # Errors
/// When the database fails.
pub(crate) async fn prepare(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    addresses: &Addresses,
    claimed: &[Claimed],
) -> Result<Prepared> {
    let mut ids: Vec<i64> = claimed.iter().map(|row| row.webhook_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let hooks = hook::load(&mut *connection, &ids).await?;
    let hooks = hooks.into_iter().map(|(id, hook)| (id, Arc::new(hook))).collect();
    let mut wanted: Vec<&Claimed> = claimed.iter().collect();
    wanted.sort_unstable_by_key(|row| row.event_id);
    wanted.dedup_by_key(|row| row.event_id);
    let changes = changes(&mut *connection, &wanted).await?;
    let mut causes = Causes::new();
    for change in &changes {
        let cause = Cause::stored(change.request_id.clone(), change.traceparent.as_deref());
        causes.extend(cause.map(|cause| (change.id, cause)));
    }
    let payloads = payloads(connection, catalog_cache, addresses, &changes).await?;
    let changes = changes.into_iter().map(|change| (change.id, change)).collect();
    Ok(Prepared { hooks, changes, payloads, causes })
}

/// The requests that caused events, by the event's id.
type Causes = HashMap<i64, Arc<Cause>>;

/// Positions, ids and dates of the rows' events.
fn places(rows: &[&Claimed]) -> (Vec<i64>, Vec<i64>, Vec<DateTime<Utc>>) {
    (
        rows.iter().map(|row| row.event_position).collect(),
        rows.iter().map(|row| row.event_id).collect(),
        rows.iter().map(|row| row.event_date).collect(),
    )
}

type Payloads = HashMap<i64, Box<RawValue>>;

/// The payloads of changes. One that cannot be made does not stop the others.
async fn payloads(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    addresses: &Addresses,
    changes: &[Change],
) -> Result<Payloads> {
    if changes.is_empty() {
        return Ok(HashMap::new());
    }
    match payloads::render(&mut *connection, catalog_cache, addresses, changes).await {
        Ok(payloads) => return Ok(payloads),
        Err(error) if is_away(&error) => return Err(error),
        Err(error) => tracing::warn!(%error, "some payload cannot be made; making each by itself"),
    }
    let mut payloads = HashMap::new();
    for change in changes {
        match payloads::render(&mut *connection, catalog_cache, addresses, std::slice::from_ref(change)).await {
            Ok(payload) => payloads.extend(payload),
            Err(error) if is_away(&error) => return Err(error),
            Err(error) => {
                tracing::error!(%error, event = change.event_id(0), "no payload can be made; trying again in an hour");
            }
        }
    }
    Ok(payloads)
}

/// True if the database cannot be reached, which says nothing about the query.
fn is_away(error: &Error) -> bool {
    matches!(error, Error::Database(database) if Error::is_passing(database))
}

/// The events of rows, as far as they are kept.
async fn changes(connection: &mut PgConnection, wanted: &[&Claimed]) -> Result<Vec<Change>> {
    let (positions, ids, dates) = places(wanted);
    let changes = sqlx::query_as!(
        Change,
        r#"select e.id, e.position, e.entity, e.object_id, e.sequence, e.types, e.stock_location_ids,
                  case when e.entity = 'webhook' then (select s.user_id from webhooks s where s.id = e.object_id) end
                  as owner_id, e.installation_version, e.facts::text as "facts!", e.created_date, e.request_id,
                  e.traceparent
             from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as w(position, id, created_date)
             join events e on e.created_date = w.created_date and e.position = w.position and e.id = w.id"#,
        &positions,
        &ids,
        &dates
    )
    .fetch_all(connection)
    .await?;
    Ok(changes)
}

impl Prepared {
    /// The subscription of a row.
    pub(crate) fn hook(&self, row: &Claimed) -> Option<&Arc<Hook>> {
        self.hooks.get(&row.webhook_id)
    }

    /// What becomes of a row. The body is that of the attempt before. If addresses of documents are in it, it is made anew for
    /// each attempt, so that they are good when it comes, as far as the event is kept and can be read.
    pub(crate) fn turn(&self, row: &Claimed, hook: &Hook) -> Turn {
        let hearing = &hook.owner.hearing;
        let change = self.changes.get(&row.event_id);
        if !change.map_or_else(|| hearing.has_all(&row.entity), |change| hearing.has(change)) {
            return Turn::Withheld;
        }
        match (self.payloads.get(&row.event_id), &row.request_body) {
            (_, Some(body)) if !links::expires(body) => Turn::Send(body.clone().into()),
            (Some(payload), _) => Turn::Send(envelope(&hook.event_type, row.uuid, payload.get()).into()),
            (None, Some(body)) => Turn::Send(body.clone().into()),
            (None, None) if change.is_some() => Turn::Unreadable,
            (None, None) => Turn::Expired,
        }
    }

    /// The request that caused a row's event.
    pub(crate) fn cause(&self, row: &Claimed) -> Option<Arc<Cause>> {
        self.causes.get(&row.event_id).cloned()
    }

    /// The request for a row.
    pub(crate) fn delivery(row: &Claimed, hook: &Hook, body: Bytes) -> Delivery {
        Delivery {
            webhook_id: hook.id,
            target_url: hook.target_url.clone(),
            event_type: hook.event_type.clone(),
            secret_key: hook.secret_key.clone(),
            headers: hook.headers.clone(),
            auth: hook.auth.clone(),
            event_id: format!("{}-{}-{}", row.event_position, row.event_id, row.nth),
            attempt: row.retry_count + 1,
            sequence: row.sequence,
            body,
        }
    }
}

/// The body of a delivery, byte for byte as the original writes it.
pub(crate) fn envelope(event_type: &str, uuid: Uuid, payload: &str) -> String {
    let event_type = json::python(wire::raw(&event_type).get());
    let payload = json::python(payload);
    format!(r#"{{"event": {{"type": {event_type}, "uuid": "{}"}}, "payload": {payload}}}"#, uuid.simple())
}

/// Groups rows that must be delivered one after the other: those of one object to one receiver, in their order.
pub(crate) fn chains(mut rows: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    rows.sort_unstable_by(|a, b| (a.line(), a.sequence, a.id).cmp(&(b.line(), b.sequence, b.id)));
    let mut chains: Vec<Vec<Claimed>> = rows.chunk_by(|a, b| a.line() == b.line()).map(<[Claimed]>::to_vec).collect();
    // The oldest row is sent first.
    chains.sort_unstable_by_key(|chain| chain.first().map(|row| row.id));
    chains
}

impl Claimed {
    /// The rows of one line are delivered one after the other.
    fn line(&self) -> (i64, i64, &str, &str) {
        (self.user_id, self.object_id, &self.entity, &self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_the_original() {
        // Sent by the client of dj-whisperer 0.5.1 (its `send_payload`) on Python 3.11 for the same payload.
        const SENT: &str = r#"{"event": {"type": "package.created", "uuid": "0123456789abcdef0123456789abcdef"}, "payload": {"id": 7, "name": "Kad\u0131k\u00f6y \"\u015eube\"\n\ud83d\udce6/\u007f", "price": "12.50", "quantity": 1.0, "tiny": 1e-07, "large": 1e+16, "half": 0.1, "none": null, "flags": [true, false], "empty": {}, "list": []}}"#;
        const SIGNATURE: &str = "sha256=a1a0fd7d0f9870530c209777d6ccc5eb93b714ad7b71a1ca5530c6c62d296da7";
        let payload = "{\"id\":7,\"name\":\"Kadıköy \\\"Şube\\\"\\n\u{1f4e6}/\u{7f}\",\"price\":\"12.50\",\
                       \"quantity\":1.0,\"tiny\":1e-7,\"large\":1e16,\"half\":0.1,\"none\":null,\
                       \"flags\":[true,false],\"empty\":{},\"list\":[]}";
        let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let body = envelope("package.created", uuid, payload);
        assert_eq!(body, SENT);
        assert_eq!(crate::signature::sign("geheim-ş", body.as_bytes()), SIGNATURE);
    }
}
