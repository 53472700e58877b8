//! Lists, and objects whose keys somebody else names.

use std::collections::{BTreeMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{
    Reader, Step, Voice,
    kinds::{Lines, one_of},
    schema_in, values,
};
use crate::spelling::unsound;

/// Most entries of a list, but in a file.
const MOST_ENTRIES: usize = 1000;

impl<'a> Reader<'a> {
    /// A list; its entries are read by the caller.
    fn list(&mut self, key: &'static str, entries: &Value) -> Option<&'a [Value]> {
        let value = self.given(key, || json!({ "type": "array", "items": entries }))?;
        let Value::Array(entries) = value else {
            self.mistyped(&[key.into()], value, "a list", "write it in brackets: `[\"…\"]`");
            return None;
        };
        if entries.len() > MOST_ENTRIES && !matches!(self.voice, Voice::File(_)) {
            let message = format!("has {} entries", entries.len());
            self.refuse(key, message, format!("write at most {MOST_ENTRIES}"));
            return None;
        }
        Some(entries)
    }

    /// A list of texts, each once; empty where it is left out.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.texts_if_given(key).unwrap_or_default()
    }

    /// A list of texts, each once.
    pub fn texts_if_given(&mut self, key: &'static str) -> Option<Vec<String>> {
        if self.is_request() {
            return self.texts_of_request(key);
        }
        Some(self.texts_with_steps(key)?.into_iter().map(|(_, text)| text).collect())
    }

    fn texts_of_request(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key, || json!({ "type": "array", "items": { "type": "string" } }))?;
        let texts = value.as_array().map(|list| list.iter().map(|text| Some(super::name(text.as_str()?).into_owned())));
        let Some(texts) = texts.and_then(Iterator::collect::<Option<Vec<String>>>) else {
            self.wrong(key, "A list of texts is required.");
            return None;
        };
        if let Some((text, (message, remedy))) = texts.iter().find_map(|text| Some((text, unsound(text)?))) {
            self.wrong(key, format!("`{text}` {message} — {remedy}"));
            return None;
        }
        // A file has each once, too.
        let mut known = HashSet::new();
        Some(texts.into_iter().filter(|text| known.insert(text.clone())).collect())
    }

    fn texts_with_steps(&mut self, key: &'static str) -> Option<Vec<(Vec<Step>, String)>> {
        let entries = self.list(key, &json!({ "type": "string" }))?;
        let mut texts: Vec<(Vec<Step>, String)> = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = vec![key.into(), Step::Entry(at)];
            let Some(text) = self.text_of(&steps, value, usize::MAX, Lines::One) else { continue };
            if texts.iter().any(|(_, other)| *other == text) {
                self.refuse_at(&steps, format!("`{text}` stands in it twice"), "name it once");
            } else {
                texts.push((steps, text));
            }
        }
        Some(texts)
    }

    /// A list of ids of other objects.
    pub fn ids(&mut self, key: &'static str) -> Option<Vec<i64>> {
        let entries = self.list(key, &json!({ "type": "integer" }))?;
        let ids = values::integers(entries);
        if ids.is_none() {
            self.wrong(key, "A list of ids is required.");
        }
        ids
    }

    /// A list of words, each once.
    pub fn words<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Vec<T> {
        let texts = self.texts_with_steps(key).unwrap_or_default();
        self.describe(key, || json!({ "type": "array", "items": one_of(words) }));
        texts.iter().filter_map(|(steps, text)| self.word_of(steps, text, words)).collect()
    }

    /// A list of words of an enum, each once.
    pub fn choices<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let texts = self.texts_with_steps(key)?;
        Some(texts.iter().filter_map(|(steps, text)| self.choice_of(steps, text)).collect())
    }

    /// A list of texts, or the one text of such a list alone.
    pub fn text_or_texts(&mut self, key: &'static str) -> Vec<String> {
        match self.object.get(key) {
            Some(Value::String(_)) => self.text(key).into_iter().collect(),
            _ => self.texts(key),
        }
    }

    /// A list of objects, or of texts that `word` reads.
    pub fn objects_or_words<T: PartialSchema>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Reader<'_>) -> Option<T>,
        word: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<T> {
        let entries = self.list(key, &json!(T::schema())).unwrap_or_default();
        let mut all = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = [key.into(), Step::Entry(at)];
            if let Value::Object(object) = value {
                all.extend(self.inner(&steps, object, &read));
                continue;
            }
            let Some(text) = self.text_of(&steps, value, usize::MAX, Lines::One) else { continue };
            match word(&text) {
                Ok(meaning) => all.push(meaning),
                Err((message, remedy)) => self.refuse_at(&steps, message, remedy),
            }
        }
        all
    }

    /// A list of objects.
    pub fn objects<T>(&mut self, key: &'static str, remedy: &str, read: impl Fn(&mut Reader<'_>) -> T) -> Vec<T> {
        let entries = self.list(key, &Value::Null).unwrap_or_default();
        let voice = self.voice;
        self.describe(key, || json!({ "type": "array", "items": schema_in(voice, |reader| drop(read(reader))) }));
        self.each_object(key, entries, remedy, read)
    }

    /// The tables of a file that are written under their own `[[key]]`.
    pub fn tables<T>(&mut self, key: &'static str, read: impl Fn(&mut Reader<'_>) -> T) -> Vec<T> {
        let remedy = format!("write each entry under its own `[[{key}]]`");
        match self.given(key, || json!({ "type": "array" })) {
            None => Vec::new(),
            Some(Value::Array(entries)) => self.each_object(key, entries, &remedy, read),
            Some(value) => {
                self.mistyped(&[key.into()], value, "a list of tables", &remedy);
                Vec::new()
            }
        }
    }

    fn each_object<T>(
        &mut self,
        key: &str,
        entries: &[Value],
        remedy: &str,
        read: impl Fn(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(entries.len());
        for (at, value) in entries.iter().enumerate() {
            let steps = [key.into(), Step::Entry(at)];
            match value {
                Value::Object(object) => all.push(self.inner(&steps, object, &read)),
                _ => self.mistyped(&steps, value, "a table", remedy),
            }
        }
        all
    }

    /// An object of keys that somebody else names, each with a text; `judge` says what is wrong with a key.
    pub fn texts_by_name(
        &mut self,
        key: &'static str,
        example: &str,
        judge: impl Fn(&str) -> Option<(&'static str, &'static str)>,
    ) -> BTreeMap<String, String> {
        let texts = || json!({ "type": "object", "additionalProperties": { "type": "string" } });
        let Some(value) = self.given(key, texts) else { return BTreeMap::new() };
        let Value::Object(object) = value else {
            self.mistyped(&[key.into()], value, "a table", example);
            return BTreeMap::new();
        };
        let mut texts = BTreeMap::new();
        for (name, value) in object {
            let steps = [key.into(), Step::Key(name.clone())];
            if let Some((message, remedy)) = judge(name) {
                self.refuse_at(&steps, message, remedy);
            }
            if let Some(text) = self.text_of(&steps, value, usize::MAX, Lines::One) {
                texts.insert(name.clone(), text);
            }
        }
        texts
    }

    /// An object of keys that somebody else names, each with a list of texts.
    pub fn lists_by_name(&mut self, key: &'static str) -> BTreeMap<String, Vec<String>> {
        let lists =
            || json!({ "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } });
        let Some(value) = self.given(key, lists) else { return BTreeMap::new() };
        let Value::Object(object) = value else {
            self.mistyped(&[key.into()], value, "a table", "write `{ name = [\"…\"] }`");
            return BTreeMap::new();
        };
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in object {
            let entries = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            if entries.is_empty() {
                let steps = [key.into(), Step::Key(name.clone())];
                self.refuse_at(&steps, "names no value", "name one, or leave it out");
            }
            for (at, entry) in entries.iter().enumerate() {
                let steps = [key.into(), Step::Key(name.clone()), Step::Entry(at)];
                if let Some(text) = self.text_of(&steps, entry, usize::MAX, Lines::One) {
                    lists.entry(super::name(name).into_owned()).or_default().push(text);
                }
            }
        }
        lists
    }
}
