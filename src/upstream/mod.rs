//! The upstream (Omnitron, or what speaks like it): its orders come in by themselves, read by [`poller`](self) or pushed
//! as webhooks. A stand-in to try and test with is in [`simulator`].

mod cancellations;
mod client;
mod cursor;
mod intake;
mod poller;
mod problems;
mod routes;
pub mod settings;
pub mod signature;
pub mod simulator;
mod stores;
mod walk;
mod webhooks;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use cancellations::FILTERS as PLAN_FILTERS;
pub use client::{Answer, Client, Failure};
pub use routes::{PROBLEM_FILTERS, routes};
use settings::Hidden;
pub use settings::{Pace, UpstreamSettings};

use crate::{app::App, error::Result};
use poller::Poller;

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
/// With the remedy, where the settings contradict themselves.
pub fn attach(app: &mut App, settings: &UpstreamSettings, pace: Pace, stop: &CancellationToken) -> Result<()> {
    let client = Client::new(settings)?.map(Arc::new);
    app.upstream = Arc::new(Upstream { client: client.clone(), webhook_secret: settings.webhook_secret.clone() });
    if let Some(client) = client {
        let poller = Poller { app: app.clone(), client, pace, since: settings.since, stop: stop.clone() };
        tokio::spawn(poller.run());
    }
    Ok(())
}
