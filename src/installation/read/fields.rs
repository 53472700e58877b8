//! Reading one TOML table key by key, noting every defect and going on.
//!
//! Each reader names the key it takes, so the keys that are allowed are the keys that are read;
//! [`Fields::finish`] then refuses the rest. A value with a defect reads as `None`: the caller
//! fills in anything, because an installation with problems is never handed out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};
use super::source::{Source, json_object, type_name};
use crate::reading::{self, Reader, Step};
use crate::spelling::suggestion;

mod values;
mod web;

/// A table that is being read.
pub(super) struct Fields<'a, 'i> {
    source: &'a Source,
    section: String,
    line: usize,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
    /// Whether a [`Reader`] has taken every key, and said so of those it does not know.
    all_taken: bool,
    problems: &'a mut Vec<Problem>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The document itself.
    pub(super) fn root(source: &'a Source, table: &'a DeTable<'i>, problems: &'a mut Vec<Problem>) -> Self {
        Self { source, section: String::new(), line: 1, table, known: Vec::new(), all_taken: false, problems }
    }

    /// Notes the keys that are missing.
    pub(super) fn require(&mut self, keys: &[&str]) {
        for key in keys {
            if !self.table.contains_key(*key) {
                self.refuse::<()>(key, self.line, "is missing", format!("add `{key} = …`"));
            }
        }
    }

    /// A table of its own.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'_, 'i>) -> T) -> Option<T> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(read(&mut self.inner(key, self.line_of(value), table))),
            _ => self.mistyped(key, value, "a table", "write `{ key = … }`"),
        }
    }

    /// A list of tables of its own: `[[key]]`.
    pub(super) fn tables<T>(&mut self, key: &'static str, read: impl Fn(&mut Fields<'_, 'i>) -> T) -> Vec<T> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let remedy = format!("write each entry under its own `[[{}]]`", self.full_key(key));
        let DeValue::Array(entries) = value.get_ref() else {
            self.mistyped::<()>(key, value, "a list of tables", &remedy);
            return Vec::new();
        };
        let mut read_entries = Vec::with_capacity(entries.len());
        for entry in entries {
            if let DeValue::Table(table) = entry.get_ref() {
                let mut fields = self.inner(key, self.line_of(entry), table);
                read_entries.push(read(&mut fields));
            } else {
                self.mistyped::<()>(key, entry, "a table", &remedy);
            }
        }
        read_entries
    }

    /// A table of any content, as JSON.
    pub(super) fn json(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(json_object(table)),
            _ => self.mistyped(key, value, "a table", "write `{ key = … }`"),
        }
    }

    /// Reads some keys by a function that requests use too.
    pub(super) fn keys_with<T: Default>(
        &mut self,
        keys: &[&'static str],
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> T {
        self.known.extend(keys);
        let mut object = json_object(self.table);
        object.retain(|key, _| keys.contains(&key.as_str()));
        self.read_with(&object, read)
    }

    /// Reads all keys by a function that requests use too, and keeps the place of every value.
    pub(super) fn all_with<T: Default>(&mut self, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Place) {
        let value = self.read_with(&json_object(self.table), read);
        self.all_taken = true;
        let mut at = self.finish();
        for (key, value) in self.table {
            self.note_lines(key.get_ref(), value, &mut at.key_lines);
        }
        (value, at)
    }

    fn read_with<T: Default>(&mut self, object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let defects = match reading::whole(object, read) {
            Ok(value) => return value,
            Err(defects) => defects,
        };
        for defect in defects {
            let line = self.line_at(&defect.path);
            self.refuse::<()>(&defect.keys(), line, defect.message, defect.remedy);
        }
        T::default()
    }

    /// The line of the innermost value on a path that is there.
    fn line_at(&self, path: &[Step]) -> usize {
        let mut line = self.line;
        let mut table = Some(self.table);
        let mut value = None;
        for step in path {
            value = match step {
                Step::Key(key) => table.and_then(|table| table.get(key.as_str())),
                Step::Entry(at) => match value.map(Spanned::get_ref) {
                    Some(DeValue::Array(entries)) => entries.get(*at),
                    _ => None,
                },
            };
            let Some(found) = value else { break };
            line = self.line_of(found);
            table = match found.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => None,
            };
        }
        line
    }

    /// Notes the line of a value, and of all within it, by their places: `rules[0].name`.
    fn note_lines(&self, place: &str, value: &Spanned<DeValue<'_>>, lines: &mut BTreeMap<String, usize>) {
        lines.insert(place.to_owned(), self.line_of(value));
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    self.note_lines(&format!("{place}.{}", key.get_ref()), value, lines);
                }
            }
            DeValue::Array(entries) => {
                for (at, value) in entries.iter().enumerate() {
                    self.note_lines(&format!("{place}[{at}]"), value, lines);
                }
            }
            _ => {}
        }
    }

    /// Refuses the keys nobody asked for, and keeps the place of the rest.
    pub(super) fn finish(&mut self) -> Place {
        let mut place = Place {
            file: Arc::clone(&self.source.file),
            line: self.line,
            section: self.section.clone(),
            key_lines: BTreeMap::new(),
        };
        for (key, _) in self.table {
            let (name, line) = (key.get_ref(), self.source.line(key.span().start));
            if !self.all_taken && !self.known.contains(&name.as_ref()) {
                let remedy = suggestion(name, &self.known);
                self.refuse::<()>(name, line, "there is no such key", remedy);
            }
            place.key_lines.insert(name.to_string(), line);
        }
        place
    }

    /// Looks a key up and remembers that it is allowed.
    fn take(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn inner<'b>(&'b mut self, key: &str, line: usize, table: &'b DeTable<'i>) -> Fields<'b, 'i> {
        Fields {
            source: self.source,
            section: self.full_key(key),
            line,
            table,
            known: Vec::new(),
            all_taken: false,
            problems: self.problems,
        }
    }

    fn mistyped<T>(&mut self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, remedy: &str) -> Option<T> {
        let message = format!("must be {wanted}, not {}", type_name(value.get_ref()));
        self.refuse(key, self.line_of(value), message, remedy)
    }

    /// Notes a problem. `None`, so that a reader can end with it.
    fn refuse<T>(
        &mut self,
        key: &str,
        line: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        self.problems.push(Problem {
            file: self.source.file.to_string(),
            line,
            key: self.full_key(key),
            message: message.into(),
            remedy: remedy.into(),
        });
        None
    }

    fn full_key(&self, key: &str) -> String {
        if self.section.is_empty() { key.to_owned() } else { format!("{}.{key}", self.section) }
    }

    fn line_of(&self, value: &Spanned<DeValue<'_>>) -> usize {
        self.source.line(value.span().start)
    }
}
