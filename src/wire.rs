//! The form of values in the API: dates with microseconds and `Z`, decimals as strings, prepared JSON.

mod bounded;
pub mod charset;
pub mod pieces;

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::error::Refusal;
use pieces::{Entry, Piece};

/// A date as the Akinon OMS's examples print it: `2023-02-28T08:48:29.679101Z`. Without a fraction if the microseconds
/// are 0, as in Django REST framework.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Timestamp(pub DateTime<Utc>);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = if self.0.nanosecond() < 1000 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        f.write_str(&self.0.to_rfc3339_opts(format, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A moment in UTC, with microseconds where they are not 0."))
            .examples(["2023-02-28T08:48:29.679101Z"])
            .into()
    }
}

impl ToSchema for Timestamp {}

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment)
    }
}

/// Serializes a value that is sent many times.
///
/// # Panics
/// Never: the values given are plain data, whose keys are strings.
#[must_use]
#[expect(clippy::expect_used, reason = "plain data whose keys are strings cannot fail to serialize")]
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("plain data serializes")
}

/// Reads a JSON body, with the messages of a Django REST framework parse error.
///
/// # Errors
/// 400 when the text is no JSON, is nested more than 64 deep, has a key of more than 255 bytes, or more than a million
/// values.
pub fn parse(body: &[u8]) -> Result<Value, Refusal> {
    bounded::parse(body).map_err(Refusal::parse)
}

/// Reads a JSON body that may be a list: each entry of one by itself, so that one that is no JSON does not cost the others.
/// What exceeds a bound costs the whole body.
///
/// # Errors
/// As [`parse`], if it is no list to its end.
pub fn parse_entries(body: &[u8]) -> Result<Body, Refusal> {
    match parse(body) {
        Ok(Value::Array(list)) => Ok(Body::List(list.into_iter().map(Ok).collect())),
        Ok(value) => Ok(Body::One(value)),
        Err(refusal) => match bounded::parse_entries(Piece { text: body, position: 0 }) {
            Some(entries) if !entries.exceed && !entries.are_too_many => Ok(Body::List(entries.list)),
            _ => Err(refusal),
        },
    }
}

/// Reads the list under a key of a JSON object, each entry by itself; none if there is none. False if there are more values
/// in it than one text may have.
#[must_use]
pub fn parse_list_of(object: &[u8], key: &str) -> Option<(Vec<Entry>, bool)> {
    let entries = bounded::parse_entries(pieces::member(object, key)?)?;
    Some((entries.list, !entries.are_too_many))
}

/// What a body has.
#[derive(Debug)]
pub enum Body {
    /// A value that is no list.
    One(Value),
    /// A list, entry by entry.
    List(Vec<Entry>),
}

/// Refuses a value that [`parse`] would not have read: one from elsewhere than a request.
///
/// # Errors
/// 400.
pub fn check_bounds(value: &Value) -> Result<(), Refusal> {
    bounded::check(value).map_err(|problem| Refusal::non_field(&problem))
}

/// The Python type of a JSON value, as the messages of Django REST framework name it.
#[must_use]
pub fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// True if there is a null character in it, which Postgres cannot store.
#[must_use]
pub fn has_null_character(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_null_character),
        Value::Object(object) => object.iter().any(|(key, value)| key.contains('\0') || has_null_character(value)),
        _ => false,
    }
}

/// The same value without null characters, which Postgres cannot keep.
#[must_use]
pub fn without_nulls(value: &Value) -> Cow<'_, Value> {
    if has_null_character(value) { Cow::Owned(strip_nulls(value)) } else { Cow::Borrowed(value) }
}

fn strip_nulls(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "")),
        Value::Array(list) => list.iter().map(strip_nulls).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.replace('\0', ""), strip_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// Refuses a body with another content type than JSON.
///
/// # Errors
/// 415.
pub fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") || essence.is_empty() {
        return Ok(());
    }
    Err(Refusal::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("Unsupported media type \"{text}\" in request.")))
}

/// True if the request has `?dry_run=true`.
///
/// # Errors
/// 400 for a value that is not a boolean.
pub fn dry_run(uri: &Uri) -> Result<bool, Refusal> {
    let query = uri.query().unwrap_or_default();
    match form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "dry_run") {
        None => Ok(false),
        Some((_, value)) => match &*value {
            "true" | "True" | "1" => Ok(true),
            "false" | "False" | "0" | "" => Ok(false),
            _ => Err(Refusal::field("dry_run", "Must be a valid boolean.")),
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn dates_have_microseconds_and_a_z() {
        let moment = Utc.timestamp_micros(1_677_574_109_679_101).single().map(|moment| Timestamp(moment).to_string());
        assert_eq!(moment.as_deref(), Some("2023-02-28T08:48:29.679101Z"));
        let whole = Utc.timestamp_opt(1_677_574_109, 0).single().map(|moment| Timestamp(moment).to_string());
        assert_eq!(whole.as_deref(), Some("2023-02-28T08:48:29Z"));
    }
}
