//! An order of the upstream, read and checked. Parts that are only passed on (customer, address, product) are kept as
//! they came.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::{Map, Value, json};

use super::details;
use crate::{
    error::Refusal,
    openapi::Written,
    reading::{self, Reader, Voice, values},
    scenarios::rules::{OrderFacts, allowed_locations},
    wire::{self, without_nulls},
};

/// Longest order number, in characters.
const LONGEST_NUMBER: usize = 64;
/// Most lines of one order.
const MOST_LINES: usize = 2000;
/// Most units of one line.
const MOST_UNITS: i64 = 1_000_000_000;

/// Statuses of lines that are not packed: cancelled, refunded.
const NOT_TO_PACK: [&str; 2] = ["100", "600"];

/// An order as it is sent: what [`OrderInput::of_json`] reads, and what is only handed on.
pub const ORDER: Written = Written {
    name: "NewOrder",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "An order, as the upstream has it. It is known by its number.",
        "required": ["number", "date_placed", "orderitem_set"], "properties": {
        "number": {"type": "string", "maxLength": 64},
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "status": {"type": ["string", "null"], "description": "Its `OrderStatus`; 400 (approved) without one."},
        "channel": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Channel"}]},
        "date_placed": {"type": "string", "format": "date-time"},
        "currency": {"type": ["string", "null"]},
        "amount": {"type": ["string", "number", "null"], "description": "Decimal."},
        "language_code": {"type": ["string", "null"]},
        "payment_option": {"type": ["object", "null"], "properties": {
            "pk": {"type": ["integer", "null"]}, "slug": {"type": ["string", "null"]}}},
        "payment_type": {"type": ["string", "null"], "description": "Where there is no `payment_option`."},
        "shipping_option_slug": {"type": ["string", "null"]},
        "delivery_type": {"type": ["string", "null"]},
        "cargo_company": {"description": "The cargo company it asks for: its id or slug.",
                          "oneOf": [{"type": ["integer", "string", "null"]}, {"type": "object", "properties": {
            "id": {"type": "integer"}, "pk": {"type": "integer"}, "slug": {"type": "string"}}}]},
        "notes": {"type": ["string", "null"]},
        "customer": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Customer"}]},
        "shipping_address": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Address"}]},
        "billing_address": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Address"}]},
        "delivery_range": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/DeliveryRange"}]},
        "retail_store": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/RetailStore"}]},
        "orderitem_set": {"type": "array", "minItems": 1, "maxItems": 2000,
                          "items": {"$ref": "#/components/schemas/NewOrderItem"}}}}"##,
};

/// A line of an order as it is sent.
const LINE: Written = Written {
    name: "NewOrderItem",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "A line of an order, as the upstream has it.", "required": ["product"],
        "properties": {
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "status": {"type": ["string", "null"], "description": "Its `OrderStatus`; the order's without one."},
        "quantity": {"type": ["integer", "null"], "minimum": 1, "description": "Units; 1 without it."},
        "price": {"type": ["string", "number", "null"], "description": "Decimal, of one unit."},
        "price_currency": {"type": ["string", "null"]},
        "tax_rate": {"type": ["string", "number", "null"], "description": "Percent."},
        "discount_amount": {"type": ["string", "number", "null"]},
        "product": {"$ref": "#/components/schemas/Product"}}}"##,
};

/// The schemas of what is sent.
pub const SCHEMAS: &[Written] = &[ORDER, LINE];

/// A checked order.
#[derive(Debug, Clone)]
pub struct OrderInput {
    /// The order number, by which it is known.
    pub number: String,
    /// The upstream's key.
    pub omnitron_id: Option<i64>,
    /// `OrderStatus` enum value; `400` (approved) without one.
    pub status: String,
    /// Of the sales channel.
    pub channel_id: Option<i64>,
    /// Of the sales channel.
    pub channel_name: Option<String>,
    /// When the customer ordered.
    pub date_placed: DateTime<Utc>,
    /// Lower case, `try`.
    pub currency: Option<String>,
    /// Decimal.
    pub amount: Option<String>,
    /// `en-us`.
    pub language_code: Option<String>,
    /// Slug of the payment option.
    pub payment_type: Option<String>,
    /// Slug of the shipping option.
    pub shipping_option_slug: Option<String>,
    /// The delivery type.
    pub delivery_type: Option<String>,
    /// Id or slug of the cargo company the order asks for.
    pub cargo_company: Option<String>,
    /// The customer's notes.
    pub notes: Option<String>,
    /// For filters.
    pub customer_first_name: Option<String>,
    /// For filters.
    pub customer_last_name: Option<String>,
    /// Of the shipping address, decimal degrees.
    pub latitude: Option<String>,
    /// Of the shipping address, decimal degrees.
    pub longitude: Option<String>,
    /// The beginning of `delivery_range`, for filters.
    pub delivery_from: Option<DateTime<Utc>>,
    /// Its end, for filters.
    pub delivery_until: Option<DateTime<Utc>>,
    /// `channel`, `customer`, `shipping_address`, `billing_address`, `delivery_range` and `retail_store` as they came.
    pub details: Value,
    /// At least one.
    pub lines: Vec<LineInput>,
}

/// A checked line of an order.
#[derive(Debug, Clone)]
pub struct LineInput {
    /// The upstream's key.
    pub omnitron_id: Option<i64>,
    /// `OrderStatus` enum value; the order's without one.
    pub status: String,
    /// The SKU.
    pub sku: String,
    /// The number of units.
    pub quantity: i64,
    /// Decimal.
    pub price: Option<String>,
    /// Lower case.
    pub price_currency: Option<String>,
    /// Decimal.
    pub tax_rate: Option<String>,
    /// Decimal.
    pub discount_amount: Option<String>,
    /// The product as it came.
    pub product: Value,
}

impl OrderInput {
    /// The SKUs of its lines, each once.
    #[must_use]
    pub fn skus(&self) -> BTreeSet<String> {
        self.lines.iter().map(|line| line.sku.clone()).collect()
    }

    /// Reads an order.
    ///
    /// # Errors
    /// 400 that names every wrong field; a field of a line is under `orderitem_set`, with the line's number.
    pub fn of_json(value: &Value) -> Result<Self, Refusal> {
        // The upstream's lists, and what was kept of them, did not come as a request.
        wire::check_bounds(value)?;
        match value.as_object() {
            Some(object) => reading::request(object, |reader| Self::read_from(reader, object)),
            None => Err(Refusal::non_field(&reading::no_dictionary(value))),
        }
    }

    fn read_from(reader: &mut Reader<'_>, object: &Map<String, Value>) -> Self {
        let number = number(reader);
        let date_placed = date_placed(reader);
        let status = word(reader, "status").unwrap_or_else(|| "400".to_owned());
        let address = object.get("shipping_address").unwrap_or(&Value::Null);
        let mut order = Self {
            number,
            omnitron_id: integer(reader, "pk"),
            channel_id: object.get("channel").and_then(|channel| channel.get("pk")).and_then(Value::as_i64),
            channel_name: nested(object, "channel", "name"),
            date_placed,
            currency: word(reader, "currency"),
            amount: decimal(reader, "amount"),
            language_code: word(reader, "language_code"),
            payment_type: nested(object, "payment_option", "slug").or_else(|| word(reader, "payment_type")),
            shipping_option_slug: word(reader, "shipping_option_slug"),
            delivery_type: word(reader, "delivery_type"),
            cargo_company: cargo_company(reader),
            notes: word(reader, "notes"),
            customer_first_name: nested(object, "customer", "first_name"),
            customer_last_name: nested(object, "customer", "last_name"),
            latitude: coordinate(address, "latitude", 90.0),
            longitude: coordinate(address, "longitude", 180.0),
            delivery_from: bound(object, "lower"),
            delivery_until: bound(object, "upper"),
            details: details::of(object),
            lines: Vec::new(),
            status,
        };
        order.lines = lines(reader, &order.status);
        order
    }
}

impl OrderInput {
    /// True if a line of the order is packed.
    #[must_use]
    pub fn is_to_pack(&self, line: &LineInput) -> bool {
        [&self.status, &line.status].iter().all(|status| !NOT_TO_PACK.contains(&status.as_str()))
    }

    /// The facts for scenarios and rules: the same as are later read from the stored order.
    #[must_use]
    pub fn facts(&self) -> OrderFacts {
        let degrees = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
        let mut facts = OrderFacts {
            channel: self.channel_id.map(|id| id.to_string()).into_iter().chain(self.channel_name.clone()).collect(),
            shipping: self.shipping_option_slug.clone(),
            payment: self.payment_type.clone(),
            delivery_type: self.delivery_type.clone(),
            coordinates: degrees(&self.latitude).zip(degrees(&self.longitude)),
            ..OrderFacts::default()
        };
        facts.read_address(self.details.get("shipping_address").unwrap_or(&Value::Null));
        facts
    }
}

fn nested(object: &Map<String, Value>, key: &str, inner: &str) -> Option<String> {
    text(object.get(key)?.get(inner)?)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().replace('\0', "")).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A bound of `delivery_range`. One that cannot be read is left out: it is shown as it came, but no filter finds it.
fn bound(object: &Map<String, Value>, key: &str) -> Option<DateTime<Utc>> {
    let bound: DateTime<Utc> = object.get("delivery_range")?.get(key)?.as_str()?.parse().ok()?;
    // Postgres cannot store dates as far away as Rust can.
    Some(bound).filter(|bound| (1..=9999).contains(&bound.year()))
}

/// An impossible coordinate is left out: the order is planned without a distance.
fn coordinate(address: &Value, key: &str, most: f64) -> Option<String> {
    let text = text(address.get(key)?)?;
    text.parse::<f64>().ok().filter(|degrees| degrees.abs() <= most).map(|degrees| format!("{degrees:.8}"))
}

/// A value that is given; the upstream writes null for what it does not know.
fn given<'a>(reader: &mut Reader<'a>, name: &'static str) -> Option<&'a Value> {
    reader.value(name).filter(|value| !value.is_null())
}

fn number(reader: &mut Reader<'_>) -> String {
    let message = match given(reader, "number").and_then(text) {
        Some(number) if number.chars().count() <= LONGEST_NUMBER => return number,
        Some(_) => format!("Ensure this field has no more than {LONGEST_NUMBER} characters."),
        None => "This field is required.".to_owned(),
    };
    reader.wrong("number", message);
    String::new()
}

fn date_placed(reader: &mut Reader<'_>) -> DateTime<Utc> {
    let parsed = given(reader, "date_placed").map(|value| value.as_str().and_then(|text| text.parse().ok()));
    let message = match parsed {
        Some(Some(moment)) => return moment,
        Some(None) => "Datetime has wrong format. Use ISO 8601, such as 2026-01-31T12:00:00Z.",
        None => "This field is required.",
    };
    reader.wrong("date_placed", message);
    DateTime::UNIX_EPOCH
}

fn word(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    let value = given(reader, name)?;
    if !value.is_string() && !value.is_number() {
        reader.wrong(name, "Not a valid string.");
    }
    text(value)
}

fn integer(reader: &mut Reader<'_>, name: &'static str) -> Option<i64> {
    let number = values::integer(given(reader, name)?);
    if number.is_none() {
        reader.wrong(name, "A valid integer is required.");
    }
    number
}

fn decimal(reader: &mut Reader<'_>, name: &'static str) -> Option<String> {
    let text = text(given(reader, name)?);
    let digits = |part: &str, most: usize| part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit());
    let valid = text.filter(|text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        !whole.is_empty() && digits(whole, 12) && digits(fraction, 12)
    });
    if valid.is_none() {
        reader.wrong(name, "A valid number is required.");
    }
    valid
}

fn cargo_company(reader: &mut Reader<'_>) -> Option<String> {
    let value = given(reader, "cargo_company")?;
    let named = text(value)
        .or_else(|| value.get("slug").and_then(text))
        .or_else(|| value.get("id").or_else(|| value.get("pk")).and_then(text));
    if named.is_none() {
        reader.wrong("cargo_company", "An id or a slug is required.");
    }
    named
}

fn lines(reader: &mut Reader<'_>, order_status: &str) -> Vec<LineInput> {
    let Some(list) = given(reader, "orderitem_set").and_then(Value::as_array) else {
        reader.wrong("orderitem_set", "A list of order items is required.");
        return Vec::new();
    };
    if list.is_empty() || list.len() > MOST_LINES {
        reader.wrong("orderitem_set", format!("Between 1 and {MOST_LINES} order items are required."));
        return Vec::new();
    }
    let mut lines = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        match read_line(value, order_status) {
            Ok(line) => lines.push(line),
            Err(message) => {
                reader.wrong("orderitem_set", format!("Item {}: {message}", index + 1));
                break;
            }
        }
    }
    lines
}

fn read_line(value: &Value, order_status: &str) -> Result<LineInput, String> {
    let object = value.as_object().ok_or("expected an object.")?;
    let product = object.get("product").filter(|product| product.is_object()).ok_or("product is required.")?;
    let sku = product.get("sku").and_then(text).ok_or("product.sku is required.")?;
    let read = reading::with(Voice::Request, object, |reader| {
        if allowed_locations(product).is_some_and(|list| !is_list_of_codes(list)) {
            let message = "a list of ERP codes is required; leave it out to allow every location.";
            reader.wrong("product.extra_attributes.allowed_stock_locations", message);
        }
        let quantity = integer(reader, "quantity").unwrap_or(1);
        if !(1..=MOST_UNITS).contains(&quantity) {
            reader.wrong("quantity", format!("a whole number from 1 to {MOST_UNITS} is required."));
        }
        LineInput {
            omnitron_id: integer(reader, "pk"),
            status: word(reader, "status").unwrap_or_else(|| order_status.to_owned()),
            sku,
            quantity,
            price: decimal(reader, "price"),
            price_currency: word(reader, "price_currency"),
            tax_rate: decimal(reader, "tax_rate"),
            discount_amount: decimal(reader, "discount_amount"),
            product: without_nulls(product),
        }
    });
    read.map_err(|defects| match defects.first() {
        Some(defect) => format!("{}: {}", reading::place(&defect.path), defect.message),
        None => String::new(),
    })
}

fn is_list_of_codes(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(|code| code.is_string() || code.is_number()))
}

/// An example order, for the documentation.
#[must_use]
pub fn example() -> Value {
    json!({
        "pk": 536_365, "number": "536365", "status": "400", "channel": {"pk": 1, "name": "web"},
        "date_placed": "2010-12-01T08:26:00Z", "currency": "gbp", "amount": "15.30",
        "payment_option": {"pk": 1, "slug": "credit_card"}, "shipping_option_slug": "standard",
        "delivery_type": "delivery", "cargo_company": null,
        "customer": {"pk": 17_850, "first_name": "Customer", "last_name": "17850", "email": "17850@example.com"},
        "shipping_address": {"line": "63 High Street", "country": {"code": "gb", "name": "United Kingdom"},
                             "city": {"name": "Bristol"}, "latitude": "51.45450000", "longitude": "-2.58790000"},
        "orderitem_set": [{"pk": 536_365_001, "status": "400", "quantity": 6, "price": "2.55",
                           "price_currency": "gbp", "tax_rate": "20.00", "discount_amount": "0.00",
                           "product": {"pk": 7_781_897, "sku": "85123A", "name": "WHITE HANGING HEART T-LIGHT HOLDER"}}]
    })
}

#[cfg(test)]
mod tests {
    use chrono::Timelike as _;

    use super::*;

    #[test]
    fn the_example_reads() {
        let order = OrderInput::of_json(&example()).expect("an order");
        assert_eq!((order.number.as_str(), order.lines.len()), ("536365", 1));
        assert_eq!(order.latitude.as_deref(), Some("51.45450000"));
        assert_eq!(order.payment_type.as_deref(), Some("credit_card"));
    }

    #[test]
    fn a_delivery_range_is_read_where_it_can_be_and_kept_as_it_came() {
        let mut order = example();
        for (range, from, until) in [
            (json!({ "lower": "2026-01-02T08:00:00Z", "upper": "2026-01-02T12:00:00+03:00" }), Some(8), Some(9)),
            (json!({ "lower": null, "upper": "2026-01-02T12:00:00Z" }), None, Some(12)),
            (json!({ "lower": "soon", "upper": "-20000-01-01T00:00:00Z" }), None, None),
            (json!("tomorrow"), None, None),
            (json!(null), None, None),
        ] {
            order["delivery_range"] = range.clone();
            let read = OrderInput::of_json(&order).expect("an order");
            let hour = |bound: Option<DateTime<Utc>>| bound.map(|bound| bound.hour());
            assert_eq!((hour(read.delivery_from), hour(read.delivery_until)), (from, until), "{range}");
            assert_eq!(read.details["delivery_range"], range);
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let refusal = OrderInput::of_json(&json!({ "amount": "1,5", "orderitem_set": [{ "product": {"sku": "A"} },
            { "product": {} }] }))
        .expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({
                "number": ["This field is required."], "date_placed": ["This field is required."],
                "amount": ["A valid number is required."], "orderitem_set": ["Item 2: product.sku is required."]
            })
        );
    }

    #[test]
    fn a_line_needs_a_quantity_that_makes_sense() {
        for quantity in [json!(0), json!(-1), json!("x"), json!(1.5)] {
            let mut order = example();
            order["orderitem_set"][0]["quantity"] = quantity;
            assert!(OrderInput::of_json(&order).is_err());
        }
    }
}
