//! `oms stock import FILE.csv`: `erp_code,sku,quantity`, in batches. A bad line is reported, and the others are taken.

use std::{collections::HashMap, io::Read};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::{Count, Door, Origin, count};
use crate::{
    audit::Actor,
    days,
    db::PgPool,
    error::{Refusal, Result},
    reading::{self, Breaks, Defect, Row, Sheet, Thousandths, Voice, figures, named_twice, unknown_column},
};

/// The columns that must be there.
const COLUMNS: [&str; 3] = ["erp_code", "sku", "quantity"];
/// All that there may be.
const KNOWN: [&str; 4] = ["erp_code", "sku", "quantity", COUNTED_AT];
/// The one that may be there: when the count was taken. Without a zone it is of the installation's.
const COUNTED_AT: &str = "counted_at";
/// Counts in one transaction.
const BATCH: usize = 5_000;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, but for the first and for empty ones; each is one of the following.
    pub read: u64,
    /// Counts that changed a stock.
    pub set: u64,
    /// Counts that say what is known.
    pub unchanged: u64,
    /// Lines with errors.
    pub refused: u64,
}

/// Sets every count of a CSV file with the columns `erp_code`, `sku`, `quantity`, and `counted_at` if it is there, in any order and any case, separated by
/// commas, semicolons or tabs, as its first line is. `refused` receives the number and the error of each bad line.
/// `actor`: who counted.
///
/// # Errors
/// When a column is missing, not known or there twice, or the file or the database fails.
pub async fn import(
    pool: &PgPool,
    actor: Actor,
    file: impl Read,
    mut refused: impl FnMut(u64, &str),
) -> Result<Summary> {
    let origin = Origin { actor, door: Door::Import };
    let rows = sqlx::query!("select id, erp_code from stock_locations").fetch_all(pool).await?;
    let locations: HashMap<String, i64> = rows.into_iter().map(|row| (row.erp_code, row.id)).collect();
    let zone = days::time_zone(&mut *pool.acquire().await?).await?.unwrap_or_default();
    // No field can hold a line break.
    let mut sheet = Sheet::open(file, Breaks::Never)?;
    let headers = sheet.columns().to_vec();
    if let Some(why) = unknown_column(&headers, &KNOWN).or_else(|| named_twice(&headers, |_| true)) {
        return Err(Refusal::field("header", why).into());
    }
    for column in COLUMNS {
        if !headers.iter().any(|header| header == column) {
            let message = format!("the first line must name the columns erp_code,sku,quantity; {column} is missing");
            return Err(Refusal::field("header", message).into());
        }
    }
    let mut summary = Summary::default();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(Row { line, cells, fault }) = sheet.next_row()? {
        summary.read += 1;
        let read = fault.map_or_else(|| read_count(&cells, &headers, &locations, zone), Err);
        match read {
            Ok(count) => batch.push(count),
            Err(why) => {
                summary.refused += 1;
                refused(line, &why);
            }
        }
        if batch.len() == BATCH {
            write(pool, &mut batch, &origin, &mut summary).await?;
        }
    }
    write(pool, &mut batch, &origin, &mut summary).await?;
    Ok(summary)
}

fn read_count(
    cells: &[String],
    headers: &[String],
    locations: &HashMap<String, i64>,
    zone: Tz,
) -> Result<Count, String> {
    let mut row = Map::new();
    for (column, cell) in headers.iter().zip(cells) {
        let cell = match column.as_str() {
            COUNTED_AT if cell.is_empty() => continue,
            COUNTED_AT => days::moment_of(cell, zone).map_or_else(|| cell.clone(), |moment| moment.to_rfc3339()),
            "quantity" => figures(cell, Thousandths::Ambiguous).map_err(|why| format!("{column}: {why}"))?,
            _ => cell.clone(),
        };
        row.insert(column.clone(), Value::from(cell));
    }
    let count =
        reading::with(Voice::Request, &row, |reader| Count::read(reader, |erp_code| locations.get(erp_code).copied()));
    count.map_err(|defects| defects.iter().map(Defect::to_string).collect::<Vec<_>>().join(" "))
}

async fn write(pool: &PgPool, batch: &mut Vec<Count>, origin: &Origin, summary: &mut Summary) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let set = count(pool, batch, origin).await?;
    summary.set += set;
    summary.unchanged += batch.len() as u64 - set;
    batch.clear();
    Ok(())
}
