//! The kinds of value a key may have, and what each of them accepts.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeValue;

use super::Fields;
use crate::installation::read::Translations;
use crate::installation::read::words::parse_word;
use crate::spelling::{is_language_code, suggestion, unsound};

/// Ids are 32-bit on the wire; 0 and below are never given.
const IDS: RangeInclusive<i64> = 1..=i32::MAX as i64;

/// Priorities and quotas.
const COUNTS: RangeInclusive<i64> = 0..=i32::MAX as i64;

impl Fields<'_, '_> {
    /// A text that says something and is fit to print on one line.
    pub(in crate::installation::read) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.take(key)?;
        self.text_of(key, value)
    }

    fn text_of(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => self.sound_text(key, self.line_of(value), text),
            _ => self.mistyped(key, value, "a text", "write it in quotes"),
        }
    }

    /// A text without blanks, by which programs name something.
    pub(in crate::installation::read) fn slug(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        if text.chars().any(char::is_whitespace) {
            let line = self.key_line(key);
            let remedy = format!("write `{}`", text.replace(char::is_whitespace, "-"));
            return self.refuse(key, line, format!("`{text}` has a blank in it"), remedy);
        }
        Some(text)
    }

    /// A list of texts, each once; empty where it is left out.
    pub(in crate::installation::read) fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.list(key, |fields, line, text| fields.sound_text(key, line, text)).unwrap_or_default()
    }

    /// A text in further languages.
    pub(in crate::installation::read) fn translations(&mut self, key: &'static str) -> Translations {
        let Some(value) = self.take(key) else {
            return Translations::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.mistyped::<()>(key, value, "a table", "write `{ \"tr-tr\" = \"…\" }`");
            return Translations::new();
        };
        let mut translations = Translations::new();
        for (language, value) in table {
            let full_key = format!("{key}.{language}");
            if !is_language_code(language.get_ref()) {
                let remedy = "write it like `tr-tr`, in lower case";
                let line = self.line_of(value);
                self.refuse::<()>(&full_key, line, "is no language code", remedy);
            }
            if let Some(text) = self.text_of(&full_key, value) {
                translations.insert(language.to_string(), text);
            }
        }
        translations
    }

    /// `true` or `false`.
    pub(in crate::installation::read) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.mistyped(key, value, "true or false", "write it without quotes"),
        }
    }

    /// A positive id.
    pub(in crate::installation::read) fn id(&mut self, key: &'static str) -> Option<i64> {
        self.integer(key, IDS)
    }

    /// A number of things, or a rank: 0 or more.
    pub(in crate::installation::read) fn count(&mut self, key: &'static str) -> Option<i32> {
        self.integer(key, COUNTS).and_then(|count| i32::try_from(count).ok())
    }

    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.take(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            return self.mistyped(key, value, "a whole number", "write it without quotes");
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let allowed = number.filter(|number| range.contains(number));
        allowed.or_else(|| {
            let (from, to) = range.into_inner();
            let message = format!("{digits} is out of range");
            let remedy = format!("write a number from {from} to {to}");
            self.refuse(key, self.line_of(value), message, remedy)
        })
    }

    /// A coordinate in degrees, from `-limit` to `limit`.
    pub(in crate::installation::read) fn degrees(&mut self, key: &'static str, limit: f64) -> Option<f64> {
        let value = self.take(key)?;
        let number = match value.get_ref() {
            DeValue::Float(digits) => digits.as_str().parse::<f64>().ok(),
            DeValue::Integer(digits) => digits.as_str().parse::<f64>().ok(),
            _ => return self.mistyped(key, value, "a number", "write it without quotes"),
        };
        let allowed = number.filter(|number| (-limit..=limit).contains(number));
        allowed.or_else(|| {
            let remedy = format!("write degrees from -{limit} to {limit}");
            self.refuse(key, self.line_of(value), "is no place on earth", remedy)
        })
    }

    /// One of the words of an enum.
    pub(in crate::installation::read) fn choice<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => self.word(key, self.line_of(value), text),
            _ => self.mistyped(key, value, "a text", "write it in quotes"),
        }
    }

    /// A list of words of an enum, each once.
    pub(in crate::installation::read) fn choices<T>(&mut self, key: &'static str) -> Option<Vec<T>>
    where
        T: DeserializeOwned + PartialEq,
    {
        self.list(key, |fields, line, text| fields.word(key, line, text))
    }

    fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Self, usize, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let DeValue::Array(entries) = value.get_ref() else {
            return self.mistyped(key, value, "a list", "write it in brackets: `[\"…\"]`");
        };
        let mut list = Vec::with_capacity(entries.len());
        for entry in entries {
            let line = self.line_of(entry);
            let DeValue::String(text) = entry.get_ref() else {
                self.mistyped::<()>(key, entry, "a text", "write it in quotes");
                continue;
            };
            match read(self, line, text) {
                Some(item) if list.contains(&item) => {
                    let message = format!("`{text}` stands in it twice");
                    self.refuse::<()>(key, line, message, "name it once");
                }
                Some(item) => list.push(item),
                None => {}
            }
        }
        Some(list)
    }

    fn word<T: DeserializeOwned>(&mut self, key: &str, line: usize, word: &str) -> Option<T> {
        parse_word(word).map_or_else(
            |allowed| {
                let message = format!("`{word}` is not one of its words");
                self.refuse(key, line, message, suggestion(word, allowed))
            },
            Some,
        )
    }

    fn sound_text(&mut self, key: &str, line: usize, text: &str) -> Option<String> {
        let Some((message, remedy)) = unsound(text) else { return Some(text.to_owned()) };
        self.refuse(key, line, message, remedy)
    }

    fn key_line(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.line, |value| self.line_of(value))
    }
}
