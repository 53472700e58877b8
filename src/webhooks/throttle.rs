//! Commands come first: while they queue, deliveries get only a small share of the machine.
//!
//! A delivery costs about half as much as a command, with the database and the receiver on the same machine. So eight
//! answered commands pay for one row created and one row sent: about a tenth of the machine. Slow commands leave more
//! than that, so there is a least rate, and deliveries never stop.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::commands::traffic::Traffic;

/// Commands that pay for one delivery.
const COMMANDS_A_DELIVERY: f64 = 8.0;
/// Deliveries a second that are always allowed.
const LEAST_RATE: f64 = 50.0;
/// How often the budget is checked.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Rows claimed at a time while commands wait: a request under way cannot give way.
pub(super) const SMALL_BATCH: i64 = 32;

/// The budget of one worker.
#[derive(Debug)]
pub(super) struct Throttle {
    traffic: Arc<Traffic>,
    done: u64,
    since: Instant,
}

impl Throttle {
    pub(super) fn new(traffic: Arc<Traffic>) -> Self {
        Self { done: traffic.done(), since: Instant::now(), traffic }
    }

    /// How many rows may be claimed together.
    pub(super) fn batch(&self, most: i64) -> i64 {
        if self.traffic.is_busy() { most.min(SMALL_BATCH) } else { most }
    }

    /// Waits until commands have paid for these deliveries. Returns at once while no commands wait.
    pub(super) async fn wait_for_budget(&mut self, deliveries: usize) {
        let mut owed = f64::from(u32::try_from(deliveries).unwrap_or(u32::MAX));
        // Earlier commands do not count: they pay for nothing that is to be done now.
        self.budget();
        while owed > 0.0 && self.traffic.is_busy() {
            tokio::time::sleep(LOOK_EVERY).await;
            owed -= self.budget();
        }
    }

    /// Deliveries paid for since the last call.
    fn budget(&mut self) -> f64 {
        let (done, now) = (self.traffic.done(), Instant::now());
        let commands = f64::from(u32::try_from(done - self.done).unwrap_or(u32::MAX));
        let seconds = now.duration_since(self.since).as_secs_f64();
        (self.done, self.since) = (done, now);
        (commands / COMMANDS_A_DELIVERY).max(seconds * LEAST_RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quiet_server_asks_for_nothing_and_a_busy_one_pays_in_commands() {
        let traffic = Arc::new(Traffic::default());
        let mut throttle = Throttle::new(Arc::clone(&traffic));
        let started = Instant::now();
        throttle.wait_for_budget(1_000_000).await;
        assert_eq!(throttle.batch(500), 500);
        assert!(started.elapsed() < Duration::from_secs(1));

        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (busy, stopped) = (Arc::clone(&traffic), Arc::clone(&stop));
        let commands = tokio::spawn(async move {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let _many: Vec<_> = (0..20).map(|_| busy.enter()).collect();
                tokio::task::yield_now().await;
            }
        });
        while !traffic.is_busy() {
            tokio::task::yield_now().await;
        }
        assert_eq!(throttle.batch(500), SMALL_BATCH);
        let before = traffic.done();
        throttle.wait_for_budget(100).await;
        assert!(traffic.done() - before >= 100, "it was paid for");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        commands.await.expect("no panic");
    }
}
