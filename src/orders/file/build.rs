//! Rows become an order, as a request would send it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::{
    Format, Reading,
    columns::{Field, Part, Whom},
    line_items::{self, LineItem},
};
use crate::{
    days,
    orders::input::{OrderInput, has_thousandths},
    reading::{self, Thousandths, values},
};

/// States of a `WooCommerce` order in which there is nothing to pack: not paid yet, over, or sent.
const NOTHING_TO_PACK: [&str; 12] = [
    "completed",
    "cancelled",
    "canceled",
    "refunded",
    "failed",
    "pending",
    "pending-payment",
    "on-hold",
    "checkout-draft",
    "draft",
    "auto-draft",
    "trash",
];

/// A row by fields.
#[derive(Debug)]
pub(super) struct Row {
    /// The line on which it begins.
    pub line: u64,
    /// Its cells; where it cannot be read, those that can. A field may be in several columns.
    pub cells: BTreeMap<Field, Vec<String>>,
    /// Why it cannot be read.
    pub fault: Option<String>,
    /// True if it cannot be read, and its number neither.
    pub is_of_unknown_order: bool,
}

impl Row {
    /// The first cell of a field that is not empty.
    pub(super) fn text(&self, field: Field) -> &str {
        self.all(field).first().map_or("", String::as_str)
    }

    fn all(&self, field: Field) -> &[String] {
        self.cells.get(&field).map_or(&[], Vec::as_slice)
    }
}

/// An order of a file that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The line that is wrong.
    pub line: u64,
    /// Why.
    pub why: String,
}

/// What came of the rows of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum Built {
    /// An order.
    Order {
        /// As a request would send it.
        order: Value,
        /// The line on which it begins.
        line: u64,
        /// The line of each of its order items.
        lines: Vec<u64>,
    },
    /// There is nothing of it to pack.
    LeftOut {
        /// The line on which it begins.
        line: u64,
        /// Why.
        why: String,
    },
    /// It cannot be read.
    Refused(Refused),
}

/// The line of the first order item that is refused by itself; the order's own if it is none.
#[must_use]
pub fn wrong_line(order: &Value, line: u64, lines: &[u64]) -> u64 {
    let items = order["orderitem_set"].as_array().map_or(&[][..], Vec::as_slice);
    let is_wrong = |items: Value| {
        let mut alone = order.clone();
        alone["orderitem_set"] = items;
        OrderInput::of_json(&alone).is_err()
    };
    if is_wrong(json!([{ "product": { "sku": "1" } }])) {
        return line;
    }
    let wrong = items.iter().zip(lines).find(|(item, _)| is_wrong(json!([item])));
    wrong.map_or(line, |(_, line)| *line)
}

/// The order of some rows.
pub(super) fn order(rows: &[Row], reading: &Reading) -> Built {
    let line = rows.first().map_or(0, |row| row.line);
    let order = Order { rows, reading };
    match order.build() {
        Ok((order, lines)) => Built::Order { order, line, lines },
        Err(Built::LeftOut { why, .. }) => Built::LeftOut { line, why },
        Err(other) => other,
    }
}

struct Order<'r> {
    rows: &'r [Row],
    reading: &'r Reading,
}

impl Order<'_> {
    fn build(&self) -> Result<(Value, Vec<u64>), Built> {
        if let Some((line, why)) = self.rows.iter().find_map(|row| Some((row.line, row.fault.as_ref()?))) {
            return Err(refused(line, why.clone()));
        }
        if let Some(why) = self.left_out() {
            return Err(Built::LeftOut { line: 0, why });
        }
        let (items, lines): (Vec<Value>, Vec<u64>) = self.items()?.into_iter().unzip();
        if items.is_empty() {
            return Err(Built::LeftOut { line: 0, why: "nothing of it is to be sent".to_owned() });
        }
        let date = self.text(Field::DatePlaced);
        let first = self.rows.first().map_or(0, |row| row.line);
        let date = self.moment(&date).map_err(|why| refused(first, why))?;
        let billing = self.address(Whom::Billing);
        // Of one address nothing is added to another. Without any part of it, the order goes where its bill goes.
        let has_own = self.names_part_of(Whom::Shipping) || !self.names_part_of(Whom::Billing);
        let shipping = if has_own { self.address(Whom::Shipping) } else { billing.clone() };
        let mut order = Map::new();
        let number = self.text(Field::Number);
        let number = if self.reading.format == Format::Shopify { number.trim_start_matches('#') } else { &number };
        let name = |name: &str| (!name.is_empty()).then(|| json!({ "name": name }));
        let entries = [
            ("number", said(number)),
            ("date_placed", said(&date)),
            ("status", said(&self.text(Field::Status))),
            ("channel", name(&self.channel())),
            ("currency", said(&self.text(Field::Currency).to_lowercase())),
            ("amount", said(&self.figures(Field::Amount, &self.text(Field::Amount), first)?)),
            ("payment_type", said(&self.text(Field::PaymentType))),
            ("shipping_option_slug", said(&self.text(Field::Shipping))),
            ("delivery_type", said(&self.text(Field::DeliveryType))),
            ("cargo_company", said(&self.text(Field::CargoCompany))),
            ("language_code", said(&self.text(Field::Language))),
            ("notes", said(&self.text(Field::Notes))),
            ("customer", Some(self.customer().into())),
            ("shipping_address", Some(shipping.into())),
            ("billing_address", Some(billing.into())),
            ("orderitem_set", Some(items.into())),
        ];
        order.extend(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Ok((order.into(), lines))
    }

    /// The first cell of a field in any row, else what the mapping says.
    fn text(&self, field: Field) -> String {
        let cell = self.rows.iter().map(|row| row.text(field)).find(|text| !text.is_empty());
        let value = || self.reading.mapping.values.get(&field).cloned().unwrap_or_default();
        cell.map_or_else(value, str::to_owned)
    }

    fn channel(&self) -> String {
        let said = self.text(Field::Channel);
        match self.reading.format {
            Format::Shopify if said.is_empty() => "shopify".to_owned(),
            Format::Woocommerce if said.is_empty() => "woocommerce".to_owned(),
            _ => said,
        }
    }

    /// Why there is nothing to pack.
    fn left_out(&self) -> Option<String> {
        let text = |field| self.text(field).to_lowercase();
        match self.reading.format {
            Format::Shopify => {
                if !text(Field::Cancelled).is_empty() {
                    return Some("it is cancelled".to_owned());
                }
                let over = |field, words: &[&str]| Some(text(field)).filter(|word| words.contains(&word.as_str()));
                let over = over(Field::Paid, &["refunded", "voided"])
                    .or_else(|| over(Field::Fulfilled, &["fulfilled", "restocked"]))?;
                Some(format!("it is {over}"))
            }
            Format::Woocommerce => {
                let status = text(Field::Fulfilled).replace([' ', '_'], "-");
                let status = status.strip_prefix("wc-").unwrap_or(&status);
                NOTHING_TO_PACK.contains(&status).then(|| format!("its status is {status}"))
            }
            Format::Csv | Format::Json => None,
        }
    }

    /// The order items, each with its line.
    fn items(&self) -> Result<Vec<(Value, u64)>, Built> {
        let mut items = Vec::new();
        for row in self.rows {
            for cell in row.all(Field::LineItems) {
                for item in line_items::read(cell).map_err(|why| refused(row.line, why))? {
                    if let Some(why) = reading::shortened(&item.sku) {
                        return Err(refused(row.line, format!("sku: {why}")));
                    }
                    items.extend(self.of_cell(&item, row.line)?.map(|item| (item, row.line)));
                }
            }
            let is_line = [Field::Sku, Field::Name, Field::Quantity].iter().any(|field| !row.text(*field).is_empty());
            let is_sent = row.text(Field::LineFulfilled).eq_ignore_ascii_case("fulfilled")
                || row.text(Field::LineShipped).eq_ignore_ascii_case("false");
            if is_line && !is_sent {
                items.extend(self.of_row(row)?.map(|item| (item, row.line)));
            }
        }
        Ok(items)
    }

    fn of_row(&self, row: &Row) -> Result<Option<Value>, Built> {
        let text = |field| match row.text(field) {
            "" => self.reading.mapping.values.get(&field).cloned().unwrap_or_default(),
            text => text.to_owned(),
        };
        let item = LineItem {
            sku: text(Field::Sku),
            name: text(Field::Name),
            quantity: text(Field::Quantity),
            refunded: text(Field::Refunded),
            price: text(Field::Price),
        };
        // An empty cell is no one, where there is a column.
        let is_one = !row.cells.contains_key(&Field::Quantity) && item.quantity.is_empty();
        let Some(mut value) = self.of_cell(&item, row.line)? else { return Ok(None) };
        if let Some(item) = value.as_object_mut().filter(|_| is_one) {
            item.shift_remove("quantity");
        }
        for (key, field) in [("discount_amount", Field::Discount), ("tax_rate", Field::TaxRate)] {
            if let Some(text) = said(&self.figures(field, &text(field), row.line)?) {
                value[key] = text;
            }
        }
        if let Some(barcode) = said(&text(Field::Barcode)) {
            value["product"]["barcode"] = barcode;
        }
        Ok(Some(value))
    }

    /// An order item; none if all of it was given back.
    fn of_cell(&self, item: &LineItem, line: u64) -> Result<Option<Value>, Built> {
        let [quantity, refunded, price] = [
            self.figures(Field::Quantity, &item.quantity, line)?,
            self.figures(Field::Refunded, &item.refunded, line)?,
            self.figures(Field::Price, &item.price, line)?,
        ];
        let units = |text: &str| values::integer(&text.into());
        let left = units(&quantity).zip(units(&refunded)).map(|(units, back)| units - back.abs());
        if left.is_some_and(|left| left <= 0) {
            return Ok(None);
        }
        let quantity = left.map_or_else(|| quantity.into(), Value::from);
        let mut value = json!({ "quantity": quantity, "product": { "sku": item.sku, "name": item.name } });
        for (key, text) in [("price", price), ("price_currency", self.text(Field::Currency).to_lowercase())] {
            if let Some(text) = said(&text) {
                value[key] = text;
            }
        }
        Ok(Some(value))
    }

    /// A number as a request would have it. Three digits after the only point or comma may be thousands; they are none in a
    /// currency that is divided into a thousand, nor in a rate.
    fn figures(&self, field: Field, text: &str, line: u64) -> Result<String, Built> {
        let is_plain = match field {
            Field::TaxRate => true,
            Field::Amount | Field::Price | Field::Discount => has_thousandths(&self.text(Field::Currency)),
            _ => false,
        };
        let thousandths = if is_plain { Thousandths::Plain } else { Thousandths::Ambiguous };
        reading::figures(text, thousandths).map_err(|why| refused(line, format!("{}: {why}", field.name())))
    }

    fn customer(&self) -> Map<String, Value> {
        let whose = [Whom::Customer, Whom::Billing, Whom::Shipping];
        let names = whose.into_iter().map(|whom| self.names(whom)).find(|names| !names.is_empty());
        let mut customer = names.unwrap_or_default();
        for (key, field) in [("email", Field::Email), ("phone_number", Field::Phone)] {
            customer.extend(said(&self.text(field)).map(|text| (key.to_owned(), text)));
        }
        customer
    }

    /// First and last name; a name in one cell ends with the last.
    fn names(&self, whom: Whom) -> Map<String, Value> {
        let of = |part| self.text(Field::Of(whom, part));
        let (mut first, mut last) = (of(Part::FirstName), of(Part::LastName));
        let whole = of(Part::Name);
        if first.is_empty() && last.is_empty() {
            let (before, end) = whole.rsplit_once(' ').unwrap_or((&whole, ""));
            (first, last) = (before.trim().to_owned(), end.to_owned());
        }
        let names = [("first_name", first), ("last_name", last)];
        names.into_iter().filter_map(|(key, name)| Some((key.to_owned(), said(&name)?))).collect()
    }

    /// True if a cell has a part of an address. What the mapping says of all orders is none of this one.
    fn names_part_of(&self, whom: Whom) -> bool {
        let is_part = |field: &Field| matches!(field, Field::Of(whose, _) if *whose == whom);
        self.rows.iter().flat_map(|row| row.cells.keys()).any(is_part)
    }

    fn address(&self, whom: Whom) -> Map<String, Value> {
        let of = |part| self.text(Field::Of(whom, part));
        let mut address = self.names(whom);
        let lines = [of(Part::Company), of(Part::Line), of(Part::SecondLine)];
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        let place = |name: String| (!name.is_empty()).then(|| json!({ "name": name }));
        let country = of(Part::Country);
        let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_alphabetic());
        let country = if is_code { Some(json!({ "code": country, "name": country })) } else { place(country) };
        let parts = [
            ("line", said(&lines.join(", "))),
            ("district", said(&of(Part::District))),
            ("township", said(&of(Part::Township))),
            ("city", place(of(Part::City))),
            ("postcode", said(&of(Part::Postcode))),
            ("country", country),
            ("phone_number", said(&of(Part::Phone))),
        ];
        address.extend(parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        address
    }

    /// A date as it is sent: one without a zone is of the file's.
    fn moment(&self, text: &str) -> Result<String, String> {
        let zone = self.reading.zone;
        let written = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        if let Some(format) = &self.reading.mapping.date_format {
            let naive = NaiveDateTime::parse_from_str(text, format)
                .or_else(|_| NaiveDate::parse_from_str(text, format).map(|day| day.and_time(NaiveTime::MIN)));
            let moment = DateTime::parse_from_str(text, format).map(|moment| moment.to_utc());
            let moment = moment.or_else(|_| naive.map(|naive| days::moment(naive, zone)));
            let moment = moment.map_err(|_| format!("date_placed: `{text}` is not written as {format}."))?;
            // `%Y` reads a year of two digits too; the reader of requests refuses it.
            return Ok(written(moment));
        }
        Ok(days::moment_of(text, zone).map_or_else(|| text.to_owned(), written))
    }
}

fn refused(line: u64, why: String) -> Built {
    Built::Refused(Refused { line, why })
}

/// A text, if it says something.
fn said(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| text.into())
}
