//! Reads `input_parameters`, with the messages of Django REST framework.

use serde_json::{Map, Value};

pub use crate::reading::values::{boolean, integer, integers};
use crate::{
    error::Refusal,
    reading::{self, Reader},
    wire::python_type,
};

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

    /// A required list of whole numbers that is not empty.
    ///
    /// # Errors
    /// 400 named by the key.
    pub fn integers(self, name: &str) -> Result<Vec<i64>, Refusal> {
        let list = self.list(name)?;
        integers(list).ok_or_else(|| Refusal::field(name, "A list of valid integers is required."))
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
        assert_eq!(refusal_of(input.integers("b")), r#"{"b":["This list may not be empty."]}"#);
        assert_eq!(refusal_of(input.boolean("c")), r#"{"c":["This field may not be null."]}"#);
        assert_eq!(refusal_of(input.integers("d")), r#"{"d":["A list of valid integers is required."]}"#);
        assert_eq!(refusal_of(input.string("e")), r#"{"e":["This field is required."]}"#);
        assert_eq!(refusal_of(input.list("a")), r#"{"a":["Expected a list of items but got type \"str\"."]}"#);
    }
}
