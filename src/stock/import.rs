//! `oms stock import FILE.csv`: `erp_code,sku,quantity`, in batches. A bad line is reported, and the others are taken.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
};

use serde_json::{Map, Value};

use super::{Count, Door, Origin, count};
use crate::{
    audit::Actor,
    db::PgPool,
    error::{Error, Refusal, Result},
    reading::{self, Defect, NO_LETTER, Voice},
};

/// The columns that are read.
const COLUMNS: [&str; 3] = ["erp_code", "sku", "quantity"];
/// Counts in one transaction.
const BATCH: usize = 5_000;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Counts set.
    pub set: u64,
    /// Lines with errors.
    pub refused: u64,
}

/// Sets every count of a CSV file with the columns `erp_code`, `sku`, `quantity`, in any order and any case, separated by
/// commas, semicolons or tabs, as its first line is. `refused` receives the number and the error of each bad line.
/// `actor`: who counted.
///
/// # Errors
/// When a column is missing, or the file or the database fails.
pub async fn import(
    pool: &PgPool,
    actor: Actor,
    file: impl Read,
    mut refused: impl FnMut(u64, &str),
) -> Result<Summary> {
    let origin = Origin { actor, door: Door::Import };
    let rows = sqlx::query!("select id, erp_code from stock_locations").fetch_all(pool).await?;
    let locations: HashMap<String, i64> = rows.into_iter().map(|row| (row.erp_code, row.id)).collect();
    let mut file = BufReader::new(file);
    let separator = separator(&mut file).map_err(|error| Error::Fault(format!("reading the header: {error}")))?;
    // Each line has an end, so that the reader's position tells where a record ended. An empty line is none.
    let file = file.chain(&b"\n"[..]);
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(file);
    let headers = reader.headers().map_err(|error| Error::Fault(format!("reading the header: {error}")))?;
    let headers: csv::StringRecord = headers.iter().map(column).collect();
    for column in COLUMNS {
        if !headers.iter().any(|header| header == column) {
            let message = format!("the first line must name the columns erp_code,sku,quantity; {column} is missing");
            return Err(Refusal::field("header", message).into());
        }
    }
    let mut summary = Summary::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut record = csv::StringRecord::new();
    loop {
        let read = reader.read_record(&mut record);
        // Before a record there may be empty lines, and in it quoted line ends: its line is counted from its end.
        let line = reader.position().line().saturating_sub(1 + line_ends(&record));
        match read {
            Ok(false) => break,
            Ok(true) => match read_count(&record, &headers, &locations) {
                Ok(count) => batch.push(count),
                Err(why) => {
                    summary.refused += 1;
                    refused(line, &why);
                }
            },
            Err(error) if error.is_io_error() => return Err(Error::Fault(format!("reading line {line}: {error}"))),
            Err(error) => {
                summary.refused += 1;
                refused(line, &error.to_string());
            }
        }
        if batch.len() == BATCH {
            summary.set += write(pool, &mut batch, &origin).await?;
        }
    }
    summary.set += write(pool, &mut batch, &origin).await?;
    Ok(summary)
}

/// What separates the columns: of comma, semicolon and tab, what the first line has most of.
fn separator(file: &mut impl BufRead) -> std::io::Result<u8> {
    let beginning = file.fill_buf()?;
    let header = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: &u8| header.split(|byte| byte == separator).count();
    // Of equals the last one counts.
    Ok([b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b','))
}

/// The name of a column, whatever its case: `ERP Code` is `erp_code`.
fn column(header: &str) -> String {
    header.trim_start_matches('\u{feff}').trim().to_ascii_lowercase().replace(' ', "_")
}

/// The line ends within a record.
fn line_ends(record: &csv::StringRecord) -> u64 {
    record.iter().map(|cell| cell.matches('\n').count() as u64).sum()
}

fn read_count(
    record: &csv::StringRecord,
    headers: &csv::StringRecord,
    locations: &HashMap<String, i64>,
) -> Result<Count, String> {
    if record.iter().any(|cell| cell.contains(NO_LETTER)) {
        return Err("its letters are not written as the file says: save it as UTF-8, or name its --encoding".to_owned());
    }
    let cells = headers.iter().zip(record).filter(|(column, _)| COLUMNS.contains(column));
    let row: Map<String, Value> = cells.map(|(column, cell)| (column.to_owned(), cell.trim().into())).collect();
    let count =
        reading::with(Voice::Request, &row, |reader| Count::read(reader, |erp_code| locations.get(erp_code).copied()));
    count.map_err(|defects| defects.iter().map(Defect::to_string).collect::<Vec<_>>().join(" "))
}

async fn write(pool: &PgPool, batch: &mut Vec<Count>, origin: &Origin) -> Result<u64> {
    if batch.is_empty() {
        return Ok(0);
    }
    count(pool, batch, origin).await?;
    let written = batch.len() as u64;
    batch.clear();
    Ok(written)
}
