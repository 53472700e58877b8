//! Lists as files: `format=csv` and `format=xlsx`, the same for every list ([`crate::page::Listing`]).
//!
//! A file holds the whole filtered list (at most [`MOST_ROWS`]), or the requested page. An object becomes a column for
//! each key, named as Django REST framework's renderer names them (`state.name`); a list becomes the same columns, with
//! the values of its entries separated by `; `. The columns are known only after the last row, so rows wait in a
//! temporary file (in memory while there are few), and the answer is made from it: memory does not grow with the list,
//! no database connection waits for a slow client, and an answer that has begun is complete.
//!
//! `commands` is left out: it is about the screen, not about the row.

mod columns;
mod sheet;

pub use sheet::Sheet;
pub use tempfile::SpooledData as Content;

/// A finished file.
#[derive(Debug)]
pub struct File {
    /// Its name, with the ending.
    pub name: String,
    /// The `Content-Type`.
    pub media_type: &'static str,
    /// Bytes in it.
    pub length: u64,
    /// The bytes, from their beginning.
    pub content: Content,
}

/// Most rows in a file. A longer list is refused, not cut, because a missing rest would go unnoticed.
pub const MOST_ROWS: usize = 50_000;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8.
    Csv,
    /// The same with semicolons, as spreadsheets want it where a comma stands in numbers. It begins with the mark of UTF-8,
    /// without which they take its letters for others; programs, which it would hinder, take the other one.
    CsvOfSemicolons,
    /// Office Open XML, for Excel and similar programs.
    Xlsx,
}

impl Format {
    /// The format of that name. The Akinon OMS documents `xls`; this server then sends its successor `xlsx`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "xlsx" | "xls" => Some(Self::Xlsx),
            _ => None,
        }
    }

    /// The `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv | Self::CsvOfSemicolons => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// The ending of the file's name.
    fn extension(self) -> &'static str {
        match self {
            Self::Csv | Self::CsvOfSemicolons => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}
