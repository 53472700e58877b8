//! The metrics of webhooks.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{StateLabels, seconds};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Counts that are read when the text is made.
#[derive(Debug, Clone, Default)]
pub struct WebhookCounts {
    /// Subscriptions by state: active, paused, inactive.
    pub subscriptions: Vec<(String, i64)>,
    /// Waiting deliveries, up to a bound.
    pub pending: i64,
    /// Seconds for which the oldest waiting delivery has been due.
    pub lag_seconds: f64,
}

/// See the module.
#[derive(Debug)]
pub struct Webhooks {
    attempts: Family<OutcomeLabels, Histogram>,
    expired: Counter,
    pauses: Counter,
    subscriptions: Family<StateLabels, Gauge>,
    pending: Gauge,
    lag: Gauge<f64, AtomicU64>,
}

impl Webhooks {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let attempts = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "webhook_attempt_duration",
            "Time of an attempt to deliver an event, by outcome (delivered, failed)",
            Unit::Seconds,
            attempts.clone(),
        );
        let (expired, pauses) = (Counter::default(), Counter::default());
        registry.register(
            "webhook_expired",
            "Deliveries dropped because their event was no longer kept",
            expired.clone(),
        );
        registry.register("webhook_pauses", "Subscriptions paused by this server", pauses.clone());
        let subscriptions = Family::default();
        registry.register("webhooks", "Subscriptions by state (active, paused, inactive)", subscriptions.clone());
        let pending = Gauge::default();
        registry.register(
            "webhook_pending",
            "Deliveries that wait; 100001 for more than a hundred thousand",
            pending.clone(),
        );
        let lag = Gauge::default();
        registry.register_with_unit(
            "webhook_lag",
            "For how long the delivery to an active subscription that waits longest has been due",
            Unit::Seconds,
            lag.clone(),
        );
        Self { attempts, expired, pauses, subscriptions, pending, lag }
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

    pub(super) fn set(&self, fares: &WebhookCounts) {
        self.subscriptions.clear();
        for (state, count) in &fares.subscriptions {
            self.subscriptions.get_or_create(&StateLabels { state: state.clone() }).set(*count);
        }
        self.pending.set(fares.pending);
        self.lag.set(fares.lag_seconds);
    }
}
