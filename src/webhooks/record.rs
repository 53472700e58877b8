//! What became of deliveries, written down in batches.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::mpsc;

use super::{
    claim::Claimed,
    client::Outcome,
    pause::{self, Paused},
};
use crate::error::Result;

/// Most results written at a time.
const LARGEST_BATCH: usize = 256;
/// Behind one that failed, the later ones of its object wait so much longer.
const BEHIND: Duration = Duration::from_secs(5);
/// An object's events that are called up together when the one before them is delivered.
const CALLED_UP: i64 = 16;
/// A result may be lost when Postgres crashes: then the delivery is made again, under the same uuid.
pub(super) const BEGIN: &str = "begin; set local synchronous_commit = off";

/// What became of a row.
#[derive(Debug)]
pub(super) enum DeliveryResult {
    /// It was sent.
    Tried {
        outcome: Outcome,
        /// When.
        started: Instant,
        /// Until the next attempt, where this one failed.
        wait: Duration,
        /// What was sent, where it failed for the first time.
        body: Option<String>,
    },
    /// One before it failed, which is tried again after so long.
    HeldBack(Duration),
    /// There was no time for it: it is due at once.
    Released,
    /// Its event is no longer kept.
    Expired,
}

/// A row that is done with, and the place it had.
#[derive(Debug)]
pub(super) struct Report<P> {
    pub row: Claimed,
    pub result: DeliveryResult,
    /// Given back when it is written down.
    pub _slot: P,
}

/// Writes down what comes until nobody reports any more. `written` is told after each batch; it is the place of each
/// row that is given back.
pub(super) async fn write_results<P: Send>(
    pool: PgPool,
    pause_after: Duration,
    mut reports: mpsc::UnboundedReceiver<Report<P>>,
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

/// Writes some results, and then calls up what waited for them.
///
/// # Errors
/// When the database fails: what was not written is delivered again when its lease is over.
pub(super) async fn write<P>(
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
    // After the commit: who was held back meanwhile, by a statement that did not see it, is seen by this one or sees it
    // when it looks again ([`super::claim::look_again`]).
    let mut transaction = connection.begin_with(BEGIN).await?;
    call_up(&mut transaction, &tried).await?;
    transaction.commit().await?;
    Ok(paused)
}

/// A row that was sent.
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

/// Rows that were not sent: due again behind the one that failed, due at once, or gone.
async fn put_off<P>(connection: &mut PgConnection, reports: &[Report<P>]) -> Result<()> {
    let (mut ids, mut waits, mut held_back, mut expired) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for report in reports {
        let wait = match report.result {
            DeliveryResult::Tried { .. } => continue,
            DeliveryResult::Expired => {
                expired.push(report.row.id);
                continue;
            }
            DeliveryResult::HeldBack(wait) => Some(wait + BEHIND),
            DeliveryResult::Released => None,
        };
        ids.push(report.row.id);
        waits.push(wait.unwrap_or_default().as_secs_f64());
        held_back.push(wait.is_some());
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
    if !expired.is_empty() {
        sqlx::query!("delete from hook_events where id = any($1) and not delivered", &expired)
            .execute(connection)
            .await?;
        tracing::warn!(
            deliveries = expired.len(),
            "events were no longer kept when they were to be delivered; dropped"
        );
    }
    Ok(())
}

/// Calls up what waited behind what was delivered.
async fn call_up(connection: &mut PgConnection, tried: &[Tried<'_>]) -> Result<()> {
    let delivered: BTreeSet<(i64, i64, &str)> = tried
        .iter()
        .filter(|tried| tried.outcome.is_delivered())
        .map(|tried| (tried.row.webhook_id, tried.row.object_id, tried.row.entity.as_str()))
        .collect();
    if delivered.is_empty() {
        return Ok(());
    }
    let webhooks: Vec<i64> = delivered.iter().map(|(webhook, ..)| *webhook).collect();
    let objects: Vec<i64> = delivered.iter().map(|(_, object, _)| *object).collect();
    let entities: Vec<&str> = delivered.iter().map(|(.., entity)| *entity).collect();
    sqlx::query!(
        "update hook_events h set held_back = false, next_attempt_date = now()
          where h.id in (
                select f.id
                  from unnest($1::bigint[], $2::bigint[], $3::text[]) as l(webhook_id, object_id, entity)
                 cross join lateral (
                       select n.id, n.held_back, first_value(n.held_back) over (order by n.sequence) as is_next
                         from (select id, held_back, sequence from hook_events n
                                where n.webhook_id = l.webhook_id and n.object_id = l.object_id
                                  and n.entity = l.entity and not n.delivered
                                order by n.sequence limit $4) as n) as f
                 where f.is_next and f.held_back)",
        &webhooks,
        &objects,
        &entities as &[&str],
        CALLED_UP
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes with each subscription how it fares, and pauses those that have failed for too long.
async fn count(connection: &mut PgConnection, tried: &[Tried<'_>], pause_after: Duration) -> Result<Vec<Paused>> {
    let mut fared = BTreeMap::new();
    for tried in tried {
        let date = tried.outcome.is_delivered().then_some(tried.row.event_date);
        let best = fared.entry(tried.row.webhook_id).or_insert(None);
        *best = date.max(*best);
    }
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
