//! Reading the fields of a JSON body, with the words of Django REST framework, until everything that is wrong is known.

use serde_json::{Map, Value};

use crate::{
    error::Refusal,
    reading::values::{boolean, integer},
    wire,
};

/// A body that is being read.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    wrong: Vec<(String, Vec<String>)>,
}

impl Fields {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 when it is no JSON object.
    pub fn of(body: &[u8]) -> Result<Self, Refusal> {
        match wire::parse(body)? {
            Value::Object(object) => Ok(Self { object, wrong: Vec::new() }),
            other => {
                let message = format!("Invalid data. Expected a dictionary, but got {}.", wire::python_type(&other));
                Err(Refusal::non_field(&message))
            }
        }
    }

    /// Whether a field was sent, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// What was sent in a field, whatever it is.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// Notes that a field is wrong.
    pub fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.refuse_all(name, vec![message.into()]);
    }

    /// Notes everything that is wrong with a field.
    pub fn refuse_all(&mut self, name: &str, messages: Vec<String>) {
        self.wrong.push((name.to_owned(), messages));
    }

    /// Notes the fields that were not sent.
    pub fn require(&mut self, names: &[&str]) {
        for name in names.iter().filter(|name| !self.object.contains_key(**name)) {
            self.wrong.push(((*name).to_owned(), vec!["This field is required.".to_owned()]));
        }
    }

    /// A text that may not be null or blank.
    pub fn text(&mut self, name: &str, longest: usize) -> Option<String> {
        if self.refuses_null(name) {
            return None;
        }
        let text = self.nullable_text(name, longest)?;
        if text.is_empty() {
            self.refuse(name, "This field may not be blank.");
            return None;
        }
        Some(text)
    }

    /// A text that may be null.
    pub fn nullable_text(&mut self, name: &str, longest: usize) -> Option<String> {
        let text = match self.object.get(name)? {
            Value::Null => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => {
                self.refuse(name, "Not a valid string.");
                return None;
            }
        };
        if text.contains('\0') {
            self.refuse(name, "Null characters are not allowed.");
        } else if text.chars().count() > longest {
            self.refuse(name, format!("Ensure this field has no more than {longest} characters."));
        } else {
            return Some(text);
        }
        None
    }

    /// A whole number from 0 up that may be null.
    pub fn nullable_count(&mut self, name: &str) -> Option<i32> {
        let number = self.object.get(name).filter(|value| !value.is_null()).map(integer)?;
        let message = match number {
            None => "A valid integer is required.",
            Some(number) if number < 0 => "Ensure this value is greater than or equal to 0.",
            Some(number) => match i32::try_from(number) {
                Ok(number) => return Some(number),
                Err(_) => "Ensure this value is less than or equal to 2147483647.",
            },
        };
        self.refuse(name, message);
        None
    }

    /// The id of another object.
    pub fn id(&mut self, name: &str) -> Option<i64> {
        if self.refuses_null(name) {
            return None;
        }
        let value = self.object.get(name)?;
        let id = integer(value);
        if id.is_none() {
            let message = format!("Incorrect type. Expected pk value, received {}.", wire::python_type(value));
            self.refuse(name, message);
        }
        id
    }

    /// True or false.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        if self.refuses_null(name) {
            return None;
        }
        let flag = boolean(self.object.get(name)?);
        if flag.is_none() {
            self.refuse(name, "Must be a valid boolean.");
        }
        flag
    }

    fn refuses_null(&mut self, name: &str) -> bool {
        let is_null = self.object.get(name).is_some_and(Value::is_null);
        if is_null {
            self.refuse(name, "This field may not be null.");
        }
        is_null
    }

    /// Call last.
    ///
    /// # Errors
    /// 400 that names every field that is wrong.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Refusal::fields(self.wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_named() {
        let body = json!({ "a": "", "b": null, "c": "xyz", "d": -1, "e": "maybe", "f": [], "g": {} }).to_string();
        let mut fields = Fields::of(body.as_bytes()).expect("an object");
        fields.require(&["a", "z"]);
        assert_eq!((fields.text("a", 9), fields.text("b", 9), fields.nullable_text("c", 2)), (None, None, None));
        assert_eq!((fields.nullable_count("d"), fields.flag("e"), fields.text("f", 9)), (None, None, None));
        assert_eq!((fields.id("g"), fields.id("y")), (None, None));
        let error = fields.finish().expect_err("refused").error;
        assert_eq!(
            error,
            json!({
                "z": ["This field is required."], "a": ["This field may not be blank."],
                "b": ["This field may not be null."], "c": ["Ensure this field has no more than 2 characters."],
                "d": ["Ensure this value is greater than or equal to 0."], "e": ["Must be a valid boolean."],
                "f": ["Not a valid string."], "g": ["Incorrect type. Expected pk value, received dict."]
            })
        );
    }
}
