//! What subcommands come to, the files they read, and arguments that several take.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    error::{Error, Result},
    reading::values,
};

/// The result of a subcommand that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Success.
    Done,
    /// Faults were found and printed.
    Faults,
    /// It would hurt, and was not forced.
    Refused,
    /// There is a difference, and it was asked for.
    Different,
}

impl Outcome {
    /// The exit code of the process.
    pub(super) fn exit_code(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::Faults => 1,
            Self::Refused => 3,
            Self::Different => 4,
        }
    }
}

/// Reads a file. The error names it.
pub(super) fn read_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::Fault(format!("cannot read {}: {error}", path.display())))
}

/// A day, as an argument.
pub(super) fn day(text: &str) -> Result<NaiveDate, String> {
    values::day(text).ok_or_else(|| values::wrong_date(text, "write it like 2026-01-31"))
}

/// A moment or a day, as an argument.
pub(super) fn date_time(text: &str) -> Result<DateTime<Utc>, String> {
    values::date_time(text).ok_or_else(|| values::wrong_date(text, "write it like 2026-01-31T12:00:00Z or 2026-01-31"))
}
