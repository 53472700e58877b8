//! The two who work: one makes out what is to be delivered, one delivers it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Url;
use sqlx::PgPool;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Post,
    claim::{self, Claimed, Mail},
    governor::Governor,
    hook::Hook,
    lanes::{FIRST_WINDOW, Lanes},
    record::{self, Fate, Report},
    relay,
};
use crate::{catalog::Shelf, error::Result, events, metrics::Metrics};

/// Deliveries taken on, and not yet written down.
const MOST_HELD: usize = 512;
/// Requests under way.
const AT_ONCE: usize = 128;
/// Events of other servers, and what is due again, are looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Rest after a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// A row that has waited so long for its turn is given back: its lease must outlast the attempt.
const LONGEST_TURN: Duration = Duration::from_secs(20);
/// When an event of which no payload can be made is tried again.
const UNREADABLE: Duration = Duration::from_hours(1);
/// How long attempts that are under way may take once the server stops; what is cut short comes due again.
const GOODBYE: Duration = Duration::from_secs(3);

/// What the workers share.
pub(super) struct Works {
    pub pool: PgPool,
    pub shelf: Arc<Shelf>,
    pub metrics: Arc<Metrics>,
    pub news: Arc<events::News>,
    pub post: Post,
    pub stop: CancellationToken,
}

/// Makes out what is to be delivered, until `stop`.
pub(super) async fn relay(works: Arc<Works>) {
    let mut listener = works.news.listen();
    let mut governor = Governor::new(Arc::clone(&works.post.traffic));
    while !works.stop.is_cancelled() {
        let passed = match relay::pass(&works.pool, governor.batch(relay::BATCH)).await {
            Ok(passed) => passed,
            Err(error) => {
                tracing::warn!(%error, "cannot make out deliveries; trying again shortly");
                rest(&works.stop, AFTER_FAILURE).await;
                continue;
            }
        };
        let made = usize::try_from(passed.made).unwrap_or(usize::MAX);
        if made > 0 {
            works.post.due.notify_one();
        }
        tokio::select! {
            () = works.stop.cancelled() => return,
            () = governor.pay(made) => {}
        }
        if !passed.is_more {
            tokio::select! {
                () = works.stop.cancelled() => return,
                // A server that was at it may have fallen over.
                _ = tokio::time::timeout(AFTER_FAILURE, listener.wait()) => {}
            }
        }
    }
}

async fn rest(stop: &CancellationToken, duration: Duration) {
    tokio::time::timeout(duration, stop.cancelled()).await.ok();
}

/// A row's place among those that are held; given back when it is dropped.
#[derive(Debug)]
struct Place {
    lanes: Arc<Lanes>,
    webhook_id: i64,
    delivered: Option<bool>,
    _room: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lanes.settle(self.webhook_id, self.delivered, Instant::now());
    }
}

type Reports = mpsc::UnboundedSender<Report<Place>>;

/// Takes on what is due and delivers it.
struct Postman {
    works: Arc<Works>,
    lanes: Arc<Lanes>,
    room: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    reports: Reports,
    /// The subscription whose turn was last.
    behind: i64,
}

/// Delivers what is due, until `stop`.
pub(super) async fn deliver(works: Arc<Works>) {
    let (reports, queue) = mpsc::unbounded_channel();
    let writing = {
        let works = Arc::clone(&works);
        let pause_after = works.post.settings.pause_after;
        tokio::spawn(async move {
            record::run(works.pool.clone(), pause_after, queue, |paused| {
                for paused in paused {
                    works.metrics.webhooks.paused();
                    tracing::error!(
                        webhook = paused.id,
                        target = paused.target_url,
                        reason = paused.reason,
                        "a webhook is paused; resume it when its receiver works again: oms webhooks resume"
                    );
                    works.news.ring();
                }
                works.post.due.notify_one();
            })
            .await;
        })
    };
    let mut postman = Postman {
        lanes: Arc::default(),
        room: Arc::new(Semaphore::new(MOST_HELD)),
        at_once: Arc::new(Semaphore::new(AT_ONCE)),
        reports,
        behind: 0,
        works: Arc::clone(&works),
    };
    let mut governor = Governor::new(Arc::clone(&works.post.traffic));
    let mut rounds = JoinSet::new();
    while !works.stop.is_cancelled() {
        let taken = match postman.round(&governor, &mut rounds).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "cannot read what is to be delivered; trying again shortly");
                rest(&works.stop, AFTER_FAILURE).await;
                continue;
            }
        };
        while rounds.try_join_next().is_some() {}
        tokio::select! {
            () = works.stop.cancelled() => break,
            () = governor.pay(taken) => {}
        }
        if taken == 0 {
            tokio::select! {
                () = works.stop.cancelled() => break,
                () = works.post.due.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
    drop(postman);
    let goodbye = async { while rounds.join_next().await.is_some() {} };
    tokio::time::timeout(GOODBYE, goodbye).await.ok();
    rounds.shutdown().await;
    writing.await.ok();
}

impl Postman {
    /// Takes on what there is room for, and sends it on its way; how many rows.
    async fn round(&mut self, governor: &Governor, rounds: &mut JoinSet<()>) -> Result<usize> {
        let room = i64::try_from(self.room.available_permits()).unwrap_or_default();
        if room == 0 {
            return Ok(0);
        }
        let (ids, rooms) = self.lanes.rooms(Instant::now());
        let mut connection = self.works.pool.acquire().await?;
        let claimed =
            claim::claim(&mut connection, (&ids, &rooms), FIRST_WINDOW, self.behind, governor.batch(room)).await?;
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
        let base_url = &self.works.post.settings.base_url;
        let mail = claim::prepare(&mut connection, &self.works.shelf, base_url, &rows).await?;
        drop(connection);
        let started = Instant::now();
        for chain in claim::chains(rows) {
            let Some(hook) = chain.first().and_then(|row| mail.hook(row)).cloned() else { continue };
            let Some(parcels) = self.parcels(chain, &mail, &hook) else { continue };
            let errand = Errand {
                works: Arc::clone(&self.works),
                host: self.lanes.host(&host(&hook.target_url)),
                at_once: Arc::clone(&self.at_once),
                reports: self.reports.clone(),
                hook,
                started,
            };
            rounds.spawn(errand.run(parcels));
        }
        Ok(taken)
    }

    /// Each row with its body and its place.
    fn parcels(&self, chain: Vec<Claimed>, mail: &Mail, hook: &Hook) -> Option<Vec<(Claimed, bytes::Bytes, Place)>> {
        let mut parcels = Vec::with_capacity(chain.len());
        for row in chain {
            let place = self.place(row.webhook_id)?;
            if let Some(body) = mail.body(&row, hook) {
                parcels.push((row, body, place));
            } else if mail.is_unreadable(&row) {
                // What comes behind it waits for it.
                self.reports.send(Report { row, fate: Fate::HeldBack(UNREADABLE), _place: place }).ok();
                break;
            } else {
                self.works.metrics.webhooks.expired();
                self.reports.send(Report { row, fate: Fate::Expired, _place: place }).ok();
            }
        }
        Some(parcels)
    }

    fn place(&self, webhook_id: i64) -> Option<Place> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.lanes.take(webhook_id);
        Some(Place { lanes: Arc::clone(&self.lanes), webhook_id, delivered: None, _room: room })
    }
}

/// Host and port of an address.
fn host(target_url: &str) -> String {
    let url = target_url.parse::<Url>().ok();
    let place = url.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    place.unwrap_or_default()
}

/// The rows of one object for one subscription, on their way.
struct Errand {
    works: Arc<Works>,
    host: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    reports: Reports,
    hook: Hook,
    started: Instant,
}

impl Errand {
    /// One after the other; behind one that fails, the rest waits.
    async fn run(self, parcels: Vec<(Claimed, bytes::Bytes, Place)>) {
        // The host's place first: who waits for a slow receiver keeps nobody else from sending.
        let (Ok(_there), Ok(_here)) = (self.host.acquire().await, self.at_once.acquire().await) else { return };
        let mut failed = None;
        for (row, body, mut place) in parcels {
            let fate = if let Some(wait) = failed {
                Fate::HeldBack(wait)
            } else if self.started.elapsed() > LONGEST_TURN || self.works.stop.is_cancelled() {
                Fate::Released
            } else {
                let fate = attempt(&self.works, &self.hook, &row, body).await;
                if let Fate::Tried { outcome, wait, .. } = &fate {
                    place.delivered = Some(outcome.is_delivered());
                    failed = (!outcome.is_delivered()).then_some(*wait);
                }
                fate
            };
            self.reports.send(Report { row, fate, _place: place }).ok();
        }
    }
}

/// One attempt to deliver a row.
async fn attempt(works: &Works, hook: &Hook, row: &Claimed, body: bytes::Bytes) -> Fate {
    let started = Instant::now();
    let letter = Mail::letter(row, hook, body);
    let outcome = works.post.client.send(&letter).await;
    works.metrics.webhooks.attempt(outcome.is_delivered(), outcome.took);
    fate(hook, row, &letter.body, started, outcome)
}

/// What follows from an attempt.
pub(super) fn fate(hook: &Hook, row: &Claimed, body: &[u8], started: Instant, outcome: super::client::Outcome) -> Fate {
    if outcome.is_delivered() {
        return Fate::Tried { outcome, started, wait: Duration::ZERO, body: None };
    }
    let age = Duration::from_secs_f64(row.age.max(0.0));
    let wait = hook.countdown.next(row.retry_count + 1, age, rand::random());
    tracing::debug!(webhook = hook.id, attempt = row.retry_count + 1, status = outcome.status, ?wait, "not delivered");
    let body = row.request_body.is_none().then(|| String::from_utf8_lossy(body).into_owned());
    Fate::Tried { outcome, started, wait, body }
}
