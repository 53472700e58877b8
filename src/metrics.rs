//! `/metrics`, in the text format of Prometheus.

pub mod webhooks;

use std::time::Duration;

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

pub use webhooks::Webhooks;

use crate::{db::PgPool, logging, tasks};

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    commands: Family<CommandLabels, Histogram>,
    pool_connections: Family<PoolLabels, Gauge>,
    open_packages: Family<StateLabels, Gauge>,
    replanning: Family<ReplanningLabels, Counter>,
    inventory: Family<InventoryLabels, Histogram>,
    upstream_polls: Family<OutcomeLabels, Counter>,
    upstream_orders: Family<WayLabels, Counter>,
    upstream_calls: Family<CallLabels, Counter>,
    /// The metrics of webhooks.
    pub webhooks: Webhooks,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplanningLabels {
    cause: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InventoryLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: &'static str,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("oms");
        let requests = Family::default();
        registry.register("http_requests", "Requests by route and status", requests.clone());
        let commands = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "command_duration",
            "Time from a command's arrival to its answer, by command and outcome (done, refused, failed)",
            Unit::Seconds,
            commands.clone(),
        );
        let pool_connections = Family::default();
        registry.register("database_connections", "Connections to Postgres by state", pool_connections.clone());
        let open_packages = Family::default();
        registry.register("open_packages", "Packages that are not in a final state, by state", open_packages.clone());
        let replanning = Family::default();
        registry.register(
            "replanning_attempts",
            "Waiting packages that were planned again by themselves, by cause (freed, sweep) and outcome (planned, \
             refused, failed)",
            replanning.clone(),
        );
        let inventory = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "inventory_request_duration",
            "Time for which the stock service was asked, by outcome (told, failed)",
            Unit::Seconds,
            inventory.clone(),
        );
        let upstream_polls = Family::default();
        registry.register(
            "upstream_polls",
            "Looks at the upstream's list of orders, by outcome (read, failed, interrupted)",
            upstream_polls.clone(),
        );
        let upstream_orders = Family::default();
        registry.register(
            "upstream_orders",
            "New orders of the upstream, by the way they came (polled, pushed)",
            upstream_orders.clone(),
        );
        let upstream_calls = Family::default();
        registry.register(
            "upstream_calls",
            "Calls to the upstream by kind (status, mapping, bill, invoice) and outcome (taken, failed)",
            upstream_calls.clone(),
        );
        let webhooks = Webhooks::register(&mut registry);
        registry.register("log_lines_lost", "Lines of the log that could not be written", logging::LOST_LINES.clone());
        registry.register(
            "task_restarts",
            "Tasks in the background that died and were started again",
            tasks::RESTARTS.clone(),
        );
        Self {
            registry,
            requests,
            commands,
            pool_connections,
            open_packages,
            replanning,
            inventory,
            upstream_polls,
            upstream_orders,
            upstream_calls,
            webhooks,
        }
    }
}

impl Metrics {
    /// Counts a request. `route` is the router's pattern, never the path.
    pub fn request(&self, method: &str, route: &str, status: StatusCode) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
    }

    /// Observes a command.
    pub fn command(&self, command: &'static str, status: StatusCode, duration: Duration) {
        let outcome = match status.as_u16() {
            200..300 => "done",
            400..500 => "refused",
            _ => "failed",
        };
        self.commands.get_or_create(&CommandLabels { command, outcome }).observe(duration.as_secs_f64());
    }

    /// Counts an attempt to plan a waiting package again.
    pub fn replanning(&self, cause: &'static str, outcome: &'static str) {
        self.replanning.get_or_create(&ReplanningLabels { cause, outcome }).inc();
    }

    /// Observes a request to the stock service.
    pub fn inventory_request(&self, is_answered: bool, duration: Duration) {
        let outcome = if is_answered { "told" } else { "failed" };
        self.inventory.get_or_create(&InventoryLabels { outcome }).observe(duration.as_secs_f64());
    }

    /// Counts a poll of the upstream's orders.
    pub fn upstream_poll(&self, outcome: &'static str) {
        self.upstream_polls.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts new orders of the upstream.
    pub fn upstream_orders(&self, way: &'static str, count: usize) {
        self.upstream_orders.get_or_create(&WayLabels { way }).inc_by(count as u64);
    }

    /// Counts a call to the upstream.
    pub fn upstream_call(&self, kind: &'static str, is_taken: bool) {
        let outcome = if is_taken { "taken" } else { "failed" };
        self.upstream_calls.get_or_create(&CallLabels { kind, outcome }).inc();
    }

    /// The text, with the gauges' present values.
    #[must_use]
    pub fn encode(&self, pool: &PgPool, open_packages: &[(String, i64)], webhooks: &webhooks::WebhookCounts) -> String {
        self.webhooks.set(webhooks);
        let (open, idle) = pool.size();
        let gauge = |state, count| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.pool_connections.get_or_create(&PoolLabels { state }).set(count);
        };
        gauge("idle", idle);
        gauge("used", open.saturating_sub(idle));
        self.open_packages.clear();
        for (state, count) in open_packages {
            self.open_packages.get_or_create(&StateLabels { state: state.clone() }).set(*count);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}
