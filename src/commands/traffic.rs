//! How busy commands keep the server, for background work that gives way to them.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// More waiting commands than a quiet server has.
const MANY: usize = 8;
/// The server counts as busy for this long after there were many.
const BUSY_FOR: Duration = Duration::from_millis(100);

/// Counts commands, without any wait.
#[derive(Debug)]
pub struct Traffic {
    began: Instant,
    waiting: AtomicUsize,
    done: AtomicU64,
    /// Milliseconds from `began`, plus one, until there were last many; 0: never.
    many_at: AtomicU64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            many_at: AtomicU64::new(0),
        }
    }
}

/// A command between its arrival and its answer.
#[derive(Debug)]
pub struct UnderWay<'a>(&'a Traffic);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Traffic {
    /// Counts a command until the returned value is dropped.
    #[must_use]
    pub fn enter(&self) -> UnderWay<'_> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) + 1 >= MANY {
            self.many_at.store(self.now() + 1, Ordering::Relaxed);
        }
        UnderWay(self)
    }

    /// True if commands wait for each other.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let many_at = self.many_at.load(Ordering::Relaxed);
        let busy_for = u64::try_from(BUSY_FOR.as_millis()).unwrap_or(u64::MAX);
        many_at > 0 && self.now() + 1 - many_at.min(self.now() + 1) <= busy_for
    }

    /// Commands answered since the server started.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_commands_do_not_make_it_busy_and_many_do() {
        let traffic = Traffic::default();
        let few: Vec<UnderWay<'_>> = (1..MANY).map(|_| traffic.enter()).collect();
        assert!(!traffic.is_busy());
        let one_more = traffic.enter();
        assert!(traffic.is_busy());
        drop(one_more);
        drop(few);
        assert_eq!(traffic.done(), MANY as u64);
    }
}
