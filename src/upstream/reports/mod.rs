//! Reports to the upstream: statuses, bills, invoices, and releases of its stock reservations.
//!
//! [`follow`] keeps orders and lines at the statuses of their packages; with them [`collect`] turns events into rows of
//! `upstream_calls`. [`send`] makes the calls: those of one order to the upstream one
//! after the other, in the order of the events; invoice calls by themselves. Each is repeated until it is answered, given
//! up, or ended by a person. A call whose answer was lost is made again: a status may come twice, and an invoice call
//! carries a key.

mod collect;
pub(super) mod follow;
pub(super) mod invoice;
mod kits;
pub(super) mod send;

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{invoice::Services, send::Bounds};
use super::{Client, Pace, heard};
use crate::{catalog::CatalogCache, db::PgPool, error::Result, metrics::Metrics, outbound::Gate};

/// How often calls and invoice calls of other servers are looked for, at least.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often old calls are deleted.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// How long a server that stops waits for calls under way. What is still under way then is made again by another.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Makes calls until it is stopped.
pub(super) struct Reporter {
    pub pool: PgPool,
    pub catalog_cache: Arc<CatalogCache>,
    /// Told when there may be calls to make.
    pub calls: Arc<Notify>,
    pub metrics: Arc<Metrics>,
    /// None: only invoice calls are made, which go to other services.
    pub client: Option<Arc<Client>>,
    pub services: Services,
    pub bounds: Bounds,
    pub pace: Pace,
    /// True if the upstream's reservations are released once a package is packed.
    pub releases: bool,
    pub stop: CancellationToken,
    pub gate: Gate,
}

impl Reporter {
    /// Begins to follow what happens.
    pub(super) async fn begin(&self) -> Result<()> {
        let releases = self.client.is_some().then_some(self.releases);
        collect::begin(&mut *self.pool.acquire().await?, releases).await
    }

    pub(super) async fn report_until_stopped(self: Arc<Self>) {
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut under_way = JoinSet::new();
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.gate.opened() => {}
            }
            let rest = match self.turn(&mut under_way).await {
                Ok(0) => LOOK_EVERY,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(%error, "cannot look for calls to make; trying again shortly");
                    self.pace.first_pause
                }
            };
            while under_way.try_join_next().is_some() {}
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
                () = self.calls.notified(), if !rest.is_zero() => {}
                _ = under_way.join_next(), if !under_way.is_empty() && !rest.is_zero() => {}
                _ = forget.tick() => {
                    if let Err(error) = self.forget_old().await {
                        tracing::warn!(%error, "cannot delete what is old of the upstream");
                    }
                }
            }
        }
        // Answers are recorded, so that calls are not repeated.
        let last_calls = async { while under_way.join_next().await.is_some() {} };
        tokio::time::timeout(SHUTDOWN_GRACE, last_calls).await.ok();
        under_way.shutdown().await;
    }

    async fn forget_old(&self) -> Result<()> {
        send::forget_old(&self.pool).await?;
        heard::forget_old(&self.pool).await
    }

    /// Collects invoice calls and sends once. Returns how much there was to do.
    async fn turn(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<usize> {
        Ok(collect::invoices(&self.pool).await? + self.send(under_way).await?)
    }
}
