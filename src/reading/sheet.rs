//! Files of rows, as spreadsheets, ERPs and shops write them: a header, then cells that are separated by commas, semicolons
//! or tabs, as the first line is.

use std::io::{self, BufRead, BufReader, Chain, Read};

use super::NO_LETTER;
use crate::error::{Error, Result};

/// A file of rows that is read row by row.
pub struct Sheet<R> {
    // Each line has an end, so that the reader's position tells where a record ended. An empty line is none.
    reader: csv::Reader<Chain<BufReader<R>, &'static [u8]>>,
    separator: u8,
    columns: Vec<String>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, as an editor counts them.
    pub line: u64,
    /// Its cells, or why they cannot be read.
    pub cells: Result<Vec<String>, String>,
}

impl<R: Read> Sheet<R> {
    /// Reads the header of a file in UTF-8.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(file: R) -> Result<Self> {
        let wrong = |error: &dyn std::error::Error| Error::Fault(format!("reading the header: {error}"));
        let mut file = BufReader::new(file);
        let separator = separator(&mut file).map_err(|error| wrong(&error))?;
        let file = file.chain(&b"\n"[..]);
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(file);
        let columns = reader.headers().map_err(|error| wrong(&error))?.iter().map(column).collect();
        Ok(Self { reader, separator, columns })
    }

    /// The names of its columns, as [`column()`] has them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// True where a comma divides the columns, and so is no decimal point.
    #[must_use]
    pub fn is_separated_by_commas(&self) -> bool {
        self.separator == b','
    }

    /// How much of it was read, in bytes of UTF-8.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let mut record = csv::StringRecord::new();
        let read = self.reader.read_record(&mut record);
        // Before a record there may be empty lines, and in it quoted line ends: its line is counted from its end.
        let line = self.reader.position().line().saturating_sub(1 + line_ends(&record));
        let cells = match read {
            Ok(false) => return Ok(None),
            Ok(true) if record.iter().any(|cell| cell.contains(NO_LETTER)) => {
                Err("its letters are not written as the file says: save it as UTF-8, or name its --encoding".to_owned())
            }
            // A separator in a cell moves what follows it into other columns.
            Ok(true) if record.iter().skip(self.columns.len()).any(|cell| !cell.trim().is_empty()) => Err(format!(
                "it has {} cells, and the first line {}: put a cell that has the separator in it in quotation marks",
                record.len(),
                self.columns.len()
            )),
            Ok(true) => Ok(record.iter().map(|cell| cell.trim().to_owned()).collect()),
            Err(error) if error.is_io_error() => return Err(Error::Fault(format!("reading line {line}: {error}"))),
            Err(error) => Err(error.to_string()),
        };
        Ok(Some(Row { line, cells }))
    }
}

/// What separates the columns: of comma, semicolon and tab, what the first line has most of.
fn separator(file: &mut impl BufRead) -> io::Result<u8> {
    let beginning = file.fill_buf()?;
    let header = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: &u8| header.split(|byte| byte == separator).count();
    // Of equals the last one counts.
    Ok([b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b','))
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

/// The line ends within a record.
fn line_ends(record: &csv::StringRecord) -> u64 {
    record.iter().map(|cell| cell.matches('\n').count() as u64).sum()
}
