//! Makes the calls. Each waits only for what it must follow: the upstream is told of an order in order, and invoices wait
//! for nothing. Every place (the upstream, a host, a service) has a limit of its own, so a slow one delays no other.
//! Servers share the work by leases.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Reporter, invoice};
use crate::{
    cause::{self, Cause},
    db::{PgConnection, PgPool},
    error::Result,
    outbound::limits::{AdaptiveLimits, FIRST_WINDOW},
    upstream::{
        UPSTREAM_LANE,
        client::{Answer, Failure},
    },
};

/// Most calls under way at one place, of each server.
const AT_ONE_PLACE: i64 = 16;
/// Most calls under way at all places, of each server.
const MOST_AT_ONCE: usize = 128;
/// Most results that are written at the same time.
const MOST_WRITTEN: usize = 4;
/// Longest answer that is kept, as text.
const LONGEST_ANSWER: usize = 4000;

/// Days for which calls that are over are kept.
const KEPT_DAYS: i32 = 84;

/// A call that this server makes.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub id: i64,
    pub lane: String,
    pub kind: String,
    pub package_id: i64,
    pub transition_log_id: Option<i64>,
    pub path: Option<String>,
    pub payload: Value,
    pub attempts: i32,
    /// True if this attempt is the last one.
    pub is_last: bool,
    /// The request that caused it, and its place in a trace.
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

/// What limits the calls of this server.
#[derive(Debug)]
pub(in crate::upstream) struct Bounds {
    places: Arc<AdaptiveLimits<String>>,
    /// Whoever holds one writes a result.
    pens: Arc<Semaphore>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { places: Arc::new(AdaptiveLimits::up_to(AT_ONE_PLACE)), pens: Arc::new(Semaphore::new(MOST_WRITTEN)) }
    }
}

/// The slot of a call at its place, given back when the call ends, however it ends.
struct Slot {
    places: Arc<AdaptiveLimits<String>>,
    lane: String,
    succeeded: Option<bool>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.places.settle(&self.lane, self.succeeded, Instant::now());
    }
}

impl Reporter {
    /// Begins the calls that are due and have a slot. Returns their number.
    pub(super) async fn send(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<usize> {
        let room = MOST_AT_ONCE.saturating_sub(under_way.len());
        if room == 0 {
            return Ok(0);
        }
        let calls = self.lease(room).await?;
        let begun = calls.len();
        for call in calls {
            let places = Arc::clone(&self.bounds.places);
            places.take(call.lane.clone());
            let slot = Slot { places, lane: call.lane.clone(), succeeded: None };
            under_way.spawn(Arc::clone(self).make(call, slot));
        }
        Ok(begun)
    }

    /// Makes a call and writes its result.
    async fn make(self: Arc<Self>, call: Call, mut slot: Slot) {
        let client = self.client.as_ref();
        let cause = Cause::stored(call.request_id.clone(), call.traceparent.as_deref());
        let answer = match (call.kind.as_str(), &call.path, client) {
            ("invoice", ..) => {
                let catalog = self.catalog_cache.current();
                cause::within(cause, self.services.call(&self.pool, &catalog.invoicing, &call)).await
            }
            (kind, Some(path), Some(client)) => {
                let method = if kind == "status" { Method::PATCH } else { Method::POST };
                cause::within(cause, client.send(method, path, &call.payload)).await
            }
            _ => Err(Failure::from("this server has no upstream".to_owned())),
        };
        slot.succeeded = Some(answer.as_ref().err().is_none_or(Failure::is_about_the_request));
        drop(slot);
        self.metrics.upstream_call(kind(&call.kind), answer.is_ok());
        if let Err(error) = self.write(&call, answer).await {
            // Its lease ends, and it is made again.
            tracing::warn!(call = call.id, %error, "the result of a call cannot be written");
        }
    }

    async fn write(&self, call: &Call, answer: Result<Answer, Failure>) -> Result<()> {
        let _pen = self.bounds.pens.acquire().await;
        let mut connection = self.pool.acquire().await?;
        match answer {
            Ok(answer) => done(&mut connection, call, &answer).await,
            Err(failure) => self.failed(&mut connection, call, &failure).await,
        }
    }

    /// Takes calls that are due and that no other server makes: at each place as many as it has slots for, the oldest
    /// first; of the upstream's, of each order the first that is not over.
    async fn lease(&self, most: usize) -> Result<Vec<Call>> {
        let (mut lanes, mut rooms) = self.bounds.places.rooms(Instant::now());
        if self.client.is_none() {
            lanes.insert(0, UPSTREAM_LANE.to_owned());
            rooms.insert(0, 0);
        }
        let calls = sqlx::query_as!(
            Call,
            r#"with recursive lanes as (
                   (select lane from upstream_calls where done_date is null and given_up_date is null
                     order by lane limit 1)
                   union all
                   select (select c.lane from upstream_calls c
                            where c.done_date is null and c.given_up_date is null and c.lane > l.lane
                            order by c.lane limit 1)
                     from lanes l where l.lane is not null
               ), due as materialized (
                   select n.id
                     from lanes l
                    cross join lateral (select coalesce((select min(r.room) from unnest($1::text[], $2::bigint[])
                                                                           as r(lane, room)
                                                          where r.lane = l.lane), $3::bigint) as room) as w
                    cross join lateral (
                          select c.id, c.next_attempt_date from upstream_calls c
                           where c.lane = l.lane and c.done_date is null and c.given_up_date is null
                             and c.next_attempt_date <= now() and (c.leased_until is null or c.leased_until < now())
                             and (c.kind = 'invoice'
                                  or not exists (select from upstream_calls b
                                                  where b.order_id = c.order_id and b.id < c.id and b.kind <> 'invoice'
                                                    and b.done_date is null and b.given_up_date is null))
                           order by c.next_attempt_date, c.id limit w.room) as n
                    order by l.lane <> $4, n.next_attempt_date, n.id limit $5
               )
               update upstream_calls u
                  set leased_until = now() + make_interval(secs => $6), attempts = attempts + 1,
                      first_attempt_date = coalesce(first_attempt_date, now())
                where id in (select c.id from upstream_calls c
                              where c.id = any(array(select id from due))
                                and c.done_date is null and c.given_up_date is null
                                and (c.leased_until is null or c.leased_until < now())
                                for update skip locked)
            returning id, lane, kind, package_id, transition_log_id, path, payload, attempts,
                      first_attempt_date <= now() - make_interval(secs => $7) as "is_last!", request_id, traceparent"#,
            &lanes,
            &rooms,
            FIRST_WINDOW,
            UPSTREAM_LANE,
            i64::try_from(most).unwrap_or(i64::MAX),
            self.pace.call_lease.as_secs_f64(),
            self.pace.give_up_after.as_secs_f64()
        );
        Ok(calls.fetch_all(&self.pool).await?)
    }

    async fn failed(&self, connection: &mut PgConnection, call: &Call, failure: &Failure) -> Result<()> {
        let (attempts, why) = (u32::try_from(call.attempts).unwrap_or(1), &failure.why);
        let is_last = call.is_last || failure.is_final;
        if is_last {
            tracing::error!(
                call = call.id,
                kind = call.kind,
                attempts,
                why,
                request_id = call.request_id,
                "a call is given up; POST /api/v1/oms/upstream/calls/{{id}}/retry/ makes it again"
            );
        } else {
            let request_id = &call.request_id;
            tracing::warn!(call = call.id, kind = call.kind, attempts, why, request_id, "a call failed");
        }
        let pause = self.pace.pause(attempts, rand::random()).max(failure.retry_after.unwrap_or(Duration::ZERO));
        sqlx::query!(
            "update upstream_calls
                set leased_until = null, next_attempt_date = now() + make_interval(secs => $2), answered_status = $3,
                    answer = $4, last_error = $5, given_up_date = case when $6 then now() end
              where id = $1 and done_date is null and given_up_date is null",
            call.id,
            pause.as_secs_f64(),
            failure.status.map(|status| i16::try_from(status.as_u16()).unwrap_or_default()),
            failure.body.as_ref().and_then(kept),
            failure.why,
            is_last
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

async fn done(connection: &mut PgConnection, call: &Call, answer: &Answer) -> Result<()> {
    let mut transaction = connection.begin().await?;
    if let Some(log_id) = call.transition_log_id
        && !invoice::record(&mut transaction, call, log_id, answer).await?
    {
        return Ok(());
    }
    // What an invoice service answers is the package's, and is shown nowhere else.
    let kept = kept(&answer.body).filter(|_| call.transition_log_id.is_none());
    sqlx::query!(
        "update upstream_calls
            set done_date = now(), leased_until = null, answered_status = $2, answer = $3, last_error = null
          where id = $1 and done_date is null and given_up_date is null",
        call.id,
        i16::try_from(answer.status.as_u16()).unwrap_or_default(),
        kept
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Deletes old calls that are over, with the credentials of those that were given up.
pub(super) async fn forget_old(pool: &PgPool) -> Result<()> {
    sqlx::query!(
        "with old as (
             delete from upstream_calls
              where coalesce(done_date, given_up_date) < now() - make_interval(days => $1)
          returning transition_log_id)
         update transition_records r set invoice_call = null
           from old where r.transition_log_id = old.transition_log_id and r.invoice_call is not null",
        KEPT_DAYS
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The kind, for the metric.
fn kind(kind: &str) -> &'static str {
    ["status", "mapping", "bill", "invoice"].into_iter().find(|known| *known == kind).unwrap_or("other")
}

/// An answer's body, if it is short enough to be kept.
fn kept(body: &Value) -> Option<Value> {
    let text = body.to_string();
    (!body.is_null() && text.len() <= LONGEST_ANSWER && !text.contains("\\u0000")).then(|| body.clone())
}
