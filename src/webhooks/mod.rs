//! Webhooks: on the wire as dj-whisperer, the engine of the Akinon OMS, sends them.
//!
//! `relay` creates a row for every event and subscription that wants it. `worker` claims rows that are due (`claim`),
//! sends them ([`client`]) and writes the results (`record`). The database is the only memory: a row that is not
//! delivered always has a due time, so after a crash it is sent again, under the same uuid. At a receiver (a user's
//! subscriptions to one address), the events of one object are delivered in their order; a failing one delays only its own
//! object there.
//!
//! * [`definition`], [`headers`]: a subscription as clients send it. [`masks`]: what is shown of its secrets.
//!   `subscription`: as it is written. [`hook`]: as it is stored.
//! * [`json`], [`countdown`]: bytes and waits as in Python. [`crate::signature`] signs them.
//! * [`crate::outbound::guard`]: which addresses are allowed.
//! * [`crate::outbound::limits`]: how much each subscription may take. `throttle`: how much all may take while commands
//!   wait.
//! * [`quota`]: how many there may be.
//! * [`pause`], [`replay`], `retry`: for a receiver that fails for long, for one that lost events, and for one event.

pub(crate) mod claim;
pub mod client;
pub mod countdown;
pub mod definition;
pub mod headers;
pub mod hook;
pub mod json;
pub mod lists;
pub mod masks;
pub mod pause;
pub mod quota;
pub(crate) mod record;
mod relay;
pub mod replay;
mod retry;
pub(crate) mod subscription;
mod throttle;
pub(crate) mod view;
pub(crate) mod worker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use self::{
    claim::Claimed,
    client::{Client, Outcome},
    hook::Hook,
    quota::Quota,
    worker::WorkerContext,
};
use crate::{
    catalog::CatalogCache,
    cause,
    commands::traffic::Traffic,
    db::{self, PgConnection, PgPool},
    error::{Refusal, Result},
    events::EventNotifier,
    links::{Addresses, Links},
    metrics::{Metrics, readings::WebhookReadings},
    outbound::{
        Gate,
        guard::{AllowPrivate, Guard},
    },
    seldom::Seldom,
    tasks::Tasks,
};

/// Connections to Postgres of the relay and the workers.
const CONNECTIONS: u32 = 3;
/// Old rows deleted at a time.
const BATCH: i64 = 5000;

/// How often the log says that deliveries to a subscription fail.
const FAILURE_LINE_EVERY: Duration = Duration::from_mins(1);

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses that are allowed although they are not public.
    pub allow_private: AllowPrivate,
    /// How long a subscription may fail before it is paused.
    pub pause_after: Duration,
    /// The beginning of addresses in payloads: `https://oms.example.com`.
    pub base_url: String,
    /// How many subscriptions there may be.
    pub quota: Quota,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_private: AllowPrivate::Nothing,
            pause_after: Duration::from_hours(24),
            base_url: "http://localhost:8000".to_owned(),
            quota: Quota::default(),
        }
    }
}

/// Shared by requests and workers. Clones are cheap.
#[derive(Debug, Clone)]
pub struct DeliveryService {
    pub(crate) settings: Arc<Settings>,
    /// The addresses in payloads.
    pub(crate) addresses: Addresses,
    pub(crate) client: Client,
    /// Notified when something may be due.
    pub(crate) due: Arc<Notify>,
    traffic: Arc<Traffic>,
    tasks: Tasks,
    /// Closed while the database is not at home.
    gate: Gate,
    /// Lines of the log about failures, by subscription.
    failures: Arc<Seldom<i64>>,
}

impl DeliveryService {
    /// A service that gives way to commands. It delivers nothing before [`start`](Self::start).
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        settings: Settings,
        links: Arc<Links>,
        traffic: Arc<Traffic>,
        tasks: &Tasks,
        gate: Gate,
    ) -> Result<Self> {
        let client = Client::new(Guard::new(settings.allow_private.clone(), "OMS_WEBHOOK_ALLOW_PRIVATE"), &gate)?;
        let addresses = Addresses::new(settings.base_url.clone(), links);
        let (settings, tasks) = (Arc::new(settings), tasks.apart());
        let failures = Arc::new(Seldom::new(1, FAILURE_LINE_EVERY));
        Ok(Self { settings, addresses, client, due: Arc::default(), traffic, tasks, gate, failures })
    }

    /// Starts delivering, with connections of its own; ends with `stop`.
    pub fn start(
        &self,
        pool: &PgPool,
        catalog_cache: Arc<CatalogCache>,
        metrics: Arc<Metrics>,
        event_notifier: Arc<EventNotifier>,
        stop: &CancellationToken,
    ) {
        let context = Arc::new(WorkerContext {
            pool: db::for_lookups(pool, CONNECTIONS),
            catalog_cache,
            metrics,
            event_notifier,
            service: self.clone(),
            stop: stop.clone(),
        });
        let (tasks, ours) = (&self.tasks, Arc::clone(&context));
        let relay = tasks.keep("webhooks of events", stop, move || worker::relay(Arc::clone(&ours)));
        let (reports, queue) = mpsc::unbounded_channel();
        let ours = Arc::clone(&context);
        let deliver = tasks.keep("deliveries", stop, move || worker::deliver(Arc::clone(&ours), reports.clone()));
        let (ours, queue) = (Arc::clone(&context), Arc::new(tokio::sync::Mutex::new(queue)));
        // It ends after the last delivery.
        let write_down = move || worker::write_down(Arc::clone(&ours), Arc::clone(&queue));
        let results = tasks.keep_open("results of deliveries", write_down);
        tasks.once(async move {
            let (_, _, _) = tokio::join!(relay, deliver, results);
            context.pool.close().await;
        });
    }

    /// Logs a failed attempt, of each subscription one a minute.
    fn tell_failure(&self, hook: &Hook, row: &Claimed, outcome: &Outcome) {
        if let Some(left_out) = self.failures.pass(hook.id, Instant::now()) {
            let cause = cause::current();
            tracing::warn!(
                webhook = hook.id,
                target = hook.target_url,
                uuid = row.uuid.to_string(),
                attempt = row.retry_count + 1,
                status = outcome.status,
                reason = beginning(&outcome.content),
                request_id = cause.as_ref().map(|cause| cause.request_id()),
                left_out,
                "a delivery failed; it is tried again"
            );
        }
    }

    /// Waits until the workers have ended; `stop` tells them to.
    pub async fn finish(self) {
        self.tasks.finish().await;
    }
}

/// Longest reason in the log, in bytes.
const LONGEST_REASON: usize = 200;

/// The beginning of an answer, for the log.
fn beginning(content: &str) -> &str {
    let line = content.lines().next().unwrap_or_default();
    &line[..line.floor_char_boundary(LONGEST_REASON)]
}

/// Deletes rows that are older than twelve weeks, delivered or not, in batches.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(pool: &PgPool) -> Result<()> {
    loop {
        // Ids grow with time, so the oldest rows come first.
        let deleted = sqlx::query_scalar!(
            "delete from hook_events h
              using (select id from hook_events order by id limit $1) as first
              where h.id = first.id and h.created_date < now() - interval '12 weeks'
          returning h.delivered",
            BATCH
        )
        .fetch_all(pool)
        .await?;
        let lost = deleted.iter().filter(|delivered| !**delivered).count();
        if lost > 0 {
            tracing::warn!(deliveries = lost, "not delivered in twelve weeks; given up");
        }
        if i64::try_from(deleted.len()).unwrap_or_default() < BATCH {
            return Ok(());
        }
    }
}

/// Most waiting rows of a subscription that are looked at for its lag.
const MOST_LOOKED_AT: i64 = 100;
/// Most subscriptions whose lag is looked for.
const MOST_LAGS: i64 = 2000;

/// What the metrics tell of all servers together.
///
/// # Errors
/// When the database fails.
pub async fn count(connection: &mut PgConnection) -> Result<WebhookReadings> {
    let rows = sqlx::query!(
        r#"select case when not is_active then 'inactive' when paused_date is null then 'active' else 'paused' end
                  as "state!", count(*) as "count!"
             from webhooks group by 1"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let waiting = sqlx::query!(
        r#"select (select count(*) from (select from hook_events where not delivered limit 100001) as p) as "pending!",
                  coalesce(greatest((select extract(epoch from now() - min(d.date))
                                       from webhooks w
                                      cross join lateral (select min(next_attempt_date) as date from hook_events h
                                                           where h.webhook_id = w.id and not h.delivered
                                                             and not h.held_back) as d
                                      where w.is_active and w.paused_date is null), 0), 0)::float8 as "lag!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    // A paused subscription lags, too: somebody has to resume it.
    let lags = sqlx::query!(
        r#"select w.id as "id!", coalesce(extract(epoch from now() - d.date), 0)::float8 as "lag!"
             from (select id from webhooks where is_active order by id limit $1) as w
            cross join lateral (select min(h.event_date) as date
                                  from ((select event_date from hook_events h
                                          where h.webhook_id = w.id and not h.delivered and not h.held_back
                                          order by h.next_attempt_date, h.id limit $2)
                                        union all
                                        (select event_date from hook_events h
                                          where h.webhook_id = w.id and not h.delivered and h.held_back
                                          order by h.next_attempt_date limit $2)) as h) as d"#,
        MOST_LAGS,
        MOST_LOOKED_AT
    )
    .fetch_all(connection)
    .await?;
    Ok(WebhookReadings {
        subscriptions: rows.into_iter().map(|row| (row.state, row.count)).collect(),
        pending: waiting.pending,
        lag_seconds: waiting.lag,
        lags: lags.into_iter().map(|row| (row.id, row.lag)).collect(),
    })
}

/// 406 in the form of the original.
fn refusal(code: &str, sentence: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_ACCEPTABLE, serde_json::json!({ "code": code, "en": sentence }))
}
