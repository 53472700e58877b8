//! Which keys of an answer are always there.
//!
//! A derived schema takes a field that may be empty for one that may be missing. serde writes it as null, so whatever an
//! answer may have as null it has: the key is required. A field that is left out (`skip_serializing_if`) says so by a schema
//! without null.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The schema and its key that may be null and may be missing too: events leave it out.
const LEFT_OUT: (&str, &str) = ("StockLocation", "available_quota");

/// Requires the keys that may be null, in every schema that answers are made of.
pub fn require_nullable_keys(document: &mut Value) {
    let mut asked = BTreeSet::new();
    let mut answered = BTreeSet::new();
    for operation in operations(document) {
        collect(document, &operation["requestBody"], &mut asked);
        collect(document, &operation["responses"], &mut answered);
    }
    for name in answered.difference(&asked) {
        require(name, &mut document["components"]["schemas"][name]);
    }
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    document["paths"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, item)| item.as_object())
        .flat_map(|item| item.values())
}

/// The names of the schemas that a part of the document is made of.
fn collect(document: &Value, part: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Array(list) => list.iter().for_each(|part| collect(document, part, names)),
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                let name = reference.rsplit('/').next().unwrap_or_default();
                let is_schema = reference.starts_with("#/components/schemas/");
                if !is_schema || names.insert(name.to_owned()) {
                    collect(document, document.pointer(&reference[1..]).unwrap_or(&Value::Null), names);
                }
            }
            object
                .iter()
                .filter(|(key, _)| !key.starts_with("example"))
                .for_each(|(_, part)| collect(document, part, names));
        }
        _ => {}
    }
}

fn require(of: &str, schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(|part| require(of, part)),
        Value::Object(object) => {
            let always: Vec<String> =
                object.get("properties").and_then(Value::as_object).map_or_else(Vec::new, |properties| {
                    properties
                        .iter()
                        .filter(|(name, schema)| may_be_null(schema) && (of, name.as_str()) != LEFT_OUT)
                        .map(|(name, _)| name.clone())
                        .collect()
                });
            if !always.is_empty()
                && let Some(required) = object.entry("required").or_insert_with(|| json!([])).as_array_mut()
            {
                let missing: Vec<Value> =
                    always.into_iter().map(Value::String).filter(|name| !required.contains(name)).collect();
                required.extend(missing);
            }
            object.iter_mut().filter(|(key, _)| !key.starts_with("example")).for_each(|(_, part)| require(of, part));
        }
        _ => {}
    }
}

fn may_be_null(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema["type"] == "null";
    schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
        || ["oneOf", "anyOf"].iter().any(|key| schema[*key].as_array().is_some_and(|list| list.iter().any(is_null)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_null_in_an_answer_is_there_and_in_a_request_may_be_missing() {
        let thing = json!({ "type": "object", "properties": {
            "a": { "type": ["string", "null"] }, "b": { "type": "string" },
            "c": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Part" }] } } });
        let sent = json!({ "type": "object", "properties": { "a": { "type": ["string", "null"] } } });
        let mut document = json!({
            "paths": { "/": { "post": {
                "requestBody": { "schema": { "$ref": "#/components/schemas/Sent" } },
                "responses": { "200": { "schema": { "$ref": "#/components/schemas/Shown" } } } } } },
            "components": { "schemas": { "Sent": sent, "Shown": thing, "Part": thing } }
        });
        require_nullable_keys(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            (&schemas["Shown"]["required"], &schemas["Part"]["required"]),
            (&json!(["a", "c"]), &json!(["a", "c"]))
        );
        assert_eq!(schemas["Sent"]["required"], Value::Null);
    }
}
