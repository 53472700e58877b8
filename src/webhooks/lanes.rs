//! How much of this server each subscription may take: little at first, more with every success, next to nothing while
//! it fails. So one that is dead, with a million events waiting, costs an attempt now and then, and no other waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Deliveries under way for a subscription that nothing is known of.
pub(super) const FIRST_WINDOW: i64 = 4;
/// Most of them.
const WIDEST_WINDOW: i64 = 64;
/// So many failures after each other are put down to the receiver, not to what was sent.
const PATIENCE: u32 = 8;
/// Time between attempts then, doubled with each that fails.
const FIRST_REST: Duration = Duration::from_millis(100);
/// The longest of them.
const LONGEST_REST: Duration = Duration::from_secs(5);
/// Requests under way to one host.
const AT_ONE_HOST: usize = 16;
/// More subscriptions, or hosts, than this are not remembered at once.
const MOST: usize = 10_000;

#[derive(Debug)]
struct Lane {
    window: i64,
    held: i64,
    failures: u32,
    rests_until: Option<Instant>,
}

/// Everything that is known of subscriptions and hosts.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<i64, Lane>>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more each known subscription may have under way; any other [`FIRST_WINDOW`].
    pub(super) fn rooms(&self, now: Instant) -> (Vec<i64>, Vec<i64>) {
        let mut lanes = self.lock();
        if lanes.len() > MOST {
            lanes.retain(|_, lane| lane.held > 0);
        }
        lanes
            .iter()
            .map(|(id, lane)| {
                let rests = lane.rests_until.is_some_and(|until| now < until);
                (*id, if rests { 0 } else { (lane.window - lane.held).max(0) })
            })
            .unzip()
    }

    /// A delivery was taken on.
    pub(super) fn take(&self, webhook_id: i64) {
        let lane = Lane { window: FIRST_WINDOW, held: 0, failures: 0, rests_until: None };
        self.lock().entry(webhook_id).or_insert(lane).held += 1;
    }

    /// It is done with; whether it was delivered, if it was tried.
    pub(super) fn settle(&self, webhook_id: i64, delivered: Option<bool>, now: Instant) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(&webhook_id) else { return };
        lane.held -= 1;
        match delivered {
            None => {}
            Some(true) => {
                lane.window = (lane.window + 1).min(WIDEST_WINDOW);
                (lane.failures, lane.rests_until) = (0, None);
            }
            Some(false) => {
                lane.window = (lane.window / 2).max(1);
                lane.failures = lane.failures.saturating_add(1);
                let doublings = lane.failures.checked_sub(PATIENCE);
                lane.rests_until = doublings.map(|doublings| now + rest(doublings));
            }
        }
    }

    /// The places at a host.
    pub(super) fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = hosts.get(host).and_then(Weak::upgrade) {
            return places;
        }
        if hosts.len() > MOST {
            hosts.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(AT_ONE_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&places));
        places
    }
}

fn rest(doublings: u32) -> Duration {
    FIRST_REST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(lanes: &Lanes, now: Instant) -> i64 {
        let (ids, rooms) = lanes.rooms(now);
        ids.iter().position(|id| *id == 1).map_or(FIRST_WINDOW, |at| rooms[at])
    }

    #[test]
    fn a_window_grows_with_success_and_a_failing_receiver_is_left_alone_more_and_more() {
        let (lanes, now) = (Lanes::default(), Instant::now());
        let run = |delivered: bool| {
            lanes.take(1);
            lanes.settle(1, Some(delivered), now);
        };
        assert_eq!(room(&lanes, now), FIRST_WINDOW);
        (0..100).for_each(|_| run(true));
        assert_eq!(room(&lanes, now), WIDEST_WINDOW);
        lanes.take(1);
        assert_eq!(room(&lanes, now), WIDEST_WINDOW - 1);
        lanes.settle(1, None, now);
        (1..PATIENCE).for_each(|_| run(false));
        assert_eq!(room(&lanes, now), 1);
        run(false);
        assert_eq!((room(&lanes, now), room(&lanes, now + FIRST_REST)), (0, 1));
        (0..50).for_each(|_| run(false));
        assert_eq!((room(&lanes, now + LONGEST_REST / 2), room(&lanes, now + LONGEST_REST)), (0, 1));
        run(true);
        assert_eq!(room(&lanes, now), 2);
    }

    #[test]
    fn a_host_has_its_places_for_as_long_as_somebody_is_there() {
        let lanes = Lanes::default();
        let places = lanes.host("a");
        let taken = places.try_acquire().expect("a place");
        assert_eq!(lanes.host("a").available_permits(), AT_ONE_HOST - 1);
        assert_eq!(lanes.host("b").available_permits(), AT_ONE_HOST);
        drop(taken);
    }
}
