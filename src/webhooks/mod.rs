//! Webhooks, as the original's engine (dj-whisperer) has them on the wire.
//!
//! `relay` makes out of every event a row for each subscription that wants it; `worker` takes on what is due
//! (`claim`), sends it ([`client`]) and writes down what came of it (`record`). The database is the only memory: a row
//! that is not delivered is always due at some time, so whatever a server forgets comes due again, under the same uuid.
//! For one subscription the events of one object are delivered in their order; one that fails holds back only its own.
//!
//! * [`definition`], [`headers`]: a subscription as it is sent. [`hook`]: as it is stored. [`routes`], `deliveries`: REST.
//! * [`json`], [`countdown`]: bytes and waits, as Python's; signed by [`crate::signature`].
//! * [`target`]: which addresses may be written to.
//! * `limits`: how much each subscription may take; `throttle`: how much all may, while commands wait.
//! * [`pause`], [`replay`]: when a receiver fails for long, and when it lost something.

mod claim;
pub mod client;
pub mod countdown;
pub mod definition;
mod deliveries;
pub mod headers;
pub mod hook;
pub mod json;
mod limits;
pub mod pause;
mod record;
mod relay;
pub mod replay;
mod routes;
pub mod target;
mod throttle;
mod view;
mod worker;

use std::{sync::Arc, time::Duration};

use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    client::Client,
    target::{AllowPrivate, Guard},
    worker::WorkerContext,
};
use crate::{app::App, commands::traffic::Traffic, db, error::Result, metrics::webhooks::WebhookCounts};

pub use deliveries::FILTERS as EVENT_FILTERS;
pub use routes::{FILTERS, routes};

/// Connections to Postgres for making out, taking on and writing down.
const CONNECTIONS: u32 = 3;
/// Rows deleted at a time, once they are old.
const BATCH: i64 = 5000;

/// How webhooks are delivered.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses that are not public and may be written to all the same.
    pub allow_private: AllowPrivate,
    /// How long a subscription may fail before it is paused.
    pub pause_after: Duration,
    /// What addresses in payloads begin with: `https://oms.example.com`.
    pub base_url: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_private: AllowPrivate::Nothing,
            pause_after: Duration::from_hours(24),
            base_url: "http://localhost:8000".to_owned(),
        }
    }
}

/// What requests and workers share; clones are cheap.
#[derive(Debug, Clone)]
pub struct DeliveryService {
    settings: Arc<Settings>,
    client: Client,
    /// Told when something may be due.
    due: Arc<Notify>,
    traffic: Arc<Traffic>,
    tasks: TaskTracker,
}

impl DeliveryService {
    /// A post office that gives way to commands; nothing is delivered before [`start`].
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: Settings, traffic: Arc<Traffic>) -> Result<Self> {
        let client = Client::new(Guard::new(settings.allow_private.clone()))?;
        Ok(Self { settings: Arc::new(settings), client, due: Arc::default(), traffic, tasks: TaskTracker::new() })
    }

    /// Waits until the workers have ended, which `stop` told them to.
    pub async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Starts delivering; it ends with `stop`.
pub fn start(app: &App, stop: &CancellationToken) {
    let context = Arc::new(WorkerContext {
        pool: db::for_lookups(&app.pool, CONNECTIONS),
        catalog_cache: Arc::clone(&app.catalog_cache),
        metrics: Arc::clone(&app.metrics),
        event_notifier: Arc::clone(&app.event_notifier),
        service: app.webhooks.clone(),
        stop: stop.clone(),
    });
    let tasks = &app.webhooks.tasks;
    let (relay, deliver) =
        (tasks.spawn(worker::relay(Arc::clone(&context))), tasks.spawn(worker::deliver(Arc::clone(&context))));
    tasks.spawn(async move {
        let (_, _) = tokio::join!(relay, deliver);
        context.pool.close().await;
    });
}

/// Deletes what is older than twelve weeks, delivered or not, a little at a time.
///
/// # Errors
/// When the database fails.
pub async fn forget_old(pool: &PgPool) -> Result<()> {
    loop {
        // Rows get their ids in time, so the oldest are the first.
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

/// How webhooks fare, for the metrics.
///
/// # Errors
/// When the database fails.
pub async fn count(connection: &mut PgConnection) -> Result<WebhookCounts> {
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
                                                           where h.webhook_id = w.id and not h.delivered) as d
                                      where w.is_active and w.paused_date is null), 0), 0)::float8 as "lag!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(WebhookCounts {
        subscriptions: rows.into_iter().map(|row| (row.state, row.count)).collect(),
        pending: waiting.pending,
        lag_seconds: waiting.lag,
    })
}
