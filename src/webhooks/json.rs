//! JSON in the bytes of Python's `json.dumps`, because a receiver may check its signature against them: `", "` and `":
//! "` between values, all but printable ASCII escaped, numbers as Python prints them.

use std::fmt::Write as _;

/// The result of `json.dumps(json.loads(text))` for a JSON text. Keys keep their order.
#[must_use]
pub fn python(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest, &mut written),
            '-' | '0'..='9' => number(rest, &mut written),
            ' ' | '\n' | '\r' | '\t' => 1,
            ',' | ':' => {
                written.push(first);
                written.push(' ');
                1
            }
            _ => {
                // Brackets, or the letters of true, false and null.
                written.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    written
}

/// Writes the string at the beginning of a text; returns its length there.
fn string(text: &str, written: &mut String) -> usize {
    written.push('"');
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                written.push('"');
                return at + 1;
            }
            '\\' => match characters.next() {
                Some((_, 'u')) => {
                    let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    unit(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd), written);
                }
                Some((_, '/')) => written.push('/'),
                Some((_, escaped)) => written.extend(['\\', escaped]),
                None => {}
            },
            ' '..='~' => written.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|part| unit(*part, written)),
        }
    }
    text.len()
}

/// Writes a unit of UTF-16, escaped if Python would.
fn unit(unit: u16, written: &mut String) {
    match unit {
        0x08 => written.push_str("\\b"),
        0x09 => written.push_str("\\t"),
        0x0a => written.push_str("\\n"),
        0x0c => written.push_str("\\f"),
        0x0d => written.push_str("\\r"),
        0x22 => written.push_str("\\\""),
        0x5c => written.push_str("\\\\"),
        0x20..=0x7e => written.push(char::from(unit.to_le_bytes()[0])),
        // Writing to a String cannot fail.
        _ => write!(written, "\\u{unit:04x}").unwrap_or_default(),
    }
}

/// Writes the number at the beginning of a text; returns its length there.
fn number(text: &str, written: &mut String) -> usize {
    let length = text.find(|byte: char| !matches!(byte, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(text.len());
    let digits = &text[..length];
    if !digits.contains(['.', 'e', 'E']) {
        // Python's integers have no bounds, and no minus before zero.
        written.push_str(if digits == "-0" { "0" } else { digits });
    } else if let Ok(float) = digits.parse::<f64>() {
        push_float(float, written);
    }
    length
}

/// A float as Python's `repr` writes it: the fewest digits that read back as the same float, with an exponent only
/// below -4 or above 15.
fn push_float(float: f64, written: &mut String) {
    if float.is_infinite() {
        written.push_str(if float > 0.0 { "Infinity" } else { "-Infinity" });
        return;
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        write!(written, "{float:?}").unwrap_or_default();
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(written, "{digits}e{sign}{:02}", exponent.unsigned_abs()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right-hand sides were printed by `json.dumps(json.loads(…))` of Python 3.11.
    const AS_PYTHON: &[(&str, &str)] = &[
        (r#"{"a":1,"b":[true,false,null],"c":{},"d":[]}"#, r#"{"a": 1, "b": [true, false, null], "c": {}, "d": []}"#),
        ("{ \"a\" :\n[ 1 ,\t2 ] }", r#"{"a": [1, 2]}"#),
        (r#""Kadıköy 📦""#, r#""Kad\u0131k\u00f6y \ud83d\udce6""#),
        (r#""\u0041\u00E7\ud83D\uDCE6\/\u002f\"\\\u0022\u005c""#, r#""A\u00e7\ud83d\udce6//\"\\\"\\""#),
        ("\"\u{7f}\\u007f\\n\\r\\t\\b\\f\\u000a\\u0000\\u001f\"", r#""\u007f\u007f\n\r\t\b\f\n\u0000\u001f""#),
        (r#""a, b: [c] {1.50}""#, r#""a, b: [c] {1.50}""#),
        ("[0,-0,-1,12345678901234567890123]", "[0, 0, -1, 12345678901234567890123]"),
        ("[1.0,1.50,-0.0,0.1,100000.0,1e3]", "[1.0, 1.5, -0.0, 0.1, 100000.0, 1000.0]"),
        ("[0.0001,0.00001,1e-7,1.5E-10]", "[0.0001, 1e-05, 1e-07, 1.5e-10]"),
        (
            "[1e15,1e16,123456789012345678.0,1e22,1.7976931348623157e308]",
            "[1000000000000000.0, 1e+16, 1.2345678901234568e+17, 1e+22, 1.7976931348623157e+308]",
        ),
        ("[5e-324,2.5,1e400,-1e400,9007199254740993.0]", "[5e-324, 2.5, Infinity, -Infinity, 9007199254740992.0]"),
        ("41.07019600", "41.070196"),
    ];

    #[test]
    fn bytes_are_those_of_python() {
        for (text, python_text) in AS_PYTHON {
            assert_eq!(python(text), *python_text, "{text}");
        }
    }

    /// The same value, with numbers as what they are, however they are written.
    fn as_floats(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Number(number) if !number.is_i64() && !number.is_u64() => number.as_f64().into(),
            serde_json::Value::Array(list) => list.into_iter().map(as_floats).collect(),
            serde_json::Value::Object(object) => {
                object.into_iter().map(|(key, value)| (key, as_floats(value))).collect()
            }
            other => other,
        }
    }

    #[test]
    fn it_reads_back_as_the_same_and_a_second_time_changes_nothing() {
        for (text, _) in AS_PYTHON.iter().filter(|(text, _)| !text.contains("1e400") && !text.contains("-0")) {
            let once = python(text);
            let read = |text: &str| as_floats(serde_json::from_str(text).expect("JSON"));
            assert_eq!(read(&once), read(text), "{text}");
            assert_eq!(python(&once), once);
        }
    }
}
