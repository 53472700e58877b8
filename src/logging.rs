//! Logs: to standard error, filtered by `RUST_LOG`, as text or, with `OMS_LOG_FORMAT=json`, as a JSON object a line.

use tracing_subscriber::EnvFilter;

/// Starts logging. Call once.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_json = std::env::var("OMS_LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second start would fail; there is none.
    if is_json { builder.json().flatten_event(true).try_init() } else { builder.try_init() }.ok();
}
