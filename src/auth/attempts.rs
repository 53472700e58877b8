//! Guesses at passwords are few: a login that fails counts for its name and its address, and too many must wait.
//!
//! Counted is each attempt when it begins, so that many at once are not more; a login that succeeds takes its own back.
//! Each server counts for itself.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;

use crate::{error::Refusal, seldom::Seldom};

/// The time in which failures count.
const WINDOW: Duration = Duration::from_mins(5);
/// Failures of one name from one address.
const MOST_OF_BOTH: u32 = 10;
/// Failures of one name from anywhere. More than of one address, so that nobody locks out another easily.
const MOST_OF_NAME: u32 = 100;
/// Failures from one address, with whatever names.
const MOST_OF_PEER: u32 = 100;
/// Most counters. At more, those that have ended are dropped, then all.
const MOST_COUNTERS: usize = 30_000;

/// So much of a name is kept, in characters.
const LONGEST_NAME: usize = 150;

/// What failures are counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, IpAddr),
    Name(String),
    Peer(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    begun: Instant,
    failures: u32,
}

/// Lines of the log about failures: so many at once, and then one a second.
const LINES_AT_ONCE: u32 = 20;
/// See there.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// The failures of the last minutes.
#[derive(Debug)]
pub struct LoginAttempts {
    counters: Mutex<HashMap<Key, Counter>>,
    lines: Seldom<()>,
}

impl Default for LoginAttempts {
    fn default() -> Self {
        Self { counters: Mutex::default(), lines: Seldom::new(LINES_AT_ONCE, LINE_EVERY) }
    }
}

impl LoginAttempts {
    /// Counts an attempt as a failure, until [`succeeded`](Self::succeeded).
    ///
    /// # Errors
    /// 429 with the seconds to wait, after too many.
    pub fn begin(&self, username: &str, peer: IpAddr, now: Instant) -> Result<(), Refusal> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MOST_COUNTERS {
            counters.retain(|_, counter| now < counter.begun + WINDOW);
            if counters.len() >= MOST_COUNTERS {
                counters.clear();
            }
        }
        let keys = keys(username, peer);
        for (key, most) in &keys {
            if let Some(counter) = counters.get_mut(key) {
                let left = (counter.begun + WINDOW).saturating_duration_since(now);
                if left.is_zero() {
                    *counter = Counter { begun: now, failures: 0 };
                } else if counter.failures >= *most {
                    return Err(throttled(left));
                }
            }
        }
        for (key, _) in keys {
            counters.entry(key).or_insert(Counter { begun: now, failures: 0 }).failures += 1;
        }
        Ok(())
    }

    /// Logs an attempt that failed, if there are not too many such lines. `throttled`: its password was not even looked at.
    pub fn tell(&self, username: &str, peer: IpAddr, throttled: bool) {
        if let Some(left_out) = self.lines.pass((), Instant::now()) {
            let user: String = username.chars().take(LONGEST_NAME).collect();
            let peer = peer.to_string();
            tracing::warn!(user, peer, throttled, left_out, "a login failed");
        }
    }

    /// Takes the attempt of a login that succeeded back. Failures of the same name from the same address are forgotten.
    pub fn succeeded(&self, username: &str, peer: IpAddr) {
        self.take_back(username, peer);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let [(both, _), ..] = keys(username, peer);
        counters.remove(&both);
    }

    /// Takes an attempt back that nobody judged, because the server could not. The failures before it stay: else a guesser
    /// who overloads the server could guess on.
    pub fn take_back(&self, username: &str, peer: IpAddr) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys(username, peer) {
            if let Some(counter) = counters.get_mut(&key) {
                counter.failures = counter.failures.saturating_sub(1);
            }
        }
    }
}

fn keys(username: &str, peer: IpAddr) -> [(Key, u32); 3] {
    // Of a network of IPv6 addresses one has all: they count as one.
    let peer = match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    };
    let name: String = username.chars().take(LONGEST_NAME).collect();
    [(Key::Both(name.clone(), peer), MOST_OF_BOTH), (Key::Name(name), MOST_OF_NAME), (Key::Peer(peer), MOST_OF_PEER)]
}

/// 429, with the words of Django REST framework.
fn throttled(left: Duration) -> Refusal {
    let seconds = left.as_secs() + 1;
    let detail = format!("Request was throttled. Expected available in {seconds} seconds.");
    Refusal::detail(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn guesses_are_few_and_their_number_comes_back() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        let (one, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        for _ in 0..MOST_OF_BOTH {
            attempts.begin("ayse", one, now).expect("few");
        }
        let refused = attempts.begin("ayse", one, now + Duration::from_mins(1)).expect_err("too many");
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(241)));
        attempts.begin("ayse", other, now).expect("from elsewhere");
        attempts.begin("mehmet", one, now).expect("another name");
        attempts.begin("ayse", one, now + WINDOW).expect("later");
    }

    #[test]
    fn many_names_of_one_address_and_many_addresses_of_one_name_are_too_many() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        for number in 0..MOST_OF_PEER {
            // One network.
            attempts.begin(&number.to_string(), peer(&format!("2001:db8::{number:x}")), now).expect("few");
        }
        assert!(attempts.begin("x", peer("2001:db8::ffff"), now).is_err());
        for number in 0..MOST_OF_NAME {
            attempts.begin("ayse", peer(&format!("198.51.100.{number}")), now).expect("few");
        }
        assert!(attempts.begin("ayse", peer("203.0.113.1"), now).is_err());
    }

    #[test]
    fn who_succeeds_is_never_throttled() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        for _ in 0..1000 {
            attempts.begin("ayse", peer("192.0.2.1"), now).expect("it succeeded each time");
            attempts.succeeded("ayse", peer("192.0.2.1"));
        }
    }

    #[test]
    fn an_attempt_that_nobody_judged_forgives_none_before_it() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        for _ in 0..MOST_OF_BOTH - 1 {
            attempts.begin("ayse", peer("192.0.2.1"), now).expect("few");
        }
        for _ in 0..5 {
            attempts.begin("ayse", peer("192.0.2.1"), now).expect("the last one");
            attempts.take_back("ayse", peer("192.0.2.1"));
        }
        attempts.begin("ayse", peer("192.0.2.1"), now).expect("the last one");
        assert!(attempts.begin("ayse", peer("192.0.2.1"), now).is_err());
    }

    #[test]
    fn the_counters_have_an_end() {
        let (attempts, now) = (LoginAttempts::default(), Instant::now());
        for number in 0..200_000_u32 {
            attempts.begin(&number.to_string(), IpAddr::V4(number.into()), now).expect("one each");
        }
        assert!(attempts.counters.lock().expect("no panic").len() <= MOST_COUNTERS + 3);
    }
}
