//! What the database says of the shop, as gauges. It is read by queries that look at a bounded number of rows, at most
//! every few seconds, however often it is asked for ([`crate::app`]).

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

/// Most pairs of state and location whose oldest package is told: those with the oldest ones.
pub const MOST_PLACES: usize = 500;
/// Most subscriptions whose lag is told: those that lag most.
pub const MOST_SUBSCRIPTIONS: usize = 200;

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Packages that are not in a final state; of each state one without a location, for its name.
    pub packages: Vec<OpenPackages>,
    /// Webhooks.
    pub webhooks: WebhookReadings,
    /// The upstream, and calls to it and to invoice services.
    pub upstream: UpstreamReadings,
    /// Packages in a state that is not final and out of which no transition leads.
    pub stuck_packages: i64,
    /// Units that are reserved and were counted not to be there.
    pub short_stock_units: i64,
    /// Seconds since the oldest event that the feed does not show yet, because a transaction before it is open.
    pub feed_lag_seconds: f64,
}

/// The packages of a state at a location.
#[derive(Debug, Clone)]
pub struct OpenPackages {
    /// The state's slug.
    pub state: String,
    /// ERP code of the location; none: there are no packages.
    pub stock_location: Option<String>,
    /// How many, up to a bound.
    pub count: i64,
    /// For how many seconds the one that has waited longest is unchanged.
    pub oldest_seconds: f64,
}

/// Subscriptions and what waits for them.
#[derive(Debug, Clone, Default)]
pub struct WebhookReadings {
    /// Subscriptions by state: active, paused, inactive.
    pub subscriptions: Vec<(String, i64)>,
    /// Waiting deliveries, up to a bound.
    pub pending: i64,
    /// Seconds for which the oldest waiting delivery has been due.
    pub lag_seconds: f64,
    /// By id of the subscription: seconds since the oldest event that waits for it.
    pub lags: Vec<(i64, f64)>,
}

/// How the upstream is followed, by all servers together.
#[derive(Debug, Clone, Default)]
pub struct UpstreamReadings {
    /// When its list was read to the end last, in seconds since 1970; none: never.
    pub polled_timestamp_seconds: Option<f64>,
    /// Orders that could not be taken yet, up to a bound.
    pub open_problems: i64,
    /// Calls that are still to be made, up to a bound.
    pub open_calls: i64,
    /// Calls that were given up and that nobody has ended, up to a bound.
    pub failed_calls: i64,
    /// Seconds since the oldest call that is still to be made was recorded.
    pub lag_seconds: f64,
}

/// Shows what was read last; what is not known is not shown.
#[derive(Debug, Default, Clone)]
pub(super) struct Gauges(Arc<Mutex<Option<Arc<Readings>>>>);

impl Gauges {
    /// Replaces what is shown. None: the database is away, and nothing of before is told as if it were so.
    pub(super) fn set(&self, readings: Option<Arc<Readings>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = readings;
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let readings = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut page = Page(encoder);
        page.whole(
            "database_up",
            "1 if the database answered when it was asked for these gauges; 0: those of the shop are missing",
            i64::from(readings.is_some()),
        )?;
        let Some(readings) = readings else { return Ok(()) };
        page.packages(&readings.packages)?;
        page.webhooks(&readings.webhooks)?;
        page.upstream(&readings.upstream)?;
        page.whole(
            "stuck_packages",
            "Packages in a state that is not final and out of which no transition of the installation leads",
            readings.stuck_packages,
        )?;
        page.whole(
            "short_stock_units",
            "Units that packages hold although a count says that they are not there: `stocks/?is_short=true`",
            readings.short_stock_units,
        )?;
        page.seconds(
            "feed_lag",
            "Time since the oldest event that the feed does not show yet, because an earlier transaction is open",
            readings.feed_lag_seconds,
        )
    }
}

struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn whole(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?)
    }

    fn packages(&mut self, packages: &[OpenPackages]) -> fmt::Result {
        let mut by_state: BTreeMap<&str, i64> = BTreeMap::new();
        for open in packages {
            *by_state.entry(&open.state).or_default() += open.count;
        }
        let help = "Packages that are not in a final state, by state; at each location no more than 10001 are counted";
        let mut states = self.0.encode_descriptor("open_packages", help, None, MetricType::Gauge)?;
        for (state, count) in by_state {
            ConstGauge::new(count).encode(states.encode_family(&[("state", state)])?)?;
        }
        let help =
            "For how long the package that has waited longest is unchanged, by state and location; the oldest 500";
        let unit = Some(&Unit::Seconds);
        let mut oldest = self.0.encode_descriptor("oldest_package_age", help, unit, MetricType::Gauge)?;
        for open in longest(packages, MOST_PLACES, |open| open.oldest_seconds) {
            if let Some(stock_location) = &open.stock_location {
                let labels = [("state", open.state.as_str()), ("stock_location", stock_location)];
                ConstGauge::new(open.oldest_seconds).encode(oldest.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn webhooks(&mut self, webhooks: &WebhookReadings) -> fmt::Result {
        let help = "Subscriptions by state (active, paused, inactive)";
        let mut states = self.0.encode_descriptor("webhooks", help, None, MetricType::Gauge)?;
        for (state, count) in &webhooks.subscriptions {
            ConstGauge::new(*count).encode(states.encode_family(&[("state", state.as_str())])?)?;
        }
        self.whole(
            "webhook_pending",
            "Deliveries that wait; 100001 for more than a hundred thousand",
            webhooks.pending,
        )?;
        self.seconds(
            "webhook_lag",
            "For how long the delivery to an active subscription that waits longest has been due",
            webhooks.lag_seconds,
        )?;
        let help =
            "Time since the oldest of the hundred events that are due first, by subscription; those 200 that lag most";
        let unit = Some(&Unit::Seconds);
        let mut lags = self.0.encode_descriptor("webhook_subscription_lag", help, unit, MetricType::Gauge)?;
        for (webhook, lag) in longest(&webhooks.lags, MOST_SUBSCRIPTIONS, |(_, lag)| *lag) {
            ConstGauge::new(*lag).encode(lags.encode_family(&[("webhook", *webhook)])?)?;
        }
        Ok(())
    }

    fn upstream(&mut self, upstream: &UpstreamReadings) -> fmt::Result {
        if let Some(polled) = upstream.polled_timestamp_seconds {
            let help = "When the upstream's list of orders was read to its end last, since 1970";
            self.seconds("upstream_last_success_timestamp", help, polled)?;
        }
        let problems = "Orders of the upstream that could not be taken yet";
        self.whole("upstream_open_problems", problems, upstream.open_problems)?;
        let open = "Calls to the upstream and to invoice services that are still to be made";
        self.whole("upstream_open_calls", open, upstream.open_calls)?;
        let failed = "Calls to them that were given up and that nobody has ended";
        self.whole("upstream_failed_calls", failed, upstream.failed_calls)?;
        self.seconds("upstream_lag", "Time since the oldest call that is still to be made", upstream.lag_seconds)
    }
}

/// So many entries, those with the greatest values.
fn longest<T>(entries: &[T], most: usize, value: impl Fn(&T) -> f64) -> impl Iterator<Item = &T> {
    let mut sorted: Vec<&T> = entries.iter().collect();
    sorted.sort_by(|a, b| value(b).total_cmp(&value(a)));
    sorted.into_iter().take(most)
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_thousand_locations_are_no_thousand_series() {
        let gauges = Gauges::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(gauges.clone()));
        let packages = (0..1000_u16).map(|number| OpenPackages {
            state: "waiting".to_owned(),
            stock_location: Some(format!("S{number}")),
            count: 2,
            oldest_seconds: f64::from(number),
        });
        let lags = (0..1000).map(|id| (i64::from(id), f64::from(id))).collect();
        let webhooks = WebhookReadings { lags, ..WebhookReadings::default() };
        let readings = Readings { packages: packages.collect(), webhooks, ..Readings::default() };
        let shown = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
            text
        };
        gauges.set(Some(Arc::new(readings)));
        let text = shown();
        assert_eq!(text.matches("oldest_package_age_seconds{").count(), MOST_PLACES);
        assert_eq!(text.matches("webhook_subscription_lag_seconds{").count(), MOST_SUBSCRIPTIONS);
        assert!(text.contains("stock_location=\"S999\"") && !text.contains("stock_location=\"S499\""));
        assert!(text.contains("open_packages{state=\"waiting\"} 2000") && text.contains("database_up 1"));
        // A database that is away says nothing, and nothing of before is told as if it were so.
        gauges.set(None);
        let text = shown();
        assert!(text.contains("database_up 0") && !text.contains("webhook_pending "), "{text}");
        assert!(!text.contains("oldest_package_age_seconds{"));
    }
}
