//! `/metrics`, in the text formats of Prometheus and `OpenMetrics`.
//!
//! Labels have few values: names of our routes, commands and outcomes; states, locations and subscriptions only as many as
//! [`readings`] lets through. What a client writes is no label.

mod process;
pub mod readings;
mod requests;
mod text;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

pub use readings::Readings;
pub use requests::Requests;
pub use text::Format;
pub use webhooks::Webhooks;

use self::{process::Process, readings::Gauges};
use crate::{db::PgPool, logging, tasks, version};

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The metrics of requests.
    pub requests: Requests,
    commands: Family<CommandLabels, Histogram>,
    orders: Family<OrderLabels, Counter>,
    pool_connections: Family<PoolLabels, Gauge>,
    followers: Gauge,
    replanning: Family<ReplanningLabels, Counter>,
    inventory: Family<InventoryLabels, Histogram>,
    upstream_polls: Family<OutcomeLabels, Counter>,
    upstream_orders: Family<WayLabels, Counter>,
    upstream_calls: Family<CallLabels, Counter>,
    label_letters: Family<OutcomeLabels, Counter>,
    /// The metrics of webhooks.
    pub webhooks: Webhooks,
    gauges: Gauges,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    way: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    state: &'static str,
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

/// Metrics by labels, registered under a name and what it means.
fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    Family<L, M>: Default + Clone + prometheus_client::registry::Metric,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

/// The same for durations.
fn durations<L>(registry: &mut Registry, name: &str, help: &str, make: fn() -> Histogram) -> Family<L, Histogram>
where
    Family<L, Histogram>: Clone + prometheus_client::registry::Metric,
    L: Clone + Eq + std::hash::Hash,
{
    let family = Family::new_with_constructor(make);
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        // Under the names that every dashboard knows, so without a prefix.
        registry.register_collector(Box::new(Process));
        let oms = registry.sub_registry_with_prefix("oms");
        oms.register("build", "The program that runs", build_info());
        let requests = Requests::register(oms);
        let commands = durations(
            oms,
            "command_duration",
            "Time from a command's arrival to its answer, by command and outcome (done, refused, failed)",
            seconds,
        );
        let orders = family(
            oms,
            "orders",
            "Orders that came, by way (api, polled, pushed) and outcome (new, known, left, refused, failed)",
        );
        let pool_connections = family(oms, "database_connections", "Connections to Postgres by state");
        let followers = Gauge::default();
        oms.register("feed_followers", "Streams and waiting requests for the feed of events", followers.clone());
        let replanning = family(
            oms,
            "replanning_attempts",
            "Waiting packages that were planned again by themselves, by cause (freed, sweep) and outcome (planned, \
             refused, failed)",
        );
        let inventory = durations(
            oms,
            "inventory_request_duration",
            "Time for which the stock service was asked, by outcome (told, failed)",
            seconds,
        );
        let upstream_polls = family(
            oms,
            "upstream_polls",
            "Looks at the upstream's list of orders, by outcome (read, failed, interrupted)",
        );
        let upstream_orders =
            family(oms, "upstream_orders", "New orders of the upstream, by the way they came (polled, pushed)");
        let upstream_calls = family(
            oms,
            "upstream_calls",
            "Calls to the upstream by kind (status, mapping, bill, invoice) and outcome (taken, failed)",
        );
        let label_letters = label_letters(oms);
        let webhooks = Webhooks::register(oms);
        oms.register("log_lines_lost", "Lines of the log that could not be written", logging::LOST_LINES.clone());
        oms.register(
            "task_restarts",
            "Tasks in the background that died and were started again",
            tasks::RESTARTS.clone(),
        );
        let gauges = Gauges::default();
        oms.register_collector(Box::new(gauges.clone()));
        Self {
            registry,
            requests,
            commands,
            orders,
            pool_connections,
            followers,
            replanning,
            inventory,
            upstream_polls,
            upstream_orders,
            upstream_calls,
            label_letters,
            webhooks,
            gauges,
        }
    }
}

fn label_letters<L: EncodeLabelSet + Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static>(
    registry: &mut Registry,
) -> Family<L, Counter> {
    family(
        registry,
        "label_letters",
        "Letters of printed labels that the fonts lack, by outcome (transliterated, missing)",
    )
}

/// Version, commit and schema.
fn build_info() -> Info<Vec<(&'static str, String)>> {
    Info::new(vec![
        ("version", version::VERSION.to_owned()),
        ("commit", version::COMMIT.unwrap_or("unknown").to_owned()),
        ("schema", version::schema().to_string()),
    ])
}

impl Metrics {
    /// Observes a command.
    pub fn command(&self, command: &'static str, status: StatusCode, duration: Duration) {
        let outcome = match status.as_u16() {
            200..300 => "done",
            400..500 => "refused",
            _ => "failed",
        };
        self.commands.get_or_create(&CommandLabels { command, outcome }).observe(duration.as_secs_f64());
    }

    /// Counts an order that came.
    pub fn order(&self, way: &'static str, outcome: &'static str) {
        self.orders.get_or_create(&OrderLabels { way, outcome }).inc();
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

    /// Counts the letters of a label that the fonts lack.
    pub fn label_letters(&self, transliterated: u64, missing: u64) {
        for (outcome, count) in [("transliterated", transliterated), ("missing", missing)] {
            self.label_letters.get_or_create(&OutcomeLabels { outcome }).inc_by(count);
        }
    }

    /// The text, with the present values of gauges. `readings`: what the database says; none if it is away.
    #[must_use]
    pub fn encode(&self, format: Format, pool: &PgPool, followers: usize, readings: Option<Arc<Readings>>) -> String {
        let (open, idle) = pool.size();
        let gauge = |state, count| {
            self.pool_connections.get_or_create(&PoolLabels { state }).set(whole(count));
        };
        gauge("idle", idle);
        gauge("used", open.saturating_sub(idle));
        self.followers.set(whole(followers));
        self.gauges.set(readings);
        let mut text = String::new();
        // Writing to a String cannot fail.
        encode(&mut text, &self.registry).ok();
        format.of(text)
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
