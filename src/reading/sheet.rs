//! Files of rows, as spreadsheets, ERPs and shops write them: a header, then cells that are separated by commas, semicolons
//! or tabs, as the first line is.

use std::io::{self, BufRead, BufReader, Read};

use super::{
    Breaks, NO_LETTER,
    records::{Record, Records},
};
use crate::{
    error::{Error, Result},
    spelling::meant,
};

/// A file of rows that is read row by row.
pub struct Sheet<R> {
    records: Records<BufReader<R>>,
    columns: Vec<String>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, as an editor counts them.
    pub line: u64,
    /// Its cells; where it cannot be read, those that can.
    pub cells: Vec<String>,
    /// Why it cannot be read.
    pub fault: Option<String>,
}

impl<R: Read> Sheet<R> {
    /// Reads the header of a file in UTF-8. `breaks`: whether a cell may have line breaks in it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(file: R, breaks: Breaks) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Error::Fault(format!("reading the header: {error}"));
        let mut file = BufReader::new(file);
        let separator = separator(&mut file).map_err(|error| wrong(&error))?;
        let mut records = Records::new(file, separator, breaks);
        let header = records.next().map_err(|error| wrong(&error))?;
        let mut columns: Vec<String> = match header {
            Some(Record { fault: Some(fault), .. }) => return Err(wrong(&fault)),
            Some(Record { cells, .. }) => cells.iter().map(|cell| column(cell)).collect(),
            None => Vec::new(),
        };
        // Separators at the end of lines make no columns.
        while columns.pop_if(|name| name.is_empty()).is_some() {}
        Ok(Self { records, columns })
    }

    /// The names of its columns, as [`column()`] has them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How much of it was read, in bytes of UTF-8.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.records.bytes_read()
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let read = self.records.next().map_err(|error| Error::Fault(format!("reading the file: {error}")))?;
        let Some(Record { line, cells, fault }) = read else { return Ok(None) };
        let width = self.columns.len();
        let fault = fault.or_else(|| {
            if cells.iter().any(|cell| cell.contains(NO_LETTER)) {
                return Some(
                    "its letters are not written as the file says: save it as UTF-8, or name its --encoding".to_owned(),
                );
            }
            // A separator in a cell moves what follows it into other columns.
            let is_too_wide = cells.iter().skip(width).any(|cell| !cell.trim().is_empty());
            is_too_wide.then(|| {
                format!(
                    "it has {} cells, and the first line {width}: put a cell that has the separator in it in quotation marks",
                    cells.len(),
                )
            })
        });
        Ok(Some(Row { line, cells: cells.iter().map(|cell| cell.trim().to_owned()).collect(), fault }))
    }
}

/// What is wrong with a header that has a column twice, so that nobody knows which of them counts. `is_read` says
/// which columns are read at all.
#[must_use]
pub fn named_twice(columns: &[String], is_read: impl Fn(&str) -> bool) -> Option<String> {
    let (name, places) = columns.iter().filter(|name| is_read(name)).find_map(|name| {
        let places = (1..).zip(columns).filter(|(_, column)| *column == name).map(|(place, _)| place);
        let places: Vec<u32> = places.collect();
        (places.len() > 1).then_some((name, places))
    })?;
    let places: Vec<String> = places.iter().map(u32::to_string).collect();
    let places = places.join(" and ");
    Some(format!("the first line names the column `{name}` more than once, as columns {places}: leave one of them"))
}

/// What is wrong with a header that has a column that is not known: nobody is to believe that it was read.
#[must_use]
pub fn unknown_column(columns: &[String], known: &[&str]) -> Option<String> {
    let (place, unknown) = (1..).zip(columns).find(|(_, column)| !known.contains(&column.as_str()))?;
    // What the file lacks is meant rather than what it has.
    let lacking = known.iter().copied().filter(|name| columns.iter().all(|column| column != name));
    let near = meant(unknown, lacking).or_else(|| meant(unknown, known.iter().copied()));
    let remedy = near.map_or_else(
        || format!("take it away, or call it as what it is, one of {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Some(format!("the first line names a column `{unknown}`, the {place}., that is not known: {remedy}"))
}

/// What separates the columns: of comma, semicolon and tab, what the first line has most of.
fn separator(file: &mut impl BufRead) -> io::Result<char> {
    let beginning = file.fill_buf()?;
    let header = beginning.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.trim_ascii().is_empty());
    let count =
        |separator: &char| header.unwrap_or_default().iter().filter(|byte| char::from(**byte) == *separator).count();
    // Of equals the last one counts.
    Ok(['\t', ';', ','].into_iter().max_by_key(count).unwrap_or(','))
}

/// The name of a column, whatever its case: `ERP Code` is `erp_code`, and I, İ, ı and i are one letter.
#[must_use]
pub fn column(header: &str) -> String {
    let letters = header.trim_start_matches('\u{feff}').trim().chars().flat_map(char::to_lowercase);
    letters
        .filter(|letter| *letter != '\u{307}')
        .map(|letter| match letter {
            'ı' => 'i',
            letter if letter.is_whitespace() => '_',
            letter => letter,
        })
        .collect()
}
