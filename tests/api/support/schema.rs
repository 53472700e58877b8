//! Compares JSON values with the schemas of the document.
//!
//! It is stricter than JSON Schema: an object may have no keys but those that its schema describes, unless the schema says
//! which others it may have. A request may be written as Django REST framework reads it: digits and words for numbers and
//! flags, null for what may be left out, a date for a time. It knows the keywords that the document uses, and fails at any other. A crate for this would
//! turn on a feature of `serde_json` with which numbers are read otherwise, so the tests would not test what is shipped.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate};
use oms::reading::values;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Keywords that say nothing about a value.
const ANNOTATIONS: [&str; 8] =
    ["description", "title", "example", "examples", "default", "deprecated", "contentEncoding", "contentMediaType"];

/// Whose value it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of a request that was carried out.
    Request,
    Answer,
}

/// Whether the keys that an object may have are all described in the schema at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    All,
    /// In an `allOf`: the others are described beside it.
    Some,
}

/// The differences between a value and a schema; none: it fits.
pub fn faults(document: &Value, schema: &Value, value: &Value, side: Side) -> Vec<String> {
    let mut check = Check { document, side, faults: Vec::new() };
    check.value(schema, value, "", Keys::All);
    check.faults
}

struct Check<'a> {
    document: &'a Value,
    side: Side,
    faults: Vec<String>,
}

impl<'a> Check<'a> {
    fn fault(&mut self, place: &str, text: impl std::fmt::Display) {
        self.faults.push(format!("{}: {text}", if place.is_empty() { "/" } else { place }));
    }

    fn target(&self, reference: &Value) -> &'a Value {
        let reference = reference.as_str().expect("a reference");
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        self.document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    fn value(&mut self, schema: &'a Value, value: &Value, place: &str, keys: Keys) {
        let Value::Object(keywords) = schema else { return self.fault(place, format!("{schema} is no schema")) };
        for (keyword, rule) in keywords {
            match keyword.as_str() {
                "$ref" => self.value(self.target(rule), value, place, keys),
                "allOf" => {
                    for part in list(rule) {
                        self.value(part, value, place, Keys::Some);
                    }
                }
                "oneOf" | "anyOf" => self.alternatives(keyword == "oneOf", list(rule), value, place, keys),
                "type" => {
                    let kinds = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
                    if !kinds.iter().any(|kind| self.is_of(kind.as_str().expect("a type"), value)) {
                        self.fault(place, format!("{} is not of type {rule}", shown(value)));
                    }
                }
                "const" if value != rule => self.fault(place, format!("{} is not {rule}", shown(value))),
                "enum" if !list(rule).contains(value) => {
                    self.fault(place, format!("{} is not in {rule}", shown(value)));
                }
                "const" | "enum" | "properties" | "required" | "additionalProperties" | "propertyNames" => {}
                "items" => {
                    for (at, entry) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(rule, entry, &format!("{place}/{at}"), Keys::All);
                    }
                }
                _ if ANNOTATIONS.contains(&keyword.as_str()) => {}
                _ => self.bound(keyword, rule, value, place),
            }
        }
        if let Value::Object(object) = value {
            self.object(keywords, object, place);
            if keys == Keys::All {
                self.only_described(schema, object, place);
            }
        }
    }

    fn alternatives(&mut self, is_one: bool, schemas: &'a [Value], value: &Value, place: &str, keys: Keys) {
        let mut fitting = 0;
        let mut differences = Vec::new();
        for schema in schemas {
            let mut check = Check { document: self.document, side: self.side, faults: Vec::new() };
            check.value(schema, value, place, keys);
            match check.faults.into_iter().next() {
                None => fitting += 1,
                Some(fault) => differences.push(fault),
            }
        }
        if fitting == 0 {
            self.fault(place, format!("no alternative fits: {}", differences.join(" | ")));
        } else if is_one && fitting > 1 && self.side == Side::Answer {
            self.fault(place, format!("{fitting} alternatives fit, it must be one"));
        }
    }

    fn object(&mut self, keywords: &'a Map<String, Value>, object: &Map<String, Value>, place: &str) {
        for key in keywords.get("required").map(list).unwrap_or_default() {
            let key = key.as_str().expect("a key");
            if !object.contains_key(key) {
                self.fault(place, format!("`{key}` is missing"));
            }
        }
        let properties = keywords.get("properties").and_then(Value::as_object);
        let required = keywords.get("required").map(list).unwrap_or_default();
        for (key, value) in object {
            if self.side == Side::Request && value.is_null() && !required.iter().any(|required| required == key) {
                continue;
            }
            let place = format!("{place}/{key}");
            if let Some(names) = keywords.get("propertyNames") {
                self.value(names, &Value::String(key.clone()), &place, Keys::All);
            }
            match (properties.and_then(|properties| properties.get(key)), keywords.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                    self.value(schema, value, &place, Keys::All);
                }
                (None, Some(Value::Bool(false))) => self.fault(&place, "no such key is allowed"),
                (None, _) => {}
            }
        }
    }

    /// Refuses keys that neither the schema nor a part of it describes. An alternative does so itself.
    fn only_described(&mut self, schema: &'a Value, object: &Map<String, Value>, place: &str) {
        let mut described = BTreeSet::new();
        if let Some(is_object) = self.describe(schema, &mut described)
            && is_object
        {
            for key in object.keys().filter(|key| !described.contains(key.as_str())) {
                self.fault(place, format!("`{key}` is not documented"));
            }
        }
    }

    /// Adds the keys that a schema describes; whether it is one of an object. None: it says which other keys are allowed.
    fn describe(&self, schema: &'a Value, described: &mut BTreeSet<&'a str>) -> Option<bool> {
        let mut is_object = schema["type"] == "object"
            || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&"object".into()));
        if schema.get("additionalProperties").is_some() || schema.get("$ref").is_some() {
            return None;
        }
        described.extend(schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()));
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = part.get("$ref").map_or(part, |reference| self.target(reference));
            is_object |= self.describe(part, described)?;
        }
        Some(is_object)
    }

    fn is_of(&self, kind: &str, value: &Value) -> bool {
        is_of(kind, value)
            || self.side == Side::Request
                && match kind {
                    "integer" => values::integer(value).is_some(),
                    "number" => values::number(value).is_some(),
                    "boolean" => values::boolean(value).is_some(),
                    "string" => values::name(value).is_some(),
                    _ => false,
                }
    }

    fn bound(&mut self, keyword: &str, rule: &Value, value: &Value, place: &str) {
        let length = |text: &str| text.chars().count();
        let limit = || rule.as_f64().expect("a number");
        let count = || usize::try_from(rule.as_u64().expect("a number")).expect("a number");
        let keeps = match (keyword, value) {
            ("minimum", Value::Number(number)) => number.as_f64().is_some_and(|number| number >= limit()),
            ("maximum", Value::Number(number)) => number.as_f64().is_some_and(|number| number <= limit()),
            ("minLength", Value::String(text)) => length(text) >= count(),
            ("maxLength", Value::String(text)) => length(text) <= count(),
            ("minProperties", Value::Object(object)) => object.len() >= count(),
            ("minItems", Value::Array(entries)) => entries.len() >= count(),
            ("maxItems", Value::Array(entries)) => entries.len() <= count(),
            ("format", value) => has_format(rule.as_str().expect("a format"), value, self.side),
            ("minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties", _) => true,
            _ => panic!("{place}: the keyword {keyword} is not checked yet"),
        };
        if !keeps {
            self.fault(place, format!("{} does not keep {keyword} {rule}", shown(value)));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 { format!("{}…", text.chars().take(80).collect::<String>()) } else { text }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{kind} is no type"),
    }
}

/// Whether a value of the type that a format is for has the format.
fn has_format(format: &str, value: &Value, side: Side) -> bool {
    match (format, value) {
        ("int32", Value::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        ("int64", Value::Number(number)) => number.is_i64(),
        ("date-time", Value::String(text)) => {
            DateTime::parse_from_rfc3339(text).is_ok() || (side == Side::Request && text.parse::<NaiveDate>().is_ok())
        }
        ("date", Value::String(text)) => text.parse::<NaiveDate>().is_ok(),
        ("uuid", Value::String(text)) => text.len() == 36 && text.parse::<Uuid>().is_ok(),
        ("uri", Value::String(text)) => text.parse::<reqwest::Url>().is_ok(),
        ("int32" | "int64" | "double" | "float" | "date-time" | "date" | "uuid" | "uri" | "binary", _) => true,
        _ => panic!("the format {format} is not checked yet"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(schema: &Value, value: &Value, side: Side) -> bool {
        let document =
            json!({ "part": { "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } } });
        faults(&document, schema, value, side).is_empty()
    }

    #[test]
    fn what_is_missing_of_another_type_or_not_described_is_found() {
        let part = json!({ "$ref": "#/part" });
        let whole =
            json!({ "allOf": [part, { "type": "object", "properties": { "b": { "type": ["string", "null"] } } }] });
        let open = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
        let one = json!({ "oneOf": [part, { "type": "null" }, { "type": "array", "items": part, "maxItems": 1 }] });
        for (schema, value, expected) in [
            (&part, json!({ "a": 1 }), true),
            (&part, json!({}), false),
            (&part, json!({ "a": 1.5 }), false),
            (&part, json!({ "a": 1, "b": "x" }), false),
            (&whole, json!({ "a": 1, "b": "x" }), true),
            (&whole, json!({ "a": 1, "b": 2 }), false),
            (&whole, json!({ "a": 1, "c": null }), false),
            (&open, json!({ "x": 1 }), true),
            (&open, json!({ "x": null }), false),
            (&one, json!({ "a": 1 }), true),
            (&one, Value::Null, true),
            (&one, json!([{ "a": 1 }]), true),
            (&one, json!([{ "a": 1, "b": 1 }]), false),
            (&one, json!([{ "a": 1 }, { "a": 1 }]), false),
            (&json!({ "type": "string", "format": "uuid" }), json!("x"), false),
            (&json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] }), json!(1), false),
        ] {
            assert_eq!(fits(schema, &value, Side::Answer), expected, "{schema} {value}");
        }
    }

    #[test]
    fn a_request_is_read_as_django_reads_it_and_an_answer_by_the_letter() {
        let schema = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "integer" }, "b": { "type": "boolean" }, "c": { "type": "string", "format": "date-time" } } });
        for value in [
            json!({ "a": "1" }),
            json!({ "a": 1, "b": "true" }),
            json!({ "a": 1, "b": null }),
            json!({ "a": 1, "c": "2026-01-31" }),
        ] {
            assert!(fits(&schema, &value, Side::Request) && !fits(&schema, &value, Side::Answer), "{value}");
        }
        assert!(!fits(&schema, &json!({ "a": null }), Side::Request));
        assert!(!fits(&schema, &json!({ "a": 1, "x": 1 }), Side::Request));
    }
}
