//! Adaptive limits: how many requests each receiver (a subscription, a host) may have under way. The number starts small,
//! grows with every success, and is one while the receiver fails. A failing receiver gets its retries when they are due, as
//! long as they are few: it has attempts in hand, and more come by the second. So a dead receiver with a million requests
//! waiting costs an attempt now and then, and delays no other.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Instant,
};

use tokio::sync::Semaphore;

/// Requests under way for a receiver without history.
pub const FIRST_WINDOW: i64 = 4;
/// Failures that a receiver has in hand: so many follow each other as its retries want it. A success gives all of them back.
const FAILURES_IN_HAND: f64 = 100.0;
/// Failures that come into hand in a second: so many retries a second are a flood.
const FAILURES_A_SECOND: f64 = 1.0;
/// Requests under way to one host.
const AT_ONE_HOST: usize = 16;
/// Most receivers, or hosts, kept in memory.
const MOST: usize = 10_000;

#[derive(Debug)]
struct AdaptiveLimit {
    window: i64,
    held: i64,
    /// Failures in hand, at that moment; below zero, if many were under way when the receiver fell over.
    in_hand: (f64, Instant),
    /// The receiver asked to be left alone until then.
    left_alone_until: Option<Instant>,
}

impl AdaptiveLimit {
    fn new(now: Instant) -> Self {
        Self { window: FIRST_WINDOW, held: 0, in_hand: (FAILURES_IN_HAND, now), left_alone_until: None }
    }

    /// Failures in hand.
    fn in_hand(&self, now: Instant) -> f64 {
        let (count, at) = self.in_hand;
        (count + now.saturating_duration_since(at).as_secs_f64() * FAILURES_A_SECOND).min(FAILURES_IN_HAND)
    }

    /// How many more requests may begin.
    fn room(&self, now: Instant) -> i64 {
        let is_left_alone = self.left_alone_until.is_some_and(|until| now < until) || self.in_hand(now) < 1.0;
        if is_left_alone { 0 } else { (self.window - self.held).max(0) }
    }
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
        limits.iter().map(|(id, limit)| (id.clone(), limit.room(now))).unzip()
    }

    /// Counts a request that begins.
    pub fn take(&self, receiver: K) {
        self.lock().entry(receiver).or_insert_with(|| AdaptiveLimit::new(Instant::now())).held += 1;
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
                limit.in_hand = (FAILURES_IN_HAND, now);
            }
            Some(false) => {
                limit.window = (limit.window / 2).max(1);
                limit.in_hand = (limit.in_hand(now) - 1.0, now);
            }
        }
    }

    /// Begins no more requests until then, because the receiver asked for it.
    pub fn leave_alone(&self, receiver: &K, until: Instant) {
        if let Some(limit) = self.lock().get_mut(receiver) {
            limit.left_alone_until = limit.left_alone_until.max(Some(until));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WIDEST_WINDOW: i64 = 64;

    fn room(limits: &AdaptiveLimits<i64>, now: Instant) -> i64 {
        let (ids, rooms) = limits.rooms(now);
        ids.iter().position(|id| *id == 1).map_or(FIRST_WINDOW, |at| rooms[at])
    }

    #[test]
    fn a_window_grows_with_success_and_a_failing_receiver_gets_one_request_at_a_time() {
        let (limits, now) = (AdaptiveLimits::up_to(WIDEST_WINDOW), Instant::now());
        let run = |succeeded: bool| {
            limits.take(1);
            limits.settle(&1, Some(succeeded), now);
        };
        assert_eq!(room(&limits, now), FIRST_WINDOW);
        (0..100).for_each(|_| run(true));
        assert_eq!(room(&limits, now), WIDEST_WINDOW);
        limits.take(1);
        assert_eq!(room(&limits, now), WIDEST_WINDOW - 1);
        limits.settle(&1, None, now);
        (0..8).for_each(|_| run(false));
        assert_eq!(room(&limits, now), 1);
        run(true);
        assert_eq!(room(&limits, now), 2);
    }

    #[test]
    fn few_retries_come_when_they_are_due_and_a_flood_of_them_one_a_second() {
        let (limits, now) = (AdaptiveLimits::up_to(WIDEST_WINDOW), Instant::now());
        let second = Duration::from_secs(1);
        let fail = |at: Instant| {
            limits.take(1);
            limits.settle(&1, Some(false), at);
        };
        (0..99).for_each(|_| fail(now));
        assert_eq!(room(&limits, now), 1, "a hundred follow each other");
        fail(now);
        assert_eq!((room(&limits, now), room(&limits, now + second)), (0, 1));
        fail(now + second);
        assert_eq!((room(&limits, now + second), room(&limits, now + 2 * second)), (0, 1));
        // What retries once a minute, sixty times over, never waits.
        let later = now + 1000 * second;
        (0..600).for_each(|nth| {
            assert_eq!(room(&limits, later + nth * second), 1);
            fail(later + nth * second);
        });
        limits.take(1);
        limits.settle(&1, Some(true), later + 600 * second);
        (0..99).for_each(|_| fail(later + 600 * second));
        assert_eq!(room(&limits, later + 600 * second), 1, "a success gives all of them back");
    }

    #[test]
    fn a_receiver_that_asks_for_it_is_left_alone() {
        let (limits, now) = (AdaptiveLimits::up_to(WIDEST_WINDOW), Instant::now());
        let second = Duration::from_secs(1);
        limits.take(1);
        limits.leave_alone(&1, now + 30 * second);
        limits.leave_alone(&1, now + 20 * second);
        limits.settle(&1, Some(false), now);
        assert_eq!((room(&limits, now + 29 * second), room(&limits, now + 30 * second)), (0, 2));
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
