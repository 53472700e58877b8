//! An order of the upstream, read and checked. Parts that are only passed on (customer, address, product) are kept as
//! they came.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    details,
    identity::Channel,
    packing::{Family, Packing, is_without_goods, of_product},
    statuses::Stage,
};
use crate::{
    error::Refusal,
    openapi::Written,
    reading::{self, Decimal, Defect, Reader, values},
    scenarios::rules::{OrderFacts, allowed_locations},
    stock::LONGEST_SKU,
    wire::{self, without_nulls},
};

/// Longest order number, in characters.
const LONGEST_NUMBER: usize = 128;
/// Longest text where nothing else is said, in characters.
const LONGEST_TEXT: usize = 255;
/// What the columns of money and rates hold.
const AMOUNT: Decimal = Decimal { column: "orders.amount", digits: 14, places: 4 };
const PRICE: Decimal = Decimal { column: "order_items.price", digits: 14, places: 4 };
const DISCOUNT: Decimal = Decimal { column: "order_items.discount_amount", digits: 14, places: 4 };
const TAX_RATE: Decimal = Decimal { column: "order_items.tax_rate", digits: 6, places: 4 };
/// Currencies whose smallest unit is a thousandth, by ISO 4217.
const OF_THOUSANDTHS: [&str; 7] = ["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"];
/// Most lines of one order.
const MOST_LINES: usize = 2000;
/// Most units of one line.
const MOST_UNITS: i64 = 1_000_000_000;

/// An order as it is sent: what [`OrderInput::of_json`] reads, and what is only handed on.
pub const ORDER: Written = Written {
    name: "NewOrder",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "An order, as the upstream has it. It is known by its `number` and `channel`, and by its `pk` where both have one.",
        "required": ["number", "date_placed", "orderitem_set"], "properties": {
        "number": {"type": "string", "maxLength": 128},
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "status": {"type": ["string", "null"], "description": "Its `OrderStatus`; 400 (approved) without one. From 400 to below 500 it is packed (425, inactive, is not); a new order of an earlier status is refused until it is approved; of what is cancelled (100) or on its way already (from 500) nothing is packed."},
        "channel": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Channel"}]},
        "modified_date": {"type": ["string", "null"], "description": "When the upstream changed it last: sent again, what is older than what was heard already changes nothing."},
        "date_placed": {"type": "string", "description": "A moment as Django takes it: `2026-01-31T12:00:00Z`, without seconds or zone (UTC), or a date alone."},
        "currency": {"type": ["string", "null"]},
        "amount": {"type": ["string", "number", "null"], "description": "Decimal, with at most 4 places; what would be rounded is refused."},
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
        "has_gift_box": {"type": ["boolean", "string", "integer", "null"], "description": "Whether it is to be packed as a gift; false without it."},
        "gift_box_note": {"type": ["string", "null"]},
        "shipping_amount": {"type": ["string", "number", "null"], "description": "Decimal, with at most 4 places."},
        "extra_field": {"description": "Whatever the channel adds; kept and shown as it came."},
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
    schema: r##"{"type": "object", "additionalProperties": true, "description": "A line of an order, as the upstream has it. A line that others name as `parent` is a kit: it is packed as its parts, and needs no stock itself. A line is without goods, and not packed, if it, its `extra_field`, its `product` or the product's `attributes` or `extra_attributes` say so: `requires_shipping` or `is_shippable` is false, `is_virtual` is true, or `product_type` is `gift_card`, `service`, `virtual` or `digital`.", "required": ["product"],
        "properties": {
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "status": {"type": ["string", "null"], "description": "Its `OrderStatus`; the order's without one. Only what is approved or being prepared is packed; the other lines of the order are."},
        "quantity": {"type": ["integer", "string", "null"], "minimum": 0, "description": "Units; 1 without it. Of a line of 0 there is nothing to pack."},
        "price": {"type": ["string", "number", "null"], "description": "Decimal, of one unit, with at most 4 places."},
        "price_currency": {"type": ["string", "null"]},
        "tax_rate": {"type": ["string", "number", "null"], "description": "Percent, with at most 4 places."},
        "discount_amount": {"type": ["string", "number", "null"]},
        "parent": {"type": ["integer", "string", "object", "null"], "additionalProperties": true,
                   "description": "The upstream's key of the line that this one is a part of, or an object with it as `pk`."},
        "extra_field": {"description": "Whatever the channel adds; kept as it comes."},
        "product": {"$ref": "#/components/schemas/Product"}}}"##,
};

/// The schemas of what is sent.
pub const SCHEMAS: &[Written] = &[ORDER, LINE];

/// A checked order.
#[derive(Debug, Clone)]
pub struct OrderInput {
    /// The order number. With the channel, and the upstream's key where both have one, it says which order it is.
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
    /// When the upstream changed it last, if it says so.
    pub modified_date: Option<DateTime<Utc>>,
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
    /// `channel`, `customer`, `shipping_address`, `billing_address`, `delivery_range`, `retail_store` and `extra_field` as they
    /// came; `has_gift_box`, `gift_box_note` and `shipping_amount` as they were read.
    pub details: Value,
    /// At least one.
    pub lines: Vec<LineInput>,
}

/// What columns have of the parts that are only handed on: for filters, and for the distance.
#[derive(Debug, Clone, Default)]
pub struct Recipient {
    /// The customer's.
    pub first_name: Option<String>,
    /// The customer's.
    pub last_name: Option<String>,
    /// Of the shipping address, decimal degrees.
    pub latitude: Option<String>,
    /// Of the shipping address, decimal degrees.
    pub longitude: Option<String>,
}

impl Recipient {
    /// From `customer` and `shipping_address`.
    #[must_use]
    pub fn of(details: &Value) -> Self {
        let customer = &details["customer"];
        let (latitude, longitude) = coordinates(&details["shipping_address"]);
        Self { first_name: part(&customer["first_name"]), last_name: part(&customer["last_name"]), latitude, longitude }
    }
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
    /// The upstream's key of the line that this one is a part of.
    pub parent: Option<i64>,
    /// What the channel adds, as it came.
    pub extra_field: Option<Value>,
    /// Whether it is packed.
    pub packing: Packing,
    /// The number of the line, from 0, whose parts it belongs with; none if it is no part.
    pub kit: Option<usize>,
}

impl OrderInput {
    /// The SKUs of its lines with goods, each once.
    #[must_use]
    pub fn skus(&self) -> BTreeSet<String> {
        let with_goods = self.lines.iter().filter(|line| line.packing == Packing::Goods);
        with_goods.map(|line| line.sku.clone()).collect()
    }

    /// Reads an order.
    ///
    /// # Errors
    /// 400 that names every wrong field; a field of a line is under `orderitem_set`, with the line's number.
    pub fn of_json(value: &Value) -> Result<Self, Refusal> {
        // The upstream's lists, and what was kept of them, did not come as a request.
        wire::check_bounds(value)?;
        match &*without_nulls(value) {
            Value::Object(object) => reading::request(object, Self::read),
            other => Err(Refusal::non_field(&reading::no_dictionary(other))),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["number", "date_placed", "orderitem_set"]);
        let mut details = details::read(reader);
        let recipient = Recipient::of(&details);
        let channel = Channel::of(&details["channel"]);
        let status = text(reader, "status").unwrap_or_else(|| "400".to_owned());
        let currency = text(reader, "currency");
        // Kept also where it is false: so an order of before these were kept is known by not having it.
        details["has_gift_box"] = boolean(reader, "has_gift_box").unwrap_or(false).into();
        let note = prose(reader, "gift_box_note");
        let shipping = money(reader, "shipping_amount", AMOUNT, currency.as_deref());
        for (key, value) in [("gift_box_note", note), ("shipping_amount", shipping)] {
            if let Some(value) = value {
                details[key] = value.into();
            }
        }
        let payment_option = reader.value("payment_option").and_then(|option| part(&option["slug"]));
        Self {
            number: reader.text_within("number", LONGEST_NUMBER).unwrap_or_default(),
            omnitron_id: integer(reader, "pk"),
            channel_id: channel.id,
            channel_name: channel.name,
            date_placed: reader.date_time("date_placed").unwrap_or_default(),
            modified_date: reader.value("modified_date").and_then(Value::as_str).and_then(values::date_time),
            amount: money(reader, "amount", AMOUNT, currency.as_deref()),
            language_code: text(reader, "language_code"),
            payment_type: payment_option.or_else(|| text(reader, "payment_type")),
            shipping_option_slug: text(reader, "shipping_option_slug"),
            delivery_type: text(reader, "delivery_type"),
            cargo_company: cargo_company(reader),
            notes: prose(reader, "notes"),
            customer_first_name: recipient.first_name,
            customer_last_name: recipient.last_name,
            latitude: recipient.latitude,
            longitude: recipient.longitude,
            delivery_from: bound(&details["delivery_range"]["lower"]),
            delivery_until: bound(&details["delivery_range"]["upper"]),
            lines: lines(reader, &status, currency.as_deref()),
            currency,
            status,
            details,
        }
    }
}

impl OrderInput {
    /// True if a line of the order is packed.
    #[must_use]
    pub fn is_to_pack(&self, line: &LineInput) -> bool {
        self.not_packed(line).is_none()
    }

    /// Why a line of the order is not packed, as the database has it; none: it is.
    #[must_use]
    pub fn not_packed(&self, line: &LineInput) -> Option<&'static str> {
        let is_to_pack = [&self.status, &line.status].into_iter().all(|status| Stage::of(status) == Stage::ToPack);
        line.packing.reason().or((!is_to_pack).then_some("status"))
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
            date_placed: self.date_placed,
            ..OrderFacts::default()
        };
        facts.read_address(self.details.get("shipping_address").unwrap_or(&Value::Null));
        facts
    }
}

/// A name of a part that is only handed on: what is none is left out.
fn part(value: &Value) -> Option<String> {
    values::name(value).filter(|text| !text.is_empty())
}

/// A bound of `delivery_range`. One that cannot be read is left out: it is shown as it came, but no filter finds it.
fn bound(value: &Value) -> Option<DateTime<Utc>> {
    values::date_time(value.as_str()?)
}

/// Where an address is; what is impossible, or unknown, is left out: the order is planned without a distance.
fn coordinates(address: &Value) -> (Option<String>, Option<String>) {
    let degrees = |key: &str, most: f64| values::degrees(&address[key], most);
    let text = |degrees: f64| format!("{degrees:.8}");
    match (degrees("latitude", 90.0), degrees("longitude", 180.0)) {
        (Some(north), Some(east)) if values::is_nowhere(north, east) => (None, None),
        (north, east) => (north.map(text), east.map(text)),
    }
}

/// A name, if there is one: the upstream writes null or nothing for what it does not know.
fn text(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    reader.nullable_text(key, LONGEST_TEXT).flatten().filter(|text| !text.is_empty())
}

/// The same of a text that is only shown.
fn prose(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    reader.nullable_prose(key, usize::MAX).flatten().filter(|text| !text.is_empty())
}

fn integer(reader: &mut Reader<'_>, key: &'static str) -> Option<i64> {
    reader.nullable_integer(key, i64::MIN..=i64::MAX).flatten()
}

/// What Django REST framework takes for true and false.
fn boolean(reader: &mut Reader<'_>, key: &'static str) -> Option<bool> {
    let value = reader.value(key).filter(|value| !value.is_null())?;
    let read = values::boolean(value);
    if read.is_none() {
        reader.wrong(key, "Must be a valid boolean.");
    }
    read
}

/// An amount of money, with the digits that its currency has.
fn money(reader: &mut Reader<'_>, key: &'static str, column: Decimal, currency: Option<&str>) -> Option<String> {
    let least_places = if currency.is_some_and(has_thousandths) { 3 } else { 2 };
    reader.nullable_decimal(key, column, least_places).flatten()
}

/// True of a currency that is divided into a thousand.
pub(super) fn has_thousandths(currency: &str) -> bool {
    OF_THOUSANDTHS.iter().any(|known| known.eq_ignore_ascii_case(currency))
}

/// The id or slug of a cargo company, by itself or in an object.
fn cargo_company(reader: &mut Reader<'_>) -> Option<String> {
    let value = reader.value("cargo_company").filter(|value| !value.is_null())?;
    let named = [value, &value["slug"], &value["id"], &value["pk"]].into_iter().find_map(part);
    if named.is_none() {
        reader.wrong("cargo_company", "An id or a slug is required.");
    }
    named
}

/// The lines, up to the first with a defect.
fn lines(reader: &mut Reader<'_>, order_status: &str, currency: Option<&str>) -> Vec<LineInput> {
    let Some(value) = reader.value("orderitem_set") else { return Vec::new() };
    let message = match value.as_array() {
        None => "A list of order items is required.".to_owned(),
        Some(list) if list.is_empty() || list.len() > MOST_LINES => {
            format!("Between 1 and {MOST_LINES} order items are required.")
        }
        Some(list) => {
            let mut numbered = list.iter().zip(1..);
            let lines = numbered.try_fold(Vec::with_capacity(list.len()), |mut lines, (value, number)| {
                let line = reading::entry(value, |reader| LineInput::read(reader, order_status, currency));
                lines.push(line.map_err(|defects| (number, defects))?);
                Ok(lines)
            });
            match lines.and_then(keyed_once).and_then(related) {
                Ok(lines) => return lines,
                Err((number, defects)) => {
                    let first: Option<&Defect> = defects.first();
                    format!("Item {number}: {}", first.map(Defect::to_string).unwrap_or_default())
                }
            }
        }
    };
    reader.wrong("orderitem_set", message);
    Vec::new()
}

/// The lines, if none has the key of another; else the number of the second: whoever names the key means one line.
fn keyed_once(lines: Vec<LineInput>) -> Result<Vec<LineInput>, (usize, Vec<Defect>)> {
    let mut first: HashMap<i64, usize> = HashMap::new();
    for (line, number) in lines.iter().zip(1..) {
        let before = line.omnitron_id.and_then(|key| first.insert(key, number));
        if let Some(before) = before {
            return Err((number, vec![Defect::of_key("pk", format!("Item {before} has this key already."), "")]));
        }
    }
    Ok(lines)
}

/// The lines, each with what it is among the others; or the number of one that is a part of itself. Of a kit that is not
/// packed its parts are not.
fn related(mut lines: Vec<LineInput>) -> Result<Vec<LineInput>, (usize, Vec<Defect>)> {
    let keys: Vec<(Option<i64>, Option<i64>)> = lines.iter().map(|line| (line.omnitron_id, line.parent)).collect();
    let family = Family::of(&keys);
    if let Some(line) = family.circle() {
        return Err((line + 1, vec![Defect::of_key("parent", "It is a part of one of its own parts.", "")]));
    }
    let is_without: Vec<bool> = lines.iter().map(|line| line.packing == Packing::WithoutGoods).collect();
    for (at, packing) in family.packing(&is_without).into_iter().enumerate() {
        let is_packed = |status: &str| Stage::of(status) == Stage::ToPack;
        let mut kits = family.above(at).map(|above| &lines[above].status);
        let of_kit = kits.find(|status| !is_packed(status)).cloned();
        let line = &mut lines[at];
        if let Some(status) = of_kit.filter(|_| is_packed(&line.status)) {
            line.status = status;
        }
        (line.packing, line.kit) = (packing, family.kit_of(at));
    }
    Ok(lines)
}

impl LineInput {
    fn read(reader: &mut Reader<'_>, order_status: &str, order_currency: Option<&str>) -> Self {
        reader.require(&["product"]);
        let sent = reader.value("product").cloned().unwrap_or_default();
        let product = if sent.is_object() { details::read_product(&sent) } else { Ok(sent) };
        let product = product.unwrap_or_else(|wrong| {
            reader.wrong("product", wrong);
            Value::Null
        });
        if allowed_locations(&product).is_some_and(|list| !is_list_of_codes(list)) {
            let message = "a list of ERP codes is required; leave it out to allow every location.";
            reader.wrong("product.extra_attributes.allowed_stock_locations", message);
        }
        let sku = reader.object("product", |product| {
            product.require(&["sku"]);
            // Lists are filtered by it.
            product.nullable_text("barcode", LONGEST_TEXT);
            product.text_within("sku", LONGEST_SKU)
        });
        let price_currency = text(reader, "price_currency");
        let currency = price_currency.as_deref().or(order_currency);
        let extra_field = reader.value("extra_field").filter(|value| !value.is_null()).cloned();
        let line = reader.value("requires_shipping").map(|value| json!({ "requires_shipping": value }));
        let says = line.iter().chain(&extra_field).chain(of_product(&product));
        let is_without = is_without_goods(says);
        let quantity = reader.nullable_integer("quantity", 0..=MOST_UNITS).flatten().unwrap_or(1);
        // Of a line without a unit there is nothing to pack.
        let packing = if quantity == 0 || is_without { Packing::WithoutGoods } else { Packing::Goods };
        Self {
            omnitron_id: integer(reader, "pk"),
            status: text(reader, "status").unwrap_or_else(|| order_status.to_owned()),
            sku: sku.flatten().unwrap_or_default(),
            quantity,
            price: money(reader, "price", PRICE, currency),
            discount_amount: money(reader, "discount_amount", DISCOUNT, currency),
            tax_rate: reader.nullable_decimal("tax_rate", TAX_RATE, 2).flatten(),
            price_currency,
            product,
            parent: parent(reader),
            extra_field,
            packing,
            kit: None,
        }
    }
}

/// The line that this one is a part of: its key, or an object with it.
fn parent(reader: &mut Reader<'_>) -> Option<i64> {
    let sent = reader.value("parent").filter(|value| !value.is_null())?;
    let key = values::integer(if sent.is_object() { &sent["pk"] } else { sent });
    if key.is_none() {
        reader.wrong("parent", "A valid integer is required.");
    }
    key
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

    const WRONG_DATE: &str = "Datetime has wrong format. Use ISO 8601, such as 2026-01-31T12:00:00Z.";

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
            (json!(null), None, None),
        ] {
            order["delivery_range"] = range.clone();
            let read = OrderInput::of_json(&order).expect("an order");
            let hour = |bound: Option<DateTime<Utc>>| bound.map(|bound| bound.hour());
            assert_eq!((hour(read.delivery_from), hour(read.delivery_until)), (from, until), "{range}");
            assert_eq!(read.details["delivery_range"], range);
        }
        order["delivery_range"] = json!("tomorrow");
        let refusal = OrderInput::of_json(&order).expect_err("it is told as an object");
        assert_eq!(refusal.error["delivery_range"], json!(["Invalid data. Expected a dictionary, but got str."]));
    }

    #[test]
    fn the_reader_and_the_database_have_the_same_limits() {
        let schema = include_str!("../verify/schema.tsv");
        for Decimal { column, digits, places } in [AMOUNT, PRICE, DISCOUNT, TAX_RATE] {
            let (table, name) = column.split_once('.').expect("a table and a column");
            let check =
                format!("constraint\t{table}.{table}_{name}_check\tCHECK (is_decimal({name}, {digits}, {places}))\n");
            assert!(schema.contains(&check), "{check}");
            assert!(schema.contains(&format!("column\t{column}\tnumeric\n")), "{column}");
        }
        let of_decimals = schema.lines().filter(|line| line.contains("CHECK (is_decimal("));
        assert_eq!(of_decimals.count(), 4, "each has a reader");
    }

    #[test]
    fn money_has_the_digits_of_its_currency() {
        let mut order = example();
        order["currency"] = json!("KWD");
        order["amount"] = json!(12.5);
        let line = &mut order["orderitem_set"][0];
        line["price_currency"] = json!(null);
        line["price"] = json!("1.234");
        let read = OrderInput::of_json(&order).expect("an order");
        assert_eq!(read.amount.as_deref(), Some("12.500"));
        assert_eq!(read.lines[0].price.as_deref(), Some("1.234"));
        order["orderitem_set"][0]["price_currency"] = json!("try");
        order["orderitem_set"][0]["price"] = json!(19.990_000_000_000_002_f64);
        let read = OrderInput::of_json(&order).expect("an order");
        assert_eq!(read.lines[0].price.as_deref(), Some("19.99"));
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
                "amount": ["A valid number is required."], "orderitem_set": ["Item 2: product.sku: This field is required."]
            })
        );
    }

    #[test]
    fn what_the_database_cannot_keep_is_refused_and_what_it_need_not_keep_is_left_out() {
        let wrong = |at: &str, value: Value| {
            let mut order = example();
            *order.pointer_mut(at).expect("a field") = value;
            let error = OrderInput::of_json(&order).err().map(|refusal| refusal.error).unwrap_or_default();
            error.as_object().and_then(|error| error.values().next()?[0].as_str().map(str::to_owned))
        };
        for (at, value, message) in [
            ("/number", json!(null), "This field may not be null."),
            ("/number", json!(" "), "This field may not be blank."),
            ("/status", json!([]), "Not a valid string."),
            ("/currency", json!("x".repeat(256)), "Ensure this field has no more than 255 characters."),
            ("/amount", json!("1e3x"), "A valid number is required."),
            ("/amount", json!("."), "A valid number is required."),
            (
                "/amount",
                json!(1_000_000_000_000_i64),
                "Ensure that there are no more than 12 digits before the decimal point.",
            ),
            ("/amount", json!("999999999999.995"), "Ensure that there are no more than 14 digits in total."),
            ("/amount", json!("1.00001"), "Ensure that there are no more than 4 decimal places."),
            ("/date_placed", json!("-20000-01-01T00:00:00Z"), WRONG_DATE),
            ("/date_placed", json!("10000-01-01T00:00:00Z"), WRONG_DATE),
            ("/date_placed", json!(5), WRONG_DATE),
            ("/orderitem_set", json!({}), "A list of order items is required."),
            ("/orderitem_set/0", json!(7), "Item 1: Invalid data. Expected a dictionary, but got int."),
            ("/orderitem_set/0/pk", json!("x"), "Item 1: pk: A valid integer is required."),
            (
                "/orderitem_set/0/quantity",
                json!(-1),
                "Item 1: quantity: Ensure this value is greater than or equal to 0.",
            ),
            ("/orderitem_set/0/quantity", json!(1.5), "Item 1: quantity: A valid integer is required."),
            (
                "/orderitem_set/0/tax_rate",
                json!("10000"),
                "Item 1: tax_rate: Ensure that there are no more than 4 digits before the decimal point.",
            ),
            (
                "/orderitem_set/0/tax_rate",
                json!("1000.125"),
                "Item 1: tax_rate: Ensure that there are no more than 6 digits in total.",
            ),
            ("/orderitem_set/0/product", json!(null), "Item 1: product: This field may not be null."),
            (
                "/orderitem_set/0/product/sku",
                json!("x".repeat(256)),
                "Item 1: product.sku: Ensure this field has no more than 255 characters.",
            ),
        ] {
            assert_eq!(wrong(at, value.clone()).as_deref(), Some(message), "{at} {value}");
        }
        for (at, value) in [
            ("/number", json!(7)),
            ("/number", json!("a\0b")),
            ("/amount", json!("999999999999.99")),
            ("/amount", json!(null)),
            ("/orderitem_set/0/quantity", json!("6.0")),
            ("/orderitem_set/0/quantity", json!(6.0)),
            ("/orderitem_set/0/quantity", json!(null)),
            ("/orderitem_set/0/quantity", json!(0)),
            ("/orderitem_set/0/product/name", json!("a\0b")),
        ] {
            assert_eq!(wrong(at, value.clone()), None, "{at} {value}");
        }
    }

    #[test]
    fn a_line_needs_a_quantity_that_makes_sense() {
        for quantity in [json!(-1), json!("x"), json!(1.5)] {
            let mut order = example();
            order["orderitem_set"][0]["quantity"] = quantity;
            assert!(OrderInput::of_json(&order).is_err());
        }
    }
}
