//! Lists as files: `format=csv` and `format=xlsx`, for every list by one way ([`crate::page::Listing`]).
//!
//! A file holds the whole filtered list (at most [`MOST_ROWS`]), or the one page that was asked for. An object becomes
//! a column for each of its keys, named as Django REST framework's renderer names them (`state.name`); a list becomes
//! the same columns with its entries' values separated by `; `. Which columns there are is known when the last row has
//! been read, so rows wait in a temporary file (in memory while they are few) and the answer is made from it: nothing
//! grows with the list, no connection to Postgres waits for a slow client, and an answer that has begun is whole.
//!
//! `commands` is left out: what a screen may offer is no property of a row.

mod columns;
mod sheet;

pub use sheet::Sheet;

/// Most rows in a file. A longer list is refused rather than cut: nobody would see that the rest is missing.
pub const MOST_ROWS: usize = 50_000;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8.
    Csv,
    /// Office Open XML, as Excel and its like read it.
    Xlsx,
}

impl Format {
    /// The format of that name. `xls` is documented by the original; who asks for it gets the format that took its
    /// place.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "xlsx" | "xls" => Some(Self::Xlsx),
            _ => None,
        }
    }

    /// As `Content-Type` says it.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// The ending of a file's name.
    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}
