//! The upstream (Omnitron, or a system with the same API). `poller` reads its list of orders page by page (`paging`),
//! [`crate::api::upstream`] receives pushed orders, `intake` places both; `again`: those that are here already, and differ. The upstream also pushes locations (`stores`)
//! and cancellation plans (`cancellations`). `reports` tells it the statuses of its orders, and asks for invoices; [`over`]
//! ends such calls. [`crate::simulator`] is a stand-in for
//! tests and trials.

pub(crate) mod again;
pub(crate) mod cancellations;
mod client;
mod cursor;
mod heard;
pub(crate) mod intake;
pub mod lists;
pub mod over;
mod paging;
mod poller;
pub(crate) mod problems;
mod reports;
pub mod settings;
pub mod status;
pub(crate) mod stores;

use std::sync::{Arc, atomic::AtomicUsize};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use client::{Answer, Client, Failure};
pub use settings::{Pace, UpstreamSettings};

use crate::{
    error::{Error, Result},
    events::EventNotifier,
    metrics::Metrics,
    openapi::Written,
    outbound::Gate,
    secret::Secret,
    tasks::Tasks,
};
pub use intake::Intake;
use poller::Poller;
use reports::{Reporter, follow::Follower, invoice::Services, send::Bounds};

/// The lane of calls to the upstream; the others are of invoice services.
const UPSTREAM_LANE: &str = "upstream";

/// The schemas of what the upstream pushes.
pub const SCHEMAS: &[Written] = &[cancellations::PLAN, stores::STORE];

/// The upstream, as requests need it.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// The client; none if no upstream is configured.
    pub client: Option<Arc<Client>>,
    /// The secret that signs its webhooks; none: signatures are not checked.
    pub webhook_secret: Option<Secret>,
    pub(crate) tasks: Tasks,
}

impl Upstream {
    /// Waits until calls under way are recorded; `stop` tells the reporter to end.
    pub async fn finish(self) {
        self.tasks.finish().await;
    }
}

/// The pieces that following the upstream needs.
pub struct Context {
    /// Takes its orders.
    pub intake: Intake,
    /// Wakes the reporter.
    pub event_notifier: Arc<EventNotifier>,
    /// Counts what is read and reported.
    pub metrics: Arc<Metrics>,
    /// Holds all of it while the database is not at home.
    pub gate: Gate,
}

/// Follows the upstream, if the settings name one, and makes invoice calls, until `stop`.
///
/// # Errors
/// With the remedy, where the settings contradict themselves; when the database fails.
pub async fn start(
    context: Context,
    settings: &UpstreamSettings,
    pace: Pace,
    tasks: &Tasks,
    stop: &CancellationToken,
) -> Result<Upstream> {
    let Context { intake, event_notifier, metrics, gate } = context;
    let client = Client::new(settings, &gate)?.map(Arc::new);
    let guard = intake.catalog_cache.current().invoicing.rules.guard.clone();
    let calls = tasks.apart();
    let new_calls = Arc::new(Notify::new());
    let follower = Arc::new(Follower {
        intake: intake.clone(),
        event_notifier,
        pace,
        calls: Arc::clone(&new_calls),
        stop: stop.clone(),
    });
    let reporter = Reporter {
        pool: intake.pool.clone(),
        catalog_cache: Arc::clone(&intake.catalog_cache),
        calls: new_calls,
        metrics: Arc::clone(&metrics),
        client: client.clone(),
        services: Services::new(guard, gate.clone()).map_err(Error::Fault)?,
        bounds: Bounds::default(),
        pace,
        releases: settings.release_reservations,
        stop: stop.clone(),
        gate: gate.clone(),
    };
    reporter.begin().await?;
    tasks.keep("statuses of orders", stop, move || Arc::clone(&follower).follow_until_stopped());
    let reporter = Arc::new(reporter);
    calls.keep("calls to the upstream", stop, move || Arc::clone(&reporter).report_until_stopped());
    if let Some(client) = client.clone() {
        let (since, limit) = (settings.since, AtomicUsize::new(paging::MOST));
        let poller = Poller { intake, metrics, client, pace, since, stop: stop.clone(), gate, limit };
        let poller = Arc::new(poller);
        tasks.keep("orders of the upstream", stop, move || Arc::clone(&poller).poll_until_stopped());
    }
    Ok(Upstream { client, webhook_secret: settings.webhook_secret(), tasks: calls })
}
