//! The upstream (Omnitron, or a system with the same API). `poller` reads its list of orders page by page (`paging`),
//! [`crate::api::upstream`] receives pushed orders, `intake` places both. The upstream also pushes locations (`stores`)
//! and cancellation plans (`cancellations`). `reports` tells it the statuses of its orders. [`crate::simulator`] is a stand-in for
//! tests and trials.

pub(crate) mod cancellations;
mod client;
mod cursor;
pub(crate) mod intake;
mod paging;
mod poller;
pub(crate) mod problems;
mod reports;
pub mod settings;
pub(crate) mod stores;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use client::{Answer, Client, Failure};
use settings::SecretText;
pub use settings::{Pace, UpstreamSettings};

use crate::{app::App, error::Result};
use poller::Poller;
use reports::Reporter;

/// The upstream, as requests need it.
#[derive(Debug, Default)]
pub struct Upstream {
    /// The client; none if no upstream is configured.
    pub client: Option<Arc<Client>>,
    /// The secret that signs its webhooks; none: signatures are not checked.
    pub webhook_secret: Option<SecretText>,
}

/// Gives the server its upstream and follows it, if there is one, until `stop`. Call it before serving.
///
/// # Errors
/// With the remedy, if the settings contradict each other; when the database fails.
pub async fn attach(app: &mut App, settings: &UpstreamSettings, pace: Pace, stop: &CancellationToken) -> Result<()> {
    let client = Client::new(settings)?.map(Arc::new);
    app.set_upstream(Upstream { client: client.clone(), webhook_secret: settings.webhook_secret.clone() });
    let releases = settings.release_reservations;
    let reporter = Reporter::begin(app, client.clone(), pace, releases, stop.clone()).await?;
    tokio::spawn(reporter.run());
    if let Some(client) = client {
        let poller = Poller { app: app.clone(), client, pace, since: settings.since, stop: stop.clone() };
        tokio::spawn(poller.run());
    }
    Ok(())
}
