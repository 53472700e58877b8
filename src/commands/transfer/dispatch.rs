//! The dispatcher of transfers: the only thing that moves one, besides the end of its package.
//!
//! Each command has a transaction of its own. It locks the transfer's package first, then all transfers of that package:
//! so of two that end the last ones, the second sees what the first did, and the package is moved once.

use std::{sync::Arc, time::Instant};

use axum::http::StatusCode;
use serde_json::json;
use serde_json::{Map, Value};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    TransferContext, TransferFacts, apply,
    consequences::{self, Laid},
    effects, facts, lay_out,
};
use crate::{
    auth::Caller,
    catalog::{Catalog, CatalogCache},
    commands::{
        Input, PackageFacts,
        apply::Applied,
        consequences::{Consequences, PackageChange},
        dispatch::{self, Reply},
        facts as package_facts,
        idempotency::{self, IdempotencyKey},
    },
    db,
    error::{Error, Refusal, Result},
    inventory::Inventory,
    metrics::Metrics,
    planning::{self, Held, Line, Supply},
    replanning::WakeSignal,
    workflow::{Holding, Transition},
};

/// Most transactions at once.
const MOST_AT_ONCE: usize = 4;
/// How often a transaction is tried again after a deadlock, or when planned stock was taken by others.
const MOST_ATTEMPTS: u32 = 6;
/// From this attempt on, a plan locks what it reads, so that nobody can be faster.
const LOCK_FROM_ATTEMPT: u32 = 3;

/// A command on a transfer as it was asked for.
#[derive(Debug)]
pub struct TransferRequest {
    /// The id in the URL.
    pub transfer_id: i64,
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

/// Handle to the dispatcher; clones share it.
#[derive(Clone)]
pub struct TransferDispatcher {
    places: Arc<Semaphore>,
    engine: Arc<Engine>,
    tasks: TaskTracker,
}

struct Engine {
    pool: PgPool,
    catalog_cache: Arc<CatalogCache>,
    metrics: Arc<Metrics>,
    wake_signal: Arc<WakeSignal>,
    inventory: Inventory,
}

/// What a command wrote about packages, and what followed from it.
type Written = (Vec<PackageChange>, Consequences);

/// A transfer with everything a decision on it looks at.
pub(crate) struct Locked {
    /// The installation's version.
    pub version: i64,
    /// The package it is for.
    pub package: PackageFacts,
    /// All transfers of that package.
    pub transfers: Vec<TransferFacts>,
    /// Its index among them.
    pub own: usize,
}

impl Locked {
    /// The transfer itself.
    pub(crate) fn transfer(&self) -> &TransferFacts {
        &self.transfers[self.own]
    }
}

impl TransferDispatcher {
    /// A dispatcher on these connections. `wake_signal` is sent what is freed, `inventory` asked before items are planned
    /// again.
    #[must_use]
    pub fn start(
        pool: PgPool,
        catalog_cache: Arc<CatalogCache>,
        metrics: Arc<Metrics>,
        wake_signal: Arc<WakeSignal>,
        inventory: Inventory,
    ) -> Self {
        let engine = Arc::new(Engine { pool, catalog_cache, metrics, wake_signal, inventory });
        Self { places: Arc::new(Semaphore::new(MOST_AT_ONCE)), engine, tasks: TaskTracker::new() }
    }

    /// Runs one command and waits for its answer. Once accepted it is carried out even if the caller goes away.
    ///
    /// # Errors
    /// 503 when others were faster too often or the database is away; refusals are replies, not errors.
    pub async fn run(&self, request: TransferRequest) -> Result<Reply> {
        let started = Instant::now();
        let catalog = self.engine.catalog_cache.current();
        let named = catalog.workflow.named("transfer", request.transition, request.slug.as_deref());
        let identifier = named.as_ref().map_or("unknown", |transition| transition.kind.identifier);
        let dry_run = request.dry_run;
        if catalog.inventory.is_some()
            && !dry_run
            && named.is_ok_and(|transition| transition.kind.plans_with(&request.input))
        {
            let package_id = sqlx::query_scalar!("select package_id from transfers where id = $1", request.transfer_id)
                .fetch_optional(&self.engine.pool)
                .await?;
            self.engine.inventory.before_packages(&catalog, package_id.as_slice()).await?;
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::Overloaded)?;
        let engine = Arc::clone(&self.engine);
        let task = self.tasks.spawn(async move {
            let _place = place;
            engine.run(&request).await
        });
        let reply = task.await.unwrap_or_else(|error| Err(Error::Fault(format!("command task: {error}"))));
        if !dry_run {
            let status = reply.as_ref().map_or_else(Error::status, |reply| reply.status);
            self.engine.metrics.command(identifier, status, started.elapsed());
        }
        reply
    }

    /// Waits until everything accepted is carried out. Call when no new request can come.
    pub async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Engine {
    async fn run(&self, request: &TransferRequest) -> Result<Reply> {
        for attempt in 1..=MOST_ATTEMPTS {
            match self.attempt(request, attempt >= LOCK_FROM_ATTEMPT).await {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(error) if dispatch::is_conflict(&error) && attempt < MOST_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Overloaded)
    }

    /// One transaction from begin to commit; none when others were faster.
    async fn attempt(&self, request: &TransferRequest, lock: bool) -> Result<Option<Reply>> {
        let mut transaction = self.pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
        let Some(locked) = load(&mut transaction, request.transfer_id).await? else {
            return Ok(Some(Reply::from(&Refusal::not_found())));
        };
        let mut catalog = self.catalog_cache.current();
        if locked.version != catalog.version {
            catalog = self.catalog_cache.refresh(&mut transaction).await?;
        }
        let keys: Vec<&IdempotencyKey> = request.key.iter().collect();
        let remembered = idempotency::read_answers(&mut transaction, &keys).await?;
        if let Some((key, before)) = keys.first().zip(remembered.values().next()) {
            let same = before.request_hash == key.request_hash;
            return Ok(Some(if same { before.reply.clone() } else { Reply::from(&Refusal::key_reused()) }));
        }
        if !is_visible(&request.caller, locked.transfer()) {
            return Ok(Some(Reply::from(&Refusal::not_found())));
        }
        let Some((reply, written)) = judge(&mut transaction, request, &locked, &catalog, lock).await? else {
            return Ok(None);
        };
        let answers: Vec<(&IdempotencyKey, &Reply)> =
            keys.into_iter().filter(|_| !request.dry_run).map(|key| (key, &reply)).collect();
        if !idempotency::write(&mut transaction, &answers).await? {
            return Ok(None);
        }
        if written.is_some() || !answers.is_empty() {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        if let Some((packages, consequences)) = &written {
            self.wake_signal.send_for(packages, consequences, &catalog);
        }
        Ok(Some(reply))
    }
}

/// Whether a transfer exists for a caller: it is from or to a location of theirs.
pub(crate) fn is_visible(caller: &Caller, transfer: &TransferFacts) -> bool {
    caller.sees(transfer.source_location_id) || caller.sees(transfer.destination_location_id)
}

/// Locks a transfer's package, then the package's transfers, and reads them. None where there is no such transfer.
pub(crate) async fn load(transaction: &mut Transaction<'_, Postgres>, transfer_id: i64) -> Result<Option<Locked>> {
    let Some(package_id) = facts::package_id(transaction, transfer_id).await? else { return Ok(None) };
    let mut packages = package_facts::lock(transaction, &[package_id]).await?;
    let transfers = facts::lock(transaction, &[package_id]).await?;
    let own = transfers.iter().position(|transfer| transfer.id == transfer_id);
    let found = packages.version.zip(packages.packages.remove(&package_id)).zip(own);
    Ok(found.map(|((version, package), own)| Locked { version, package, transfers, own }))
}

/// What the transfer's items could come from, its own reservations included.
pub(crate) async fn supply(
    transaction: &mut Transaction<'_, Postgres>,
    catalog: &Catalog,
    locked: &Locked,
    lock: bool,
) -> Result<Supply> {
    let transfer = locked.transfer();
    let mut held = Held { stock_location_id: transfer.destination_location_id, ..Held::default() };
    let is_held = catalog.workflow.state(transfer.state_id)?.holding == Holding::Reserved;
    let mut lines = Vec::with_capacity(transfer.items.len());
    for item in &transfer.items {
        if is_held {
            held.elsewhere.push((transfer.source_location_id, item.sku.clone(), item.quantity));
        }
        lines.push(Line { order_item_id: item.order_item_id, sku: item.sku.clone(), quantity: item.quantity });
    }
    planning::supply(transaction, catalog, locked.package.order_id, &lines, &held, lock).await
}

/// Decides and writes; the reply and what was written, if anything. None when others were faster.
async fn judge(
    transaction: &mut Transaction<'_, Postgres>,
    request: &TransferRequest,
    locked: &Locked,
    catalog: &Catalog,
    lock: bool,
) -> Result<Option<(Reply, Option<Written>)>> {
    let transfer = locked.transfer();
    let (slug, role) = (request.slug.as_deref(), request.caller.role);
    let resolved = catalog.workflow.resolve("transfer", request.transition, slug, role, transfer.state_id);
    let transition = match resolved {
        Ok(transition) => transition,
        Err(refusal) => return Ok(Some((Reply::from(&refusal), None))),
    };
    let supply = if transition.kind.plans_with(&request.input) {
        Some(supply(transaction, catalog, locked, lock).await?)
    } else {
        None
    };
    let context = context(catalog, transition, locked, Input(&request.input), supply.as_ref());
    let changes = match super::decide(&context) {
        Ok(changes) => changes,
        Err(refusal) => return Ok(Some((Reply::from(&refusal), None))),
    };
    let laid = lay_out::lay_out(&context, &changes, request.caller.user_id)?;
    let reply = reply(&context, changes.state_id)?;
    if request.dry_run {
        return Ok(Some((effects::reply(&context, &laid, &reply)?, None)));
    }
    if let Some(again) = &changes.again {
        let (order_id, package_id) = (locked.package.order_id, Some(locked.package.id));
        let scenario_id = again.refetch.gathering.scenario_id;
        planning::store_trace(transaction, order_id, package_id, scenario_id, &again.refetch.trace).await?;
        planning::store_exclusions(transaction, &again.exclusions).await?;
    }
    let Laid { packages, transfers } = &laid;
    let derived = consequences::derive(packages, transfers, &catalog.workflow)?;
    let applied = apply::apply(transaction, packages, transfers, &derived, None).await?;
    Ok((applied != Applied::Conflict).then(|| (reply, Some((laid.packages, derived.packages)))))
}

/// The context of a decision.
pub(crate) fn context<'a>(
    catalog: &'a Catalog,
    transition: &'a Transition,
    locked: &'a Locked,
    input: Input<'a>,
    supply: Option<&'a Supply>,
) -> TransferContext<'a> {
    TransferContext {
        catalog,
        transition,
        transfer: locked.transfer(),
        package: &locked.package,
        transfers: &locked.transfers,
        input,
        supply,
    }
}

/// The body of a successful command on a transfer, as the Akinon OMS answers it: these three keys.
fn reply(context: &TransferContext<'_>, state_id: i64) -> Result<Reply> {
    let TransferFacts { id, number, .. } = context.transfer;
    let state = &context.catalog.workflow.state(state_id)?.enum_value;
    Ok(Reply::json(StatusCode::OK, &json!({ "transfer_id": id, "transfer_number": number, "state": state })))
}
