//! Logs: to standard error, filtered by `RUST_LOG`, as text or, with `OMS_LOG_FORMAT=json`, as a JSON object a line.
//!
//! Much of what is logged was written by others: paths, numbers of orders, what other services answer. So every event
//! goes through one writer, `Lines`, which leaves no control character in it: what looks like a line of the log is
//! one. No call has to think of it. Nor of a log that cannot be written: the lines wait in a `queue`, and a thread writes
//! them.

mod queue;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write},
    panic::{self, PanicHookInfo},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use queue::Queue;

use crate::spelling::suggestion;

/// How long the last lines may take to be written when the process ends.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The lines of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Lines that could not be written, since the start of the process.
pub static LOST_LINES: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Starts logging; `default_filter` holds where `RUST_LOG` says nothing. Call once. Panics are logged from now on.
///
/// # Errors
/// When the system gives no thread.
pub fn start(default_filter: &str) -> io::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok().map(|text| filter(&text));
    let format = std::env::var("OMS_LOG_FORMAT").ok().map(|text| is_json(&text));
    let filter = match &wanted {
        Some(Ok(filter)) => filter.clone(),
        _ => default_filter.parse().unwrap_or_default(),
    };
    let is_json = matches!(format, Some(Ok(true)));
    let queue = QUEUE.get_or_init(|| Queue::new(LOST_LINES.clone()));
    let lines = Lines { to: queue.clone(), with_colours: !is_json && io::stderr().is_terminal() };
    // A second start would fail; there is none.
    tracing_subscriber::registry().with(filter).with(layer(lines, is_json)).try_init().ok();
    panic::set_hook(Box::new(log_panic));
    queue.write_to(io::stderr(), || {
        let lines = LOST_LINES.get();
        tracing::error!(lines, "the log could not be written for a time; so many lines are lost since the start");
    })?;
    // What is logged is no reason not to start.
    for why in [wanted.and_then(Result::err), format.and_then(Result::err)].into_iter().flatten() {
        tracing::error!(why, "a setting of the log is wrong; the default holds");
    }
    Ok(())
}

/// What is logged: levels by the name of the code (`info,oms=debug`).
///
/// The filter that knows spans and fields too brings regular expressions, a twentieth of a build.
fn filter(text: &str) -> Result<Targets, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        // A word alone would be taken for a part of the code, of which everything is logged.
        if !LEVELS.contains(&level.to_lowercase().as_str()) {
            let remedy = suggestion(level, &LEVELS);
            return Err(format!("RUST_LOG has `{part}`: {level} is no level; {remedy}, like info,oms=debug"));
        }
    }
    text.parse().map_err(|error| format!("RUST_LOG is wrong: {error}; write it like info,oms=debug"))
}

/// Whether each event is an object of JSON.
fn is_json(text: &str) -> Result<bool, String> {
    match text.trim() {
        "json" => Ok(true),
        "" | "text" => Ok(false),
        other => Err(format!("OMS_LOG_FORMAT is `{other}`: {}", suggestion(other, &["json", "text"]))),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let (text, place) = (panic.payload_as_str(), panic.location().map(ToString::to_string));
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(text, place, backtrace, "a panic");
}

/// Waits until what was logged is written, for a moment at most: the process ends. False if it is not: then nobody reads
/// standard error.
pub fn finish() -> bool {
    QUEUE.get().is_none_or(|queue| queue.finish(LAST_LINES))
}

/// What writes events: each as one line.
fn layer<S, M>(lines: Lines<M>, is_json: bool) -> Box<dyn tracing_subscriber::Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Colours are given to whole lines, by `Lines`: those of the format would be control characters among others.
    // What it says of itself, it says on standard error, and panics if it cannot.
    let layer = fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(lines);
    if is_json { Box::new(layer.json().flatten_event(true)) } else { Box::new(layer) }
}

/// A text without control characters: what would end the line, move the cursor, or turn the direction of what is
/// shown is written as its number (`\u000a`). Inside JSON that means the same character.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_control(letter) {
            // Writing to a String cannot fail.
            write!(line, "\\u{:04x}", u32::from(letter)).ok();
        } else {
            line.push(letter);
        }
    }
    Cow::Owned(line)
}

/// Control characters, the separators of lines and paragraphs, and what sets the direction of writing. All have numbers
/// of at most four hexadecimal digits.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Writes each event as one line.
#[derive(Debug)]
struct Lines<M> {
    to: M,
    /// Warnings are yellow and errors red.
    with_colours: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { to: self.to.make_writer(), colour: None }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        let colour = match *event.level() {
            Level::ERROR => Some("\x1b[31m"),
            Level::WARN => Some("\x1b[33m"),
            _ => None,
        };
        Line { to: self.to.make_writer_for(event), colour: colour.filter(|_| self.with_colours) }
    }
}

/// The writer of one event.
struct Line<W> {
    to: W,
    colour: Option<&'static str>,
}

impl<W: Write> Write for Line<W> {
    /// The whole event comes at once, with the end of its line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = one_line(text.strip_suffix('\n').unwrap_or(&text));
        let line = match self.colour {
            Some(colour) => format!("{colour}{line}\x1b[0m\n"),
            None => format!("{line}\n"),
        };
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use proptest::prelude::*;
    use tracing_subscriber::registry;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of two events with a text in every place where one can be.
    fn logged(text: &str, is_json: bool, with_colours: bool) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = Lines { to: move || to.clone(), with_colours };
        tracing::subscriber::with_default(registry().with(layer(lines, is_json)), || {
            let span = tracing::info_span!("work", shown = %text, debugged = ?text, plain = text);
            let _entered = span.enter();
            let error = io::Error::other(text.to_owned());
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(shown = %text, debugged = ?text, plain = text, cause, %error, "a message with {text}");
            tracing::info!("{text}");
        });
        let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn is_clean(line: &str) -> bool {
        !line.chars().any(is_control)
    }

    /// Texts in which control characters are frequent.
    fn texts() -> impl Strategy<Value = String> {
        let letters = prop_oneof![
            any::<char>(),
            prop::char::range('\0', '\u{a0}'),
            prop::sample::select(vec![
                '\n', '\r', '\x1b', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{feff}'
            ]),
        ];
        prop::collection::vec(letters, 0..40).prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn whatever_is_logged_is_one_line_without_control_characters(text in texts()) {
            for is_json in [false, true] {
                let log = logged(&text, is_json, false);
                let lines: Vec<&str> = log.split('\n').collect();
                prop_assert_eq!(lines.len(), 3, "two lines and the end: {:?}", log);
                prop_assert!(lines.iter().all(|line| is_clean(line)), "{:?}", log);
            }
        }

        #[test]
        fn json_says_exactly_what_was_logged(text in texts()) {
            let log = logged(&text, true, false);
            for line in log.lines() {
                let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
                prop_assert_eq!(event["span"]["plain"].as_str(), Some(text.as_str()));
            }
            let event: serde_json::Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
            prop_assert_eq!(event["plain"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_the_remedy() {
        for text in ["info", "info,oms=debug", "", "WARN", "oms::webhooks=trace, sqlx=off"] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "info,oms=debg", "oms"] {
            let why = filter(text).expect_err(text);
            assert!(why.starts_with("RUST_LOG has `") && why.contains("info"), "{why}");
        }
        assert!(filter("inof").expect_err("wrong").contains("did you mean `info`?"));
        assert_eq!((is_json("json"), is_json("text"), is_json("")), (Ok(true), Ok(false), Ok(false)));
        assert!(is_json("jsno").expect_err("wrong").contains("OMS_LOG_FORMAT is `jsno`: did you mean `json`?"));
    }

    #[test]
    fn a_forged_line_is_seen_to_be_none() {
        let log = logged("x\n2026-01-01T00:00:00Z  INFO oms: paid \u{1b}[2K", false, false);
        assert!(log.contains("shown=x\\u000a2026-01-01T00:00:00Z  INFO oms: paid \\u001b[2K"), "{log}");
    }

    #[test]
    fn colours_are_those_of_the_level_and_nobody_elses() {
        let log = logged("\u{1b}[32mgreen", false, true);
        let lines: Vec<&str> = log.lines().collect();
        let warning = lines[0].strip_prefix("\u{1b}[33m").and_then(|line| line.strip_suffix("\u{1b}[0m"));
        assert!(warning.is_some_and(is_clean), "{log:?}");
        assert!(is_clean(lines[1]), "{log:?}");
    }

    #[test]
    fn a_line_without_control_characters_is_not_copied() {
        assert!(matches!(one_line("Kadıköy 伊斯坦布尔"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\u{2028}b\tc"), "a\\u2028b\\u0009c");
    }
}
