//! Which column of a file is which field of an order.

use std::collections::{BTreeMap, HashSet};

use super::{Format, Mapping, build::Row};
use crate::{
    reading::{self, named_twice, unknown_column},
    spelling::meant,
};

/// A field of an order, or of one of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    Number,
    DatePlaced,
    Status,
    Currency,
    Amount,
    PaymentType,
    Shipping,
    DeliveryType,
    CargoCompany,
    Language,
    Notes,
    Channel,
    Email,
    Phone,
    /// Of the customer, the delivery address, the bill's.
    Of(Whom, Part),
    Sku,
    Name,
    Barcode,
    Quantity,
    Refunded,
    Price,
    Discount,
    TaxRate,
    /// All lines in one cell, or in several.
    LineItems,
    // What says that there is nothing to pack.
    Cancelled,
    Fulfilled,
    Paid,
    LineFulfilled,
    LineShipped,
}

/// Whose name or address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Whom {
    Customer,
    Shipping,
    Billing,
}

/// A part of a name or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Name,
    FirstName,
    LastName,
    Company,
    Line,
    SecondLine,
    District,
    Township,
    City,
    Postcode,
    Country,
    Phone,
}

use Field as F;
use Part as P;
use Whom::{Billing, Customer, Shipping};

/// Every field that a file may have, by its path in an order.
pub(super) const FIELDS: &[(Field, &str)] = &[
    (F::Number, "number"),
    (F::DatePlaced, "date_placed"),
    (F::Status, "status"),
    (F::Currency, "currency"),
    (F::Amount, "amount"),
    (F::PaymentType, "payment_type"),
    (F::Shipping, "shipping_option_slug"),
    (F::DeliveryType, "delivery_type"),
    (F::CargoCompany, "cargo_company"),
    (F::Language, "language_code"),
    (F::Notes, "notes"),
    (F::Channel, "channel.name"),
    (F::Email, "customer.email"),
    (F::Phone, "customer.phone_number"),
    (F::Of(Customer, P::Name), "customer.name"),
    (F::Of(Customer, P::FirstName), "customer.first_name"),
    (F::Of(Customer, P::LastName), "customer.last_name"),
    (F::Of(Shipping, P::Name), "shipping_address.name"),
    (F::Of(Shipping, P::FirstName), "shipping_address.first_name"),
    (F::Of(Shipping, P::LastName), "shipping_address.last_name"),
    (F::Of(Shipping, P::Company), "shipping_address.company"),
    (F::Of(Shipping, P::Line), "shipping_address.line"),
    (F::Of(Shipping, P::SecondLine), "shipping_address.line2"),
    (F::Of(Shipping, P::District), "shipping_address.district"),
    (F::Of(Shipping, P::Township), "shipping_address.township"),
    (F::Of(Shipping, P::City), "shipping_address.city"),
    (F::Of(Shipping, P::Postcode), "shipping_address.postcode"),
    (F::Of(Shipping, P::Country), "shipping_address.country"),
    (F::Of(Shipping, P::Phone), "shipping_address.phone_number"),
    (F::Of(Billing, P::Name), "billing_address.name"),
    (F::Of(Billing, P::FirstName), "billing_address.first_name"),
    (F::Of(Billing, P::LastName), "billing_address.last_name"),
    (F::Of(Billing, P::Company), "billing_address.company"),
    (F::Of(Billing, P::Line), "billing_address.line"),
    (F::Of(Billing, P::SecondLine), "billing_address.line2"),
    (F::Of(Billing, P::District), "billing_address.district"),
    (F::Of(Billing, P::Township), "billing_address.township"),
    (F::Of(Billing, P::City), "billing_address.city"),
    (F::Of(Billing, P::Postcode), "billing_address.postcode"),
    (F::Of(Billing, P::Country), "billing_address.country"),
    (F::Of(Billing, P::Phone), "billing_address.phone_number"),
    (F::Sku, "sku"),
    (F::Name, "name"),
    (F::Barcode, "barcode"),
    (F::Quantity, "quantity"),
    (F::Price, "price"),
    (F::Discount, "discount_amount"),
    (F::TaxRate, "tax_rate"),
];

/// The columns of Shopify's export. From the second row of an order on, only its lines have cells.
const SHOPIFY: &[(Field, &[&str])] = &[
    (F::Number, &["name"]),
    (F::DatePlaced, &["created_at"]),
    (F::Currency, &["currency"]),
    (F::Amount, &["total"]),
    (F::PaymentType, &["payment_method"]),
    (F::Shipping, &["shipping_method"]),
    (F::Notes, &["notes"]),
    (F::Email, &["email"]),
    (F::Phone, &["phone"]),
    (F::Of(Shipping, P::Name), &["shipping_name"]),
    (F::Of(Shipping, P::Company), &["shipping_company"]),
    (F::Of(Shipping, P::Line), &["shipping_address1", "shipping_street"]),
    (F::Of(Shipping, P::SecondLine), &["shipping_address2"]),
    (F::Of(Shipping, P::District), &["shipping_province_name", "shipping_province"]),
    (F::Of(Shipping, P::City), &["shipping_city"]),
    (F::Of(Shipping, P::Postcode), &["shipping_zip"]),
    (F::Of(Shipping, P::Country), &["shipping_country"]),
    (F::Of(Shipping, P::Phone), &["shipping_phone"]),
    (F::Of(Billing, P::Name), &["billing_name"]),
    (F::Of(Billing, P::Company), &["billing_company"]),
    (F::Of(Billing, P::Line), &["billing_address1", "billing_street"]),
    (F::Of(Billing, P::SecondLine), &["billing_address2"]),
    (F::Of(Billing, P::District), &["billing_province_name", "billing_province"]),
    (F::Of(Billing, P::City), &["billing_city"]),
    (F::Of(Billing, P::Postcode), &["billing_zip"]),
    (F::Of(Billing, P::Country), &["billing_country"]),
    (F::Of(Billing, P::Phone), &["billing_phone"]),
    (F::Sku, &["lineitem_sku"]),
    (F::Name, &["lineitem_name"]),
    (F::Quantity, &["lineitem_quantity"]),
    (F::Price, &["lineitem_price"]),
    (F::Discount, &["lineitem_discount"]),
    (F::Cancelled, &["cancelled_at"]),
    (F::Fulfilled, &["fulfillment_status"]),
    (F::Paid, &["financial_status"]),
    (F::LineFulfilled, &["lineitem_fulfillment_status"]),
    (F::LineShipped, &["lineitem_requires_shipping"]),
];

/// The columns of the usual exports of `WooCommerce`: those by `SkyVerge` and `WebToffee` are named alike, then that by
/// `AlgolPlus`.
const WOOCOMMERCE: &[(Field, &[&str])] = &[
    (F::Number, &["order_number", "order_id"]),
    (F::DatePlaced, &["order_date", "date"]),
    (F::Currency, &["order_currency", "currency"]),
    (F::Amount, &["order_total", "order_total_amount"]),
    (F::PaymentType, &["payment_method", "payment_method_title"]),
    (F::Shipping, &["shipping_method", "shipping_method_title"]),
    (F::Notes, &["customer_note"]),
    (F::Email, &["billing_email", "customer_email", "email_(billing)"]),
    (F::Phone, &["billing_phone", "phone_(billing)"]),
    (F::Of(Shipping, P::FirstName), &["shipping_first_name", "first_name_(shipping)"]),
    (F::Of(Shipping, P::LastName), &["shipping_last_name", "last_name_(shipping)"]),
    (F::Of(Shipping, P::Company), &["shipping_company", "company_(shipping)"]),
    (F::Of(Shipping, P::Line), &["shipping_address_1", "address_1&2_(shipping)", "address_1_(shipping)"]),
    (F::Of(Shipping, P::SecondLine), &["shipping_address_2", "address_2_(shipping)"]),
    (F::Of(Shipping, P::District), &["shipping_state", "state_code_(shipping)"]),
    (F::Of(Shipping, P::City), &["shipping_city", "city_(shipping)"]),
    (F::Of(Shipping, P::Postcode), &["shipping_postcode", "postcode_(shipping)"]),
    (F::Of(Shipping, P::Country), &["shipping_country", "country_code_(shipping)"]),
    (F::Of(Shipping, P::Phone), &["shipping_phone", "phone_(shipping)"]),
    (F::Of(Billing, P::FirstName), &["billing_first_name", "first_name_(billing)"]),
    (F::Of(Billing, P::LastName), &["billing_last_name", "last_name_(billing)"]),
    (F::Of(Billing, P::Company), &["billing_company", "company_(billing)"]),
    (F::Of(Billing, P::Line), &["billing_address_1", "address_1&2_(billing)", "address_1_(billing)"]),
    (F::Of(Billing, P::SecondLine), &["billing_address_2", "address_2_(billing)"]),
    (F::Of(Billing, P::District), &["billing_state", "state_code_(billing)"]),
    (F::Of(Billing, P::City), &["billing_city", "city_(billing)"]),
    (F::Of(Billing, P::Postcode), &["billing_postcode", "postcode_(billing)"]),
    (F::Of(Billing, P::Country), &["billing_country", "country_code_(billing)"]),
    (F::Of(Billing, P::Phone), &["billing_phone", "phone_(billing)"]),
    (F::LineItems, &["line_items"]),
    (F::Sku, &["item_sku", "sku"]),
    (F::Name, &["item_name"]),
    (F::Quantity, &["item_quantity", "quantity_(-_refund)", "quantity"]),
    (F::Refunded, &["item_refunded_qty"]),
    (F::Price, &["item_price", "item_cost"]),
    (F::Fulfilled, &["status", "order_status"]),
];

impl Field {
    /// Its path in an order, as mapping files name it.
    pub(super) fn path(self) -> &'static str {
        FIELDS.iter().find(|(field, _)| *field == self).map_or("", |(_, path)| path)
    }

    /// What it is called in messages.
    pub(super) fn name(self) -> &'static str {
        if self == F::Refunded { "refunded_qty" } else { self.path() }
    }

    /// The field of a path.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, known)| *known == path).map(|(field, _)| *field)
    }

    /// True of what names something, also where it has digits alone.
    const fn is_identifying(self) -> bool {
        matches!(self, F::Number | F::Sku | F::Barcode)
    }

    /// True of digits that spreadsheets would take for a number: Shopify writes `'` before them.
    const fn is_of_digits(self) -> bool {
        matches!(self, F::Phone | F::Of(_, P::Phone | P::Postcode))
    }
}

/// The columns of one file, by field: where its cells are, the better one first.
#[derive(Debug)]
pub(super) struct Columns(BTreeMap<Field, Vec<usize>>);

impl Columns {
    /// The columns with these names.
    pub(super) fn of(format: Format, mapping: &Mapping, header: &[String]) -> Self {
        let at = |name: &String| header.iter().position(|column| column == name);
        let mut columns = BTreeMap::new();
        for field in known(format).map(|(field, _)| field).chain(FIELDS.iter().map(|(field, _)| *field)) {
            let places: Vec<usize> = Self::names(format, mapping, field).iter().filter_map(at).collect();
            if !places.is_empty() {
                columns.insert(field, places);
            }
        }
        if format == Format::Woocommerce {
            // `line_item_1`, `line_item_2` and so on.
            let numbered = |name: &str| {
                let digits = name.strip_prefix("line_item_").unwrap_or_default();
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            let numbered = header.iter().enumerate().filter(|(_, name)| numbered(name)).map(|(at, _)| at);
            let places: Vec<usize> =
                columns.remove(&F::LineItems).unwrap_or_default().into_iter().chain(numbered).collect();
            if !places.is_empty() {
                columns.insert(F::LineItems, places);
            }
        }
        Self(columns)
    }

    /// What is wrong with a header: a column that the mapping names is not there, one is not known, or there twice.
    pub(super) fn defect(&self, format: Format, mapping: &Mapping, header: &[String]) -> Option<String> {
        for (field, names) in &mapping.columns {
            if !self.has(*field) {
                let near = names.iter().find_map(|name| meant(name, header.iter().map(String::as_str)));
                let remedy = near.map_or_else(String::new, |near| format!(" (is it `{near}`?)"));
                let (path, names) = (field.path(), names.join(" or "));
                return Some(format!(
                    "the first line has no column {names}, which the mapping says is `{path}`{remedy}"
                ));
            }
        }
        let read: HashSet<usize> = self.0.values().flatten().copied().collect();
        let read: HashSet<&str> =
            header.iter().enumerate().filter(|(at, _)| read.contains(at)).map(|(_, name)| name.as_str()).collect();
        if let Some(why) = named_twice(header, |name| read.contains(name)) {
            return Some(why);
        }
        if format != Format::Csv {
            return None;
        }
        if mapping.columns.is_empty() {
            let known: Vec<&str> =
                FIELDS.iter().map(|(_, path)| *path).chain(mapping.ignored.iter().map(String::as_str)).collect();
            let why = unknown_column(header, &known)?;
            return Some(format!("{why}; or say which column is which field in a file for --mapping"));
        }
        // Somebody else's file has columns that nobody needs. One that is called nearly as a field is meant as this field.
        let passed_over =
            self.passed_over(header).into_iter().filter(|name| mapping.ignored.iter().all(|it| it != name));
        let lacking: Vec<&str> = FIELDS.iter().filter(|(field, _)| !self.has(*field)).map(|(_, path)| *path).collect();
        let mut near = passed_over.filter_map(|name| Some((name, meant(name, lacking.iter().copied())?)));
        near.next().map(|(name, near)| {
            format!(
                "the first line names a column `{name}` that the mapping does not: if it is `{near}`, say so in `[columns]`, \
                 else name it in `ignored`"
            )
        })
    }

    /// The columns that are not read.
    pub(super) fn passed_over<'h>(&self, header: &'h [String]) -> Vec<&'h str> {
        let is_read = |at: &usize| self.0.values().any(|places| places.contains(at));
        header.iter().enumerate().filter(|(at, _)| !is_read(at)).map(|(_, name)| name.as_str()).collect()
    }

    /// What a column for a field may be called: as the mapping says, else as its writer calls it.
    pub(super) fn names(format: Format, mapping: &Mapping, field: Field) -> Vec<String> {
        if let Some(names) = mapping.columns.get(&field) {
            return names.clone();
        }
        let of_writer = known(format).find(|(known, _)| *known == field);
        match of_writer {
            Some((_, names)) => names.iter().map(|name| (*name).to_owned()).collect(),
            None if format == Format::Csv => vec![field.path().to_owned()],
            None => Vec::new(),
        }
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.0.contains_key(&field)
    }

    /// Why a row has a cell of which digits are lost.
    fn shortened(&self, cells: &[String]) -> Option<String> {
        let fields = self.0.iter().filter(|(field, _)| field.is_identifying() || field.is_of_digits());
        let mut named = fields.flat_map(|(field, places)| places.iter().map(move |at| (field, at)));
        named.find_map(|(field, at)| {
            let why = reading::shortened(cells.get(*at)?.trim_start_matches('\''))?;
            Some(format!("{}: {why}", field.path()))
        })
    }

    /// The cells of a row by field; empty ones are left out.
    pub(super) fn row(&self, row: reading::Row) -> Row {
        let cell = |at: &usize| row.cells.get(*at).map(String::as_str).filter(|cell| !cell.is_empty());
        let texts = |field: Field, places: &Vec<usize>| -> Vec<String> {
            let texts = places.iter().filter_map(cell).map(|text| tidy(field, text));
            let texts: Vec<String> = texts.collect();
            // Nothing is not one unit.
            if texts.is_empty() && field == F::Quantity { vec![String::new()] } else { texts }
        };
        let fields = self.0.iter().map(|(field, places)| (*field, texts(*field, places)));
        let cells = fields.filter(|(_, texts)| !texts.is_empty()).collect();
        let fault = row.fault.or_else(|| self.shortened(&row.cells));
        let has_number = self.0.get(&F::Number).is_some_and(|places| places.iter().any(|at| *at < row.cells.len()));
        Row { line: row.line, cells, is_of_unknown_order: fault.is_some() && !has_number, fault }
    }
}

/// The columns that a writer has.
fn known(format: Format) -> impl Iterator<Item = (Field, &'static [&'static str])> {
    let known = match format {
        Format::Shopify => SHOPIFY,
        Format::Woocommerce => WOOCOMMERCE,
        Format::Csv | Format::Json => &[],
    };
    known.iter().copied()
}

/// A cell as a request would have it.
fn tidy(field: Field, text: &str) -> String {
    if field.is_of_digits() { text.trim_start_matches('\'').to_owned() } else { text.to_owned() }
}
