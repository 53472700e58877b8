//! A stand-in for the upstream, in memory: it hands orders over page by page, takes what is reported to it, and can be
//! told to fail, stall, repeat itself and reorder. The tests and the demo run against it, and so can a newcomer
//! (`oms simulate-upstream`).
//!
//! What is publicly known of Omnitron's API is served as it is known: logins, the list of orders, updates of orders and
//! order items, the release of a stock reservation, cancellation reasons. What is not (the filters of the list, the bill
//! call) is served as this server asks for it. It is no part of a real installation.

mod control;
mod push;
mod routes;
mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{Router, middleware};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

pub use world::Received;
use world::World;

/// How often a simulator that pushes looks for orders that have arrived.
const PUSH_EVERY: Duration = Duration::from_millis(200);

/// What a simulator begins with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its orders, in the shape in which an upstream hands them over.
    pub orders: Vec<Value>,
    /// How many of them arrive a minute; none: all are there from the beginning.
    pub orders_per_minute: Option<f64>,
    /// When it begins, for the dates of what changes.
    pub begins: DateTime<Utc>,
    /// Who may log in.
    pub username: String,
    /// And with what.
    pub password: String,
    /// A token that is good from the beginning.
    pub token: String,
    /// Where each order is pushed to when it arrives, besides being in the list.
    pub push_to: Option<Target>,
}

/// Where something is pushed to, as a webhook.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The address.
    pub url: String,
    /// The token sent along (`Authorization: Token …`).
    pub token: Option<String>,
    /// What the body is signed with.
    pub secret: Option<String>,
}

/// The simulator; clones are the same one.
#[derive(Debug, Clone)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
    http: reqwest::Client,
    push_to: Option<Target>,
}

impl Simulator {
    /// A simulator that begins now.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: Settings) -> Result<Self> {
        // What it pushes goes to this machine or to where its operator says, never by a proxy.
        let http = crate::outbound::client_for("http://127.0.0.1/", Duration::from_secs(10))
            .build()
            .map_err(|error| Error::Fault(format!("no HTTP client can be made: {error}")))?;
        let push_to = settings.push_to.clone();
        Ok(Self { world: Arc::new(Mutex::new(World::new(settings, Instant::now()))), http, push_to })
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let omnitron = routes::routes().layer(middleware::from_fn_with_state(self.clone(), control::mood));
        Router::new().merge(omnitron).merge(control::routes()).with_state(self.clone())
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        if let Some(target) = self.push_to.clone() {
            tokio::spawn(push::follow(self.clone(), target, stop.clone()));
        }
        let router = self.router();
        // What stalls is not waited for.
        let server = axum::serve(listener, router).into_future();
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            served = server => served.map_err(|error| Error::Fault(format!("serving: {error}"))),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.move_on(Instant::now());
        world
    }

    /// What it received, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.world().received.iter().cloned().collect()
    }
}
