//! Webhooks: the API of dj-whisperer, and deliveries to a receiver that sometimes fails.

mod contract;
mod deliveries;
mod guard;
mod order;
mod pausing;
pub mod receiver;
mod rights;
mod secrets;

use std::time::Duration;

use oms::webhooks::Settings;
use serde_json::{Value, json};

use crate::support::Shop;

pub const HOOKS: &str = "/whisperer/hooks/";

/// Allows deliveries to this machine.
pub fn settings() -> Settings {
    Settings {
        allow_private: "127.0.0.0/8".parse().expect("a range"),
        base_url: "http://oms.example".to_owned(),
        ..Settings::default()
    }
}

/// A pause after failures for a moment: within the quick retries, which follow each other without a wait.
pub const AT_ONCE: Duration = Duration::from_millis(1);

/// The same, with a pause after failures for this time.
pub fn pausing_after(pause_after: Duration) -> Settings {
    Settings { pause_after, ..settings() }
}

/// A subscription that is tried again at once.
pub fn hook(url: &str, event_type: &str) -> Value {
    json!({
        "target_url": url, "event_type": event_type, "secret_key": "geheim-ş",
        "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 0 } }
    })
}

/// Subscribes; the id.
pub async fn subscribe(shop: &Shop, url: &str, event_type: &str) -> i64 {
    let made = shop.post(HOOKS, &hook(url, event_type)).await.json(201);
    made["id"].as_i64().expect("an id")
}
