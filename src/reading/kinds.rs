//! The kinds of value a key may have, and what each of them accepts in either voice.

use std::{borrow::Cow, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use serde::de::{self, DeserializeOwned, IntoDeserializer, value::StrDeserializer};
use serde_json::{Map, Value, json};

use super::{Decimal, Defect, NO_NULL_CHARACTERS, Reader, Step, name, values};
use crate::{
    secret::Secret,
    spelling::{MOST_IN_A_LINE, suggestion, unsound},
    wire,
};

/// Longest text of a request where nothing else is said, in characters.
const LONGEST_TEXT: usize = 255;
/// What is said of a number with an exponent where a text is wanted.
const NO_DIGITS: &str = "A number with an exponent is no text: send all its digits, in quotes.";
/// Ids are 32-bit on the wire; 0 and below are never given.
const IDS: RangeInclusive<i64> = 1..=i32::MAX as i64;
/// The greatest amount of anything.
const MOST: f64 = 1e9;
/// Lines that a text may have, where somebody writes it. In a request it may always have several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Several,
    /// As many, of a text that is only shown.
    Prose,
}

impl Lines {
    /// A text in its form: a name or a code as it is compared, what is only shown as it came.
    fn form(self, text: &str) -> Cow<'_, str> {
        if self == Self::Prose { Cow::Borrowed(text.trim()) } else { name(text) }
    }
}

/// A number of things.
pub const COUNTS: RangeInclusive<i32> = 0..=i32::MAX;

impl Reader<'_> {
    /// A name or a code that says something, in the form in which it is compared. In a request it has at most 255 characters;
    /// written it is fit for one line.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.text_within(key, LONGEST_TEXT)
    }

    /// The same, with another limit for requests.
    pub fn text_within(&mut self, key: &'static str, most: usize) -> Option<String> {
        self.text_in(key, most, Lines::One)
    }

    /// One that may have several lines also where it is written: what a request has stored, a file can say.
    pub fn lines(&mut self, key: &'static str) -> Option<String> {
        self.lines_within(key, LONGEST_TEXT)
    }

    /// The same, with another limit.
    pub fn lines_within(&mut self, key: &'static str, most: usize) -> Option<String> {
        self.text_in(key, most, Lines::Several)
    }

    /// A text that is only shown, and that nothing is compared with or found by: as it came, without the blanks around it.
    pub fn prose(&mut self, key: &'static str) -> Option<String> {
        self.prose_within(key, LONGEST_TEXT)
    }

    /// The same, with another limit.
    pub fn prose_within(&mut self, key: &'static str, most: usize) -> Option<String> {
        self.text_in(key, most, Lines::Prose)
    }

    fn text_in(&mut self, key: &'static str, most: usize, lines: Lines) -> Option<String> {
        let value = self.given(key, || json!({ "type": "string", "minLength": 1, "maxLength": most }))?;
        let text = self.text_of(&[key.into()], value, most, lines)?;
        if !text.is_empty() {
            return Some(text);
        }
        if self.is_request() {
            self.wrong(key, "This field may not be blank.");
        } else {
            self.refuse(key, "is empty", "write a text, or leave the key out");
        }
        None
    }

    /// A name or a code of several lines that may be empty, and that a request may set to null.
    pub fn nullable_text(&mut self, key: &'static str, most: usize) -> Option<Option<String>> {
        self.nullable_text_in(key, most, Lines::Several)
    }

    /// The same of a text that is only shown ([`prose`](Self::prose)).
    pub fn nullable_prose(&mut self, key: &'static str, most: usize) -> Option<Option<String>> {
        self.nullable_text_in(key, most, Lines::Prose)
    }

    fn nullable_text_in(&mut self, key: &'static str, most: usize, lines: Lines) -> Option<Option<String>> {
        match self.nullable(key, || json!({ "type": "string", "maxLength": most }))? {
            None => Some(None),
            Some(value) => self.text_of(&[key.into()], value, most, lines).map(Some),
        }
    }

    /// A text as it is written, with the blanks around it, fit for one line.
    pub fn verbatim(&mut self, key: &'static str) -> Option<String> {
        let value = self.given(key, || json!({ "type": "string", "minLength": 1 }))?;
        let text = self.written(&[key.into()], value)?;
        match unsound(text) {
            None => Some(text.to_owned()),
            Some((message, remedy)) => {
                self.refuse(key, message, remedy);
                None
            }
        }
    }

    /// A password: a text as it is, with the blanks around it. A request may set it to null.
    pub fn password(&mut self, key: &'static str) -> Option<Option<Secret>> {
        let value = self.nullable(key, || json!({ "type": "string", "minLength": 1 }))?;
        match value {
            None => Some(None),
            Some(Value::String(text)) if text.is_empty() => {
                self.wrong(key, "This field may not be blank.");
                None
            }
            Some(Value::String(text)) if text.contains('\0') => {
                self.wrong(key, NO_NULL_CHARACTERS);
                None
            }
            Some(Value::String(text)) => Some(Some(text.as_str().into())),
            Some(_) => {
                self.wrong(key, "Not a valid string.");
                None
            }
        }
    }

    /// A password that has to be there.
    pub fn given_password(&mut self, key: &'static str) -> Option<Secret> {
        let password = self.password(key)?;
        if password.is_none() {
            self.wrong(key, "This field may not be null.");
        }
        password
    }

    /// A text without the blanks around it. One that may have several lines may be empty here.
    pub(super) fn text_of(&mut self, steps: &[Step], value: &Value, most: usize, lines: Lines) -> Option<String> {
        if !self.is_request() {
            return self.sound_text(steps, value, most, lines);
        }
        let read = if lines == Lines::Prose { values::prose(value) } else { values::name(value) };
        let message = match read {
            None if wire::has_null_character(value) => NO_NULL_CHARACTERS.to_owned(),
            None if values::has_exponent(value) => NO_DIGITS.to_owned(),
            None => "Not a valid string.".to_owned(),
            Some(text) if text.chars().count() > most => {
                format!("Ensure this field has no more than {most} characters.")
            }
            Some(text) => return Some(text),
        };
        self.refuse_at(steps, message, "");
        None
    }

    fn sound_text(&mut self, steps: &[Step], value: &Value, most: usize, lines: Lines) -> Option<String> {
        let text = lines.form(self.written(steps, value)?);
        let most = most.max(MOST_IN_A_LINE);
        let (message, remedy) = match lines {
            Lines::One => match unsound(&text) {
                None => return Some(text.into_owned()),
                Some((message, remedy)) => (message.to_owned(), remedy),
            },
            _ if text.contains('\0') => ("has a null character in it".to_owned(), "take it away"),
            _ if text.chars().count() > most => (format!("is longer than {most} characters"), "shorten it"),
            _ => return Some(text.into_owned()),
        };
        self.refuse_at(steps, message, remedy);
        None
    }

    /// What is written as a text.
    fn written<'v>(&mut self, steps: &[Step], value: &'v Value) -> Option<&'v str> {
        let text = value.as_str().filter(|_| !self.is_written_as_date(steps));
        if text.is_none() {
            self.mistyped(steps, value, "a text", "write it in quotes");
        }
        text
    }

    /// Dates of a file are texts in JSON.
    fn is_written_as_date(&self, steps: &[Step]) -> bool {
        match self.voice {
            super::Voice::File(origin) => origin.type_name(&self.full_path(steps)) == Some("a date"),
            _ => false,
        }
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
        let value = self.given(key, || json!({ "type": "boolean" }))?;
        let flag = if self.is_request() { values::boolean(value) } else { value.as_bool() };
        if flag.is_none() && self.is_request() {
            self.wrong(key, "Must be a valid boolean.");
        } else if flag.is_none() {
            self.mistyped(&[key.into()], value, "true or false", "write it without quotes");
        }
        flag
    }

    /// A whole number.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.given(key, || integer_schema(&range))?;
        self.integer_of(key, value, range, "A valid integer is required.")
    }

    /// A whole number of 32 bits.
    pub fn count(&mut self, key: &'static str, range: RangeInclusive<i32>) -> Option<i32> {
        let (from, to) = range.into_inner();
        self.integer(key, i64::from(from)..=i64::from(to)).and_then(|number| i32::try_from(number).ok())
    }

    /// A number of things that a request may set to null.
    pub fn nullable_count(&mut self, key: &'static str) -> Option<Option<i32>> {
        let number = self.nullable_integer(key, 0..=i64::from(*COUNTS.end()))?;
        Some(number.and_then(|number| i32::try_from(number).ok()))
    }

    /// A whole number that a request may set to null.
    pub fn nullable_integer(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<Option<i64>> {
        match self.nullable(key, || integer_schema(&range))? {
            None => Some(None),
            Some(value) => self.integer_of(key, value, range, "A valid integer is required.").map(Some),
        }
    }

    /// Most of something; in a request null stands for no limit.
    pub fn limit(&mut self, key: &'static str) -> Option<Option<i64>> {
        let range = 0..=i64::MAX;
        match self.nullable(key, || json!({ "type": "integer", "minimum": 0 }))? {
            None => Some(None),
            Some(value) => {
                self.integer_of(key, value, range, "A valid integer is required. Send null for no limit.").map(Some)
            }
        }
    }

    fn integer_of(&mut self, key: &str, value: &Value, range: RangeInclusive<i64>, required: &str) -> Option<i64> {
        if self.is_request() {
            let message = match values::integer(value) {
                None => required.to_owned(),
                Some(number) if number < *range.start() => {
                    format!("Ensure this value is greater than or equal to {}.", range.start())
                }
                Some(number) if number > *range.end() => {
                    format!("Ensure this value is less than or equal to {}.", range.end())
                }
                number => return number,
            };
            self.wrong(key, message);
            return None;
        }
        let steps = [key.into()];
        let Value::Number(number) = value else {
            self.mistyped(&steps, value, "a whole number", "write it without quotes");
            return None;
        };
        // A whole number too great for 64 bits is a float in JSON.
        if number.as_f64().is_some_and(|float| number.is_f64() && float.abs() < 9e18) {
            self.mistyped(&steps, value, "a whole number", "write it without a fraction");
            return None;
        }
        let allowed = number.as_i64().filter(|number| range.contains(number));
        if allowed.is_none() {
            self.out_of_range(key, value, range.into_inner());
        }
        allowed
    }

    /// A decimal number as text, as its column keeps it and with at least so many places, which a request may set to null.
    pub fn nullable_decimal(
        &mut self,
        key: &'static str,
        column: Decimal,
        least_places: usize,
    ) -> Option<Option<String>> {
        let Some(value) = self.nullable(key, || json!({ "type": ["string", "number"] }))? else { return Some(None) };
        match column.read(&values::digits_of(value).unwrap_or_default(), least_places) {
            Ok(number) => Some(Some(number)),
            Err(message) => {
                self.wrong(key, message);
                None
            }
        }
    }

    /// Units on a shelf, as whoever counts writes them: part of a unit is none, and less than none is 0. Neither promises
    /// goods that are not there.
    pub fn units(&mut self, key: &'static str, most: i64) -> Option<i64> {
        let value = self.given(key, || json!({ "type": ["number", "string"] }))?;
        let message = match values::units(value) {
            None => "A valid number is required.".to_owned(),
            Some(units) if units > most => format!("Ensure this value is less than or equal to {most}."),
            units => return units,
        };
        self.wrong(key, message);
        None
    }

    /// A moment in ISO 8601.
    pub fn date_time(&mut self, key: &'static str) -> Option<DateTime<Utc>> {
        // No `format`: Django takes other forms than ISO 8601 as well.
        let value = self.given(key, || json!({ "type": "string" }))?;
        let moment = value.as_str().and_then(values::date_time);
        if moment.is_none() {
            let usual = "Datetime has wrong format. Use ISO 8601, such as 2026-01-31T12:00:00Z.";
            self.wrong(key, values::wrong_date(value.as_str().unwrap_or_default(), usual));
        }
        moment
    }

    /// The id of another object.
    pub fn id(&mut self, key: &'static str) -> Option<i64> {
        let value = self.given(key, || json!({ "type": "integer" }))?;
        self.id_of(key, value)
    }

    /// The id of another object, which a request may set to null.
    pub fn nullable_id(&mut self, key: &'static str) -> Option<Option<i64>> {
        match self.nullable(key, || json!({ "type": "integer" }))? {
            None => Some(None),
            Some(value) => self.id_of(key, value).map(Some),
        }
    }

    fn id_of(&mut self, key: &str, value: &Value) -> Option<i64> {
        if !self.is_request() {
            return self.integer_of(key, value, IDS, "");
        }
        let id = values::integer(value);
        if id.is_none() {
            let found = wire::python_type(value);
            self.wrong(key, format!("Incorrect type. Expected pk value, received {found}."));
        }
        id
    }

    /// A coordinate in degrees, from `-most` to `most`, which a request may set to null.
    pub fn degrees(&mut self, key: &'static str, most: f64) -> Option<Option<f64>> {
        let schema = || json!({ "type": "number", "minimum": -most, "maximum": most });
        let value = match self.nullable(key, schema) {
            Some(Some(value)) => value,
            Some(None) => return Some(None),
            // `nan` and `inf` of a file are null in JSON.
            None if self.is_written_as_number(key) => &Value::Null,
            None => return None,
        };
        let allowed = if self.is_request() {
            values::degrees(value, most)
        } else {
            value.as_f64().filter(|number| number.abs() <= most)
        };
        if allowed.is_some() {
            return Some(allowed);
        }
        if self.is_request() {
            self.wrong(key, format!("A number of degrees between -{most} and {most} is required."));
        } else if value.is_number() || self.is_written_as_number(key) {
            self.refuse(key, "is no place on earth", format!("write degrees from -{most} to {most}"));
        } else {
            self.mistyped(&[key.into()], value, "a number", "write it without quotes");
        }
        None
    }

    fn is_written_as_number(&self, key: &str) -> bool {
        match self.voice {
            super::Voice::File(origin) => origin.type_name(&self.full_path(&[key.into()])) == Some("a number"),
            _ => false,
        }
    }

    /// Most of something that is measured; in a request null stands for no limit.
    pub fn amount(&mut self, key: &'static str) -> Option<Option<f64>> {
        let Some(value) = self.nullable(key, || json!({ "type": "number", "minimum": 0, "maximum": MOST }))? else {
            return Some(None);
        };
        let number = if self.is_request() { values::number(value) } else { value.as_f64() };
        if number.is_some_and(|number| (0.0..=MOST).contains(&number)) {
            return Some(number);
        }
        match number {
            _ if self.is_request() => {
                self.wrong(key, format!("A number from 0 to {MOST} is required. Send null for no limit."));
            }
            Some(_) => self.out_of_range(key, value, (0, MOST)),
            None => self.mistyped(&[key.into()], value, "a number", "write it without quotes"),
        }
        None
    }

    /// A number of kilometres up to the farthest on Earth, as whole metres.
    pub fn kilometres(&mut self, key: &'static str) -> Option<i64> {
        const FARTHEST: f64 = 20_040.0;
        let value = self.given(key, || json!({ "type": "number", "minimum": 0, "maximum": FARTHEST }))?;
        let Some(kilometres) = value.as_f64() else {
            self.mistyped(&[key.into()], value, "a number", "write it without quotes");
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

    /// An object of any content.
    pub fn json(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        let value = self.given(key, || json!({ "type": "object" }))?;
        match value {
            Value::Object(_) if self.is_request() && wire::has_null_character(value) => {
                self.wrong(key, NO_NULL_CHARACTERS);
                None
            }
            Value::Object(object) => Some(object.clone()),
            _ => {
                self.no_object(key, value);
                None
            }
        }
    }

    /// An object that is written alike everywhere: in a request its defects are told with their remedies.
    pub fn writing<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        if self.is_described() {
            self.take(key, || super::schema_as_written(|reader| drop(read(reader))));
            return None;
        }
        let object = self.json(key)?;
        match super::whole(&object, read) {
            Ok(value) => Some(value),
            Err(defects) => {
                for message in defects.iter().map(Defect::to_string) {
                    self.wrong(key, message);
                }
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key);
        self.describe(key, || one_of(words));
        self.word_of(&[key.into()], &text?, words)
    }

    pub(super) fn word_of<T: Copy>(&mut self, steps: &[Step], text: &str, words: &[(&'static str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.no_such_word(steps, text, &allowed);
        }
        found
    }

    /// One of the words of an enum.
    pub fn choice<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let text = self.text(key)?;
        self.choice_of(&[key.into()], &text)
    }

    pub(super) fn choice_of<T: DeserializeOwned>(&mut self, steps: &[Step], text: &str) -> Option<T> {
        let deserializer: StrDeserializer<'_, NotAWord> = text.into_deserializer();
        match T::deserialize(deserializer) {
            Ok(value) => Some(value),
            Err(NotAWord { allowed }) => {
                self.no_such_word(steps, text, allowed);
                None
            }
        }
    }

    fn no_such_word(&mut self, steps: &[Step], text: &str, allowed: &[&str]) {
        if self.is_request() {
            self.refuse_at(steps, format!("\"{text}\" is not a valid choice."), "");
        } else {
            self.refuse_at(steps, format!("`{text}` is not one of its words"), suggestion(text, allowed));
        }
    }
}

pub(super) fn one_of<T>(words: &[(&'static str, T)]) -> Value {
    json!({ "type": "string", "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

fn integer_schema(range: &RangeInclusive<i64>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

/// The error that a word out of no enum makes: it remembers the words of the enum.
#[derive(Debug)]
struct NotAWord {
    allowed: &'static [&'static str],
}

impl de::Error for NotAWord {
    fn custom<T: std::fmt::Display>(_message: T) -> Self {
        Self { allowed: &[] }
    }

    fn unknown_variant(_variant: &str, allowed: &'static [&'static str]) -> Self {
        Self { allowed }
    }
}

impl std::error::Error for NotAWord {}

impl std::fmt::Display for NotAWord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.allowed.join(", "))
    }
}
