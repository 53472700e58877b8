//! Reading an object key by key, from a request or from a file: one reader, which finds every defect, and two voices
//! that say them.
//!
//! * A request is read in the manner of Django REST framework: `"7"` is a number too, `null` is a value, keys that
//!   nobody knows are passed over, and a defect is a message under its key.
//! * What somebody writes (a file, a scenario) is taken by the letter: a value is of its type, `null` counts as left
//!   out, unknown keys are refused, and a defect comes with its place and a remedy.
//!
//! A function that reads names the keys it takes. So the keys that are allowed, and the schema in the documentation
//! ([`schema()`]), are those that are read. A value with a defect reads as nothing: with defects, what was read is not used.

mod decimal;
mod defect;
mod encoding;
mod figures;
mod form;
mod kinds;
mod lists;
mod names;
mod origin;
mod records;
mod sheet;
pub mod values;

use serde_json::{Map, Value, json};

pub use decimal::Decimal;
pub use defect::{Defect, Step, keys, place};
pub use encoding::{Decoded, Encoding, NO_LETTER};
pub use figures::{Thousandths, figures, shortened};
pub use form::{Changed, Form, New, body_as_shown, change, create, set, with_sentences};
pub use kinds::COUNTS;
pub use names::{is_same_in_any_case, name};
pub use origin::{Origin, Place, Problem};
pub use records::Breaks;
pub use sheet::{Row, Sheet, column, named_twice, unknown_column};

use crate::{
    error::Refusal,
    spelling::{nearest, suggestion},
    wire,
};

/// What is said of a text that Postgres cannot keep.
const NO_NULL_CHARACTERS: &str = "Null characters are not allowed.";

/// In which words defects are said, and how far a value may bend.
#[derive(Clone, Copy)]
pub enum Voice<'a> {
    /// A request, in the manner of Django REST framework.
    Request,
    /// What somebody writes, in whatever notation.
    Writing,
    /// What stands in a file: remedies are in its notation, and a value is quoted as it is written there.
    File(&'a dyn Origin),
}

/// An object that is being read.
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
    voice: Voice<'a>,
    /// From the object that was read first.
    path: Vec<Step>,
    known: Vec<&'static str>,
    defects: &'a mut Vec<Defect>,
    /// The schema of what is read, where that is all that is wanted.
    schema: Option<Described>,
}

/// The keys that a function reads.
#[derive(Default)]
struct Described {
    properties: Map<String, Value>,
    /// Those that must be given.
    required: Vec<Value>,
}

/// Reads an object in a voice.
///
/// # Errors
/// Every defect, in the order in which it was found.
pub fn with<'a, T>(
    voice: Voice<'a>,
    object: &'a Map<String, Value>,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, Vec<Defect>> {
    let mut defects = Vec::new();
    let value =
        read(&mut Reader { object, voice, path: Vec::new(), known: Vec::new(), defects: &mut defects, schema: None });
    if defects.is_empty() { Ok(value) } else { Err(defects) }
}

/// Reads what somebody wrote.
///
/// # Errors
/// Every defect, in the order in which it was found.
pub fn whole<T>(object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Vec<Defect>> {
    with(Voice::Writing, object, read)
}

/// Reads the object of a request.
///
/// # Errors
/// 400 that names every field that is wrong.
pub fn request<T>(object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Refusal> {
    with(Voice::Request, object, read).map_err(|defects| Defect::field_errors(&defects))
}

/// Reads an entry of a list that a request has.
///
/// # Errors
/// Every defect of this entry, in the order in which it was found.
pub fn entry<T>(value: &Value, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Vec<Defect>> {
    match value {
        Value::Object(object) => with(Voice::Request, object, read),
        other => Err(vec![Defect { path: Vec::new(), message: no_dictionary(other), remedy: String::new() }]),
    }
}

/// Reads the body of a request. A key that nobody asks for and that is nearly one that is asked for is refused: whoever slipped
/// would be answered as if it were done. Other keys are passed over, as Django REST framework does.
///
/// # Errors
/// 400 when it is no JSON object, or that names every field that is wrong.
pub fn body<T>(body: &[u8], read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Refusal> {
    body_of(body, |_| false, read)
}

/// The same, of a record that is answered with other keys as well: clients send back what they were answered.
fn body_of<T>(
    body: &[u8],
    is_shown: impl Fn(&str) -> bool,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, Refusal> {
    let read = |reader: &mut Reader<'_>| {
        let value = read(reader);
        reader.refuse_slips(is_shown);
        value
    };
    match wire::parse(body)? {
        Value::Object(object) => request(&object, read),
        other => Err(Refusal::non_field(&no_dictionary(&other))),
    }
}

/// What is said of a value in the place of an object.
#[must_use]
pub fn no_dictionary(value: &Value) -> String {
    format!("Invalid data. Expected a dictionary, but got {}.", wire::python_type(value))
}

/// The JSON schema of what a function reads of a request. It is run with nothing, so that it names its keys.
#[must_use]
pub fn schema(read: impl FnOnce(&mut Reader<'_>)) -> Value {
    schema_in(Voice::Request, read)
}

/// The JSON schema of what a function reads of something written: null counts as left out.
#[must_use]
pub fn schema_as_written(read: impl FnOnce(&mut Reader<'_>)) -> Value {
    schema_in(Voice::Writing, read)
}

fn schema_in(voice: Voice<'_>, read: impl FnOnce(&mut Reader<'_>)) -> Value {
    let (nothing, mut defects) = (Map::new(), Vec::new());
    let mut reader = Reader {
        object: &nothing,
        voice,
        path: Vec::new(),
        known: Vec::new(),
        defects: &mut defects,
        schema: Some(Described::default()),
    };
    read(&mut reader);
    let Described { mut properties, required } = reader.schema.unwrap_or_default();
    if matches!(voice, Voice::Writing) {
        for (_, schema) in properties.iter_mut().filter(|(key, _)| !required.contains(&json!(key))) {
            *schema = or_null(schema.take());
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A schema that null fits too.
fn or_null(mut schema: Value) -> Value {
    if schema["type"].is_string() && schema.get("enum").is_none() {
        schema["type"] = json!([schema["type"].take(), "null"]);
        schema
    } else {
        json!({ "oneOf": [schema, { "type": "null" }] })
    }
}

impl<'a> Reader<'a> {
    /// Whether it is a request that is read.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.voice, Voice::Request)
    }

    /// The key of a value that files name otherwise than requests.
    #[must_use]
    pub fn key(&self, in_requests: &'static str, in_files: &'static str) -> &'static str {
        if self.is_request() { in_requests } else { in_files }
    }

    /// True if the reading is only described: nothing is given, and no case is decided.
    #[must_use]
    pub fn is_described(&self) -> bool {
        self.schema.is_some()
    }

    /// Notes the keys that are missing.
    pub fn require(&mut self, keys: &[&str]) {
        if let Some(described) = &mut self.schema {
            described.required.extend(keys.iter().map(|key| json!(key)));
        }
        for key in keys {
            let given = self.object.get(*key);
            match self.voice {
                Voice::Request if given.is_none() => self.wrong(key, "This field is required."),
                Voice::Writing if given.is_none_or(Value::is_null) => {
                    self.refuse(key, "is missing", format!("add `{key}`"));
                }
                Voice::File(_) if given.is_none() => self.refuse(key, "is missing", format!("add `{key} = …`")),
                _ => {}
            }
        }
    }

    /// Notes a defect of a key of something written.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.refuse_at(&[key.into()], message, remedy);
    }

    /// Notes a defect of a field of a request.
    pub fn wrong(&mut self, key: &str, message: impl Into<String>) {
        self.refuse_at(&[key.into()], message, "");
    }

    fn refuse_at(&mut self, steps: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        let path = self.full_path(steps);
        self.defects.push(Defect { path, message: message.into(), remedy: remedy.into() });
    }

    fn full_path(&self, steps: &[Step]) -> Vec<Step> {
        self.path.iter().chain(steps).cloned().collect()
    }

    /// Whether a key is given. In a request `null` is something given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| self.is_request() || !value.is_null())
    }

    /// What is given under a key, whatever it is.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.take(key, || json!({}))
    }

    /// Looks a key up and remembers that it is allowed.
    fn take(&mut self, key: &'static str, schema: impl FnOnce() -> Value) -> Option<&'a Value> {
        self.known.push(key);
        if let Some(described) = &mut self.schema {
            described.properties.insert(key.to_owned(), schema());
        }
        self.object.get(key)
    }

    /// Describes a key more closely.
    fn describe(&mut self, key: &str, schema: impl FnOnce() -> Value) {
        if let Some(described) = &mut self.schema {
            described.properties.insert(key.to_owned(), schema());
        }
    }

    /// A value that may not be null.
    fn given(&mut self, key: &'static str, schema: impl FnOnce() -> Value) -> Option<&'a Value> {
        let value = self.take(key, schema)?;
        if !value.is_null() {
            return Some(value);
        }
        if self.is_request() {
            self.wrong(key, "This field may not be null.");
        }
        None
    }

    /// A value that may be null in a request; the outer option says whether it was given.
    fn nullable(&mut self, key: &'static str, schema: impl FnOnce() -> Value) -> Option<Option<&'a Value>> {
        let value = self.take(key, || {
            let mut schema = schema();
            if let Some(kind) = schema.get_mut("type") {
                *kind = json!([kind.take(), "null"]);
            }
            schema
        })?;
        match (value.is_null(), self.is_request()) {
            (false, _) => Some(Some(value)),
            (true, true) => Some(None),
            (true, false) => None,
        }
    }

    /// Notes that a value is not of its type.
    fn mistyped(&mut self, steps: &[Step], value: &Value, wanted: &str, remedy: &str) {
        let as_written = match self.voice {
            Voice::File(origin) => origin.type_name(&self.full_path(steps)),
            _ => None,
        };
        let found = as_written.unwrap_or_else(|| type_name(value));
        self.refuse_at(steps, format!("must be {wanted}, not {found}"), remedy);
    }

    /// Notes that a number is not between two others.
    fn out_of_range(&mut self, key: &str, number: &Value, range: (impl std::fmt::Display, impl std::fmt::Display)) {
        let steps = [key.into()];
        let as_written = match self.voice {
            Voice::File(origin) => origin.written(&self.full_path(&steps)),
            _ => None,
        };
        let number = as_written.unwrap_or_else(|| number.to_string());
        let (from, to) = range;
        self.refuse_at(&steps, format!("{number} is out of range"), format!("write a number from {from} to {to}"));
    }

    /// An object of its own.
    pub fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        if self.schema.is_some() {
            let mut read = Some(read);
            let mut inner = None;
            let schema = schema_in(self.voice, |reader| inner = read.take().map(|read| read(reader)));
            self.take(key, || schema);
            return inner;
        }
        let value = self.given(key, || json!({ "type": "object" }))?;
        match value {
            Value::Object(_) if self.is_request() && wire::has_null_character(value) => {
                self.wrong(key, NO_NULL_CHARACTERS);
                None
            }
            Value::Object(object) => Some(self.inner(&[key.into()], object, read)),
            // As a serializer within a serializer says it.
            _ if self.is_request() => {
                self.refuse_at(&[key.into(), "non_field_errors".into()], no_dictionary(value), "");
                None
            }
            _ => {
                self.no_object(key, value);
                None
            }
        }
    }

    /// Everything that is given, whoever reads it.
    #[must_use]
    pub fn all(&self) -> Map<String, Value> {
        self.object.clone()
    }

    fn no_object(&mut self, key: &str, value: &Value) {
        if self.is_request() {
            self.wrong(key, format!("Expected a dictionary, but got {}.", wire::python_type(value)));
        } else {
            self.mistyped(&[key.into()], value, "a table", "write `{ key = … }`");
        }
    }

    fn inner<T>(&mut self, steps: &[Step], object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let path = self.full_path(steps);
        read(&mut Reader { object, voice: self.voice, path, known: Vec::new(), defects: self.defects, schema: None })
    }

    /// Reads keys of this object that are written alike in every notation.
    pub fn as_written<T>(&mut self, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let voice = std::mem::replace(&mut self.voice, Voice::Writing);
        let value = read(self);
        self.voice = voice;
        value
    }

    /// Refuses the keys nobody asked for, except in a request; and says where the object stands.
    pub fn finish(&mut self) -> Place {
        let object = self.object;
        for key in object.keys() {
            if !self.is_request() && !self.known.contains(&key.as_str()) {
                let remedy = suggestion(key, &self.known);
                self.refuse(key, "there is no such key", remedy);
            }
        }
        self.place()
    }

    /// Refuses the keys of a request that nobody asked for, and that are nearly one that somebody did. `is_shown`: a key that is
    /// answered, and may be sent back.
    pub fn refuse_slips(&mut self, is_shown: impl Fn(&str) -> bool) {
        let object = self.object;
        for key in object.keys() {
            if self.known.contains(&key.as_str()) || is_shown(key) {
                continue;
            }
            if let Some(near) = nearest(key, self.known.iter().copied()) {
                self.wrong(key, format!("There is no such key; did you mean {near}?"));
            }
        }
    }

    /// Where the object stands in the file it is from.
    #[must_use]
    pub fn place(&self) -> Place {
        match self.voice {
            Voice::File(origin) => origin.place(&self.path),
            _ => Place::default(),
        }
    }
}

/// The type of a value, for people.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

#[cfg(test)]
mod tests;
