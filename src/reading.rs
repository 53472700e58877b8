//! Reading an object key by key, from the installation file or from a request: every defect with its place and remedy.
//!
//! What can be written in both (scenarios, opening hours) is read by one function over a [`Reader`], so that both
//! understand and refuse the same. Each reader names the keys it takes, so the keys that are allowed are those that are
//! read; [`Reader::finish`] refuses the rest. `null` counts as left out. A value with a defect reads as nothing: with
//! defects, what was read is not used.

pub mod values;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::{
    error::Refusal,
    spelling::{suggestion, unsound},
};

/// Most entries of a list.
const MOST_ENTRIES: usize = 1000;

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an entry of a list, from 0.
    Entry(usize),
}

/// One defect: where it is, what it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// From the object that was read.
    pub path: Vec<Step>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl Defect {
    /// A defect of a key of the object itself.
    #[must_use]
    pub fn of_key(key: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: vec![Step::Key(key.to_owned())], message: message.into(), remedy: remedy.into() }
    }

    /// The keys of the path, as in `rules.conditions`.
    #[must_use]
    pub fn keys(&self) -> String {
        let keys = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Entry(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// The whole path, as in `rules[0].conditions[2]`.
    #[must_use]
    pub fn place(&self) -> String {
        let mut place = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if place.is_empty() => place.push_str(key),
                Step::Key(key) => place.extend([".", key]),
                Step::Entry(at) => place.extend(["[", &at.to_string(), "]"]),
            }
        }
        place
    }

    /// Defects as a 400: each under the outermost key, with its place where that is deeper.
    #[must_use]
    pub fn refusal(defects: &[Self]) -> Refusal {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for defect in defects {
            let Some(Step::Key(outermost)) = defect.path.first() else { continue };
            let text = format!("{} — {}", defect.message, defect.remedy);
            let text = if defect.path.len() > 1 { format!("{}: {text}", defect.place()) } else { text };
            fields.entry(outermost.clone()).or_default().push(text);
        }
        Refusal::fields(fields)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} — {}", self.place(), self.message, self.remedy)
    }
}

/// Reads a whole object.
///
/// # Errors
/// Every defect, in the order in which it was found.
pub fn whole<T>(object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Vec<Defect>> {
    let mut defects = Vec::new();
    let value = read(&mut Reader { object, path: Vec::new(), known: Vec::new(), defects: &mut defects });
    if defects.is_empty() { Ok(value) } else { Err(defects) }
}

/// An object that is being read.
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
    path: Vec<Step>,
    known: Vec<&'static str>,
    defects: &'a mut Vec<Defect>,
}

impl Reader<'_> {
    /// Notes the keys that are missing.
    pub fn require(&mut self, keys: &[&str]) {
        for key in keys {
            if self.object.get(*key).is_none_or(Value::is_null) {
                self.refuse(key, "is missing", format!("add `{key}`"));
            }
        }
    }

    /// Notes a defect of a key.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.refuse_at(&[Step::Key(key.to_owned())], message, remedy);
    }

    fn refuse_at(&mut self, steps: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        let path = self.path.iter().chain(steps).cloned().collect();
        self.defects.push(Defect { path, message: message.into(), remedy: remedy.into() });
    }

    fn take(&mut self, key: &'static str) -> Option<&Value> {
        self.known.push(key);
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn mistyped(&mut self, steps: &[Step], value: &Value, wanted: &str, remedy: &str) {
        self.refuse_at(steps, format!("must be {wanted}, not {}", type_name(value)), remedy);
    }

    /// Whether a key is given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| !value.is_null())
    }

    /// A text that says something and is fit to print on one line.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?.clone();
        self.text_of(&[Step::Key(key.to_owned())], &value)
    }

    fn text_of(&mut self, steps: &[Step], value: &Value) -> Option<String> {
        let Value::String(text) = value else {
            self.mistyped(steps, value, "a text", "write it in quotes");
            return None;
        };
        if let Some((message, remedy)) = unsound(text) {
            self.refuse_at(steps, message, remedy);
            return None;
        }
        Some(text.clone())
    }

    /// A text without blanks, by which programs name something.
    pub fn slug(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if text.chars().any(char::is_whitespace) {
            let remedy = format!("write `{}`", text.replace(char::is_whitespace, "-"));
            self.refuse(key, format!("`{text}` has a blank in it"), remedy);
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?.clone();
        if value.as_bool().is_none() {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "true or false", "write it without quotes");
        }
        value.as_bool()
    }

    /// A whole number.
    pub fn count(&mut self, key: &'static str, range: RangeInclusive<i32>) -> Option<i32> {
        let value = self.take(key)?.clone();
        let Value::Number(number) = &value else {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a whole number", "write it without quotes");
            return None;
        };
        if number.is_f64() {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a whole number", "write it without a fraction");
            return None;
        }
        let read = number.as_i64().and_then(|number| i32::try_from(number).ok());
        let allowed = read.filter(|number| range.contains(number));
        if allowed.is_none() {
            let (from, to) = range.into_inner();
            self.refuse(key, format!("{number} is out of range"), format!("write a number from {from} to {to}"));
        }
        allowed
    }

    /// A number of kilometres up to the farthest on Earth, as whole metres.
    pub fn kilometres(&mut self, key: &'static str) -> Option<i64> {
        const FARTHEST: f64 = 20_040.0;
        let value = self.take(key)?.clone();
        let Some(kilometres) = value.as_f64() else {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a number", "write it without quotes");
            return None;
        };
        if !(0.0..=FARTHEST).contains(&kilometres) {
            let remedy = format!("write a number from 0 to {FARTHEST}");
            self.refuse(key, format!("{kilometres} is out of range"), remedy);
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most twenty million")]
        Some((kilometres * 1000.0).round() as i64)
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.word_of(&[Step::Key(key.to_owned())], &text, words)
    }

    fn word_of<T: Copy>(&mut self, steps: &[Step], text: &str, words: &[(&'static str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.refuse_at(steps, format!("`{text}` is not one of its words"), suggestion(text, &allowed));
        }
        found
    }

    /// A list of words, each once.
    pub fn words<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Vec<T> {
        let texts = self.texts_with_steps(key);
        texts.iter().filter_map(|(steps, text)| self.word_of(steps, text, words)).collect()
    }

    /// A list of texts, each once; empty where it is left out.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.texts_with_steps(key).into_iter().map(|(_, text)| text).collect()
    }

    fn texts_with_steps(&mut self, key: &'static str) -> Vec<(Vec<Step>, String)> {
        let Some(entries) = self.list(key) else { return Vec::new() };
        let mut texts: Vec<(Vec<Step>, String)> = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = vec![Step::Key(key.to_owned()), Step::Entry(at)];
            let Some(text) = self.text_of(&steps, value) else { continue };
            if texts.iter().any(|(_, other)| *other == text) {
                self.refuse_at(&steps, format!("`{text}` stands in it twice"), "name it once");
            } else {
                texts.push((steps, text));
            }
        }
        texts
    }

    /// A list of texts, or the one text of such a list alone.
    pub fn text_or_texts(&mut self, key: &'static str) -> Vec<String> {
        match self.object.get(key) {
            Some(Value::String(_)) => self.text(key).into_iter().collect(),
            _ => self.texts(key),
        }
    }

    /// A list; its entries are read by the caller.
    fn list(&mut self, key: &'static str) -> Option<Vec<Value>> {
        let value = self.take(key)?.clone();
        let Value::Array(entries) = value else {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a list", "write it in brackets: `[\"…\"]`");
            return None;
        };
        if entries.len() > MOST_ENTRIES {
            let message = format!("has {} entries", entries.len());
            self.refuse(key, message, format!("write at most {MOST_ENTRIES}"));
            return None;
        }
        Some(entries)
    }

    /// An object of its own.
    pub fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        let value = self.take(key)?.clone();
        let Value::Object(object) = &value else {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a table", "write `{ key = … }`");
            return None;
        };
        Some(self.inner(&[Step::Key(key.to_owned())], object, read))
    }

    /// A list of objects, or of what is not an object, which `word` reads.
    pub fn objects_or_words<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Reader<'_>) -> Option<T>,
        word: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<T> {
        let Some(entries) = self.list(key) else { return Vec::new() };
        let mut all = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = [Step::Key(key.to_owned()), Step::Entry(at)];
            if let Value::Object(object) = value {
                all.extend(self.inner(&steps, object, &read));
                continue;
            }
            let Some(text) = self.text_of(&steps, value) else { continue };
            match word(&text) {
                Ok(meaning) => all.push(meaning),
                Err((message, remedy)) => self.refuse_at(&steps, message, remedy),
            }
        }
        all
    }

    /// A list of objects.
    pub fn objects<T>(&mut self, key: &'static str, remedy: &str, read: impl Fn(&mut Reader<'_>) -> T) -> Vec<T> {
        let Some(entries) = self.list(key) else { return Vec::new() };
        let mut all = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = [Step::Key(key.to_owned()), Step::Entry(at)];
            match value {
                Value::Object(object) => all.push(self.inner(&steps, object, &read)),
                _ => self.mistyped(&steps, value, "a table", remedy),
            }
        }
        all
    }

    /// An object of keys that somebody else names, each with a list of texts.
    pub fn lists_by_name(&mut self, key: &'static str) -> BTreeMap<String, Vec<String>> {
        let Some(value) = self.take(key).cloned() else { return BTreeMap::new() };
        let Value::Object(object) = &value else {
            self.mistyped(&[Step::Key(key.to_owned())], &value, "a table", "write `{ name = [\"…\"] }`");
            return BTreeMap::new();
        };
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in object {
            let entries = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            if entries.is_empty() {
                let steps = [Step::Key(key.to_owned()), Step::Key(name.clone())];
                self.refuse_at(&steps, "names no value", "name one, or leave it out");
            }
            for (at, entry) in entries.iter().enumerate() {
                let steps = [Step::Key(key.to_owned()), Step::Key(name.clone()), Step::Entry(at)];
                if let Some(text) = self.text_of(&steps, entry) {
                    lists.entry(name.clone()).or_default().push(text);
                }
            }
        }
        lists
    }

    fn inner<T>(&mut self, steps: &[Step], object: &Map<String, Value>, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let path = self.path.iter().chain(steps).cloned().collect();
        read(&mut Reader { object, path, known: Vec::new(), defects: self.defects })
    }

    /// Refuses the keys nobody asked for.
    pub fn finish(&mut self) {
        let object = self.object;
        for key in object.keys() {
            if !self.known.contains(&key.as_str()) {
                let remedy = suggestion(key, &self.known);
                self.refuse(key, "there is no such key", remedy);
            }
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
