//! Adaptive limits: how many requests each receiver (a subscription, a host) may have under way. The number starts small,
//! grows with every success, and is next to nothing while the receiver fails. So a dead receiver with a million requests
//! waiting costs an attempt now and then, and delays no other.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Requests under way for a receiver without history.
pub const FIRST_WINDOW: i64 = 4;
/// From this many failures in a row on, attempts get rarer: the receiver is down, not one event wrong.
const FAILURES_TO_BACK_OFF: u32 = 8;
/// Time between attempts then; it doubles with each failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest time between attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Requests under way to one host.
const AT_ONE_HOST: usize = 16;
/// Most receivers, or hosts, kept in memory.
const MOST: usize = 10_000;

#[derive(Debug)]
struct AdaptiveLimit {
    window: i64,
    held: i64,
    failures: u32,
    backs_off_until: Option<Instant>,
}

/// The limits of all receivers, by their keys, and of hosts.
#[derive(Debug)]
pub struct AdaptiveLimits<K> {
    /// Most requests under way for one receiver.
    widest: i64,
    limits: Mutex<HashMap<K, AdaptiveLimit>>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl<K: Clone + Eq + Hash> AdaptiveLimits<K> {
    /// Limits that grow up to this many requests under way for one receiver.
    #[must_use]
    pub fn up_to(widest: i64) -> Self {
        Self { widest, limits: Mutex::default(), hosts: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, AdaptiveLimit>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more requests each known receiver may have. Any other may have [`FIRST_WINDOW`].
    pub fn rooms(&self, now: Instant) -> (Vec<K>, Vec<i64>) {
        let mut limits = self.lock();
        if limits.len() > MOST {
            limits.retain(|_, limit| limit.held > 0);
        }
        limits
            .iter()
            .map(|(id, limit)| {
                let backs_off = limit.backs_off_until.is_some_and(|until| now < until);
                (id.clone(), if backs_off { 0 } else { (limit.window - limit.held).max(0) })
            })
            .unzip()
    }

    /// Counts a request that begins.
    pub fn take(&self, receiver: K) {
        let limit = AdaptiveLimit { window: FIRST_WINDOW, held: 0, failures: 0, backs_off_until: None };
        self.lock().entry(receiver).or_insert(limit).held += 1;
    }

    /// Ends a request. `succeeded` is its outcome, or none if it was not tried.
    pub fn settle(&self, receiver: &K, succeeded: Option<bool>, now: Instant) {
        let mut limits = self.lock();
        let Some(limit) = limits.get_mut(receiver) else { return };
        limit.held -= 1;
        match succeeded {
            None => {}
            Some(true) => {
                limit.window = (limit.window + 1).min(self.widest);
                (limit.failures, limit.backs_off_until) = (0, None);
            }
            Some(false) => {
                limit.window = (limit.window / 2).max(1);
                limit.failures = limit.failures.saturating_add(1);
                let doublings = limit.failures.checked_sub(FAILURES_TO_BACK_OFF);
                limit.backs_off_until = doublings.map(|doublings| now + backoff(doublings));
            }
        }
    }

    /// The request slots of a host.
    pub fn host(&self, host: &str) -> Arc<Semaphore> {
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

fn backoff(doublings: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDEST_WINDOW: i64 = 64;

    fn room(limits: &AdaptiveLimits<i64>, now: Instant) -> i64 {
        let (ids, rooms) = limits.rooms(now);
        ids.iter().position(|id| *id == 1).map_or(FIRST_WINDOW, |at| rooms[at])
    }

    #[test]
    fn a_window_grows_with_success_and_a_failing_receiver_is_left_alone_more_and_more() {
        let (limits, now) = (AdaptiveLimits::up_to(WIDEST_WINDOW), Instant::now());
        let run = |delivered: bool| {
            limits.take(1);
            limits.settle(&1, Some(delivered), now);
        };
        assert_eq!(room(&limits, now), FIRST_WINDOW);
        (0..100).for_each(|_| run(true));
        assert_eq!(room(&limits, now), WIDEST_WINDOW);
        limits.take(1);
        assert_eq!(room(&limits, now), WIDEST_WINDOW - 1);
        limits.settle(&1, None, now);
        (1..FAILURES_TO_BACK_OFF).for_each(|_| run(false));
        assert_eq!(room(&limits, now), 1);
        run(false);
        assert_eq!((room(&limits, now), room(&limits, now + FIRST_BACKOFF)), (0, 1));
        (0..50).for_each(|_| run(false));
        assert_eq!((room(&limits, now + LONGEST_BACKOFF / 2), room(&limits, now + LONGEST_BACKOFF)), (0, 1));
        run(true);
        assert_eq!(room(&limits, now), 2);
    }

    #[test]
    fn a_host_has_its_places_for_as_long_as_somebody_is_there() {
        let limits = AdaptiveLimits::<i64>::up_to(WIDEST_WINDOW);
        let places = limits.host("a");
        let taken = places.try_acquire().expect("a place");
        assert_eq!(limits.host("a").available_permits(), AT_ONE_HOST - 1);
        assert_eq!(limits.host("b").available_permits(), AT_ONE_HOST);
        drop(taken);
    }
}
