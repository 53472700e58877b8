//! The metrics of requests.

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{durations, family};

/// From a millisecond to the longest that a request may take.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// All labels are our own words: nothing is allocated to count a request, and no client adds one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

/// See the module.
#[derive(Debug)]
pub struct Requests {
    counts: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counts = family(registry, "http_requests", "Requests by route and status");
        let durations = durations(
            registry,
            "http_request_duration",
            "Time from a request's head to the head of its answer, by route",
            || Histogram::new(BUCKETS),
        );
        Self { counts, durations }
    }

    /// Counts a request. `route` is the router's pattern, never the path.
    pub fn answered(&self, method: &Method, route: &'static str, status: StatusCode, duration: Duration) {
        let (method, status) = (word(method), status.as_u16());
        self.counts.get_or_create(&RequestLabels { method, route, status }).inc();
        self.durations.get_or_create(&RouteLabels { method, route }).observe(duration.as_secs_f64());
    }
}

/// The method, if HTTP knows it: a client may send any word.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
