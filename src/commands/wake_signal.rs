//! The wake signal: what commands of this process freed, sent in memory after their commit.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{
    catalog::Catalog,
    commands::consequences::{Consequences, PackageChange},
    workflow::State,
};

/// Most SKUs kept apart. With more, anything may have come free.
const MOST_SKUS: usize = 10_000;

/// The things that came free. A waiting package is tried if one of its items wants some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freed {
    /// SKUs of which more units are available.
    pub skus: BTreeSet<String>,
    /// Locations with more room, or locations that changed.
    pub location_ids: BTreeSet<i64>,
    /// True if anything may have come free: every waiting package is looked at.
    pub anything: bool,
}

impl Freed {
    /// True if nothing came free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.anything && self.skus.is_empty() && self.location_ids.is_empty()
    }

    /// Adds another set.
    pub fn add(&mut self, other: Self) {
        self.skus.extend(other.skus);
        self.location_ids.extend(other.location_ids);
        self.anything |= other.anything;
        if self.skus.len() > MOST_SKUS {
            self.skus.clear();
            self.anything = true;
        }
    }

    /// The things that changes free: stock no longer held, and room at a location with a limit. Also the SKUs of
    /// packages that have just found no place: if they were counted after the plan had read the stock, and the search
    /// for waiting packages ran before the package was written, no other signal would come. And the SKUs of those that wait
    /// no longer: what was left to them is now for the next ones.
    fn by(changes: &[PackageChange], consequences: &Consequences, catalog: &Catalog) -> Self {
        let rises = consequences.stock.iter().filter(|(_, delta)| delta.quantity > delta.reserved);
        let mut freed = Self { skus: rises.map(|((sku, _), _)| sku.clone()).collect(), ..Self::default() };
        let left = consequences.quota.iter().filter(|change| change.delta < 0).map(|change| change.stock_location_id);
        freed.location_ids.extend(left.filter(|id| catalog.limited_locations.contains(id)));
        let waits = |state_id| catalog.workflow.state(state_id).is_ok_and(State::waits_for_place);
        for change in changes {
            let waited = change.before.is_some_and(|before| waits(before.state_id));
            if waited != waits(change.after.state_id) {
                freed.skus.extend(change.items.iter().map(|item| item.sku.clone()));
            }
        }
        freed
    }
}

/// See the module. It keeps nothing while no worker listens.
#[derive(Debug, Default)]
pub struct WakeSignal {
    is_listened_to: AtomicBool,
    freed: Mutex<Freed>,
    notify: Notify,
}

impl WakeSignal {
    /// Sends the things that committed changes freed.
    pub fn send_for(&self, changes: &[PackageChange], consequences: &Consequences, catalog: &Catalog) {
        if self.is_listened_to.load(Ordering::Relaxed) {
            self.send(Freed::by(changes, consequences, catalog));
        }
    }

    /// Sends the things that came free.
    pub fn send(&self, freed: Freed) {
        if freed.is_empty() || !self.is_listened_to.load(Ordering::Relaxed) {
            return;
        }
        self.freed.lock().unwrap_or_else(PoisonError::into_inner).add(freed);
        self.notify.notify_one();
    }

    /// Wakes the worker because there is a new row in `replanning_wakes`.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    /// Begins to keep signals.
    pub(crate) fn listen(&self) {
        self.is_listened_to.store(true, Ordering::Relaxed);
    }

    /// Ends keeping signals.
    pub(crate) fn stop_listening(&self) {
        self.is_listened_to.store(false, Ordering::Relaxed);
    }

    /// Takes everything sent since the last call.
    pub(crate) fn take(&self) -> Freed {
        std::mem::take(&mut *self.freed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a signal.
    pub(crate) async fn received(&self) {
        self.notify.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skus(names: impl IntoIterator<Item = String>) -> Freed {
        Freed { skus: names.into_iter().collect(), ..Freed::default() }
    }

    #[test]
    fn it_keeps_nothing_while_nobody_listens_and_everything_once_while_somebody_does() {
        let wake_signal = WakeSignal::default();
        wake_signal.send(skus(["A".to_owned()]));
        assert!(wake_signal.take().is_empty());
        wake_signal.listen();
        wake_signal.send(skus(["A".to_owned()]));
        wake_signal.send(skus(["B".to_owned(), "A".to_owned()]));
        assert_eq!(wake_signal.take(), skus(["A".to_owned(), "B".to_owned()]));
        assert!(wake_signal.take().is_empty());
    }

    #[test]
    fn more_than_can_be_kept_apart_is_anything() {
        let mut freed = skus((0..MOST_SKUS).map(|n| n.to_string()));
        assert!(!freed.anything);
        freed.add(skus(["one more".to_owned()]));
        assert!(freed.anything && freed.skus.is_empty());
    }
}
