//! What is wrong with something that was read: where, what, and what to do about it.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value, json};

use crate::error::Refusal;

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an entry of a list, from 0.
    Entry(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// One defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// From the object that was read; empty: of the object itself.
    pub path: Vec<Step>,
    /// What is wrong.
    pub message: String,
    /// What to write instead; empty where the message says it, as those of requests do.
    pub remedy: String,
}

/// The whole path of a value, as in `rules[0].conditions[2]`.
#[must_use]
pub fn place(path: &[Step]) -> String {
    let mut place = String::new();
    for step in path {
        match step {
            Step::Key(key) if place.is_empty() => place.push_str(key),
            Step::Key(key) => place.extend([".", key]),
            Step::Entry(at) => place.extend(["[", &at.to_string(), "]"]),
        }
    }
    place
}

/// The keys of a path, as in `rules.conditions`.
#[must_use]
pub fn keys(path: &[Step]) -> String {
    let keys = path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Entry(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

impl Defect {
    /// A defect of a key of the object itself.
    #[must_use]
    pub fn of_key(key: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: vec![key.into()], message: message.into(), remedy: remedy.into() }
    }

    fn outermost(&self) -> Option<&str> {
        match self.path.first() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Defects with remedies as a 400: each under the outermost key, with its place where that is deeper.
    #[must_use]
    pub fn refusal(defects: &[Self]) -> Refusal {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for defect in defects {
            let Some(outermost) = defect.outermost() else { continue };
            let text = format!("{} — {}", defect.message, defect.remedy);
            let text = if defect.path.len() > 1 { format!("{}: {text}", place(&defect.path)) } else { text };
            fields.entry(outermost.to_owned()).or_default().push(text);
        }
        Refusal::fields(fields)
    }

    /// Defects of a request as a 400: the messages of each key, in the order in which they were found. Those of an object
    /// within an object stand under its key.
    #[must_use]
    pub fn field_errors(defects: &[Self]) -> Refusal {
        let mut fields = Map::new();
        for defect in defects {
            let keys = defect.path.iter().filter_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Entry(_) => None,
            });
            let keys: Vec<&str> = keys.collect();
            put(&mut fields, if keys.is_empty() { &["non_field_errors"] } else { &keys }, &defect.message);
        }
        Refusal::new(http::StatusCode::BAD_REQUEST, Value::Object(fields))
    }
}

/// Adds a message at a place. Where an object has messages itself, those of what is in it are left out.
fn put(errors: &mut Map<String, Value>, keys: &[&str], message: &str) {
    let Some((key, within)) = keys.split_first() else { return };
    let empty = if within.is_empty() { json!([]) } else { json!({}) };
    match errors.entry(*key).or_insert(empty) {
        Value::Array(messages) if within.is_empty() => messages.push(Value::from(message)),
        Value::Object(inner) => put(inner, within, message),
        _ => {}
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", place(&self.path))?;
        }
        formatter.write_str(&self.message)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(formatter, " — {}", self.remedy) }
    }
}
