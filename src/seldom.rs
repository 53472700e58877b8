//! Lines of the log that somebody outside can cause are few, however often it happens.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most things that are told apart. At more, those that are quiet are dropped, then all.
const MOST_KEYS: usize = 10_000;

/// Lets some lines through: of each thing a few at once, and then one a while.
#[derive(Debug)]
pub struct Seldom<K> {
    at_once: u32,
    every: Duration,
    known: Mutex<HashMap<K, Line>>,
}

/// What is known of a thing.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// When it may have all its lines at once again.
    free_at: Instant,
    left_out: u64,
}

impl<K: Eq + Hash> Seldom<K> {
    /// Of each thing so many lines at once, and one more each time this long has passed.
    #[must_use]
    pub fn new(at_once: u32, every: Duration) -> Self {
        Self { at_once, every, known: Mutex::default() }
    }

    /// If a line may be written: how many were left out since the one before.
    pub fn pass(&self, key: K, now: Instant) -> Option<u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEYS {
            known.retain(|_, line| now < line.free_at);
            if known.len() >= MOST_KEYS {
                known.clear();
            }
        }
        let line = known.entry(key).or_insert(Line { free_at: now, left_out: 0 });
        let free_at = line.free_at.max(now);
        if free_at - now > self.every * self.at_once.saturating_sub(1) {
            line.left_out += 1;
            return None;
        }
        let left_out = line.left_out;
        *line = Line { free_at: free_at + self.every, left_out: 0 };
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_a_while_with_the_number_left_out() {
        let (seldom, now) = (Seldom::new(3, Duration::from_secs(10)), Instant::now());
        let passed: Vec<Option<u64>> = (0..6).map(|_| seldom.pass("a", now)).collect();
        assert_eq!(passed, [Some(0), Some(0), Some(0), None, None, None]);
        assert_eq!(seldom.pass("b", now), Some(0), "another is not meant");
        assert_eq!(seldom.pass("a", now + Duration::from_secs(9)), None);
        assert_eq!(seldom.pass("a", now + Duration::from_secs(10)), Some(4));
        assert_eq!(seldom.pass("a", now + Duration::from_secs(11)), None);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (seldom, now) = (Seldom::new(1, Duration::from_secs(10)), Instant::now());
        for key in 0..100_000 {
            seldom.pass(key, now);
        }
        assert!(seldom.known.lock().expect("no panic").len() <= MOST_KEYS);
    }
}
