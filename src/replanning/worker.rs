//! The worker: one per server, one attempt at a time.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    openings,
    short::{self, Tried},
    waiting::{self, Limits, Waiting},
    wakes,
};
use crate::{
    auth::{Caller, Role, users::SYSTEM},
    catalog::{Catalog, CatalogCache},
    commands::{
        dispatch::{Dispatcher, Request, Versions},
        outcome::Outcome,
        wake_signal::{Freed, WakeSignal},
    },
    db::PgPool,
    error::Result,
    inventory::Inventory,
    metrics::Metrics,
    scope::Scope,
    tasks::Tasks,
};

/// Package ids read at a time: mostly all that wait.
const PAGE: i64 = 50_000;
/// Packages checked by one query.
const CHUNK: usize = 64;
/// After a round the worker pauses this many times as long as the round took: it uses at most a fifth of a core.
const PAUSE_FACTOR: u32 = 4;
/// Shortest and longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(10));
/// Pause after a failure: the database is away, or overloaded.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// When waiting packages are planned again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often the table of wakes is read. The wake signal of this process comes at once.
    pub look_every: Duration,
    /// How often every waiting package is tried; none: never.
    pub sweep_every: Option<Duration>,
    /// True if packages that hold what a count says is not there are planned again, too.
    pub plan_short: bool,
}

impl Settings {
    /// Reads the wakes every second, and sweeps every so many minutes; 0: no sweep.
    #[must_use]
    pub fn sweeping_every(minutes: u32) -> Self {
        Self {
            look_every: Duration::from_secs(1),
            sweep_every: (minutes > 0).then(|| Duration::from_mins(u64::from(minutes))),
            plan_short: false,
        }
    }
}

/// The reason of an attempt, for the metric.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Freed,
    Sweep,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Freed => "freed",
            Self::Sweep => "sweep",
        }
    }
}

/// The number of attempts and successes.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    attempts: u64,
    planned: u64,
}

/// One pass over what waits.
#[derive(Debug, Default)]
struct Pass {
    limits: Limits,
    /// SKUs of which all is for packages that were tried.
    left_to_others: Vec<String>,
    tally: Tally,
}

/// The pieces that planning again needs.
pub struct Worker {
    /// Connections to Postgres.
    pub pool: PgPool,
    /// The installation in memory.
    pub catalog_cache: Arc<CatalogCache>,
    /// Runs REPACK.
    pub dispatcher: Dispatcher,
    /// Counts attempts.
    pub metrics: Arc<Metrics>,
    /// Sent when something comes free.
    pub wake_signal: Arc<WakeSignal>,
    /// Asked for stock before a package is planned.
    pub inventory: Inventory,
    /// Ends the worker.
    pub stop: CancellationToken,
}

/// A sweep under way.
#[derive(Debug, Default)]
struct Sweep {
    /// Packages read and not yet tried.
    waiting: VecDeque<Waiting>,
    /// The last package read.
    last: Option<Waiting>,
    /// True if all packages are read.
    is_read: bool,
    tally: Tally,
}

/// True if no package comes after this page.
fn is_last(page: &[Waiting]) -> bool {
    i64::try_from(page.len()).is_ok_and(|length| length < PAGE)
}

impl Worker {
    /// Starts it.
    pub fn start(self, settings: Settings, tasks: &Tasks) {
        // Before anything can be freed: a signal without a listener is lost.
        self.wake_signal.listen();
        let stop = self.stop.clone();
        let worker = Arc::new(self);
        tasks.keep("replanning", &stop, move || Arc::clone(&worker).replan_until_stopped(settings));
    }

    async fn replan_until_stopped(self: Arc<Self>, settings: Settings) {
        // Things freed while no server ran, or lost in a crash.
        self.wake_signal.send(Freed { anything: true, ..Freed::default() });
        let (mut sweep, mut short) = (None, Tried::default());
        while !self.stop.is_cancelled() {
            let wait = match self.look(settings, &mut short, &mut sweep).await {
                Ok(took) => took.map(|took| (took * PAUSE_FACTOR).clamp(PAUSES.0, PAUSES.1)),
                Err(error) => {
                    tracing::warn!(%error, "cannot plan again what waits; trying again shortly");
                    Some(AFTER_FAILURE)
                }
            };
            let pause = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => {
                        tokio::time::timeout(settings.look_every, self.wake_signal.received()).await.ok();
                    }
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = pause => {}
            }
        }
        self.wake_signal.stop_listening();
    }

    /// Looks for work and does some of it. Returns the time it took, or none if there was no work.
    async fn look(&self, settings: Settings, short: &mut Tried, sweep: &mut Option<Sweep>) -> Result<Option<Duration>> {
        let started = Instant::now();
        let lease = wakes::lease(&self.pool).await?;
        let mut freed = self.wake_signal.take();
        let heard = freed.clone();
        let is_idle = lease.is_empty() && freed.is_empty();
        freed.add(lease.freed.clone());
        match self.plan_for(freed).await {
            Ok(true) => lease.done(&self.pool).await?,
            Ok(false) => lease.give_back(&self.pool).await?,
            Err(error) => {
                self.wake_signal.send(heard);
                lease.give_back(&self.pool).await.ok();
                return Err(error);
            }
        }
        if settings.plan_short {
            self.plan_short(short).await?;
        }
        if sweep.is_none() && self.is_time_to_sweep(settings).await? {
            *sweep = Some(Sweep::default());
        }
        if let Some(under_way) = sweep {
            if self.sweep_on(under_way).await? {
                *sweep = None;
            }
            return Ok(Some(started.elapsed()));
        }
        Ok((!is_idle).then(|| started.elapsed()))
    }

    /// True if every waiting package is to be tried, by this server: it is time, or a location has opened since the last time.
    async fn is_time_to_sweep(&self, settings: Settings) -> Result<bool> {
        let catalog = self.catalog_cache.up_to_date(&mut *self.pool.acquire().await?).await?;
        let opened = openings::since_last(&self.pool, &catalog).await?;
        let every = settings.sweep_every.into_iter().chain(opened).min();
        match every {
            Some(every) => wakes::is_our_sweep(&self.pool, every).await,
            None => Ok(false),
        }
    }

    /// Tries packages that want the freed things, until those are used up. False if it was stopped before.
    async fn plan_for(&self, mut freed: Freed) -> Result<bool> {
        if freed.is_empty() {
            return Ok(true);
        }
        let catalog = self.catalog_cache.up_to_date(&mut *self.pool.acquire().await?).await?;
        let state_ids = catalog.workflow.waiting_states();
        let limits = Limits::of(&catalog);
        let mut pass = Pass { limits, ..Pass::default() };
        let mut last = None;
        waiting::forget_what_is_gone(&self.pool, &mut freed, limits).await?;
        while !freed.is_empty() {
            let page = waiting::after(&self.pool, &state_ids, last, PAGE).await?;
            for chunk in page.chunks(CHUNK) {
                if freed.is_empty() || self.stop.is_cancelled() {
                    break;
                }
                if self.plan_chunk(&catalog, chunk, &freed, &mut pass).await? {
                    waiting::forget_what_is_gone(&self.pool, &mut freed, limits).await?;
                }
            }
            last = page.last().copied();
            if is_last(&page) || self.stop.is_cancelled() {
                break;
            }
        }
        let Tally { attempts, planned } = pass.tally;
        if attempts > 0 {
            tracing::info!(planned, attempts, "planned again what something came free for");
        }
        Ok(!self.stop.is_cancelled())
    }

    /// True if one of the packages was placed.
    async fn plan_chunk(&self, catalog: &Catalog, chunk: &[Waiting], freed: &Freed, pass: &mut Pass) -> Result<bool> {
        let before = pass.tally.planned;
        let mut is_changed = false;
        for package in waiting::could_be_placed(&self.pool, chunk, freed, &pass.left_to_others, pass.limits).await? {
            // A package before may have taken the freed things, or wait for all of them.
            if is_changed {
                let left = &pass.left_to_others;
                if waiting::could_be_placed(&self.pool, &[package], freed, left, pass.limits).await?.is_empty() {
                    continue;
                }
            }
            if self.stop.is_cancelled() {
                break;
            }
            let planned = pass.tally.planned;
            self.attempt(package, Cause::Freed, &mut pass.tally).await?;
            if pass.tally.planned > planned {
                is_changed = true;
            } else if pass.limits.is_in_turn {
                let left = waiting::left_to(&self.pool, catalog, package).await?;
                is_changed |= !left.is_empty();
                pass.left_to_others.extend(left);
            }
        }
        Ok(pass.tally.planned > before)
    }

    /// Tries the next packages of a sweep. True if the sweep is finished.
    async fn sweep_on(&self, sweep: &mut Sweep) -> Result<bool> {
        let catalog = self.catalog_cache.current();
        let state_ids = catalog.workflow.waiting_states();
        if sweep.waiting.is_empty() && !sweep.is_read {
            let page = waiting::after(&self.pool, &state_ids, sweep.last, PAGE).await?;
            sweep.is_read = is_last(&page);
            sweep.last = page.last().copied();
            sweep.waiting = page.into();
        }
        // The stock service, if there is one, is asked once for all of them.
        let ids: Vec<i64> = sweep.waiting.iter().take(CHUNK).map(|package| package.package).collect();
        self.inventory.before_packages(&catalog, &ids).await?;
        for _ in 0..CHUNK {
            let Some(package) = sweep.waiting.front().copied() else { break };
            if self.stop.is_cancelled() {
                return Ok(true);
            }
            self.attempt(package, Cause::Sweep, &mut sweep.tally).await?;
            sweep.waiting.pop_front();
        }
        if !sweep.waiting.is_empty() || !sweep.is_read {
            return Ok(false);
        }
        let Tally { attempts, planned } = sweep.tally;
        tracing::info!(planned, attempts, "swept what waits for a place");
        Ok(true)
    }

    /// Takes from the latest packages what a count says is not there: it is not found, and planned again. What was tried is not
    /// tried again as long as it is the same.
    async fn plan_short(&self, tried: &mut Tried) -> Result<()> {
        let catalog = self.catalog_cache.current();
        let promises = short::promises(&self.pool, &catalog).await?;
        tried.retain(|promise| promises.contains(promise));
        for promise in promises {
            if self.stop.is_cancelled() {
                break;
            }
            if !tried.insert(promise) {
                continue;
            }
            let Some(transition) = short::transition(&catalog, promise.state_id) else { continue };
            let items = json!([{ "id": promise.item, "quantity": promise.units }]);
            let input = serde_json::Map::from_iter([("package_items".to_owned(), items)]);
            let request = self.request(promise.package, transition, input).await?;
            let request = Request { versions: Versions::OneOf(vec![promise.version]), ..request };
            let result = self.dispatcher.run(request).await;
            let (package_id, is_done) = (promise.package, matches!(result, Ok(Outcome::Done(_))));
            tracing::info!(
                package_id,
                sku_units = promise.units,
                is_done,
                "planned again what a count says is not there"
            );
            if let Err(error) = result {
                tracing::warn!(%error, package_id, "cannot plan again what a count says is not there");
            }
        }
        Ok(())
    }

    /// A command of the system.
    async fn request(
        &self,
        package: i64,
        transition: i64,
        input: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Request> {
        Ok(Request {
            id: package,
            transition: Some(transition),
            slug: None,
            input,
            caller: self.caller().await?,
            cause: None,
            key: None,
            versions: Versions::Any,
            dry_run: false,
        })
    }

    /// Sends a REPACK to the dispatcher.
    async fn attempt(&self, package: Waiting, cause: Cause, tally: &mut Tally) -> Result<()> {
        let catalog = self.catalog_cache.current();
        let Some(repack) = catalog.workflow.repacks().find(|repack| repack.source_id == package.state) else {
            return Ok(());
        };
        let request = self.request(package.package, repack.id, serde_json::Map::new()).await?;
        let result = self.dispatcher.run(request).await;
        let outcome = match &result {
            Ok(Outcome::Done(_)) => "planned",
            Ok(_) => "refused",
            Err(_) => "failed",
        };
        self.metrics.replanning(cause.as_str(), outcome);
        tally.attempts += 1;
        tally.planned += u64::from(outcome == "planned");
        let package_id = package.package;
        tracing::debug!(package_id, cause = cause.as_str(), outcome, "tried to plan a package again");
        match result {
            // A fault of this package must not delay the others: it is logged, and its turn comes again.
            Err(error) if error.status() != StatusCode::SERVICE_UNAVAILABLE => {
                tracing::error!(%error, package_id, "cannot plan a package again");
                Ok(())
            }
            result => result.map(drop),
        }
    }

    /// The user in the log of automatic actions.
    async fn caller(&self) -> Result<Arc<Caller>> {
        let user_id =
            sqlx::query_scalar!("select id from users where username = $1", SYSTEM).fetch_one(&self.pool).await?;
        Ok(Arc::new(Caller {
            user_id,
            username: SYSTEM.to_owned(),
            role: Role::Admin,
            scope: Scope::unlimited(),
            token: None,
        }))
    }
}
