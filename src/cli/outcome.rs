//! What subcommands come to, and the files they read.

use std::path::Path;

use crate::error::{Error, Result};

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

/// Reads a file. The error names it.
pub(super) fn read_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::Fault(format!("cannot read {}: {error}", path.display())))
}
