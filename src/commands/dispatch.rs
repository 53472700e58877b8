//! The dispatcher: the only thing that moves a package.
//!
//! Commands that wait at the same moment share their statements and their fsync (`pipeline`): one statement reads all
//! their packages, each command is decided by itself, and another writes all changes, which takes itself back if a
//! package is not what was read; then each request gets its own answer. A command that comes alone starts at once.
//!
//! A command that may plan, and a dry run, has a transaction of its own: it depends on stock and quota that others
//! want too, and starts over when they were faster.

mod decided;
mod engine;
mod pipeline;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub(crate) use self::engine::{is_conflict, supply};
use self::{engine::Engine, pipeline::Pending};
use super::{idempotency::IdempotencyKey, traffic::Traffic};
use crate::{
    auth::Caller,
    catalog::CatalogCache,
    error::{Error, Refusal, Result},
    inventory::Inventory,
    metrics::Metrics,
    replanning::WakeSignal,
};

/// Most commands in one transaction.
pub const LARGEST_GROUP: usize = 128;
/// Connections that groups take: one reads, one writes, one does what needs locks.
pub(crate) const CONNECTIONS: u32 = 3;
/// Most transactions at once of commands that have one of their own.
const MOST_ALONE: usize = 4;

/// A command as it was asked for.
#[derive(Debug)]
pub struct Request {
    /// The id in the URL.
    pub package_id: i64,
    /// `transition`.
    pub transition: Option<i64>,
    /// `slug`.
    pub slug: Option<String>,
    /// `input_parameters`.
    pub input: Map<String, Value>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// `Idempotency-Key`.
    pub key: Option<IdempotencyKey>,
    /// `?dry_run=true`.
    pub dry_run: bool,
}

/// An answer: a status and the bytes of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// JSON, or empty with 204.
    pub body: Bytes,
}

impl Reply {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_vec(body).unwrap_or_default().into() }
    }
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        Self::json(refusal.status, &refusal.body())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NO_CONTENT {
            return self.status.into_response();
        }
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// Handle to the dispatcher; clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    queue: mpsc::Sender<Pending>,
    alone: Arc<Semaphore>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    inventory: Inventory,
    tasks: TaskTracker,
    traffic: Arc<Traffic>,
}

impl Dispatcher {
    /// Starts it. `lookups` are connections made by [`crate::db::for_groups`]; `wake_signal` is sent what is freed,
    /// `inventory` asked before a package is planned again.
    #[must_use]
    pub fn start(
        pool: PgPool,
        lookups: PgPool,
        catalog_cache: Arc<CatalogCache>,
        metrics: Arc<Metrics>,
        wake_signal: Arc<WakeSignal>,
        inventory: Inventory,
    ) -> Self {
        let engine = Arc::new(Engine { pool, lookups, catalog_cache, wake_signal });
        let tasks = TaskTracker::new();
        let queue = pipeline::start(&engine, &tasks);
        let alone = Arc::new(Semaphore::new(MOST_ALONE));
        Self { queue, alone, engine, metrics, inventory, tasks, traffic: Arc::default() }
    }

    /// Runs one command and waits for its answer. Once accepted it is carried out even if the caller goes away.
    ///
    /// # Errors
    /// 503 when too many wait or the database is away; refusals are replies, not errors.
    pub async fn run(&self, request: Request) -> Result<Reply> {
        let _under_way = self.traffic.enter();
        let started = Instant::now();
        let catalog = self.engine.catalog_cache.current();
        let named = catalog.workflow.named("package", request.transition, request.slug.as_deref());
        let identifier = named.as_ref().map_or("unknown", |transition| transition.kind.identifier);
        let alone = request.dry_run || named.is_ok_and(|transition| transition.kind.plans_with(&request.input));
        let dry_run = request.dry_run;
        if alone && !dry_run {
            self.inventory.before_packages(&catalog, &[request.package_id]).await?;
        }
        let reply = if alone { self.run_alone(request).await } else { self.run_in_group(request).await };
        if !dry_run {
            let status = reply.as_ref().map_or_else(Error::status, |reply| reply.status);
            self.metrics.command(identifier, status, started.elapsed());
        }
        reply
    }

    async fn run_in_group(&self, request: Request) -> Result<Reply> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Pending { request, reply }).map_err(|_| Error::Overloaded)?;
        match answer.await {
            Ok(reply) => reply,
            Err(_) => Err(Error::Fault("the dispatcher stopped".to_owned())),
        }
    }

    async fn run_alone(&self, request: Request) -> Result<Reply> {
        let place = Arc::clone(&self.alone).acquire_owned().await.map_err(|_| Error::Overloaded)?;
        let engine = Arc::clone(&self.engine);
        let task = self.tasks.spawn(async move {
            let _place = place;
            engine.run_alone(&request).await
        });
        task.await.unwrap_or_else(|error| Err(Error::Fault(format!("command task: {error}"))))
    }

    /// How busy commands keep this server.
    #[must_use]
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Waits until everything accepted is carried out. Call when no new request can come.
    pub async fn finish(self) {
        let Self { queue, tasks, .. } = self;
        drop(queue);
        tasks.close();
        tasks.wait().await;
    }
}
