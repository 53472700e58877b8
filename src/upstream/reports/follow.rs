//! Follows the packages: orders and their lines have the statuses of what is in packages, whether an upstream is told of it or
//! not.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::collect;
use crate::{
    events::EventNotifier,
    upstream::{Intake, Pace},
};

/// How often is looked without a signal: another server may have begun and ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Follows until it is stopped.
pub(in crate::upstream) struct Follower {
    pub intake: Intake,
    pub event_notifier: Arc<EventNotifier>,
    pub pace: Pace,
    /// Told when there may be calls to make.
    pub calls: Arc<Notify>,
    pub stop: CancellationToken,
}

impl Follower {
    pub(in crate::upstream) async fn follow_until_stopped(self: Arc<Self>) {
        let mut events = self.event_notifier.subscribe();
        if let Err(error) = self.intake.settle_overtaken().await {
            tracing::warn!(%error, "what was heard of orders that are here is not settled; it is at the next start");
        }
        while !self.stop.is_cancelled() {
            let rest = match collect::events(&self.intake.pool, &self.intake.catalog_cache.current()).await {
                Ok(None | Some(0)) => LOOK_EVERY,
                Ok(Some(_)) => {
                    self.calls.notify_one();
                    Duration::ZERO
                }
                Err(error) => {
                    tracing::warn!(%error, "orders do not follow their packages; trying again shortly");
                    self.pace.first_pause
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
                () = events.wait(), if !rest.is_zero() => {}
            }
        }
    }
}
