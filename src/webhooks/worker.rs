//! The two workers: one creates rows to deliver, one delivers them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    DeliveryService,
    claim::{self, Claimed, Prepared, Turn},
    hook::{self, Hook},
    record::{self, DeliveryResult, Report},
    relay,
    throttle::Throttle,
};
use crate::{
    catalog::CatalogCache,
    cause::{self, Cause},
    db::PgPool,
    error::Result,
    events,
    metrics::Metrics,
    outbound::limits::{AdaptiveLimits, FIRST_WINDOW},
};

/// Most rows that are claimed and have no result yet.
const MOST_HELD: usize = 512;
/// Most deliveries under way for one subscription.
const WIDEST_WINDOW: i64 = 64;
/// Most requests under way.
const AT_ONCE: usize = 128;
/// How often the database is checked for events of other servers and for rows that are due again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often rows are looked at that have been held back for long, and how many at a time.
const LOOK_AT_HELD_BACK_EVERY: Duration = Duration::from_secs(1);
const LOOKED_AT: i64 = 256;
/// Pause after a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Longest time a row may wait for its turn; then it is released. Its lease must outlast the attempt.
const LONGEST_TURN: Duration = Duration::from_secs(20);
/// Time until the next try for an event whose payload cannot be made.
const UNREADABLE: Duration = Duration::from_hours(1);
/// How long attempts under way may take once the server stops. Those cut short are due again later.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Shared by the workers.
pub(crate) struct WorkerContext {
    pub pool: PgPool,
    pub catalog_cache: Arc<CatalogCache>,
    pub metrics: Arc<Metrics>,
    pub event_notifier: Arc<events::EventNotifier>,
    pub service: DeliveryService,
    pub stop: CancellationToken,
}

/// Creates rows to deliver, until `stop`.
pub(crate) async fn relay(context: Arc<WorkerContext>) {
    let mut listener = context.event_notifier.subscribe();
    let mut throttle = Throttle::new(Arc::clone(&context.service.traffic));
    while !context.stop.is_cancelled() {
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = context.service.gate.opened() => {}
        }
        let passed = match relay::pass(&context.pool, throttle.batch(relay::BATCH)).await {
            Ok(passed) => passed,
            Err(error) => {
                tracing::warn!(%error, "cannot create deliveries; trying again shortly");
                sleep_unless_stopped(&context.stop, AFTER_FAILURE).await;
                continue;
            }
        };
        let made = usize::try_from(passed.made).unwrap_or(usize::MAX);
        if made > 0 {
            context.service.due.notify_one();
        }
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = throttle.wait_for_budget(made) => {}
        }
        if !passed.is_more {
            tokio::select! {
                () = context.stop.cancelled() => return,
                // Another server that was reading may have crashed.
                _ = tokio::time::timeout(AFTER_FAILURE, listener.wait()) => {}
            }
        }
    }
}

async fn sleep_unless_stopped(stop: &CancellationToken, duration: Duration) {
    tokio::time::timeout(duration, stop.cancelled()).await.ok();
}

/// A slot among the claimed rows. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    limits: Arc<AdaptiveLimits<i64>>,
    webhook_id: i64,
    delivered: Option<bool>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limits.settle(&self.webhook_id, self.delivered, Instant::now());
    }
}

/// Results on their way to be written.
pub(super) type Reports = mpsc::UnboundedSender<Report<Slot>>;

/// Claims rows that are due and delivers them.
struct DeliveryWorker {
    context: Arc<WorkerContext>,
    limits: Arc<AdaptiveLimits<i64>>,
    room: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    reports: Reports,
    /// The subscription whose turn was last.
    behind: i64,
    /// When what is held back is looked at next.
    looks_at: Instant,
}

/// Writes the results of deliveries, until nobody delivers any more.
pub(super) async fn write_down(
    context: Arc<WorkerContext>,
    queue: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Report<Slot>>>>,
) {
    let pause_after = context.service.settings.pause_after;
    let mut queue = queue.lock().await;
    record::write_results(context.pool.clone(), pause_after, &mut queue, |paused| {
        for paused in paused {
            context.metrics.webhooks.paused();
            tracing::error!(
                webhook = paused.id,
                target = paused.target_url,
                reason = paused.reason,
                "a webhook is paused; resume it when its receiver works again: oms webhooks resume"
            );
            context.event_notifier.notify();
        }
        context.service.due.notify_one();
    })
    .await;
}

/// Delivers rows that are due, until `stop`.
pub(super) async fn deliver(context: Arc<WorkerContext>, reports: Reports) {
    let mut worker = DeliveryWorker {
        limits: Arc::new(AdaptiveLimits::up_to(WIDEST_WINDOW)),
        room: Arc::new(Semaphore::new(MOST_HELD)),
        at_once: Arc::new(Semaphore::new(AT_ONCE)),
        reports,
        behind: 0,
        looks_at: Instant::now(),
        context: Arc::clone(&context),
    };
    let mut throttle = Throttle::new(Arc::clone(&context.service.traffic));
    let mut rounds = JoinSet::new();
    while !context.stop.is_cancelled() {
        tokio::select! {
            () = context.stop.cancelled() => break,
            () = context.service.gate.opened() => {}
        }
        let taken = match worker.round(&throttle, &mut rounds).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "cannot read what is to be delivered; trying again shortly");
                sleep_unless_stopped(&context.stop, AFTER_FAILURE).await;
                continue;
            }
        };
        while rounds.try_join_next().is_some() {}
        tokio::select! {
            () = context.stop.cancelled() => break,
            () = throttle.wait_for_budget(taken) => {}
        }
        if taken == 0 {
            tokio::select! {
                () = context.stop.cancelled() => break,
                () = context.service.due.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
    drop(worker);
    let last_attempts = async { while rounds.join_next().await.is_some() {} };
    tokio::time::timeout(SHUTDOWN_GRACE, last_attempts).await.ok();
    rounds.shutdown().await;
}

impl DeliveryWorker {
    /// Claims as many rows as there are slots for, and starts to send them. Returns their number.
    async fn round(&mut self, throttle: &Throttle, rounds: &mut JoinSet<()>) -> Result<usize> {
        let room = i64::try_from(self.room.available_permits()).unwrap_or_default();
        if room == 0 {
            return Ok(0);
        }
        let (ids, rooms) = self.limits.rooms(Instant::now());
        let mut connection = self.context.pool.acquire().await?;
        if self.looks_at <= Instant::now() {
            let is_more = claim::look_at_held_back(&mut connection, throttle.batch(LOOKED_AT)).await?;
            self.looks_at = Instant::now() + if is_more { Duration::ZERO } else { LOOK_AT_HELD_BACK_EVERY };
        }
        let claimed =
            claim::claim(&mut connection, (&ids, &rooms), FIRST_WINDOW, self.behind, throttle.batch(room)).await?;
        let taken = claimed.len();
        let (held_back, rows): (Vec<Claimed>, Vec<Claimed>) = claimed.into_iter().partition(|row| row.held_back);
        if !held_back.is_empty() {
            let ids: Vec<i64> = held_back.iter().map(|row| row.id).collect();
            claim::look_again(&mut connection, &ids).await?;
        }
        if rows.is_empty() {
            return Ok(taken);
        }
        self.behind = rows.iter().map(|row| row.webhook_id).max().unwrap_or_default();
        let addresses = &self.context.service.addresses;
        // Before the owners' rights are read.
        let version = self.context.catalog_cache.current().version;
        let prepared = match claim::prepare(&mut connection, &self.context.catalog_cache, addresses, &rows).await {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nobody sends them, and nobody else takes them before their lease ends.
                self.release(rows);
                return Err(error);
            }
        };
        drop(connection);
        let started = Instant::now();
        for chain in claim::chains(rows) {
            let Some(hook) = chain.first().and_then(|row| prepared.hook(row)) else {
                self.release(chain);
                continue;
            };
            let host = self.limits.host(&host(&hook.target_url));
            let deliveries = self.deliveries(chain, &prepared);
            let delivery = DeliveryChain {
                context: Arc::clone(&self.context),
                limits: Arc::clone(&self.limits),
                host,
                at_once: Arc::clone(&self.at_once),
                reports: self.reports.clone(),
                version,
                started,
            };
            rounds.spawn(delivery.send(deliveries));
        }
        Ok(taken)
    }

    /// Pairs each row with its body and a slot.
    fn deliveries(&self, chain: Vec<Claimed>, prepared: &Prepared) -> Vec<Sending> {
        let mut deliveries = Vec::with_capacity(chain.len());
        let mut rows = chain.into_iter();
        while let Some(row) = rows.next() {
            let Some(hook) = prepared.hook(&row).map(Arc::clone) else {
                self.release(std::iter::once(row).chain(rows));
                break;
            };
            // There are as many as rows were claimed.
            let Some(slot) = self.slot(row.webhook_id) else { break };
            let result = match prepared.turn(&row, &hook) {
                Turn::Send(body) => {
                    let cause = prepared.cause(&row);
                    deliveries.push(Sending { row, hook, body, slot, cause });
                    continue;
                }
                Turn::Unreadable => DeliveryResult::PutOff(UNREADABLE),
                Turn::Withheld => DeliveryResult::Withheld,
                Turn::Expired => {
                    self.context.metrics.webhooks.expired();
                    DeliveryResult::Expired
                }
            };
            // The rows after one that is put off wait for it.
            let is_last = matches!(result, DeliveryResult::PutOff(_));
            self.reports.send(Report { row, result, _slot: slot }).ok();
            if is_last {
                break;
            }
        }
        deliveries
    }

    /// Gives back what was claimed and is not sent.
    fn release(&self, rows: impl IntoIterator<Item = Claimed>) {
        for row in rows {
            let Some(slot) = self.slot(row.webhook_id) else { break };
            self.reports.send(Report { row, result: DeliveryResult::Released, _slot: slot }).ok();
        }
    }

    fn slot(&self, webhook_id: i64) -> Option<Slot> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.limits.take(webhook_id);
        Some(Slot { limits: Arc::clone(&self.limits), webhook_id, delivered: None, _room: room })
    }
}

/// A row that is to be sent.
struct Sending {
    row: Claimed,
    hook: Arc<Hook>,
    body: bytes::Bytes,
    slot: Slot,
    /// The request that caused its event.
    cause: Option<Arc<Cause>>,
}

/// Host and port of an address.
fn host(target_url: &str) -> String {
    let url = target_url.parse::<Url>().ok();
    let place = url.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    place.unwrap_or_default()
}

/// The rows of one object for one receiver, to be sent.
struct DeliveryChain {
    context: Arc<WorkerContext>,
    limits: Arc<AdaptiveLimits<i64>>,
    host: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    reports: Reports,
    /// The version of the installation at which the subscriptions were read, or an earlier one.
    version: i64,
    started: Instant,
}

impl DeliveryChain {
    /// Sends them one after the other. After a failure the others wait.
    async fn send(mut self, deliveries: Vec<Sending>) {
        // The host's slot first: a row that waits for a slow receiver must not block other hosts.
        let (there, here) = (Arc::clone(&self.host), Arc::clone(&self.at_once));
        let (Ok(_there), Ok(_here)) = (there.acquire().await, here.acquire().await) else { return };
        let mut before = Before::Delivered;
        for Sending { row, hook, body, mut slot, cause } in deliveries {
            let result = match before {
                // Two subscriptions to one receiver may have the same event.
                Before::Failed(wait, sequence) if sequence < row.sequence => DeliveryResult::HeldBack(wait),
                Before::NotSent => DeliveryResult::Released,
                _ if !self.may_send(&hook).await => {
                    before = Before::NotSent;
                    DeliveryResult::Released
                }
                _ => {
                    let result = cause::within(cause, attempt(&self.context, &hook, &row, body)).await;
                    if let DeliveryResult::Tried { outcome, wait, .. } = &result {
                        slot.delivered = Some(outcome.is_delivered());
                        if !outcome.is_delivered() {
                            before = Before::Failed(*wait, row.sequence);
                        }
                        if let Some(wait) = outcome.retry_after {
                            self.limits.leave_alone(&row.webhook_id, Instant::now() + wait);
                        }
                    }
                    result
                }
            };
            self.reports.send(Report { row, result, _slot: slot }).ok();
        }
    }

    /// Whether there is still time to send a row, and its owner may still hear of it.
    async fn may_send(&mut self, hook: &Hook) -> bool {
        self.started.elapsed() <= LONGEST_TURN && !self.context.stop.is_cancelled() && self.may_still_hear(hook).await
    }

    /// Whether the owner has the rights with which the rows were claimed. They may have waited for a slow receiver; every
    /// change of rights raises the version.
    async fn may_still_hear(&mut self, hook: &Hook) -> bool {
        let version = self.context.catalog_cache.current().version;
        if version == self.version {
            return hook.owner.is_active;
        }
        let reading = async { hook::load(&mut *self.context.pool.acquire().await?, &[hook.id]).await };
        let is_same = match reading.await {
            Ok(hooks) => hooks.get(&hook.id).is_some_and(|now| now.owner == hook.owner),
            Err(error) => {
                tracing::warn!(%error, "cannot look at the owner of a webhook once more; what waits is sent later");
                false
            }
        };
        if is_same {
            // All rows have the same owner.
            self.version = version;
        }
        is_same && hook.owner.is_active
    }
}

/// What became of the row before.
enum Before {
    Delivered,
    /// It is tried again after this time. With its number.
    Failed(Duration, i64),
    NotSent,
}

/// Makes one attempt to deliver a row.
async fn attempt(context: &WorkerContext, hook: &Hook, row: &Claimed, body: bytes::Bytes) -> DeliveryResult {
    let started = Instant::now();
    let delivery = Prepared::delivery(row, hook, body);
    let outcome = context.service.client.send(&delivery).await;
    context.metrics.webhooks.attempt(outcome.is_delivered(), outcome.took);
    if !outcome.is_delivered() {
        context.service.tell_failure(hook, row, &outcome);
    }
    attempt_result(hook, row, &delivery.body, started, outcome)
}

/// The result of an attempt.
pub(crate) fn attempt_result(
    hook: &Hook,
    row: &Claimed,
    body: &[u8],
    started: Instant,
    outcome: super::client::Outcome,
) -> DeliveryResult {
    if outcome.is_delivered() {
        return DeliveryResult::Tried { outcome, started, wait: Duration::ZERO, body: None };
    }
    let age = Duration::from_secs_f64(row.age.max(0.0));
    let wait = hook.countdown.next(row.retry_count + 1, age, rand::random());
    let wait = wait.max(outcome.retry_after.unwrap_or_default());
    tracing::debug!(webhook = hook.id, attempt = row.retry_count + 1, status = outcome.status, ?wait, "not delivered");
    let body = row.request_body.is_none().then(|| String::from_utf8_lossy(body).into_owned());
    DeliveryResult::Tried { outcome, started, wait, body }
}
