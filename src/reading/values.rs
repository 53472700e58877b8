//! What counts as a number or a flag in a request: the rules of Django REST framework, whoever reads.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value;

/// A whole number, or the digits of one; `5.0` counts as 5.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    let whole = |text: &str| match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole.parse().ok(),
        _ => text.parse().ok(),
    };
    match value {
        Value::String(text) => whole(text.trim()),
        Value::Number(number) => number.as_i64().or_else(|| whole(&number.to_string())),
        _ => None,
    }
}

/// Whole numbers only.
#[must_use]
pub fn integers(list: &[Value]) -> Option<Vec<i64>> {
    list.iter().map(integer).collect()
}

/// What Django REST framework takes for true and false.
#[must_use]
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
            _ => None,
        },
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "t" | "y" | "yes" | "true" | "on" | "1" => Some(true),
            "f" | "n" | "no" | "false" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A number, or the digits of one.
#[must_use]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    }
}

/// A text without the blanks around it; a number is its digits.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// True for the years of Django: Postgres knows no dates as far away as Rust does.
#[must_use]
pub fn is_storable(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

/// A moment in ISO 8601, or the midnight of a date.
#[must_use]
pub fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    text.parse::<DateTime<Utc>>()
        .or_else(|_| text.parse::<NaiveDateTime>().map(|naive| naive.and_utc()))
        .or_else(|_| text.parse::<NaiveDate>().map(midnight))
        .ok()
        .filter(|moment| is_storable(moment.date_naive()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_may_have_zeros_behind_the_point() {
        for (value, number) in [
            (json!(5), Some(5)),
            (json!(5.0), Some(5)),
            (json!(" 5.00 "), Some(5)),
            (json!("-5."), Some(-5)),
            (json!(5.5), None),
            (json!("5.01"), None),
            (json!("."), None),
            (json!(1e300), None),
            (json!(true), None),
        ] {
            assert_eq!(integer(&value), number, "{value}");
        }
    }

    #[test]
    fn dates_may_be_moments_or_days() {
        for text in ["2026-01-02", "2026-01-02T00:00:00Z", "2026-01-02T03:00:00+03:00", "2026-01-02T00:00:00"] {
            assert_eq!(date_time(text).map(|moment| moment.to_rfc3339()).as_deref(), Some("2026-01-02T00:00:00+00:00"));
        }
        assert_eq!(date_time("tomorrow"), None);
        assert_eq!((date_time("-9000-01-01"), date_time("+200000-01-01T00:00:00Z")), (None, None));
    }
}
