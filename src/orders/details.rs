//! The parts of an order that are only handed on: kept and shown as they came, whatever else they hold.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::{
    openapi::Written,
    reading::{Reader, no_dictionary, values},
};

/// The keys of an order that are kept, and their forms.
const KEPT: [(&str, &Written); 7] = [
    ("channel", &CHANNEL),
    ("customer", &CUSTOMER),
    ("shipping_address", &ADDRESS),
    ("billing_address", &ADDRESS),
    ("delivery_range", &DELIVERY_RANGE),
    ("retail_store", &RETAIL_STORE),
    ("extra_field", &EXTRA_FIELD),
];

/// The keys of codes that orders are found by: kept in the form in which they are compared.
const CODES: [&str; 3] = ["sku", "barcode", "erp_code"];

const CHANNEL: Written = Written {
    name: "Channel",
    schema: r#"{"type": ["object", "integer", "string"], "additionalProperties": true, "description": "A sales channel, as the order names it: an object, its key or its name.", "properties": {
        "pk": {"type": ["integer", "string", "null"], "description": "The upstream's own key."},
        "name": {"type": ["string", "null"], "maxLength": 1024}}}"#,
};

const CUSTOMER: Written = Written {
    name: "Customer",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "Who ordered, as the order says.", "properties": {
        "pk": {"type": ["integer", "string", "null"], "description": "The upstream's own key."},
        "first_name": {"type": ["string", "null"], "maxLength": 1024}, "last_name": {"type": ["string", "null"], "maxLength": 1024},
        "email": {"type": ["string", "null"], "maxLength": 1024}, "phone_number": {"type": ["string", "null"], "maxLength": 1024}}}"#,
};

const PLACE: Written = Written {
    name: "Place",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "A city, township or country, as the order names it.", "properties": {
        "pk": {"type": ["integer", "string", "null"]}, "name": {"type": ["string", "null"], "maxLength": 1024},
        "code": {"type": ["string", "null"], "maxLength": 1024}}}"#,
};

const ADDRESS: Written = Written {
    name: "Address",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "An address, as the order has it.", "properties": {
        "title": {"type": ["string", "null"], "maxLength": 1024}, "first_name": {"type": ["string", "null"], "maxLength": 1024},
        "last_name": {"type": ["string", "null"], "maxLength": 1024}, "phone_number": {"type": ["string", "null"], "maxLength": 1024},
        "line": {"type": ["string", "null"], "maxLength": 1024}, "postcode": {"type": ["string", "null"], "maxLength": 1024},
        "district": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": ["string", "null"], "maxLength": 1024}]},
        "township": {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": ["string", "null"], "maxLength": 1024}]},
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
        "pk": {"type": ["integer", "string", "null"]}, "name": {"type": ["string", "null"]},
        "erp_code": {"type": ["string", "null"]}}}"#,
};

const EXTRA_FIELD: Written =
    Written { name: "ExtraField", schema: r#"{"description": "Whatever the channel adds, as the order has it."}"# };

const PRODUCT: Written = Written {
    name: "Product",
    schema: r#"{"type": "object", "additionalProperties": true, "description": "A product, as the order has it.", "required": ["sku"], "properties": {
        "pk": {"type": ["integer", "string", "null"], "description": "The upstream's own key."},
        "sku": {"type": "string"}, "base_code": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
        "barcode": {"type": ["string", "null"]},
        "extra_attributes": {"type": ["object", "null"], "additionalProperties": true,
                             "description": "`allowed_stock_locations`: ERP codes of the locations that may have it. `requires_shipping`, `is_shippable`, `is_virtual` and `product_type` may say that there is nothing to pack."}}}"#,
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
    let mut kept = Map::new();
    for (key, form) in KEPT {
        match reader.value(key).cloned() {
            None => {}
            Some(Value::Null) => drop(kept.insert(key.to_owned(), Value::Null)),
            Some(value) => match fitted(form, &value) {
                Ok(value) => drop(kept.insert(key.to_owned(), value)),
                Err(wrong) => reader.wrong(key, wrong),
            },
        }
    }
    Value::Object(kept)
}

/// A product that is read, to be kept; else what is wrong with it.
pub(super) fn read_product(product: &Value) -> Result<Value, String> {
    fitted(&PRODUCT, product)
}

/// A part of an order by its key, in the form that is told of it; else what is wrong with it.
pub(super) fn fitted_to(key: &str, value: &Value) -> Result<Map<String, Value>, String> {
    let form = KEPT.iter().find(|(kept, _)| *kept == key).map_or(&EXTRA_FIELD, |(_, form)| *form);
    match fitted(form, value)? {
        Value::Object(object) => Ok(object),
        other => Err(no_dictionary(&other)),
    }
}

/// A part in the form that is told of it.
fn fitted(form: &Written, value: &Value) -> Result<Value, String> {
    FORMS.get(form.name).map_or_else(|| Ok(value.clone()), |schema| fit(schema, value))
}

/// The schemas of the parts, by name.
static FORMS: LazyLock<BTreeMap<&str, Value>> =
    LazyLock::new(|| SCHEMAS.iter().map(|form| (form.name, form.value())).collect());

/// A value in the form of a schema, as Django REST framework reads it: a number where a text is told becomes its text. What a
/// schema does not name is anything. Else what is wrong.
fn fit(schema: &Value, value: &Value) -> Result<Value, String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return FORMS.get(name).map_or_else(|| Ok(value.clone()), |form| fit(form, value));
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let (objects, others): (Vec<&Value>, Vec<&Value>) =
            alternatives.iter().partition(|one| one["$ref"].is_string());
        let other = others.iter().find_map(|one| fit(one, value).ok());
        return match (other, objects.first()) {
            (Some(fitted), _) => Ok(fitted),
            // A place may be sent by its name alone.
            (None, Some(object)) if value.is_string() || value.is_number() => fit(object, &json!({ "name": value })),
            (None, Some(object)) => fit(object, value),
            (None, None) => Ok(value.clone()),
        };
    }
    let is_told_as = |kind: &str| match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    };
    match value {
        _ if schema["type"].is_null() => Ok(value.clone()),
        Value::Null if is_told_as("null") => Ok(Value::Null),
        Value::Object(object) if is_told_as("object") => {
            let parts = object.iter().map(|(key, part)| match schema["properties"].get(key) {
                Some(told) => {
                    let part = fit(told, part).map_err(|why| format!("{key}: {why}"))?;
                    let code = if CODES.contains(&key.as_str()) { values::name(&part) } else { None };
                    Ok((key.clone(), code.map_or(part, Value::from)))
                }
                None => Ok((key.clone(), part.clone())),
            });
            parts.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        // PHP writes an object without keys like this.
        Value::Array(list) if is_told_as("object") && list.is_empty() => Ok(Value::Object(Map::new())),
        Value::String(text) if is_told_as("string") => match schema["maxLength"].as_u64() {
            Some(most) if text.chars().count() as u64 > most => {
                Err(format!("Ensure this field has no more than {most} characters."))
            }
            _ => Ok(value.clone()),
        },
        Value::Number(_) if is_told_as("number") => Ok(value.clone()),
        Value::Number(_) if is_told_as("integer") && values::integer(value).is_some() => {
            Ok(values::integer(value).into())
        }
        Value::Number(_) if is_told_as("string") && !values::has_exponent(value) => Ok(value.to_string().into()),
        _ if is_told_as("object") => Err(no_dictionary(value)),
        _ => Err("Not a valid string.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_the_form_that_is_told_of_it() {
        for (form, sent, kept) in [
            (
                &CUSTOMER,
                json!({ "pk": "7", "first_name": 5, "last_name": null }),
                r#"{"pk":"7","first_name":"5","last_name":null}"#,
            ),
            (&CUSTOMER, json!({ "vip": [true, { "since": 2020 }] }), r#"{"vip":[true,{"since":2020}]}"#),
            (&CUSTOMER, json!({ "pk": 7.0 }), r#"{"pk":7}"#),
            (&CUSTOMER, json!({ "pk": "0b1f-c3" }), r#"{"pk":"0b1f-c3"}"#),
            (&CUSTOMER, json!([]), "{}"),
            (
                &ADDRESS,
                json!({ "postcode": 34710, "latitude": 40.98, "longitude": "29.1" }),
                r#"{"postcode":"34710","latitude":40.98,"longitude":"29.1"}"#,
            ),
            (
                &ADDRESS,
                json!({ "city": { "pk": "34", "name": 5 }, "township": "Moda" }),
                r#"{"city":{"pk":"34","name":"5"},"township":"Moda"}"#,
            ),
            (&ADDRESS, json!({ "district": 5, "city": null }), r#"{"district":"5","city":null}"#),
            (
                &ADDRESS,
                json!({ "city": "Istanbul", "country": 90 }),
                r#"{"city":{"name":"Istanbul"},"country":{"name":"90"}}"#,
            ),
            (&CHANNEL, json!("web"), r#""web""#),
            (&CHANNEL, json!(7), "7"),
            (
                &PRODUCT,
                json!({ "sku": "A", "barcode": 869, "extra_attributes": [] }),
                r#"{"sku":"A","barcode":"869","extra_attributes":{}}"#,
            ),
            (&EXTRA_FIELD, json!([1, null]), "[1,null]"),
        ] {
            assert_eq!(fitted(form, &sent).map(|kept| kept.to_string()), Ok(kept.to_owned()), "{sent}");
        }
        for (form, sent, wrong) in [
            (&CUSTOMER, json!(5), "Invalid data. Expected a dictionary, but got int."),
            (&CUSTOMER, json!([1]), "Invalid data. Expected a dictionary, but got list."),
            (&CUSTOMER, json!({ "pk": [7] }), "pk: Not a valid string."),
            (&CUSTOMER, json!({ "email": [] }), "email: Not a valid string."),
            (&ADDRESS, json!({ "city": { "name": true } }), "city: name: Not a valid string."),
            (&ADDRESS, json!({ "city": true }), "city: Invalid data. Expected a dictionary, but got bool."),
            (&CHANNEL, json!(true), "Invalid data. Expected a dictionary, but got bool."),
            (&CHANNEL, json!({ "pk": true }), "pk: Not a valid string."),
        ] {
            assert_eq!(fitted(form, &sent), Err(wrong.to_owned()), "{sent}");
        }
    }
}
