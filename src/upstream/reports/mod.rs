//! Reports to the upstream: statuses, bills, invoices, and releases of its stock reservations.
//!
//! [`collect`] turns events into rows of `upstream_calls`. [`send`] makes the calls: those of one order one after the
//! other, in the order of the events, each repeated until it is answered. An order whose calls fail delays no other. A
//! call whose answer was lost is made again: a status may come twice, and an invoice call carries a key.

mod collect;
mod invoice;
mod send;
mod statuses;

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{Client, Pace};
use crate::{catalog::CatalogCache, error::Result, events::EventNotifier, metrics::Metrics};

/// How often calls and invoice calls of other servers are looked for, at least.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest pause when every call failed. Each failed call has a longer pause of its own; others must not wait for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often old calls are deleted.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Collects and sends until it is stopped.
pub(super) struct Reporter {
    pub pool: PgPool,
    pub catalog_cache: Arc<CatalogCache>,
    pub event_notifier: Arc<EventNotifier>,
    pub metrics: Arc<Metrics>,
    /// None: only invoice calls are made, which go to other services.
    pub client: Option<Arc<Client>>,
    pub pace: Pace,
    /// True if the upstream's reservations are released once a package is packed.
    pub releases: bool,
    pub stop: CancellationToken,
}

impl Reporter {
    /// Begins to follow what happens.
    pub(super) async fn begin(&self) -> Result<()> {
        if self.client.is_some() {
            collect::begin(&mut *self.pool.acquire().await?).await?;
        }
        Ok(())
    }

    pub(super) async fn report_until_stopped(self) {
        let mut events = self.event_notifier.subscribe();
        let mut failures = 0;
        let mut forget = tokio::time::interval(FORGET_EVERY);
        while !self.stop.is_cancelled() {
            let rest = match self.turn().await {
                Ok(Turn::Idle) => Some(LOOK_EVERY),
                Ok(Turn::Busy) => {
                    failures = 0;
                    None
                }
                Ok(Turn::Failed) => {
                    failures += 1;
                    Some(self.pace.pause(failures, rand::random()).min(LONGEST_PAUSE))
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot report to the upstream; trying again shortly");
                    Some(self.pace.first_pause)
                }
            };
            let Some(rest) = rest else { continue };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = events.wait(), if failures == 0 => {}
                () = tokio::time::sleep(rest) => {}
                _ = forget.tick() => {
                    if let Err(error) = send::forget_old(&self.pool).await {
                        tracing::warn!(%error, "cannot delete old calls to the upstream");
                    }
                }
            }
        }
    }

    async fn turn(&self) -> Result<Turn> {
        let catalog = self.catalog_cache.current();
        let mut collected = collect::invoices(&self.pool).await?;
        if self.client.is_some() {
            collected += collect::events(&self.pool, &catalog, self.releases).await?.unwrap_or_default();
        }
        let sent = self.send().await?;
        Ok(match sent {
            send::Sent { made: 0, .. } if collected == 0 => Turn::Idle,
            send::Sent { made, failed } if made == failed && made > 0 => Turn::Failed,
            _ => Turn::Busy,
        })
    }
}

/// The result of a round.
enum Turn {
    /// There was no work.
    Idle,
    /// Some work was done.
    Busy,
    /// Every call failed.
    Failed,
}
