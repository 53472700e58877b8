//! Logs: to standard error, filtered by `RUST_LOG`, as text or, with `OMS_LOG_FORMAT=json`, as a JSON object a line.

use std::io::IsTerminal as _;

use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging; `default_filter` holds where `RUST_LOG` says nothing. Call once.
pub fn start(default_filter: &str) {
    // Levels by the name of the code (`info,oms=debug`). The filter that knows spans and fields too brings regular
    // expressions, a twentieth of a build.
    let wanted = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let filter: Targets = wanted.or_else(|| default_filter.parse().ok()).unwrap_or_default();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let subscriber = tracing_subscriber::registry().with(filter);
    let is_json = std::env::var("OMS_LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second start would fail; there is none.
    if is_json {
        subscriber.with(lines.json().flatten_event(true)).try_init()
    } else {
        subscriber.with(lines).try_init()
    }
    .ok();
}
