//! One file of an installation: which line an offset is on, and what TOML itself refuses.

use std::sync::Arc;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// One file: its name, and where its lines begin.
pub(super) struct Source {
    pub(super) file: Arc<str>,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { file: Arc::from(file), line_starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// What the TOML parser itself could not make sense of.
    pub(super) fn syntax_problem(&self, error: &toml::de::Error) -> Problem {
        Problem {
            file: self.file.to_string(),
            line: self.line(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            message: error.message().replace('\n', ", "),
            remedy: "correct the TOML".to_owned(),
        }
    }
}

/// The type of a value, for people.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A table of any content as JSON. Its depth is bounded: the TOML parser refuses deep nesting.
pub(super) fn json_object(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(digits) => digits.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(json_object(table)),
    }
}
