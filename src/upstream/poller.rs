//! Reads the upstream's orders: one server at a time, each from where the last one stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::{
    client::{Client, Excess, Failure},
    cursor::{self, Lease},
    intake::{Intake, Taken},
    paging::Paging,
    problems,
    settings::Pace,
};
use crate::{
    error::{Error, Result},
    metrics::Metrics,
    outbound::Gate,
    wire::pieces::{self, Entry, Unread},
};

/// The list of orders.
const ORDERS: &str = "api/i1/orders/";
/// Each poll begins this long before the end of the last one, for orders that the upstream dated then but committed
/// later. Orders already read are known by their number.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// Most pages in one poll.
const MOST_PAGES: usize = 2000;
/// Longest time between two checks of the cursor.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Shortest time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// Reads until it is stopped.
pub(super) struct Poller {
    pub intake: Intake,
    pub metrics: Arc<Metrics>,
    pub client: Arc<Client>,
    pub pace: Pace,
    /// Orders changed before are not read.
    pub since: Option<DateTime<Utc>>,
    pub stop: CancellationToken,
    pub gate: Gate,
    /// How many orders were asked for at once in the end.
    pub limit: AtomicUsize,
}

/// Why a poll ended before the end of the list.
enum PollError {
    /// The upstream failed.
    Upstream(Failure),
    /// This server, or its database, failed.
    Here(Error),
    /// It was stopped, or another server reads now.
    Interrupted,
}

impl From<Error> for PollError {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl Poller {
    pub(super) async fn poll_until_stopped(self: Arc<Self>) {
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.gate.opened() => {}
            }
            let pause = match self.turn().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "cannot read the upstream's orders; trying again shortly");
                    self.pace.first_pause
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)) => {}
            }
        }
    }

    /// Reads, if it is time and no other server does; returns the pause.
    async fn turn(&self) -> Result<Duration> {
        let pool = &self.intake.pool;
        let lease = match cursor::take(pool, self.pace.lease).await? {
            Ok(lease) => lease,
            Err(wait) => return Ok(wait),
        };
        let outcome = self.poll(&lease).await;
        let metric = match outcome {
            Ok(()) => "read",
            Err(PollError::Interrupted) => "interrupted",
            Err(_) => "failed",
        };
        self.metrics.upstream_poll(metric);
        let (why, pause) = match outcome {
            Ok(()) => {
                lease.done(pool, self.pace.poll_every).await?;
                return Ok(self.pace.poll_every);
            }
            Err(PollError::Interrupted) => {
                lease.give_back(pool, None, Duration::ZERO).await?;
                return Ok(self.pace.poll_every);
            }
            Err(PollError::Upstream(failure)) => (failure.why, failure.retry_after),
            Err(PollError::Here(error)) => (error.to_string(), None),
        };
        let pause = self.pace.pause(lease.failures + 1, rand::random()).max(pause.unwrap_or_default());
        tracing::warn!(why, pause_seconds = pause.as_secs_f64(), "the upstream's orders could not be read");
        lease.give_back(pool, Some(&why), pause).await?;
        Ok(pause)
    }

    /// Reads the list to its end.
    async fn poll(&self, lease: &Lease) -> Result<(), PollError> {
        let since = lease.seen.map(|seen| seen - OVERLAP);
        let mut paging = Paging::from(since.max(self.since), self.limit.load(Ordering::Relaxed));
        let (mut taken, mut is_past_one) = (0, false);
        for _ in 0..MOST_PAGES {
            if self.stop.is_cancelled() {
                return Err(PollError::Interrupted);
            }
            let page = match self.client.list(ORDERS, &paging.query()).await {
                Ok(page) => page,
                // That one was the last.
                Err(failure) if is_past_one && failure.status == Some(StatusCode::NOT_FOUND) => break,
                Err(failure) => {
                    (paging, is_past_one) = self.with_less(&paging, failure).await?;
                    self.limit.store(paging.limit, Ordering::Relaxed);
                    if !lease.renew(&self.intake.pool, None).await? {
                        return Err(PollError::Interrupted);
                    }
                    continue;
                }
            };
            is_past_one = false;
            taken += self.intake.take_page(&page.entries).await?;
            let modified: Vec<Option<DateTime<Utc>>> = page.entries.iter().filter_map(modified).collect();
            let was_sorted = paging.is_sorted;
            let (next, goes_on) = paging.after(&modified, page.has_next);
            paging = next;
            self.limit.store(paging.limit, Ordering::Relaxed);
            if was_sorted && !paging.is_sorted {
                tracing::warn!("the upstream's orders are not in the order of their change; reading all of its pages");
            }
            if !lease.renew(&self.intake.pool, paging.seen).await? {
                return Err(PollError::Interrupted);
            }
            if !goes_on {
                break;
            }
        }
        // After all that is new was heard, so that none is tried that is another by now.
        self.try_problems_again().await?;
        if taken > 0 {
            tracing::info!(orders = taken, "took orders of the upstream");
            self.metrics.upstream_orders("polled", taken);
        }
        Ok(())
    }

    /// The position after an answer that was too much: the same with less, or behind the one order that is too long by itself
    /// and stays as a problem; whether it is that.
    async fn with_less(&self, paging: &Paging, failure: Failure) -> Result<(Paging, bool), PollError> {
        if failure.excess.is_none() {
            return Err(PollError::Upstream(failure));
        }
        if let Some(halved) = paging.halved() {
            tracing::warn!(
                why = failure.why,
                orders = halved.limit,
                "the upstream's list is too much; asking for less"
            );
            return Ok((halved, false));
        }
        let Some(Excess::Length(beginning)) = &failure.excess else { return Err(PollError::Upstream(failure)) };
        let order = pieces::beginning_of_first(beginning, "results").unwrap_or_default();
        let unread = Unread::of_body(order, format!("{}, {}", paging.place(), failure.why));
        problems::record_unread(&self.intake.pool, &unread).await?;
        Ok((paging.past_one(), true))
    }

    /// Tries recorded problems again: a missing cargo company may be there now, a scenario may have changed.
    async fn try_problems_again(&self) -> Result<()> {
        for problem in problems::due(&self.intake.pool).await? {
            if let Ok(Taken::Left { .. } | Taken::Overtaken) =
                self.intake.take_or_record(&problem.payload, None).await?
            {
                problems::close(&self.intake.pool, problem.id).await?;
            }
        }
        Ok(())
    }
}

/// When the upstream last changed an order. One that cannot be read may be left out: the others say where the list stands.
fn modified(order: &Entry) -> Option<Option<DateTime<Utc>>> {
    match order {
        Ok(order) => Some(order["modified_date"].as_str().and_then(|date| date.parse().ok())),
        Err(unread) => unread.text_of("modified_date").and_then(|date| date.parse().ok()).map(Some),
    }
}
