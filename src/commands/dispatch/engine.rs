//! Carries commands out: reads, decides, writes; without locks where that will do.

use std::{collections::HashMap, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use axum::http::StatusCode;
use futures_util::FutureExt as _;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::{
    super::{
        Context, Input, PackageFacts, background,
        consequences::lay_out,
        effects, facts,
        idempotency::{self, IdempotencyKey, Remembered},
        transfer,
    },
    Reply, Request,
    decided::{Decided, Decision, reply},
};
use crate::{
    catalog::{Catalog, CatalogCache},
    db,
    error::{Error, Refusal, Result, panic_text},
    planning::{self, Held, Line, Supply},
    replanning::WakeSignal,
    workflow::Transition,
};

/// How often a transaction is tried again after a deadlock, or when planned stock or quota was taken by others.
const MOST_ATTEMPTS: u32 = 6;
/// How long a connection without work is kept from the pool.
const PINNED_FOR: Duration = Duration::from_secs(10);
/// From this attempt on, a plan locks what it reads, so that nobody can be faster.
const LOCK_FROM_ATTEMPT: u32 = 3;

/// Runs work on commands; a panic is a failure like others, of the commands at hand and of no other.
pub(super) async fn unless_it_panics<T>(
    work: impl Future<Output = Result<T, AttemptError>>,
) -> Result<T, AttemptError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(AttemptError::Failed(Error::Fault(format!("panic: {}", panic_text(&*panic))))))
}

/// A connection that is kept from one group to the next as long as nothing goes wrong: a pool would hand out another each
/// time, whose backend has not been at work for a while.
#[derive(Default)]
pub(super) struct PinnedConnection(Option<PoolConnection<Postgres>>);

impl PinnedConnection {
    /// None is left behind, so that one on which something fails is not kept.
    async fn take(&mut self, pool: &PgPool) -> Result<PoolConnection<Postgres>> {
        match self.0.take() {
            Some(connection) => Ok(connection),
            None => Ok(pool.acquire().await?),
        }
    }

    fn keep(&mut self, connection: PoolConnection<Postgres>) {
        self.0 = Some(connection);
    }

    /// Waits for work. While there is none, the connection is the pool's, which knows how long one may lie idle.
    pub(super) async fn wait_for<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(work) = tokio::time::timeout(PINNED_FOR, &mut work).await {
            return work;
        }
        self.0 = None;
        work.await
    }
}

/// Carries commands out.
pub(super) struct Engine {
    pub(super) pool: PgPool,
    /// For groups ([`db::for_groups`]).
    pub(super) lookups: PgPool,
    pub(super) catalog_cache: Arc<CatalogCache>,
    pub(super) wake_signal: Arc<WakeSignal>,
}

/// How commands are run under locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With others: those that could not be decided, or written, without.
    Group,
    /// By itself: because it may plan, writes nothing, or would keep others waiting.
    Alone,
}

/// Why an attempt came to nothing.
pub(super) enum AttemptError {
    /// It plans, and this is no place to.
    Plans,
    /// Somebody was faster; try again.
    Conflict,
    /// The database failed or refused.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for AttemptError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Engine {
    /// Reads packages and decides commands, without a lock: whatever is written by it checks that it still holds.
    pub(super) async fn decide(
        &self,
        pinned: &mut PinnedConnection,
        requests: &[&Request],
    ) -> Result<(Arc<Catalog>, Vec<Decision>), AttemptError> {
        let mut connection = pinned.take(&self.lookups).await?;
        let found = facts::read_packages(&mut connection, &package_ids(requests)).await?;
        let catalog = self.catalog_cache.current();
        if found.version.is_some_and(|version| version != catalog.version) {
            // Read again under the lock, for which this is no place.
            return Err(AttemptError::Conflict);
        }
        let remembered = idempotency::read_answers(&mut connection, &keys(requests)).await?;
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            let package = found.packages.get(&request.package_id);
            let decision = judge(&mut connection, request, package, &catalog, &remembered, None).await?;
            if transfer::end::may_end(&decision.packages, &catalog.workflow)? {
                // Its transfers are read and ended under its package's lock.
                return Err(AttemptError::Conflict);
            }
            decisions.push(decision);
        }
        pinned.keep(connection);
        Ok((catalog, decisions))
    }

    /// Writes what was decided without a lock, if it still holds: in one statement mostly, and nobody waits in between.
    pub(super) async fn write(
        &self,
        pinned: &mut PinnedConnection,
        catalog: &Catalog,
        requests: &[&Request],
        decisions: Vec<Decision>,
    ) -> Result<Vec<Reply>, AttemptError> {
        let decided = Decided::new(decisions, catalog)?;
        let answers = decided.answers(requests);
        let mut connection = pinned.take(&self.lookups).await?;
        if answers.is_empty() && (decided.changes.is_empty() || decided.is_one_statement()) {
            decided.write(&mut connection, Some(catalog.version)).await?;
        } else {
            let mut transaction = connection.begin().await?;
            decided.write(&mut transaction, Some(catalog.version)).await?;
            if !idempotency::write(&mut transaction, &answers).await? {
                return Err(AttemptError::Conflict);
            }
            transaction.commit().await?;
        }
        pinned.keep(connection);
        self.wake_signal.send_for(&decided.changes, &decided.derived.packages, catalog);
        Ok(decided.replies)
    }

    /// Runs a command in a transaction of its own.
    pub(super) async fn run_alone(&self, request: &Request) -> Result<Reply> {
        let mut replies = self.run_locked(Way::Alone, &[request]).await?;
        replies.pop().ok_or_else(|| Error::Fault("no reply".to_owned()))
    }

    /// Runs commands in one transaction, under locks.
    pub(super) async fn run_locked(&self, way: Way, requests: &[&Request]) -> Result<Vec<Reply>> {
        let mut attempt = 1;
        loop {
            match unless_it_panics(self.attempt(way, requests, attempt >= LOCK_FROM_ATTEMPT)).await {
                Ok(replies) => return Ok(replies),
                // The installation changed while it waited.
                Err(AttemptError::Plans) if requests.len() > 1 => {
                    return Err(Error::Fault("a command that plans cannot run in a group".to_owned()));
                }
                Err(AttemptError::Plans | AttemptError::Conflict) if attempt < MOST_ATTEMPTS => {}
                Err(AttemptError::Failed(error)) if is_conflict(&error) && attempt < MOST_ATTEMPTS => {}
                Err(AttemptError::Plans | AttemptError::Conflict) => return Err(Error::Overloaded),
                Err(AttemptError::Failed(error)) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// One transaction from begin to commit, its packages locked.
    async fn attempt(&self, way: Way, requests: &[&Request], lock: bool) -> Result<Vec<Reply>, AttemptError> {
        let pool = if way == Way::Group { &self.lookups } else { &self.pool };
        let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
        if way == Way::Alone {
            db::set_lock_timeout(&mut transaction).await?;
        }
        let locked = facts::lock(&mut transaction, &package_ids(requests)).await?;
        let mut catalog = self.catalog_cache.current();
        if locked.version.is_some_and(|version| version != catalog.version) {
            catalog = self.catalog_cache.refresh(&mut transaction).await?;
        }
        let remembered = idempotency::read_answers(&mut transaction, &keys(requests)).await?;
        let planning = (requests.len() == 1).then_some(lock);
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            let package = locked.packages.get(&request.package_id);
            decisions.push(judge(&mut transaction, request, package, &catalog, &remembered, planning).await?);
        }
        let mut decided = Decided::new(decisions, &catalog)?;
        decided.end_transfers(&mut transaction, &catalog).await?;
        decided.write(&mut transaction, None).await?;
        let answers = decided.answers(requests);
        if !idempotency::write(&mut transaction, &answers).await? {
            return Err(AttemptError::Conflict);
        }
        if decided.changes.is_empty() && answers.is_empty() {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        self.wake_signal.send_for(&decided.changes, &decided.derived.packages, &catalog);
        Ok(decided.replies)
    }
}

/// In order, which is the order they are locked in.
fn package_ids(requests: &[&Request]) -> Vec<i64> {
    let mut ids: Vec<i64> = requests.iter().map(|request| request.package_id).collect();
    ids.sort_unstable();
    ids
}

fn keys<'a>(requests: &[&'a Request]) -> Vec<&'a IdempotencyKey> {
    requests.iter().filter_map(|request| request.key.as_ref()).collect()
}

/// Decides one request on the facts. `planning`: whether it may plan, and if so, whether what is planned with is locked.
async fn judge(
    connection: &mut PgConnection,
    request: &Request,
    package: Option<&PackageFacts>,
    catalog: &Catalog,
    remembered: &HashMap<(i64, String), Remembered>,
    planning: Option<bool>,
) -> Result<Decision, AttemptError> {
    let resolved = resolve(request, package, catalog, remembered);
    let answered = |reply: Reply| {
        let is_new = !request.dry_run && is_worth_remembering(request, &reply, remembered);
        Decision { is_new, ..Decision::answer(reply) }
    };
    let (package, transition) = match resolved {
        Ok(resolved) => resolved,
        Err(reply) => return Ok(answered(reply)),
    };
    let supply = if transition.kind.plans_with(&request.input) {
        let lock = planning.ok_or(AttemptError::Plans)?;
        Some(supply(connection, catalog, package, lock).await?)
    } else {
        None
    };
    let input = Input(&request.input);
    let background = background::load(connection, transition.kind.looks_up, package, input).await?;
    let context = Context { catalog, transition, package, input, supply: supply.as_ref(), background: &background };
    let changes = match super::super::decide(&context) {
        Err(refusal) => return Ok(answered(Reply::from(&refusal))),
        Ok(changes) => changes,
    };
    let user_id = request.caller.user_id;
    let packages = lay_out(package, transition, &changes, user_id);
    let reply = reply(package, &changes, catalog);
    if request.dry_run {
        let ended = transfer::end::end(connection, &packages, &catalog.workflow).await?;
        return Ok(answered(effects::reply(&context, &changes, user_id, &reply, &ended)?));
    }
    Ok(Decision {
        is_new: is_worth_remembering(request, &reply, remembered),
        reply,
        packages,
        scenario_id: supply.and_then(|supply| Some(supply.scenario?.id)),
        trace: changes.trace,
        exclusions: changes.exclusions,
    })
}

/// The documented order of checks, up to the source state; a repeat is answered as soon as its package is known to be
/// visible.
fn resolve<'a>(
    request: &Request,
    package: Option<&'a PackageFacts>,
    catalog: &'a Catalog,
    remembered: &HashMap<(i64, String), Remembered>,
) -> Result<(&'a PackageFacts, &'a Transition), Reply> {
    let Some(package) = package else { return Err(Reply::from(&Refusal::not_found())) };
    let before = request.key.as_ref().and_then(|key| remembered.get(&(key.user_id, key.key.clone())).zip(Some(key)));
    if let Some((before, key)) = before {
        if before.request_hash == key.request_hash {
            return Err(before.reply.clone());
        }
        return Err(Reply::from(&Refusal::key_reused()));
    }
    if !request.caller.sees(package.stock_location_id) {
        return Err(Reply::from(&Refusal::not_found()));
    }
    let transition = catalog
        .workflow
        .resolve("package", request.transition, request.slug.as_deref(), request.caller.role, package.state_id)
        .map_err(|refusal| Reply::from(&refusal))?;
    Ok((package, transition))
}

/// What the package's items could be planned from, its own reservations included.
pub(crate) async fn supply(
    connection: &mut PgConnection,
    catalog: &Catalog,
    package: &PackageFacts,
    lock: bool,
) -> Result<Supply> {
    let mut held = Held {
        stock_location_id: package.stock_location_id,
        reserved: HashMap::new(),
        occupies_quota: catalog.workflow.state(package.state_id)?.occupies_quota,
        elsewhere: transfer::facts::held_at_sources(connection, package, &catalog.workflow).await?,
    };
    let mut lines = Vec::with_capacity(package.items.len());
    for item in &package.items {
        if item.is_reserved {
            *held.reserved.entry(item.sku.clone()).or_default() += item.quantity;
        }
        lines.push(Line { order_item_id: item.order_item_id, sku: item.sku.clone(), quantity: item.quantity });
    }
    planning::supply(connection, catalog, package.order_id, &lines, &held, lock).await
}

/// What a repeat must get again: any answer the command itself gave under a key that is new. A 404 or a reused key says
/// nothing of it.
pub(super) fn is_worth_remembering(
    request: &Request,
    reply: &Reply,
    remembered: &HashMap<(i64, String), Remembered>,
) -> bool {
    let has_new_key = request.key.as_ref().is_some_and(|key| !remembered.contains_key(&(key.user_id, key.key.clone())));
    has_new_key && reply.status != StatusCode::NOT_FOUND
}

/// Whether the database refused because of others: a deadlock, or a workflow that changed under us.
pub(crate) fn is_conflict(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(database)) = error else { return false };
    database.code().is_some_and(|code| code == "40P01" || code == "40001")
        || matches!(database.constraint(), Some("transition_logs_legal_move" | "transfer_logs_legal_move"))
}

/// The same failure for all of a group: the database is away, or too much else goes on.
pub(super) fn all_failed(failure: Error, count: usize) -> Vec<Result<Reply>> {
    let others = (1..count).map(|_| Err(Error::Overloaded));
    others.chain(std::iter::once(Err(failure))).collect()
}
