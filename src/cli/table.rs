//! What commands print as rows: lines for people, or JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    logging,
};

/// How a command prints what it lists.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Printing {
    /// Print JSON instead: an array with an object a row.
    #[arg(long)]
    json: bool,
}

impl Printing {
    /// Whether JSON is printed, and nothing else.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints rows: each as its line, or all as an array.
    pub(super) fn rows<T: Serialize>(self, to: &mut impl Write, rows: &[T], line: impl Fn(&T) -> String) -> Result<()> {
        self.table(to, rows, |to| {
            for row in rows {
                writeln!(to, "{}", logging::one_line(&line(row)))?;
            }
            Ok(())
        })
    }

    /// Prints rows as people read them, or as an array.
    pub(super) fn table<W: Write>(
        self,
        to: &mut W,
        rows: &(impl Serialize + ?Sized),
        text: impl FnOnce(&mut W) -> io::Result<()>,
    ) -> Result<()> {
        if self.json {
            return json(to, rows);
        }
        text(to).and_then(|()| to.flush()).map_err(|error| cannot_print(&error))
    }
}

/// A number with its thousands set apart: `1,204`.
pub(super) fn grouped(number: impl ToString + Copy) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a value as JSON.
pub(super) fn json(to: &mut impl Write, value: &(impl Serialize + ?Sized)) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| Error::Fault(format!("JSON: {error}")))?;
    text.push(b'\n');
    to.write_all(&text).and_then(|()| to.flush()).map_err(|error| cannot_print(&error))
}

fn cannot_print(error: &io::Error) -> Error {
    Error::Fault(format!("cannot print: {error}"))
}
