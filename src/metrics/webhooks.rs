//! The metrics of webhooks that this server counts.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{durations, seconds};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// See the module.
#[derive(Debug)]
pub struct Webhooks {
    attempts: Family<OutcomeLabels, Histogram>,
    expired: Counter,
    pauses: Counter,
}

impl Webhooks {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let attempts = durations(
            registry,
            "webhook_attempt_duration",
            "Time of an attempt to deliver an event, by outcome (delivered, failed)",
            seconds,
        );
        let (expired, pauses) = (Counter::default(), Counter::default());
        registry.register(
            "webhook_expired",
            "Deliveries dropped because their event was no longer kept",
            expired.clone(),
        );
        registry.register("webhook_pauses", "Subscriptions paused by this server", pauses.clone());
        Self { attempts, expired, pauses }
    }

    /// Observes an attempt.
    pub fn attempt(&self, is_delivered: bool, duration: Duration) {
        let outcome = if is_delivered { "delivered" } else { "failed" };
        self.attempts.get_or_create(&OutcomeLabels { outcome }).observe(duration.as_secs_f64());
    }

    /// Counts a delivery that was dropped because its event is gone.
    pub fn expired(&self) {
        self.expired.inc();
    }

    /// Counts a subscription that was paused.
    pub fn paused(&self) {
        self.pauses.inc();
    }
}
