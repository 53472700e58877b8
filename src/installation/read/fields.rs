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
use super::spelling::suggestion;

mod values;

/// A table that is being read.
pub(super) struct Fields<'a, 'i> {
    source: &'a Source,
    section: String,
    line: usize,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The document itself.
    pub(super) fn root(source: &'a Source, table: &'a DeTable<'i>, problems: &'a mut Vec<Problem>) -> Self {
        Self { source, section: String::new(), line: 1, table, known: Vec::new(), problems }
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
            if !self.known.contains(&name.as_ref()) {
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
