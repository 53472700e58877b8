//! Reads `input_parameters`, with the messages of Django REST framework.

use serde_json::{Map, Value};

pub use crate::reading::values::{boolean, integer};
use crate::{
    error::Refusal,
    reading::{self, Reader},
    wire::python_type,
};

/// An item that a command names: `12`, or `{"id": 12, "quantity": 2}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: i64,
    /// So many of its units; none: all of them.
    pub quantity: Option<i64>,
}

impl Named {
    /// The units that are meant, of an item that has so many.
    ///
    /// # Errors
    /// A message, if it has fewer.
    pub fn units_of(self, all: i64) -> Result<i64, String> {
        match self.quantity {
            Some(units) if units > all => Err(format!("Item {} has {all} units, not {units}.", self.id)),
            units => Ok(units.unwrap_or(all)),
        }
    }
}

/// Reads a list of items.
///
/// # Errors
/// A message in the words of Django REST framework.
pub fn parts(list: &[Value]) -> Result<Vec<Named>, String> {
    list.iter().map(part).collect()
}

/// Reads an item.
///
/// # Errors
/// As [`parts`].
pub fn part(value: &Value) -> Result<Named, String> {
    let Value::Object(object) = value else {
        let id = integer(value).ok_or("A list of valid integers is required.")?;
        return Ok(Named { id, quantity: None });
    };
    if let Some(unknown) = object.keys().find(|key| !["id", "quantity"].contains(&key.as_str())) {
        return Err(format!("{unknown}: There is no such key; an item has an id and a quantity."));
    }
    let read = reading::request(object, |reader| {
        reader.require(&["id"]);
        let id = reader.integer("id", i64::MIN..=i64::MAX);
        let quantity = reader.nullable_integer("quantity", 1..=i64::MAX).flatten();
        Some(Named { id: id?, quantity })
    });
    match read {
        Ok(Some(named)) => Ok(named),
        Ok(None) => Err("An id is required.".to_owned()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// The object under `input_parameters`.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a Map<String, Value>);

impl<'a> Input<'a> {
    fn required(self, name: &str) -> Result<&'a Value, Refusal> {
        match self.0.get(name) {
            None => Err(Refusal::field(name, "This field is required.")),
            Some(Value::Null) => Err(Refusal::field(name, "This field may not be null.")),
            Some(value) => Ok(value),
        }
    }

    /// Any value, if it is given.
    #[must_use]
    pub fn optional(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Reads a value that has to be there.
    fn read<T>(self, name: &'static str, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Refusal> {
        let value = reading::request(self.0, |reader| {
            reader.require(&[name]);
            read(reader)
        })?;
        value.ok_or_else(|| Refusal::field(name, "This field is required."))
    }

    /// A string that is not blank, if it is given, of at most this many characters. A number becomes its digits.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn optional_string(self, name: &'static str, most_characters: usize) -> Result<Option<String>, Refusal> {
        if self.optional(name).is_none() { Ok(None) } else { self.short_string(name, most_characters).map(Some) }
    }

    /// A required string that is not blank, of at most this many characters. A number becomes its digits.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn short_string(self, name: &'static str, most_characters: usize) -> Result<String, Refusal> {
        self.read(name, |reader| reader.text_within(name, most_characters))
    }

    /// A required whole number. A string of digits is accepted, as in Django REST framework.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn integer(self, name: &'static str) -> Result<i64, Refusal> {
        self.read(name, |reader| reader.integer(name, i64::MIN..=i64::MAX))
    }

    /// A required boolean.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn boolean(self, name: &'static str) -> Result<bool, Refusal> {
        self.read(name, |reader| reader.flag(name))
    }

    /// A required string that is not blank. A number becomes its digits.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn string(self, name: &'static str) -> Result<String, Refusal> {
        self.short_string(name, usize::MAX)
    }

    /// A required list, which may be empty.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn any_list(self, name: &str) -> Result<&'a [Value], Refusal> {
        let value = self.required(name)?;
        value.as_array().map(Vec::as_slice).ok_or_else(|| {
            Refusal::field(name, format!("Expected a list of items but got type \"{}\".", python_type(value)))
        })
    }

    /// A list; empty if it is not given.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn optional_list(self, name: &str) -> Result<&'a [Value], Refusal> {
        if self.optional(name).is_none() { Ok(&[]) } else { self.any_list(name) }
    }

    /// A required list that is not empty.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn list(self, name: &str) -> Result<&'a [Value], Refusal> {
        let list = self.any_list(name)?;
        if list.is_empty() {
            return Err(Refusal::field(name, "This list may not be empty."));
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal_of<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
        result.expect_err("a refusal").error.to_string()
    }

    #[test]
    fn a_missing_or_wrong_parameter_is_named_by_its_key() {
        let map = json!({"a": "x", "b": [], "c": null, "d": [1, "x"]});
        let input = Input(map.as_object().expect("an object"));
        assert_eq!(refusal_of(input.integer("a")), r#"{"a":["A valid integer is required."]}"#);
        assert_eq!(refusal_of(input.list("b")), r#"{"b":["This list may not be empty."]}"#);
        assert_eq!(refusal_of(input.boolean("c")), r#"{"c":["This field may not be null."]}"#);
        assert_eq!(parts(input.list("d").expect("a list")), Err("A list of valid integers is required.".to_owned()));
        assert_eq!(refusal_of(input.string("e")), r#"{"e":["This field is required."]}"#);
        assert_eq!(refusal_of(input.list("a")), r#"{"a":["Expected a list of items but got type \"str\"."]}"#);
    }

    #[test]
    fn an_item_is_named_by_its_id_or_with_units() {
        let list = json!([12, "13", { "id": 14 }, { "id": "15", "quantity": 2 }, { "id": 16, "quantity": null }]);
        let named = |id, quantity| Named { id, quantity };
        assert_eq!(
            parts(list.as_array().expect("a list")),
            Ok(vec![named(12, None), named(13, None), named(14, None), named(15, Some(2)), named(16, None)])
        );
        for (wrong, message) in [
            (json!("x"), "A list of valid integers is required."),
            (json!([1]), "A list of valid integers is required."),
            (json!({}), "id: This field is required."),
            (json!({ "id": 1, "quantity": 0 }), "quantity: Ensure this value is greater than or equal to 1."),
            (json!({ "id": 1, "quantity": "two" }), "quantity: A valid integer is required."),
            (json!({ "id": 1, "qty": 2 }), "qty: There is no such key; an item has an id and a quantity."),
        ] {
            assert_eq!(part(&wrong), Err(message.to_owned()), "{wrong}");
        }
        assert_eq!(named(12, Some(3)).units_of(2), Err("Item 12 has 2 units, not 3.".to_owned()));
    }
}
