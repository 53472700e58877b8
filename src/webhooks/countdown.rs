//! When a failed delivery is tried again.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// Retries that follow each other: after `countdown(0)`, `countdown(1)` and so on.
pub const QUICK_RETRIES: i32 = 10;
/// The last retry that comes due at `created_date + countdown(n)`.
pub const LAST_SCANNED: i32 = 18;
/// Shortest time between two of those.
const SHORTEST_SCAN: Duration = Duration::from_mins(1);
/// Time between attempts after them. dj-whisperer gives up there; this server does not.
const AFTERWARDS: Duration = Duration::from_hours(1);
/// The longest wait, in seconds: the time for which records are kept.
const LONGEST: u64 = 12 * 7 * 24 * 60 * 60;

/// `retry_countdown_config`: the wait before the n-th retry, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RetryCountdown)]
#[serde(tag = "choice", content = "kwargs", rename_all = "lowercase")]
pub enum Countdown {
    /// The same wait each time.
    #[schema(title = "FixedCountdown")]
    Fixed {
        /// The wait.
        seconds: u64,
    },
    /// `base * n`.
    #[schema(title = "LinearCountdown")]
    Linear {
        /// Added with each retry.
        base: u64,
        /// Longest wait.
        limit: Option<u64>,
    },
    /// `base ** n * factor`.
    #[schema(title = "ExponentialCountdown")]
    Exponential {
        /// The factor of each retry.
        base: u64,
        /// The wait before the first retry.
        factor: u64,
        /// Longest wait.
        limit: Option<u64>,
    },
    /// A random wait, both ends included.
    #[schema(title = "RandomCountdown")]
    Random {
        /// Shortest wait.
        min_value: u64,
        /// Longest wait.
        max_value: u64,
    },
}

impl Countdown {
    /// The wait before the n-th retry, from 0. `chance`, from 0 up to 1, picks the wait of `random`.
    #[must_use]
    pub fn wait(&self, nth: i32, chance: f64) -> Duration {
        let nth = u32::try_from(nth).unwrap_or_default();
        let bounded = |seconds: u64, limit: Option<u64>| seconds.min(limit.unwrap_or(u64::MAX));
        let seconds = match *self {
            Self::Fixed { seconds } => seconds,
            Self::Linear { base, limit } => bounded(base.saturating_mul(u64::from(nth)), limit),
            Self::Exponential { base, factor, limit } => {
                bounded(base.saturating_pow(nth).saturating_mul(factor), limit)
            }
            Self::Random { min_value, max_value } => pick(min_value.min(LONGEST), max_value.min(LONGEST), chance),
        };
        Duration::from_secs(seconds.min(LONGEST))
    }

    /// The wait after attempt number `attempts` (from 1) failed, for a delivery created `age` ago: ten retries that
    /// follow each other, then those counted from the creation, then one an hour.
    #[must_use]
    pub fn next(&self, attempts: i32, age: Duration, chance: f64) -> Duration {
        if attempts <= QUICK_RETRIES {
            self.wait(attempts - 1, chance)
        } else if attempts <= LAST_SCANNED {
            self.wait(attempts, chance).saturating_sub(age).max(SHORTEST_SCAN)
        } else {
            AFTERWARDS
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "both ends are small, and a second more or less is what chance is for"
)]
fn pick(from: u64, to: u64, chance: f64) -> u64 {
    let span = to.saturating_sub(from) + 1;
    (from + (chance * span as f64) as u64).min(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(countdown: &Countdown, retries: impl IntoIterator<Item = i32>) -> Vec<u64> {
        retries.into_iter().map(|nth| countdown.wait(nth, 0.5).as_secs()).collect()
    }

    #[test]
    fn each_countdown_begins_with_zero() {
        assert_eq!(seconds(&Countdown::Fixed { seconds: 7 }, 0..3), [7, 7, 7]);
        assert_eq!(seconds(&Countdown::Linear { base: 5, limit: None }, 0..4), [0, 5, 10, 15]);
        assert_eq!(seconds(&Countdown::Linear { base: 5, limit: Some(12) }, 0..4), [0, 5, 10, 12]);
        let exponential = Countdown::Exponential { base: 2, factor: 3, limit: None };
        assert_eq!(seconds(&exponential, 0..4), [3, 6, 12, 24]);
        let limited = Countdown::Exponential { base: 2, factor: 3, limit: Some(10) };
        assert_eq!(seconds(&limited, 0..4), [3, 6, 10, 10]);
        let zero = Countdown::Exponential { base: 0, factor: 3, limit: None };
        assert_eq!(seconds(&zero, 0..2), [3, 0], "0 ** 0 is 1, as in Python");
    }

    #[test]
    fn random_is_anything_between_and_both_ends() {
        let countdown = Countdown::Random { min_value: 3, max_value: 5 };
        let picked = [0.0, 0.34, 0.67, 0.999_999].map(|chance| countdown.wait(0, chance).as_secs());
        assert_eq!(picked, [3, 4, 5, 5]);
    }

    #[test]
    fn what_overflows_is_as_long_as_records_are_kept() {
        let vast = Countdown::Exponential { base: u64::MAX, factor: u64::MAX, limit: None };
        assert_eq!(vast.wait(18, 0.0), Duration::from_secs(LONGEST));
    }

    #[test]
    fn ten_retries_then_those_that_count_from_the_beginning_then_hourly() {
        let countdown = Countdown::Linear { base: 100, limit: None };
        let after = |attempts, age| countdown.next(attempts, Duration::from_secs(age), 0.0).as_secs();
        assert_eq!([1, 2, 10].map(|attempts| after(attempts, 0)), [0, 100, 900]);
        assert_eq!([after(11, 500), after(18, 500)], [600, 1300]);
        assert_eq!([after(11, 1100), after(18, 90_000)], [60, 60], "never at once");
        assert_eq!([after(19, 0), after(500, 0)], [3600, 3600]);
    }

    #[test]
    fn it_is_written_as_it_is_sent() {
        let text = r#"{"choice":"exponential","kwargs":{"base":2,"factor":1,"limit":null}}"#;
        let read: Countdown = serde_json::from_str(text).expect("a countdown");
        assert_eq!(read, Countdown::Exponential { base: 2, factor: 1, limit: None });
        let short: Countdown = serde_json::from_str(r#"{"choice":"linear","kwargs":{"base":2}}"#).expect("one");
        assert_eq!(short, Countdown::Linear { base: 2, limit: None });
    }
}
