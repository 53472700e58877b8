//! A change of who an order is for and where it goes, as it is sent.

use serde_json::{Map, Value};

use super::{compare::RECIPIENT, details};
use crate::{
    error::Refusal,
    openapi::Written,
    reading::{no_dictionary, values},
    wire::{self, without_nulls},
};

/// Keys that say where it is; the coordinates belong to them.
const PLACE: [&str; 7] = ["line", "postcode", "district", "township", "city", "country", "district_name"];
/// Longest text of a part, in characters.
const LONGEST_TEXT: usize = 1024;

/// Who ordered, and where it goes, as a change of it is sent.
pub const RECIPIENT_CHANGE: Written = Written {
    name: "OrderRecipientChange",
    schema: r##"{"type": "object", "additionalProperties": false, "minProperties": 1,
        "description": "Of each part, the keys that are sent are changed; null takes a key away.", "properties": {
        "customer": {"$ref": "#/components/schemas/Customer"},
        "shipping_address": {"$ref": "#/components/schemas/Address"},
        "billing_address": {"$ref": "#/components/schemas/Address"}}}"##,
};

/// The schemas of what is sent.
pub const SCHEMAS: &[Written] = &[RECIPIENT_CHANGE];

/// The keys that are changed, by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientChange(Vec<(&'static str, Map<String, Value>)>);

impl RecipientChange {
    /// Reads it.
    ///
    /// # Errors
    /// 400 that names every field that is wrong or unknown.
    pub fn of_json(value: &Value) -> Result<Self, Refusal> {
        wire::check_bounds(value)?;
        let value = without_nulls(value);
        let Value::Object(sent) = &*value else { return Err(Refusal::non_field(&no_dictionary(&value))) };
        let mut wrong: Vec<(String, Vec<String>)> = Vec::new();
        let mut parts = Vec::new();
        for (key, part) in sent {
            let message = match (RECIPIENT.iter().find(|known| *known == key), part) {
                (None, _) => format!("Only these can be changed: {}.", RECIPIENT.join(", ")),
                (Some(_), Value::Object(part)) if part.is_empty() => "Send at least one key to change.".to_owned(),
                (Some(_), Value::Object(part)) if part.values().any(is_too_long) => {
                    format!("Ensure each text has no more than {LONGEST_TEXT} characters.")
                }
                (Some(name), Value::Object(_)) => match details::fitted_to(name, part) {
                    Ok(part) => {
                        parts.push((*name, part));
                        continue;
                    }
                    Err(wrong) => wrong,
                },
                (Some(_), other) => no_dictionary(other),
            };
            wrong.push((key.clone(), vec![message]));
        }
        if !wrong.is_empty() {
            return Err(Refusal::fields(wrong));
        }
        if parts.is_empty() {
            return Err(Refusal::non_field(&format!("Send at least one of {}.", RECIPIENT.join(", "))));
        }
        Ok(Self(parts))
    }

    /// The kept parts of an order as they become.
    #[must_use]
    pub fn apply(&self, details: &Value) -> Value {
        let mut details: Map<String, Value> = details.as_object().cloned().unwrap_or_default();
        for (name, changed) in &self.0 {
            let mut part: Map<String, Value> =
                details.get(*name).and_then(Value::as_object).cloned().unwrap_or_default();
            if changed.keys().any(|key| PLACE.contains(&key.as_str())) {
                part.retain(|key, _| !["latitude", "longitude"].contains(&key.as_str()));
            }
            for (key, value) in changed {
                if value.is_null() {
                    part.remove(key);
                } else {
                    part.insert(key.clone(), value.clone());
                }
            }
            details.insert((*name).to_owned(), Value::Object(part));
        }
        Value::Object(details)
    }
}

fn is_too_long(value: &Value) -> bool {
    values::prose(value).is_some_and(|text| text.chars().count() > LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_sent_is_changed_and_coordinates_go_with_their_address() {
        let kept = json!({ "channel": 1, "customer": { "pk": 5, "email": "a@example.com" },
                           "shipping_address": { "line": "Road 1", "phone_number": "1", "latitude": "41" } });
        let applied = |sent: Value| RecipientChange::of_json(&sent).expect("a change").apply(&kept);
        let changed = applied(json!({ "customer": { "email": "b@example.com" } }));
        assert_eq!(changed["customer"], json!({ "pk": 5, "email": "b@example.com" }));
        assert_eq!((&changed["channel"], &changed["shipping_address"]), (&kept["channel"], &kept["shipping_address"]));
        let changed = applied(json!({ "shipping_address": { "phone_number": null } }));
        assert_eq!(changed["shipping_address"], json!({ "line": "Road 1", "latitude": "41" }));
        let changed = applied(json!({ "shipping_address": { "line": "Road 2" }, "billing_address": { "line": "B" } }));
        assert_eq!(changed["shipping_address"], json!({ "line": "Road 2", "phone_number": "1" }));
        assert_eq!(changed["billing_address"], json!({ "line": "B" }));
    }

    #[test]
    fn what_cannot_be_changed_is_named() {
        let refusal = RecipientChange::of_json(&json!({ "number": "2", "customer": 5, "billing_address": {} }));
        let fields: Vec<String> =
            refusal.expect_err("refused").error.as_object().expect("fields").keys().cloned().collect();
        assert_eq!(fields, ["number", "customer", "billing_address"]);
        assert!(RecipientChange::of_json(&json!({})).is_err());
        assert!(RecipientChange::of_json(&json!([])).is_err());
    }
}
