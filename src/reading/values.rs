//! What counts as a number or a flag in a request: the rules of Django REST framework, whoever reads.

use serde_json::Value;

/// A whole number, or the digits of one.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_i64(),
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
