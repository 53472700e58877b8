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
    reading::{Breaks, Sheet},
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
    /// The line of a row before, of which nobody knows if it is of the next order.
    doubtful: Option<u64>,
    rows_read: u64,
}

impl<R: Read> OrderFile<R> {
    /// Reads the header of a file in UTF-8.
    ///
    /// # Errors
    /// When a column is missing, not known or there twice, or the file cannot be read.
    pub fn open(file: R, reading: Reading) -> Result<Self> {
        let sheet = Sheet::open(file, Breaks::InQuotes)?;
        let columns = Columns::of(reading.format, &reading.mapping, sheet.columns());
        let has = |field| columns.has(field);
        let lacking = [Field::Number, Field::DatePlaced].into_iter().find(|field| !has(*field));
        let lacking = lacking.or_else(|| (!has(Field::Sku) && !has(Field::LineItems)).then_some(Field::Sku));
        // A shop's export says how many; a file of one's own may mean one of each.
        let is_of_a_shop = matches!(reading.format, Format::Shopify | Format::Woocommerce);
        let lacks_units = is_of_a_shop && !has(Field::Quantity) && !has(Field::LineItems);
        let lacking = lacking.or_else(|| lacks_units.then_some(Field::Quantity));
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
        if let Some(why) = columns.defect(reading.format, &reading.mapping, sheet.columns()) {
            return Err(Error::Fault(why));
        }
        Ok(Self { sheet, reading, columns, next: None, seen: HashMap::new(), doubtful: None, rows_read: 0 })
    }

    /// The next order; none at the end. A row that cannot be read costs its order. Where its number cannot be read either, it
    /// costs the orders before and after it: it may be of either, and none is to be sent without one of its lines.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_order(&mut self) -> Result<Option<Built>> {
        let Some(first) = self.next.take().map_or_else(|| self.row(), |row| Ok(Some(row)))? else { return Ok(None) };
        let doubtful = self.doubtful.take();
        let mut rows = vec![first];
        let mut dropped = 0_usize;
        while let Some(row) = self.row()? {
            // Some leave the order's cells empty from its second row on. A number of another channel is another order.
            let is_same = says_no_other(&row, &rows[0], Field::Number) && says_no_other(&row, &rows[0], Field::Channel);
            if !is_same {
                self.next = Some(row);
                break;
            }
            if rows.len() < MOST_ROWS {
                rows.push(row);
            } else {
                dropped += 1;
            }
        }
        self.doubtful =
            rows.iter().rev().find(|row| row.is_of_unknown_order).map(|row| row.line).filter(|_| self.next.is_some());
        let (line, number) = (rows[0].line, rows[0].text(Field::Number).to_owned());
        let refused = |why: String| Ok(Some(Built::Refused(Refused { line, why })));
        if dropped > 0 {
            return refused(format!("order {number} has more than {MOST_ROWS} rows"));
        }
        if let Some(before) = doubtful {
            return refused(format!("the row of line {before}, which cannot be read, may be one of this order"));
        }
        if !number.is_empty() {
            let known = (number.clone(), rows[0].text(Field::Channel).to_owned());
            if let Some(first) = self.seen.get(&known) {
                return refused(format!(
                    "rows of order {number} are on line {first} already: sort the file, so that the rows of an order follow each \
                     other"
                ));
            }
            self.seen.insert(known, line);
        }
        Ok(Some(build::order(&rows, &self.reading)))
    }

    /// The columns that are passed over, in a file that is read by a mapping. What the exports of shops have besides is known.
    #[must_use]
    pub fn passed_over(&self) -> Vec<&str> {
        if self.reading.format == Format::Csv { self.columns.passed_over(self.sheet.columns()) } else { Vec::new() }
    }

    /// How many rows were read.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// How much of the file was read, in UTF-8.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.sheet.bytes_read()
    }

    fn row(&mut self) -> Result<Option<Row>> {
        let Some(row) = self.sheet.next_row()? else { return Ok(None) };
        self.rows_read += 1;
        Ok(Some(self.columns.row(row)))
    }
}

/// True if a row of an order has nothing else in a cell than its first row, or nothing.
fn says_no_other(row: &Row, first: &Row, field: Field) -> bool {
    let (text, first) = (row.text(field), first.text(field));
    text.is_empty() || text == first
}
