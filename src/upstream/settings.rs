//! The operator's settings for the upstream.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::{outbound::web_address, secret::Secret};

/// The upstream that orders come from and statuses go to. Without `OMS_UPSTREAM_URL` none is asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Upstream")]
pub struct UpstreamSettings {
    /// Where the upstream (Omnitron) is; its orders are taken and it hears what becomes of them.
    #[arg(long = "upstream-url", env = "OMS_UPSTREAM_URL", value_name = "URL", value_parser = web_address)]
    pub url: Option<String>,

    /// A token of the upstream, instead of a name and password.
    #[arg(long = "upstream-token", env = "OMS_UPSTREAM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<Secret>,

    /// A user of the upstream, to log in with.
    #[arg(long = "upstream-username", env = "OMS_UPSTREAM_USERNAME", value_name = "NAME")]
    pub username: Option<String>,

    /// That user's password.
    #[arg(long = "upstream-password", env = "OMS_UPSTREAM_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub password: Option<Secret>,

    /// Seconds between two looks for new orders.
    #[arg(long = "upstream-poll-seconds", env = "OMS_UPSTREAM_POLL_SECONDS", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub poll_seconds: u32,

    /// Seconds after which a request to the upstream is given up.
    #[arg(long = "upstream-timeout-seconds", env = "OMS_UPSTREAM_TIMEOUT_SECONDS", default_value_t = 10,
          value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=120))]
    pub timeout_seconds: u32,

    /// Orders that the upstream changed last before this moment are not read (2026-01-31T00:00:00Z).
    #[arg(long = "upstream-since", env = "OMS_UPSTREAM_SINCE", value_name = "MOMENT")]
    pub since: Option<DateTime<Utc>>,

    /// Release the upstream's stock reservation of an order item once it is packed here; false where an ERP does.
    #[arg(long = "upstream-release-reservations", env = "OMS_UPSTREAM_RELEASE_RESERVATIONS", default_value_t = true,
          action = clap::ArgAction::Set, value_name = "BOOL")]
    pub release_reservations: bool,

    /// Hours after the first attempt in which a call to the upstream, or to an invoice service, is tried again; then it is
    /// given up.
    #[arg(long = "call-retry-hours", env = "OMS_CALL_RETRY_HOURS", default_value_t = 72, value_name = "HOURS",
          value_parser = clap::value_parser!(u32).range(1..=2_016))]
    pub call_retry_hours: u32,

    /// What the upstream signs its webhooks with; without one, their signature is not looked at.
    #[arg(
        long = "upstream-webhook-secret",
        env = "OMS_UPSTREAM_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub webhook_secret: Option<Secret>,
}

/// No upstream.
impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            username: None,
            password: None,
            poll_seconds: 30,
            timeout_seconds: 10,
            since: None,
            release_reservations: true,
            call_retry_hours: 72,
            webhook_secret: None,
        }
    }
}

impl UpstreamSettings {
    /// The secret that signs the upstream's webhooks. An empty one is none: anybody could sign with it.
    #[must_use]
    pub fn webhook_secret(&self) -> Option<Secret> {
        self.webhook_secret.clone().filter(|secret| !secret.reveal().is_empty())
    }

    /// How often and how patiently it is asked.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            poll_every: Duration::from_secs(u64::from(self.poll_seconds)),
            give_up_after: Duration::from_hours(u64::from(self.call_retry_hours)),
            ..Pace::default()
        }
    }
}

/// How often the upstream is asked, and the pauses after failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two polls.
    pub poll_every: Duration,
    /// After a first failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Time after which another server takes over the work of a silent one.
    pub lease: Duration,
    /// The same for a single call; longer than any call takes.
    pub call_lease: Duration,
    /// From the first attempt of a call until its last one.
    pub give_up_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(30),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            lease: Duration::from_secs(30),
            call_lease: Duration::from_mins(3),
            give_up_after: Duration::from_hours(72),
        }
    }
}

impl Pace {
    /// The pause after this many failures in a row. Up to half of it is random, so that servers that failed together do
    /// not return together. `chance`: from 0 to 1.
    #[must_use]
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.longest_pause).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_limit_and_is_never_shorter_than_half() {
        let pace = Pace::default();
        let seconds = |failures, chance| pace.pause(failures, chance).as_secs_f64();
        assert!((seconds(1, 1.0) - 1.0).abs() < 1e-9 && (seconds(1, 0.0) - 0.5).abs() < 1e-9);
        assert!((seconds(4, 1.0) - 8.0).abs() < 1e-9);
        assert!((seconds(1000, 1.0) - 300.0).abs() < 1e-9);
    }
}
