//! Writes the results of deliveries in batches.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    claim::{self, Claimed, HELD_SECONDS},
    client::Outcome,
    pause::{self, Paused},
};
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
};

/// Most results written at a time.
const LARGEST_BATCH: usize = 256;
/// How often results are written after a deadlock: whoever changes a user or a subscription may hold its rows.
const MOST_ATTEMPTS: u32 = 5;
/// How much longer the later rows of an object wait than the failed one before them.
const BEHIND: Duration = Duration::from_secs(5);
/// Rows of an object that are made due together when the row before them is delivered.
const CALLED_UP: i64 = 16;
/// Without a wait for the disk. A result may be lost when Postgres crashes: then the delivery is made again, under the
/// same uuid.
pub(crate) const BEGIN: &str = "begin; set local synchronous_commit = off";

/// The result of a claimed row.
#[derive(Debug)]
pub(crate) enum DeliveryResult {
    /// An attempt was made.
    Tried {
        outcome: Outcome,
        /// When it started.
        started: Instant,
        /// Time until the next attempt, if this one failed.
        wait: Duration,
        /// The body, if the row failed for the first time.
        body: Option<String>,
    },
    /// Not sent: the row before it failed and is tried again after this time.
    HeldBack(Duration),
    /// Not sent, for no payload can be made of it now: tried again after this time.
    PutOff(Duration),
    /// Not sent for lack of time: due at once.
    Released,
    /// Not sent, nor ever: its event is no longer kept.
    Expired,
    /// Not sent, nor later: the owner of the subscription may not hear of it any more.
    Withheld,
}

/// A finished row with its slot.
#[derive(Debug)]
pub(crate) struct Report<P> {
    pub row: Claimed,
    pub result: DeliveryResult,
    /// Freed when the result is written.
    pub _slot: P,
}

/// Writes results until all senders are gone. Calls `written` after each batch. Dropping a report frees its slot.
pub(crate) async fn write_results<P: Send>(
    pool: PgPool,
    pause_after: Duration,
    reports: &mut mpsc::UnboundedReceiver<Report<P>>,
    written: impl Fn(Vec<Paused>),
) {
    let mut batch = Vec::new();
    while reports.recv_many(&mut batch, LARGEST_BATCH).await > 0 {
        let result = async {
            let mut connection = pool.acquire().await?;
            write(&mut connection, &batch, pause_after).await
        };
        let paused = result.await.unwrap_or_else(|error| {
            tracing::warn!(%error, deliveries = batch.len(), "cannot write down what was delivered; it will be sent again");
            Vec::new()
        });
        batch.clear();
        written(paused);
    }
}

/// Writes results, then makes the rows due that waited for them.
///
/// # Errors
/// When the database fails: rows without a result are delivered again when their lease ends.
pub(crate) async fn write<P>(
    connection: &mut PgConnection,
    reports: &[Report<P>],
    pause_after: Duration,
) -> Result<Vec<Paused>> {
    let mut attempts = MOST_ATTEMPTS;
    let paused = loop {
        attempts -= 1;
        match write_once(connection, reports, pause_after).await {
            Err(error) if error.is_deadlock() && attempts > 0 => {}
            written => break written?,
        }
    };
    // In a second transaction: a row that was held back meanwhile, by a statement that did not see the first one, is
    // either seen here or sees the result when it checks again ([`super::claim::look_again`]).
    let mut transaction = connection.begin_with(BEGIN).await?;
    call_up(&mut transaction, reports).await?;
    transaction.commit().await?;
    // Another server may have delivered what failed here, before it was written that these wait for it.
    let is_held = |report: &&Report<P>| matches!(report.result, DeliveryResult::HeldBack(_));
    let held: Vec<i64> = reports.iter().filter(is_held).map(|report| report.row.id).collect();
    if !held.is_empty() {
        claim::look_again(connection, &held).await?;
    }
    Ok(paused)
}

/// The first transaction of [`write`].
async fn write_once<P>(
    connection: &mut PgConnection,
    reports: &[Report<P>],
    pause_after: Duration,
) -> Result<Vec<Paused>> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let tried: Vec<Tried<'_>> = reports.iter().filter_map(Tried::of).collect();
    write_tried(&mut transaction, &tried).await?;
    put_off(&mut transaction, reports).await?;
    let paused = count(&mut transaction, &tried, pause_after).await?;
    transaction.commit().await?;
    Ok(paused)
}

/// An attempt and its row.
struct Tried<'a> {
    row: &'a Claimed,
    outcome: &'a Outcome,
    started: Instant,
    wait: Duration,
    body: Option<&'a str>,
}

impl<'a> Tried<'a> {
    fn of<P>(report: &'a Report<P>) -> Option<Self> {
        let DeliveryResult::Tried { outcome, started, wait, body } = &report.result else { return None };
        Some(Self { row: &report.row, outcome, started: *started, wait: *wait, body: body.as_deref() })
    }
}

async fn write_tried(connection: &mut PgConnection, tried: &[Tried<'_>]) -> Result<()> {
    if tried.is_empty() {
        return Ok(());
    }
    let microseconds = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let column = |value: fn(&Tried<'_>) -> i64| tried.iter().map(value).collect::<Vec<i64>>();
    let took: Vec<i64> = tried.iter().map(|tried| microseconds(tried.outcome.took)).collect();
    let ago: Vec<f64> = tried.iter().map(|tried| tried.started.elapsed().as_secs_f64()).collect();
    let wait: Vec<f64> = tried.iter().map(|tried| tried.wait.as_secs_f64()).collect();
    let delivered: Vec<bool> = tried.iter().map(|tried| tried.outcome.is_delivered()).collect();
    let contents: Vec<&str> = tried.iter().map(|tried| tried.outcome.content.as_str()).collect();
    let bodies: Vec<Option<&str>> = tried.iter().map(|tried| tried.body).collect();
    sqlx::query!(
        "update hook_events h
            set delivered = r.delivered, retry_count = h.retry_count + 1, held_back = false,
                response_http_status = r.status::integer, response_content = r.content,
                response_time_microseconds = r.took,
                request_datetimes = (array_prepend(now() - make_interval(secs => r.ago), h.request_datetimes))[1:100],
                request_body = case when r.delivered then null else coalesce(h.request_body, r.body) end,
                next_attempt_date = now() + make_interval(secs => r.wait), modified_date = now()
           from unnest($1::bigint[], $2::boolean[], $3::bigint[], $4::text[], $5::bigint[], $6::float8[],
                       $7::float8[], $8::text[]) as r(id, delivered, status, content, took, ago, wait, body)
          where h.id = r.id and h.id = any($1) and not h.delivered",
        &column(|tried| tried.row.id),
        &delivered,
        &column(|tried| i64::from(tried.outcome.status)),
        &contents as &[&str],
        &took,
        &ago,
        &wait,
        &bodies as &[Option<&str>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes rows that were not sent: held back behind the failed one, due later or at once, or deleted.
async fn put_off<P>(connection: &mut PgConnection, reports: &[Report<P>]) -> Result<()> {
    let (mut ids, mut waits, mut held_back) = (Vec::new(), Vec::new(), Vec::new());
    let (mut dropped, mut withheld) = (Vec::new(), 0_usize);
    for report in reports {
        let wait = match report.result {
            DeliveryResult::Tried { .. } => continue,
            DeliveryResult::Expired | DeliveryResult::Withheld => {
                withheld += usize::from(matches!(report.result, DeliveryResult::Withheld));
                dropped.push(report.row.id);
                continue;
            }
            DeliveryResult::HeldBack(wait) => (wait + BEHIND).as_secs_f64().min(HELD_SECONDS),
            DeliveryResult::PutOff(wait) => wait.as_secs_f64(),
            DeliveryResult::Released => 0.0,
        };
        ids.push(report.row.id);
        waits.push(wait);
        held_back.push(matches!(report.result, DeliveryResult::HeldBack(_)));
    }
    if !ids.is_empty() {
        sqlx::query!(
            "update hook_events h
                set next_attempt_date = now() + make_interval(secs => r.wait), held_back = r.held_back
               from unnest($1::bigint[], $2::float8[], $3::boolean[]) as r(id, wait, held_back)
              where h.id = r.id and h.id = any($1) and not h.delivered",
            &ids,
            &waits,
            &held_back
        )
        .execute(&mut *connection)
        .await?;
    }
    if !dropped.is_empty() {
        sqlx::query!("delete from hook_events where id = any($1) and not delivered", &dropped)
            .execute(connection)
            .await?;
        if dropped.len() > withheld {
            tracing::warn!(
                deliveries = dropped.len() - withheld,
                "events were no longer kept when they were to be delivered; dropped"
            );
        }
        if withheld > 0 {
            tracing::info!(deliveries = withheld, "dropped what subscribers may not hear of any more");
        }
    }
    Ok(())
}

/// Makes the rows due that waited for those that were delivered, or are never sent.
async fn call_up<P>(connection: &mut PgConnection, reports: &[Report<P>]) -> Result<()> {
    let over: BTreeSet<(i64, &str, i64, &str)> = reports
        .iter()
        .filter(|report| match &report.result {
            DeliveryResult::Tried { outcome, .. } => outcome.is_delivered(),
            DeliveryResult::Expired | DeliveryResult::Withheld => true,
            DeliveryResult::HeldBack(_) | DeliveryResult::PutOff(_) | DeliveryResult::Released => false,
        })
        .map(|Report { row, .. }| (row.user_id, row.target.as_str(), row.object_id, row.entity.as_str()))
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let users: Vec<i64> = over.iter().map(|(user, ..)| *user).collect();
    let targets: Vec<&str> = over.iter().map(|(_, target, ..)| *target).collect();
    let objects: Vec<i64> = over.iter().map(|(_, _, object, _)| *object).collect();
    let entities: Vec<&str> = over.iter().map(|(.., entity)| *entity).collect();
    // Locked first, in one order: whoever claims one of these rows meanwhile keeps it, and two servers never wait for each
    // other.
    sqlx::query!(
        "with waiting as (
             select h.id
               from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) as l(user_id, target, object_id, entity)
              cross join lateral (
                    select n.id, n.held_back, first_value(n.held_back) over (order by n.sequence) as is_next
                      from (select n.id, n.held_back, n.sequence
                              from webhooks s
                             cross join lateral (
                                   select id, held_back, sequence from hook_events n
                                    where n.webhook_id = s.id and n.object_id = l.object_id
                                      and n.entity = l.entity and not n.delivered
                                    order by n.sequence limit $5) as n
                             where s.user_id = l.user_id and s.target = l.target
                               and s.is_active and s.paused_date is null
                             order by n.sequence limit $5) as n) as f
               join hook_events h on h.id = f.id
              where f.is_next and f.held_back and h.held_back and not h.delivered
              order by h.id
                for no key update of h)
         update hook_events h set held_back = false, next_attempt_date = now()
           from waiting w
          where h.id = w.id",
        &users,
        &targets as &[&str],
        &objects,
        &entities as &[&str],
        CALLED_UP
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Updates the health of each subscription, and pauses those that have failed for too long.
async fn count(connection: &mut PgConnection, tried: &[Tried<'_>], pause_after: Duration) -> Result<Vec<Paused>> {
    let mut fared = BTreeMap::new();
    for tried in tried {
        let date = tried.outcome.is_delivered().then_some(tried.row.event_date);
        let best = fared.entry(tried.row.webhook_id).or_insert(None);
        *best = date.max(*best);
    }
    // In one order, so that two servers never wait for each other.
    let all: Vec<i64> = fared.keys().copied().collect();
    sqlx::query!("select id from webhooks where id = any($1) order by id for no key update", &all)
        .fetch_all(&mut *connection)
        .await?;
    let (ids, dates): (Vec<i64>, Vec<_>) = fared.iter().filter_map(|(id, date)| Some((*id, (*date)?))).unzip();
    if !ids.is_empty() {
        sqlx::query!(
            "update webhooks w
                set failing_since = null, last_delivered_date = now(),
                    last_delivered_event_date = greatest(w.last_delivered_event_date, r.event_date)
               from unnest($1::bigint[], $2::timestamptz[]) as r(id, event_date)
              where w.id = r.id",
            &ids,
            &dates
        )
        .execute(&mut *connection)
        .await?;
    }
    let failed: Vec<i64> = fared.iter().filter(|(_, date)| date.is_none()).map(|(id, _)| *id).collect();
    if failed.is_empty() { Ok(Vec::new()) } else { pause::count_failures(connection, &failed, pause_after).await }
}
