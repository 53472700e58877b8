//! Files of orders as shops export them: a row a line of an order, the rows of an order one after the other. [`OrderFile`]
//! reads them, and makes of each order what a request would send.

mod build;
mod columns;
mod line_items;
mod mapping;

use std::{collections::HashMap, io::Read};

use chrono_tz::Tz;

use self::{
    build::Row,
    columns::{Columns, Field},
};
pub use self::{
    build::{Built, Refused, wrong_line},
    mapping::Mapping,
};
use crate::{
    error::{Error, Result},
    reading::Sheet,
    spelling::nearest,
};

/// Most rows of one order; more are refused. (An order may have 2,000 lines.)
const MOST_ROWS: usize = 10_000;

/// Who wrote a file of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// JSON lines: an order a line, as it is sent to the API.
    #[default]
    Json,
    /// The order export of Shopify.
    Shopify,
    /// The order exports of `WooCommerce`: with a row an order (`line_items`), or a row an item.
    Woocommerce,
    /// Any other file of rows; `--mapping` says what its columns are, unless they are called as the fields.
    Csv,
}

/// How a file is to be read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who wrote it.
    pub format: Format,
    /// What is known of its columns.
    pub mapping: Mapping,
    /// The time zone of dates without one.
    pub zone: Tz,
}

/// A file of orders.
pub struct OrderFile<R> {
    sheet: Sheet<R>,
    reading: Reading,
    columns: Columns,
    /// The first row of the next order.
    next: Option<Row>,
    /// The numbers and channels of all orders before, with their lines.
    seen: HashMap<(String, String), u64>,
}

impl<R: Read> OrderFile<R> {
    /// Reads the header of a file in UTF-8.
    ///
    /// # Errors
    /// When a column is missing, or the file cannot be read.
    pub fn open(file: R, reading: Reading) -> Result<Self> {
        let sheet = Sheet::open(file)?;
        let columns = Columns::of(reading.format, &reading.mapping, sheet.columns());
        let has = |field| columns.has(field);
        let lacking = [Field::Number, Field::DatePlaced].into_iter().find(|field| !has(*field));
        let lacking = lacking.or_else(|| (!has(Field::Sku) && !has(Field::LineItems)).then_some(Field::Sku));
        if let Some(field) = lacking {
            let names = Columns::names(reading.format, &reading.mapping, field);
            let near = nearest(&names[0], sheet.columns().iter().map(String::as_str));
            let remedy = near.map_or_else(String::new, |near| format!(" (is it `{near}`?)"));
            return Err(Error::Fault(format!(
                "the first line names no column for `{}`: write {}{remedy}, or say which it is in a file for --mapping",
                field.path(),
                names.join(" or "),
            )));
        }
        Ok(Self { sheet, reading, columns, next: None, seen: HashMap::new() })
    }

    /// The next order, with its number of rows; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_order(&mut self) -> Result<Option<Built>> {
        let Some(first) = self.next.take().map_or_else(|| self.row(), |row| Ok(Some(row)))? else { return Ok(None) };
        let mut rows = vec![first];
        let mut dropped = 0_usize;
        while let Some(row) = self.row()? {
            // Some leave the order's cells empty from its second row on. Of a row that cannot be read nobody knows its order.
            // A number of another channel is another order.
            let is_same = !row.is_broken()
                && says_no_other(&row, &rows[0], Field::Number)
                && says_no_other(&row, &rows[0], Field::Channel);
            if !is_same || rows[0].is_broken() {
                self.next = Some(row);
                break;
            }
            if rows.len() < MOST_ROWS {
                rows.push(row);
            } else {
                dropped += 1;
            }
        }
        let (line, number) = (rows[0].line, rows[0].text(Field::Number).to_owned());
        if dropped > 0 {
            let why = format!("order {number} has more than {MOST_ROWS} rows");
            return Ok(Some(Built::Refused(Refused { line, why })));
        }
        if !number.is_empty() {
            let known = (number.clone(), rows[0].text(Field::Channel).to_owned());
            if let Some(first) = self.seen.get(&known) {
                let why = format!(
                    "rows of order {number} are on line {first} already: sort the file, so that the rows of an order follow each \
                     other"
                );
                return Ok(Some(Built::Refused(Refused { line, why })));
            }
            self.seen.insert(known, line);
        }
        Ok(Some(build::order(&rows, &self.reading)))
    }

    /// How much of the file was read, in UTF-8.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.sheet.bytes_read()
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let is_comma_decimal = !self.sheet.is_separated_by_commas();
        let Some(row) = self.sheet.next_row()? else { return Ok(None) };
        Ok(Some(self.columns.row(row, is_comma_decimal)))
    }
}

/// True if a row of an order has nothing else in a cell than its first row, or nothing.
fn says_no_other(row: &Row, first: &Row, field: Field) -> bool {
    let (text, first) = (row.text(field), first.text(field));
    text.is_empty() || text == first
}
