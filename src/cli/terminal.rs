//! The one door to standard output and standard error.
//!
//! Whoever reads may go away (`| head -1`), and a disk may be full. What a subcommand has begun it ends in any case: text
//! that cannot be written is left out, and [`finish`] says so at the end. A secret that is shown once is [`delivered`], before
//! what it opens is made.
//!
//! [`delivered`]: deliver

use std::{
    fmt,
    io::{self, Write},
    sync::OnceLock,
};

use crate::error::{Error, Result};

/// Why nothing more is written to standard output.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes a line to standard output, as `println!`. Whatever others wrote (names, addresses, reasons), it is one line, and the
/// terminal shows it instead of obeying it.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::terminal::print(format_args!("{}\n", $crate::logging::one_line(&format!($($text)*))))
    };
}

/// Writes a line to standard error, as `eprintln!`, and as [`say`] does.
macro_rules! note {
    ($($text:tt)*) => {
        $crate::cli::terminal::remark(format_args!("{}\n", $crate::logging::one_line(&format!($($text)*))))
    };
}

pub(super) use {note, say};

/// Writes text to standard output.
pub(super) fn print(text: impl fmt::Display) {
    if FAILED.get().is_none()
        && let Err(error) = write!(io::stdout().lock(), "{text}")
    {
        // Another may have been faster.
        FAILED.set(error).ok();
    }
}

/// Standard output, for what is written row by row. It never fails: what cannot be written is left out, as by [`print`].
pub(super) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if FAILED.get().is_none()
            && let Err(error) = io::stdout().lock().write_all(bytes)
        {
            FAILED.set(error).ok();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes text to standard error. Nothing depends on it.
pub(super) fn remark(text: impl fmt::Display) {
    write!(io::stderr().lock(), "{text}").ok();
}

/// Writes text to standard output, where it is when this returns.
///
/// # Errors
/// When nobody reads it, or it cannot be written.
pub(super) fn deliver(text: impl fmt::Display) -> Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| cannot_write(&error))
}

/// Ends what was written to standard output. A reader who has gone away has read enough.
///
/// # Errors
/// When something could not be written.
pub(super) fn finish() -> Result<()> {
    let flushed = io::stdout().lock().flush();
    unless_closed(FAILED.get().map_or_else(|| flushed.as_ref().err(), Some))
}

/// Nobody need hear of a reader who has gone away.
pub(super) fn unless_closed(failed: Option<&io::Error>) -> Result<()> {
    match failed {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(error)),
        _ => Ok(()),
    }
}

fn cannot_write(error: &io::Error) -> Error {
    Error::Fault(format!("cannot write to standard output: {error}"))
}
