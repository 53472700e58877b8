//! The dispatcher: the only thing that moves a package.
//!
//! Commands that wait at the same moment share one transaction and one fsync. Each package has its lane; a lane takes
//! everything that waits (at most [`LARGEST_GROUP`]), reads all packages in one statement, decides each command by
//! itself, and writes all changes in another, which takes itself back if a package is not what was read; then each
//! request gets its own answer. A command that comes alone starts at once, and a command that waits while a group is under
//! way is in the next. Within a group a package appears once, so each command sees what the one before it did.
//!
//! A command that may plan, and a dry run, has a transaction of its own: it depends on stock and quota that others
//! want too, and starts over when they were faster.

mod decided;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use self::decided::{Decided, reply};
use super::{
    Changes, Context, Input, PackageFacts, background,
    consequences::lay_out,
    effects, facts,
    idempotency::{self, IdempotencyKey, Remembered},
    traffic::Traffic,
    transfer,
};
use crate::{
    auth::Caller,
    catalog::{Catalog, Shelf},
    db,
    error::{Error, Refusal, Result},
    inventory::Inventory,
    metrics::Metrics,
    planning::{self, Held, Line, Supply},
    replanning::Bell,
    workflow::Transition,
};

/// Most commands in one transaction.
pub const LARGEST_GROUP: usize = 128;
/// Groups under way at the same time. A package has its lane, by its id, so its commands keep their order.
pub(crate) const LANES: u32 = 2;
/// Most commands that may wait in a lane; one more is answered 503.
const LONGEST_QUEUE: usize = 4096;
/// Most transactions at once of commands that have one of their own.
const MOST_ALONE: usize = 4;
/// How often a transaction is tried again after a deadlock, or when planned stock or quota was taken by others.
const MOST_ATTEMPTS: u32 = 6;
/// From this attempt on, a plan locks what it reads, so that nobody can be faster.
const LOCK_FROM_ATTEMPT: u32 = 3;

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

struct Pending {
    request: Request,
    reply: oneshot::Sender<Result<Reply>>,
}

/// Handle to the dispatcher; clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    lanes: Arc<[mpsc::Sender<Pending>]>,
    alone: Arc<Semaphore>,
    engine: Arc<Engine>,
    tasks: TaskTracker,
    traffic: Arc<Traffic>,
}

struct Engine {
    pool: PgPool,
    /// For the lanes, which plan nothing.
    lookups: PgPool,
    shelf: Arc<Shelf>,
    metrics: Arc<Metrics>,
    bell: Arc<Bell>,
    inventory: Inventory,
}

impl Dispatcher {
    /// Starts the lanes. `lookups` are connections made by [`db::for_lookups`]; `bell` is rung for what is freed,
    /// `inventory` asked before a package is planned again.
    #[must_use]
    pub fn start(
        pool: PgPool,
        lookups: PgPool,
        shelf: Arc<Shelf>,
        metrics: Arc<Metrics>,
        bell: Arc<Bell>,
        inventory: Inventory,
    ) -> Self {
        let engine = Arc::new(Engine { pool, lookups, shelf, metrics, bell, inventory });
        let tasks = TaskTracker::new();
        let lane = |_| {
            let (lane, queue) = mpsc::channel(LONGEST_QUEUE);
            tasks.spawn(run_lane(queue, Arc::clone(&engine)));
            lane
        };
        let lanes = (0..LANES).map(lane).collect();
        Self { lanes, alone: Arc::new(Semaphore::new(MOST_ALONE)), engine, tasks, traffic: Arc::default() }
    }

    /// Runs one command and waits for its answer. Once accepted it is carried out even if the caller goes away.
    ///
    /// # Errors
    /// 503 when too many wait or the database is away; refusals are replies, not errors.
    pub async fn run(&self, request: Request) -> Result<Reply> {
        let _under_way = self.traffic.enter();
        let started = Instant::now();
        let catalog = self.engine.shelf.current();
        let named = catalog.workflow.named("package", request.transition, request.slug.as_deref());
        let identifier = named.as_ref().map_or("unknown", |transition| transition.command.identifier());
        let alone =
            request.dry_run || named.is_ok_and(|transition| transition.command.plans_with(Input(&request.input)));
        let dry_run = request.dry_run;
        if alone && !dry_run {
            self.engine.inventory.before_packages(&catalog, &[request.package_id]).await?;
        }
        let reply = if alone { self.run_alone(request).await } else { self.run_in_lane(request).await };
        if !dry_run {
            let status = reply.as_ref().map_or_else(Error::status, |reply| reply.status);
            self.engine.metrics.command(identifier, status, started.elapsed());
        }
        reply
    }

    async fn run_in_lane(&self, request: Request) -> Result<Reply> {
        let (reply, answer) = oneshot::channel();
        let lane = usize::try_from(request.package_id.rem_euclid(i64::from(LANES))).unwrap_or_default();
        self.lanes[lane].try_send(Pending { request, reply }).map_err(|_| Error::Overloaded)?;
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
            let mut replies = engine.run(Way::Alone, std::slice::from_ref(&request)).await;
            replies.pop().unwrap_or_else(|| Err(Error::Fault("no reply".to_owned())))
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
        let Self { lanes, tasks, .. } = self;
        drop(lanes);
        tasks.close();
        tasks.wait().await;
    }
}

async fn run_lane(mut queue: mpsc::Receiver<Pending>, engine: Arc<Engine>) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(pending) => waiting.push_back(pending),
                None => return,
            }
        }
        // Who is at the door comes along: the tasks that read requests go first, for as long as that brings more. Else the
        // first of many would be a group by itself, and all others would wait for it.
        loop {
            let before = waiting.len();
            tokio::task::yield_now().await;
            while waiting.len() < LARGEST_GROUP {
                let Ok(pending) = queue.try_recv() else { break };
                waiting.push_back(pending);
            }
            if waiting.len() == before {
                break;
            }
        }
        let (requests, replies): (Vec<_>, Vec<_>) =
            take_group(&mut waiting).into_iter().map(|pending| (pending.request, pending.reply)).unzip();
        for (reply, sender) in engine.run(Way::Lane, &requests).await.into_iter().zip(replies) {
            // A client that has gone away does not hear the answer; the command stands.
            sender.send(reply).ok();
        }
    }
}

/// The next group: in order, each package once and each key once; the rest keeps waiting.
fn take_group(waiting: &mut VecDeque<Pending>) -> Vec<Pending> {
    let mut packages = HashSet::new();
    let mut keys = HashSet::new();
    let mut group = Vec::new();
    let mut rest = VecDeque::new();
    while let Some(pending) = waiting.pop_front() {
        let request = &pending.request;
        let key = request.key.as_ref().map(|key| (key.user_id, key.key.clone()));
        // A package that was passed over once stays so: its commands keep their order.
        let first = packages.insert(request.package_id);
        if group.len() < LARGEST_GROUP && first && key.is_none_or(|key| keys.insert(key)) {
            group.push(pending);
        } else {
            rest.push_back(pending);
        }
    }
    *waiting = rest;
    group
}

/// How commands are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With others that wait, by a lane; first without locks.
    Lane,
    /// By itself, because it may plan or writes nothing.
    Alone,
}

/// Why an attempt came to nothing.
enum Setback {
    /// It plans, and this is no place to.
    Plans,
    /// Somebody was faster; try again.
    Outrun,
    /// The database failed or refused.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Setback {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What became of one request of a group before anything is written.
enum Verdict<'a> {
    /// The answer stands: a refusal, a repeat, a dry run.
    Answered(Reply),
    /// It changes its package.
    Changes(&'a PackageFacts, &'a Transition, Box<Changes>, Option<i64>),
}

impl Engine {
    /// Runs requests in one transaction; if that fails for a reason of one of them, each in its own.
    async fn run(&self, way: Way, requests: &[Request]) -> Vec<Result<Reply>> {
        let failure = match self.run_together(way, requests).await {
            Ok(replies) => return replies.into_iter().map(Ok).collect(),
            Err(failure) => failure,
        };
        if requests.len() == 1 || failure.status() == StatusCode::SERVICE_UNAVAILABLE {
            let status = failure.status();
            let text = failure.to_string();
            let mut replies = vec![Err(failure)];
            replies.extend(requests.iter().skip(1).map(|_| Err(again(status, &text))));
            return replies;
        }
        tracing::warn!(error = %failure, commands = requests.len(), "a group failed; running each command by itself");
        let mut replies = Vec::with_capacity(requests.len());
        for request in requests {
            let reply = self.run_together(way, std::slice::from_ref(request)).await;
            replies.push(reply.and_then(|mut replies| replies.pop().ok_or(Error::Overloaded)));
        }
        replies
    }

    async fn run_together(&self, way: Way, requests: &[Request]) -> Result<Vec<Reply>> {
        let mut attempt = 1;
        loop {
            let outcome = if way == Way::Lane && attempt == 1 {
                self.attempt_unlocked(requests).await
            } else {
                self.attempt(way, requests, attempt >= LOCK_FROM_ATTEMPT).await
            };
            match outcome {
                Ok(replies) => return Ok(replies),
                // The installation changed while it waited.
                Err(Setback::Plans) if requests.len() > 1 => {
                    return Err(Error::Fault("a command that plans cannot run in a group".to_owned()));
                }
                Err(Setback::Plans | Setback::Outrun) if attempt < MOST_ATTEMPTS => {}
                Err(Setback::Failed(error)) if is_conflict(&error) && attempt < MOST_ATTEMPTS => {}
                Err(Setback::Plans | Setback::Outrun) => return Err(Error::Overloaded),
                Err(Setback::Failed(error)) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Reads, decides, and writes what is still as it was read: two statements, and nobody waits in between.
    async fn attempt_unlocked(&self, requests: &[Request]) -> Result<Vec<Reply>, Setback> {
        let mut connection = self.lookups.acquire().await?;
        let found = facts::read(&mut connection, &package_ids(requests)).await?;
        let catalog = self.shelf.current();
        if found.version.is_some_and(|version| version != catalog.version) {
            // Read again under the lock, for which this is no place.
            return Err(Setback::Outrun);
        }
        let remembered = idempotency::read(&mut connection, &keys(requests)).await?;
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            let package = found.packages.get(&request.package_id);
            verdicts.push(judge(&mut connection, request, package, &catalog, &remembered, None).await?);
        }
        let decided = Decided::new(requests, &verdicts, &catalog)?;
        if transfer::end::may_end(&decided.changes, &catalog.workflow)? {
            // Their transfers are read and ended under the packages' locks.
            return Err(Setback::Outrun);
        }
        let answers = answers(requests, &decided.replies, &remembered);
        if answers.is_empty() && (decided.changes.is_empty() || decided.is_one_statement()) {
            decided.write(&mut connection, Some(catalog.version)).await?;
        } else {
            let mut transaction = connection.begin().await?;
            decided.write(&mut transaction, Some(catalog.version)).await?;
            if !idempotency::write(&mut transaction, &answers).await? {
                return Err(Setback::Outrun);
            }
            transaction.commit().await?;
        }
        self.bell.ring_for(&decided.changes, &decided.derived.packages, &catalog);
        Ok(decided.replies)
    }

    /// One transaction from begin to commit, its packages locked.
    async fn attempt(&self, way: Way, requests: &[Request], lock: bool) -> Result<Vec<Reply>, Setback> {
        let pool = if way == Way::Lane { &self.lookups } else { &self.pool };
        let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
        let locked = facts::lock(&mut transaction, &package_ids(requests)).await?;
        let mut catalog = self.shelf.current();
        if locked.version.is_some_and(|version| version != catalog.version) {
            catalog = self.shelf.refresh(&mut transaction).await?;
        }
        let remembered = idempotency::read(&mut transaction, &keys(requests)).await?;
        let planning = (requests.len() == 1).then_some(lock);
        let mut verdicts = Vec::with_capacity(requests.len());
        for request in requests {
            let package = locked.packages.get(&request.package_id);
            verdicts.push(judge(&mut transaction, request, package, &catalog, &remembered, planning).await?);
        }
        let mut decided = Decided::new(requests, &verdicts, &catalog)?;
        decided.end_transfers(&mut transaction, &catalog).await?;
        decided.write(&mut transaction, None).await?;
        let answers = answers(requests, &decided.replies, &remembered);
        if !idempotency::write(&mut transaction, &answers).await? {
            return Err(Setback::Outrun);
        }
        if decided.changes.is_empty() && answers.is_empty() {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        self.bell.ring_for(&decided.changes, &decided.derived.packages, &catalog);
        Ok(decided.replies)
    }
}

/// In order, which is the order they are locked in.
fn package_ids(requests: &[Request]) -> Vec<i64> {
    let mut ids: Vec<i64> = requests.iter().map(|request| request.package_id).collect();
    ids.sort_unstable();
    ids
}

fn keys(requests: &[Request]) -> Vec<&IdempotencyKey> {
    requests.iter().filter_map(|request| request.key.as_ref()).collect()
}

/// The answers to remember.
fn answers<'a>(
    requests: &'a [Request],
    replies: &'a [Reply],
    remembered: &HashMap<(i64, String), Remembered>,
) -> Vec<(&'a IdempotencyKey, &'a Reply)> {
    requests
        .iter()
        .zip(replies)
        .filter(|(request, reply)| !request.dry_run && is_worth_remembering(request, reply, remembered))
        .filter_map(|(request, reply)| Some((request.key.as_ref()?, reply)))
        .collect()
}

/// Decides one request on the facts. `planning`: whether it may plan, and if so, whether what is planned with is locked.
async fn judge<'a>(
    connection: &mut PgConnection,
    request: &Request,
    package: Option<&'a PackageFacts>,
    catalog: &'a Catalog,
    remembered: &HashMap<(i64, String), Remembered>,
    planning: Option<bool>,
) -> Result<Verdict<'a>, Setback> {
    let resolved = resolve(request, package, catalog, remembered);
    let (package, transition) = match resolved {
        Ok(resolved) => resolved,
        Err(reply) => return Ok(Verdict::Answered(reply)),
    };
    let supply = if transition.command.plans_with(Input(&request.input)) {
        let lock = planning.ok_or(Setback::Plans)?;
        Some(supply(connection, catalog, package, lock).await?)
    } else {
        None
    };
    let input = Input(&request.input);
    let background = background::load(connection, transition.command.looks_up(), package, input).await?;
    let context = Context { catalog, transition, package, input, supply: supply.as_ref(), background: &background };
    Ok(match super::decide(&context) {
        Err(refusal) => Verdict::Answered(Reply::from(&refusal)),
        Ok(changes) if request.dry_run => {
            let answer = reply(package, &changes, catalog);
            let user_id = request.caller.user_id;
            let moved = lay_out(package, transition, &changes, user_id);
            let ended = transfer::end::end(connection, &moved, &catalog.workflow).await?;
            Verdict::Answered(effects::reply(&context, &changes, user_id, &answer, &ended)?)
        }
        Ok(changes) => Verdict::Changes(
            package,
            transition,
            Box::new(changes),
            supply.and_then(|supply| Some(supply.scenario?.id)),
        ),
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

/// What a repeat must get again: any answer the command itself gave. A 404 or a reused key says nothing of it.
fn is_worth_remembering(request: &Request, reply: &Reply, remembered: &HashMap<(i64, String), Remembered>) -> bool {
    let known = request.key.as_ref().is_some_and(|key| remembered.contains_key(&(key.user_id, key.key.clone())));
    !known && reply.status != StatusCode::NOT_FOUND
}

/// Whether the database refused because of others: a deadlock, or a workflow that changed under us.
pub(super) fn is_conflict(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(database)) = error else { return false };
    database.code().is_some_and(|code| code == "40P01" || code == "40001")
        || matches!(database.constraint(), Some("transition_logs_legal_move" | "transfer_logs_legal_move"))
}

/// The same failure for another request of the group.
fn again(status: StatusCode, text: &str) -> Error {
    if status == StatusCode::SERVICE_UNAVAILABLE { Error::Overloaded } else { Error::Fault(text.to_owned()) }
}
