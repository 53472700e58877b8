//! The dispatcher: the only code that moves packages and transfers.
//!
//! Waiting commands on packages share their statements and their fsync (`pipeline`): one statement reads all their
//! packages, each command is decided by itself, and another statement writes all changes; it rolls itself back if a
//! package has changed since it was read. Then each request gets its own outcome. A single command starts at once.
//!
//! A command that may plan, a dry run, and a command on a transfer has a transaction of its own: it depends on stock
//! and quota that others want too, and is tried again if they were faster.

mod decided;
mod engine;
mod judge;
mod pinned;
mod pipeline;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::{engine::Engine, pipeline::Pending};
use super::{
    idempotency::IdempotencyKey,
    outcome::{Outcome, PackageAnswer, TransferAnswer},
    traffic::Traffic,
    transfer::facts::package_id,
};
use crate::{
    auth::Caller,
    catalog::{Catalog, CatalogCache},
    cause::{self, Cause},
    commands::{package::subject::Packages, subject::Subject, transfer::subject::Transfers, wake_signal::WakeSignal},
    db::PgPool,
    error::{Error, Result},
    inventory::Inventory,
    metrics::Metrics,
    tasks::Tasks,
};

/// Most commands in one transaction.
pub const LARGEST_GROUP: usize = 128;
/// Connections of groups: one reads, one writes, one is for work under locks.
pub(crate) const CONNECTIONS: u32 = 3;
/// Most transactions at the same time of commands with a transaction of their own: on packages, and on transfers.
const MOST_ALONE: usize = 4;

/// The versions of an object at which a command may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// Any.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Versions {
    /// Whether a version is one of them.
    #[must_use]
    pub fn has(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// A request for a command.
#[derive(Debug)]
pub struct Request {
    /// The id in the URL: of a package or of a transfer.
    pub id: i64,
    /// `transition`.
    pub transition: Option<i64>,
    /// `slug`.
    pub slug: Option<String>,
    /// `input_parameters`.
    pub input: Map<String, Value>,
    /// The caller.
    pub caller: Arc<Caller>,
    /// The HTTP request that brought it; none: the server runs it by itself.
    pub cause: Option<Arc<Cause>>,
    /// `Idempotency-Key`.
    pub key: Option<IdempotencyKey>,
    /// `If-Match`.
    pub versions: Versions,
    /// `?dry_run=true`.
    pub dry_run: bool,
}

/// The dispatcher. Clones share its queue.
#[derive(Clone)]
pub struct Dispatcher {
    queue: mpsc::Sender<Pending>,
    packages_alone: Arc<Semaphore>,
    transfers_alone: Arc<Semaphore>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    inventory: Inventory,
    tasks: Tasks,
    traffic: Arc<Traffic>,
}

/// What a request needs, as far as that is known before anything is read.
struct Asked {
    started: Instant,
    catalog: Arc<Catalog>,
    /// The identifier of its kind of command, for the metric.
    identifier: &'static str,
    /// True if it may plan.
    plans: bool,
    dry_run: bool,
}

/// How long Postgres may be silent while a command runs by itself: longer than it may wait for a lock.
const PATIENCE: Duration = Duration::from_secs(12);

impl Dispatcher {
    /// Starts it. `lookups` are connections of [`crate::db::for_groups`]. `wake_signal` receives the things that
    /// commands free; `inventory` is asked before items are planned again.
    #[must_use]
    pub fn start(
        pool: &PgPool,
        lookups: PgPool,
        catalog_cache: Arc<CatalogCache>,
        metrics: Arc<Metrics>,
        wake_signal: Arc<WakeSignal>,
        inventory: Inventory,
        tasks: &Tasks,
    ) -> Self {
        let engine = Arc::new(Engine { pool: pool.waiting(PATIENCE), lookups, catalog_cache, wake_signal });
        let tasks = tasks.apart();
        let queue = pipeline::start(&engine, &tasks);
        let (packages_alone, transfers_alone) =
            (Arc::new(Semaphore::new(MOST_ALONE)), Arc::new(Semaphore::new(MOST_ALONE)));
        Self { queue, packages_alone, transfers_alone, engine, metrics, inventory, tasks, traffic: Arc::default() }
    }

    /// Runs a command on a package and waits for its outcome. An accepted command is carried out even if the caller
    /// goes away.
    ///
    /// # Errors
    /// 503 when too many wait or the database is away; refusals are outcomes, not errors.
    pub async fn run(&self, request: Request) -> Result<Outcome<PackageAnswer>> {
        let _under_way = self.traffic.enter();
        let asked = self.look_at::<Packages>(&request);
        if asked.plans && !asked.dry_run {
            self.inventory.before_packages(&asked.catalog, &[request.id]).await?;
        }
        let outcome = if asked.plans || asked.dry_run {
            self.run_alone::<Packages>(request, &self.packages_alone).await
        } else {
            self.run_in_group(request).await
        };
        self.count(&asked, &outcome);
        outcome
    }

    /// Runs a command on a transfer, in the same way.
    ///
    /// # Errors
    /// 503 when others were faster too often or the database is away; refusals are outcomes, not errors.
    pub async fn run_on_transfer(&self, request: Request) -> Result<Outcome<TransferAnswer>> {
        let _under_way = self.traffic.enter();
        let asked = self.look_at::<Transfers>(&request);
        if asked.catalog.inventory.is_some() && asked.plans && !asked.dry_run {
            let package_id = package_id(&mut *self.engine.pool.acquire().await?, request.id).await?;
            self.inventory.before_packages(&asked.catalog, package_id.as_slice()).await?;
        }
        let outcome = self.run_alone::<Transfers>(request, &self.transfers_alone).await;
        self.count(&asked, &outcome);
        outcome
    }

    fn look_at<S: Subject>(&self, request: &Request) -> Asked {
        let started = Instant::now();
        let catalog = self.engine.catalog_cache.current();
        let kind = catalog.workflow.named(S::ENTITY, request.transition, request.slug.as_deref());
        let kind = kind.map(|transition| transition.kind).ok();
        Asked {
            started,
            identifier: kind.map_or("unknown", |kind| kind.identifier),
            plans: kind.is_some_and(|kind| kind.plans_with(&request.input)),
            dry_run: request.dry_run,
            catalog,
        }
    }

    fn count<A>(&self, asked: &Asked, outcome: &Result<Outcome<A>>) {
        if let Ok(Outcome::Refused(refusal)) = outcome {
            cause::with_current(|cause| refusal.code().map_or((), |code| cause.is_refused(code)));
        }
        if !asked.dry_run {
            let status = outcome.as_ref().map_or_else(Error::status, Outcome::status);
            self.metrics.command(asked.identifier, status, asked.started.elapsed());
        }
    }

    async fn run_in_group(&self, request: Request) -> Result<Outcome<PackageAnswer>> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Pending { request, reply }).map_err(|_| Error::Overloaded)?;
        match answer.await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Fault("the dispatcher stopped".to_owned())),
        }
    }

    async fn run_alone<S: Subject>(&self, request: Request, places: &Arc<Semaphore>) -> Result<Outcome<S::Answer>> {
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| Error::Overloaded)?;
        let engine = Arc::clone(&self.engine);
        let task = self.tasks.once(async move {
            let _place = place;
            engine.run_alone::<S>(&request).await
        });
        task.await.unwrap_or_else(|error| Err(Error::Fault(format!("command task: {error}"))))
    }

    /// How busy commands keep this server.
    #[must_use]
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Waits until every accepted command is carried out. Call it when no new request can come.
    pub async fn finish(self) {
        let Self { queue, tasks, .. } = self;
        drop(queue);
        tasks.finish().await;
    }
}
