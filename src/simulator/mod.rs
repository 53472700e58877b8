//! A stand-in for the upstream, in memory: it lists orders page by page, receives reports, and can be set to fail,
//! stall, repeat and reorder. Tests and the demo use it, and anybody can run it (`oms simulate-upstream`).
//!
//! Publicly documented parts of Omnitron's API behave as documented: logins, the list of orders, updates of orders and
//! order items, the release of a stock reservation, cancellation reasons. Others (the filters of the list, the bill
//! call) behave as this server uses them. It is not part of a real installation.

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

use crate::{
    error::{Error, Result},
    outbound::{
        Gate, HttpClient,
        guard::{AllowPrivate, Guard},
    },
    secret::Secret,
    tasks::Tasks,
};

pub use world::Received;
use world::World;

/// How often a simulator that pushes looks for new orders.
const PUSH_EVERY: Duration = Duration::from_millis(200);

/// The start of a simulator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its orders, in the shape of the upstream.
    pub orders: Vec<Value>,
    /// How many of them arrive per minute; none: all are there from the beginning.
    pub orders_per_minute: Option<f64>,
    /// Its start, for dates of change.
    pub begins: DateTime<Utc>,
    /// The user that may log in.
    pub username: String,
    /// The user's password.
    pub password: Secret,
    /// A token that is valid from the beginning.
    pub token: Secret,
    /// Where each order is pushed when it arrives; it is also in the list.
    pub push_to: Option<Target>,
}

/// The address of a webhook.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The address.
    pub url: String,
    /// The token of the request (`Authorization: Token …`).
    pub token: Option<Secret>,
    /// The secret that signs the body.
    pub secret: Option<Secret>,
}

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
    http: HttpClient,
    push_to: Option<Target>,
}

impl Simulator {
    /// A simulator that begins now.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: Settings) -> Result<Self> {
        // Whoever runs a simulator pushes to this machine, or to a server in the same network.
        let guard = Guard::new(AllowPrivate::Everything, "none");
        let http = HttpClient::guarded(&Gate::open(), guard, Duration::from_secs(10)).map_err(Error::Fault)?;
        let push_to = settings.push_to.clone();
        Ok(Self { world: Arc::new(Mutex::new(World::new(settings, Instant::now()))), http, push_to })
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let omnitron = routes::routes().layer(middleware::from_fn_with_state(self.clone(), control::behaviour));
        Router::new().merge(omnitron).merge(control::routes()).with_state(self.clone())
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        if let Some(target) = self.push_to.clone() {
            let (simulator, stopped) = (self.clone(), stop.clone());
            Tasks::default().keep("pushes of the simulated upstream", &stop, move || {
                push::follow(simulator.clone(), target.clone(), stopped.clone())
            });
        }
        let router = self.router();
        // Stalled requests are not waited for.
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

    /// The received requests, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.world().received.iter().cloned().collect()
    }
}
