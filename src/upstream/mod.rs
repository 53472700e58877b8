//! The upstream (Omnitron, or what speaks like it). Its orders come in by themselves: `poller` reads its list by `paging`,
//! `routes` takes what it pushes, `intake` makes orders of both. It pushes locations (`stores`) and asks for cancellations
//! (`cancellations`). `reports` tells it what becomes of its orders. A stand-in to try and test with is in [`simulator`].

mod cancellations;
mod client;
mod cursor;
mod intake;
mod paging;
mod poller;
mod problems;
mod reports;
mod routes;
pub mod settings;
pub mod simulator;
mod stores;
mod webhooks;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use cancellations::FILTERS as PLAN_FILTERS;
pub use client::{Answer, Client, Failure};
pub use reports::FILTERS as CALL_FILTERS;
pub use routes::{PROBLEM_FILTERS, routes};
use settings::Hidden;
pub use settings::{Pace, UpstreamSettings};

use crate::{app::App, error::Result};
use poller::Poller;
use reports::Reporter;

/// What requests need to know of the upstream.
#[derive(Debug, Default)]
pub struct Upstream {
    /// The way to it; none where the operator names none.
    pub client: Option<Arc<Client>>,
    /// What its webhooks are signed with; none: their signature is not looked at.
    pub webhook_secret: Option<Hidden>,
}

/// Lets the server know its upstream and, if it has one, follow it until `stop`. Call before serving.
///
/// # Errors
/// With the remedy, where the settings contradict themselves; when the database fails.
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
