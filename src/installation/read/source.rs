//! One file of an installation: which line an offset is on, and what TOML itself refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::reading::{Defect, Origin, Place, Problem, Step, keys};

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

/// A file with its document: where each value stands, and how it is written.
pub(super) struct Document<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a DeTable<'a>,
}

impl Document<'_> {
    /// The values on a path, as far as they are there, each with its line.
    fn values<'s>(&'s self, path: &'s [Step]) -> impl Iterator<Item = (usize, &'s DeValue<'s>)> {
        let mut table = Some(self.table);
        let mut list: &[Spanned<DeValue<'_>>] = &[];
        path.iter().map_while(move |step| {
            let (start, value) = match step {
                Step::Key(key) => {
                    let (key, value) = table?.get_key_value(key.as_str())?;
                    (key.span().start, value)
                }
                Step::Entry(at) => {
                    let value = list.get(*at)?;
                    (value.span().start, value)
                }
            };
            (table, list) = match value.get_ref() {
                DeValue::Table(table) => (Some(table), &[][..]),
                DeValue::Array(entries) => (None, &entries[..]),
                _ => (None, &[][..]),
            };
            Some((self.source.line(start), value.get_ref()))
        })
    }

    fn value<'s>(&'s self, path: &'s [Step]) -> Option<&'s DeValue<'s>> {
        self.values(path).nth(path.len().checked_sub(1)?).map(|(_, value)| value)
    }

    /// The line of the innermost value on a path that is there.
    fn line_at(&self, path: &[Step]) -> usize {
        self.values(path).last().map_or(1, |(line, _)| line)
    }

    /// A defect, with its line.
    pub(super) fn problem(&self, defect: Defect) -> Problem {
        Problem {
            file: self.source.file.to_string(),
            line: self.line_at(&defect.path),
            key: keys(&defect.path),
            message: defect.message,
            remedy: defect.remedy,
        }
    }

    /// Notes the line of each key of a table, and of all within it, by their places: `rules[0].name`.
    fn note_lines(&self, place: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
        for (key, value) in table {
            let name = key.get_ref();
            let place = if place.is_empty() { name.to_string() } else { format!("{place}.{name}") };
            self.note_lines_within(&place, value.get_ref(), lines);
            lines.insert(place, self.source.line(key.span().start));
        }
    }

    fn note_lines_within(&self, place: &str, value: &DeValue<'_>, lines: &mut BTreeMap<String, usize>) {
        match value {
            DeValue::Table(table) => self.note_lines(place, table, lines),
            DeValue::Array(entries) => {
                for (at, value) in entries.iter().enumerate() {
                    let place = format!("{place}[{at}]");
                    self.note_lines_within(&place, value.get_ref(), lines);
                    lines.insert(place, self.source.line(value.span().start));
                }
            }
            _ => {}
        }
    }
}

impl Origin for Document<'_> {
    fn type_name(&self, path: &[Step]) -> Option<&'static str> {
        self.value(path).map(type_name)
    }

    fn written(&self, path: &[Step]) -> Option<String> {
        match self.value(path)? {
            DeValue::Integer(digits) => Some(digits.to_string()),
            DeValue::Float(digits) => Some(digits.to_string()),
            _ => None,
        }
    }

    fn place(&self, path: &[Step]) -> Place {
        let mut key_lines = BTreeMap::new();
        if let Some(DeValue::Table(table)) = self.value(path) {
            self.note_lines("", table, &mut key_lines);
        }
        Place { file: Arc::clone(&self.source.file), line: self.line_at(path), section: keys(path), key_lines }
    }
}

/// The type of a value, for people.
fn type_name(value: &DeValue<'_>) -> &'static str {
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

/// A table as JSON. Its depth is bounded: the TOML parser refuses deep nesting.
pub(super) fn json_object(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::from(number),
            // Too great for 64 bits, and so for everything that is counted here.
            Err(_) => Value::from(if digits.as_str().starts_with('-') { f64::MIN } else { f64::MAX }),
        },
        DeValue::Float(digits) => digits.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(json_object(table)),
    }
}
