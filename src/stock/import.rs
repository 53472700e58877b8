//! `oms stock import FILE.csv`: `erp_code,sku,quantity`, in batches. A bad line is reported, and the others are taken.

use std::{collections::HashMap, io::Read};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::{Count, Door, Origin, count_each};
use crate::{
    audit::Actor,
    days,
    db::PgPool,
    error::{Error, Refusal, Result},
    reading::{self, Breaks, Defect, Row, Sheet, Thousandths, Voice, figures, named_twice, shortened, unknown_column},
};

/// The columns that must be there.
const COLUMNS: [&str; 3] = ["erp_code", "sku", "quantity"];
/// All that there may be.
const KNOWN: [&str; 4] = ["erp_code", "sku", "quantity", COUNTED_AT];
/// The one that may be there: when the count was taken. Without a zone it is of the installation's.
const COUNTED_AT: &str = "counted_at";
/// Counts in one transaction.
const BATCH: usize = 5_000;
/// Most counts of a file: they are compared with each other, in memory, before the first is set.
const MOST_COUNTS: usize = 5_000_000;
/// Of rows that say otherwise, how many a message names.
const MOST_NAMED: usize = 5;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, but for the first and for empty ones; each is one of the following.
    pub read: u64,
    /// Counts that changed a stock.
    pub set: u64,
    /// Counts that say what is known, or what another line of the file says.
    pub unchanged: u64,
    /// Lines with errors.
    pub refused: u64,
}

/// A count of a file.
struct Counted {
    line: u64,
    count: Count,
}

/// Sets every count of a CSV file with the columns `erp_code`, `sku`, `quantity`, and `counted_at` if it is there, in any order and any case, separated by
/// commas, semicolons or tabs, as its first line is. `refused` receives the number and the error of each bad line.
/// `actor`: who counted.
///
/// # Errors
/// When a column is missing, not known or there twice, or the file or the database fails. The message says how much was set
/// until then.
pub async fn import(
    pool: &PgPool,
    actor: Actor,
    file: impl Read,
    mut refused: impl FnMut(u64, &str),
) -> Result<Summary> {
    let origin = Origin { actor, door: Door::Import };
    let rows = sqlx::query!("select id, erp_code from stock_locations").fetch_all(pool).await?;
    let zone = days::time_zone(&mut *pool.acquire().await?).await?.unwrap_or_default();
    let places = Places { ids: rows.into_iter().map(|row| (row.erp_code, row.id)).collect(), zone };
    let mut summary = Summary::default();
    let mut refuse = |summary: &mut Summary, line: u64, why: &str| {
        summary.refused += 1;
        refused(line, why);
    };
    let mut counts = Vec::new();
    // No field can hold a line break.
    let mut sheet = Sheet::open(file, Breaks::Never)?;
    let headers = headers(&sheet)?;
    while let Some(Row { line, cells, fault }) = sheet.next_row()? {
        summary.read += 1;
        match fault.map_or_else(|| places.read_count(&cells, &headers), Err) {
            Ok(count) => counts.push(Counted { line, count }),
            Err(why) => refuse(&mut summary, line, &why),
        }
        if counts.len() > MOST_COUNTS {
            let message = format!("it has more than {MOST_COUNTS} counts, so none is set: make several files of it");
            return Err(Refusal::field("file", message).into());
        }
    }
    let (counts, conflicts) = agreed(counts);
    for Conflict { line, others, count } in &conflicts {
        refuse(&mut summary, *line, &places.sentence(count, others));
    }
    for batch in counts.chunks(BATCH) {
        let only: Vec<Count> = batch.iter().map(|counted| counted.count.clone()).collect();
        let set = count_each(pool, &only, &origin, &mut |at, why| refuse(&mut summary, batch[at].line, why)).await;
        match set {
            Ok(set) => summary.set += set,
            Err(error) => {
                return Err(Error::Fault(format!(
                    "{error} — {} counts were set until then, the others were not; the same file can be imported again",
                    summary.set
                )));
            }
        }
    }
    summary.unchanged = summary.read - summary.set - summary.refused;
    Ok(summary)
}

/// The columns of a file, if they can be read.
fn headers(sheet: &Sheet<impl Read>) -> Result<Vec<String>> {
    let headers = sheet.columns().to_vec();
    let missing = || {
        let missing = COLUMNS.iter().find(|column| headers.iter().all(|header| header != *column))?;
        Some(format!("the first line must name the columns erp_code,sku,quantity; {missing} is missing"))
    };
    let wrong = unknown_column(&headers, &KNOWN).or_else(|| named_twice(&headers, |_| true)).or_else(missing);
    wrong.map_or_else(|| Ok(headers.clone()), |why| Err(Refusal::field("header", why).into()))
}

/// What is known of locations, and of the time there.
struct Places {
    /// Their ids by ERP code.
    ids: HashMap<String, i64>,
    /// The time zone of the installation.
    zone: Tz,
}

impl Places {
    fn read_count(&self, cells: &[String], headers: &[String]) -> Result<Count, String> {
        let mut row = Map::new();
        for (column, cell) in headers.iter().zip(cells) {
            let of_column = |why: String| format!("{column}: {why}");
            let cell = match column.as_str() {
                COUNTED_AT if cell.is_empty() => continue,
                COUNTED_AT => {
                    days::moment_of(cell, self.zone).map_or_else(|| cell.clone(), |moment| moment.to_rfc3339())
                }
                "quantity" => figures(cell, Thousandths::Ambiguous).map_err(of_column)?,
                _ => shortened(cell).map_or_else(|| Ok(cell.clone()), |why| Err(of_column(why)))?,
            };
            row.insert(column.clone(), Value::from(cell));
        }
        let find = |erp_code: &str| self.ids.get(erp_code).copied();
        let count = reading::with(Voice::Request, &row, |reader| Count::read(reader, find));
        count.map_err(|defects| defects.iter().map(Defect::to_string).collect::<Vec<_>>().join(" "))
    }

    /// What is said of a count that other lines say otherwise.
    fn sentence(&self, count: &Count, others: &[(u64, i64)]) -> String {
        let place =
            self.ids.iter().find(|(_, id)| **id == count.stock_location_id).map_or("", |(erp_code, _)| erp_code);
        let named: Vec<String> =
            others.iter().take(MOST_NAMED).map(|(line, units)| format!("{units} on line {line}")).collect();
        let more = if others.len() > MOST_NAMED { " and more" } else { "" };
        format!(
            "{} at {place} is {} here, and {}{more}: write one line of them, with the units of all",
            count.sku,
            count.quantity,
            named.join(", ")
        )
    }
}

/// A count that other lines say otherwise.
#[derive(Debug, PartialEq, Eq)]
struct Conflict {
    line: u64,
    /// Lines and units of the others.
    others: Vec<(u64, i64)>,
    count: Count,
}

/// Of each SKU at a location the one count that its lines agree on, in the order in which stocks are locked; and the lines
/// that do not agree. Of counts that all say when they were taken, the newest counts.
fn agreed(mut counts: Vec<Counted>) -> (Vec<Counted>, Vec<Conflict>) {
    counts.sort_by(|one, other| {
        let key = |counted: &'_ Counted| (counted.count.stock_location_id, counted.line);
        one.count.sku.cmp(&other.count.sku).then_with(|| key(one).cmp(&key(other)))
    });
    let mut agreed: Vec<Counted> = Vec::with_capacity(counts.len());
    let mut conflicts = Vec::new();
    let mut rest = counts.into_iter().peekable();
    while let Some(first) = rest.next() {
        let is_same = |next: &Counted| {
            next.count.sku == first.count.sku && next.count.stock_location_id == first.count.stock_location_id
        };
        let mut lines = Vec::new();
        while let Some(next) = rest.next_if(is_same) {
            lines.push(next);
        }
        lines.insert(0, first);
        let are_dated = lines.iter().all(|counted| counted.count.counted_at.is_some());
        let newest = lines.iter().filter_map(|counted| counted.count.counted_at).max();
        let is_newest = |counted: &Counted| !are_dated || counted.count.counted_at == newest;
        let Some(kept) = lines.iter().position(is_newest) else { continue };
        let units = lines[kept].count.quantity;
        if lines.iter().all(|counted| !is_newest(counted) || counted.count.quantity == units) {
            agreed.push(lines.swap_remove(kept));
            continue;
        }
        let said: Vec<(u64, i64)> = lines.iter().map(|counted| (counted.line, counted.count.quantity)).collect();
        conflicts.extend(lines.into_iter().map(|Counted { line, count }| {
            let others = said.iter().copied().filter(|(other, units)| *other != line && *units != count.quantity);
            Conflict { line, others: others.take(MOST_NAMED + 1).collect(), count }
        }));
    }
    conflicts.sort_by_key(|conflict| conflict.line);
    (agreed, conflicts)
}
