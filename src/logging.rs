//! Logs: to standard error, filtered by `RUST_LOG`, as text or, with `OMS_LOG_FORMAT=json`, as a JSON object a line.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging; `default_filter` holds where `RUST_LOG` says nothing. Call once.
pub fn start(default_filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    let is_json = std::env::var("OMS_LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second start would fail; there is none.
    if is_json { builder.json().flatten_event(true).try_init() } else { builder.try_init() }.ok();
}
