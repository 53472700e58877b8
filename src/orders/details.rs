//! The parts of an order that are only handed on: kept and shown as they came, whatever else they hold.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use crate::{openapi::Written, reading::Reader};

/// The keys of an order that are kept as they came.
const KEPT: [&str; 7] =
    ["channel", "customer", "shipping_address", "billing_address", "delivery_range", "retail_store", "extra_field"];

const CHANNEL: Written = Written {
    name: "Channel",
    schema: r#"{"type": ["object", "integer", "string"], "additionalProperties": true, "description": "A sales channel, as the order names it: an object, its key or its name.", "properties": {
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "name": {"type": ["string", "null"]}}}"#,
};

const CUSTOMER: Written = Written {
    name: "Customer",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "Who ordered, as the order says.", "properties": {
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "first_name": {"type": ["string", "null"]}, "last_name": {"type": ["string", "null"]},
        "email": {"type": ["string", "null"]}, "phone_number": {"type": ["string", "null"]}}}"#,
};

const PLACE: Written = Written {
    name: "Place",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "A city, township or country, as the order names it.", "properties": {
        "pk": {"type": ["integer", "null"]}, "name": {"type": ["string", "null"]},
        "code": {"type": ["string", "null"]}}}"#,
};

const ADDRESS: Written = Written {
    name: "Address",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "An address, as the order has it.", "properties": {
        "title": {"type": ["string", "null"]}, "first_name": {"type": ["string", "null"]},
        "last_name": {"type": ["string", "null"]}, "phone_number": {"type": ["string", "null"]},
        "line": {"type": ["string", "null"]}, "postcode": {"type": ["string", "null"]},
        "district": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": ["string", "null"]}]},
        "township": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": ["string", "null"]}]},
        "city": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": "null"}]},
        "country": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": "null"}]},
        "latitude": {"type": ["string", "number", "null"], "description": "Degrees."},
        "longitude": {"type": ["string", "number", "null"], "description": "Degrees."}}}"##,
};

const DELIVERY_RANGE: Written = Written {
    name: "DeliveryRange",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "When the customer wants it, as the order says.", "properties": {
        "lower": {"type": ["string", "null"]}, "upper": {"type": ["string", "null"]}}}"#,
};

const RETAIL_STORE: Written = Written {
    name: "RetailStore",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "Where the customer comes for it, as the order says.", "properties": {
        "pk": {"type": ["integer", "null"]}, "name": {"type": ["string", "null"]},
        "erp_code": {"type": ["string", "null"]}}}"#,
};

const EXTRA_FIELD: Written =
    Written { name: "ExtraField", schema: r#"{"description": "Whatever the channel adds, as the order has it."}"# };

const PRODUCT: Written = Written {
    name: "Product",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "A product, as the order has it.", "required": ["sku"], "properties": {
        "pk": {"type": ["integer", "null"], "description": "The upstream's own key."},
        "sku": {"type": "string"}, "base_code": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
        "barcode": {"type": ["string", "null"]},
        "extra_attributes": {"type": ["object", "null"], "additionalProperties": true,
                             "description": "`allowed_stock_locations`: ERP codes of the locations that may have it."}}}"#,
};

/// The schemas of the parts.
pub const SCHEMAS: &[Written] =
    &[CHANNEL, CUSTOMER, PLACE, ADDRESS, DELIVERY_RANGE, RETAIL_STORE, EXTRA_FIELD, PRODUCT];

/// The schema of `channel`.
#[must_use]
pub fn channel() -> RefOr<Schema> {
    CHANNEL.or_null()
}

/// The schema of `customer`.
#[must_use]
pub fn customer() -> RefOr<Schema> {
    CUSTOMER.or_null()
}

/// The schema of a package's `city`.
#[must_use]
pub fn city() -> RefOr<Schema> {
    PLACE.or_null()
}

/// The schema of `shipping_address` and `billing_address`.
#[must_use]
pub fn address() -> RefOr<Schema> {
    ADDRESS.or_null()
}

/// The schema of `delivery_range`.
#[must_use]
pub fn delivery_range() -> RefOr<Schema> {
    DELIVERY_RANGE.or_null()
}

/// The schema of `retail_store`.
#[must_use]
pub fn retail_store() -> RefOr<Schema> {
    RETAIL_STORE.or_null()
}

/// The schema of `extra_field`.
#[must_use]
pub fn extra_field() -> RefOr<Schema> {
    EXTRA_FIELD.reference()
}

/// The schema of `product`.
#[must_use]
pub fn product() -> RefOr<Schema> {
    PRODUCT.reference()
}

/// Those of an order that is read, to be kept.
#[must_use]
pub(super) fn read(reader: &mut Reader<'_>) -> Value {
    let kept = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), reader.value(key)?.clone())));
    Value::Object(kept.collect())
}
