//! What counts as a number or a flag in a request: the rules of Django REST framework, whoever reads.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

use super::names;

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

/// Units on a shelf: part of a unit is none, and less than none is 0.
#[must_use]
pub fn units(value: &Value) -> Option<i64> {
    integer(value)
        .or_else(|| {
            let units = number(value).filter(|number| number.is_finite())?.floor();
            #[expect(clippy::cast_possible_truncation, reason = "what is too great becomes the greatest")]
            Some(units as i64)
        })
        .map(|units| units.max(0))
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

/// Degrees up to so many, as a number or its digits, with a point or a comma.
#[must_use]
pub fn degrees(value: &Value, most: f64) -> Option<f64> {
    let degrees = match value {
        Value::String(text) if !text.contains('.') => number(&text.replacen(',', ".", 1).into()),
        other => number(other),
    };
    degrees.filter(|degrees| degrees.abs() <= most)
}

/// True for coordinates of nowhere: systems write 0, 0 where they know none. (It is in the sea.)
#[must_use]
pub fn is_nowhere(north: f64, east: f64) -> bool {
    // Less than a millimetre.
    north.abs() < 1e-8 && east.abs() < 1e-8
}

/// A name or a code, in the form in which it is compared ([`names::name`]); a number is its digits. One with a null
/// character, which Postgres cannot keep, is no text, and neither is a number with an exponent: `8.69E+12` is what a
/// spreadsheet leaves of digits.
#[must_use]
pub fn name(value: &Value) -> Option<String> {
    read(value, |text| names::name(text).into_owned())
}

/// A text that is only shown, without the blanks around it; what is no name is none.
#[must_use]
pub fn prose(value: &Value) -> Option<String> {
    read(value, |text| text.trim().to_owned())
}

fn read(value: &Value, form: impl Fn(&str) -> String) -> Option<String> {
    match value {
        Value::String(text) if text.contains('\0') => None,
        Value::String(text) => Some(form(text)),
        Value::Number(number) if !has_exponent(value) => Some(number.to_string()),
        _ => None,
    }
}

/// The first year that is meant. An earlier one is a year of two digits, or what programs write where they know none.
const FIRST_YEAR: i32 = 1900;

/// True of a number that is written with an exponent.
#[must_use]
pub fn has_exponent(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.as_str().contains(['e', 'E']))
}

/// A number as it is written, or the text that it is written as.
#[must_use]
pub fn digits_of(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        text => prose(text),
    }
}

/// True for the years that are meant. The last one is Django's: Postgres knows no dates as far away as Rust does.
#[must_use]
pub fn is_meant(day: NaiveDate) -> bool {
    (FIRST_YEAR..=9999).contains(&day.year())
}

/// What is wrong with a text that is no day and no moment: `usual`, but for a year before 1900.
#[must_use]
pub fn wrong_date(text: &str, usual: &str) -> String {
    let date = text.trim().split(['T', 't', ' ']).next().and_then(written_day);
    match date.map(|day| day.year()).filter(|year| *year < FIRST_YEAR) {
        Some(year) => format!(
            "The year {year:04} is before {FIRST_YEAR}. Write all digits of the year that is meant, as in 2026-01-31."
        ),
        None => usual.to_owned(),
    }
}

/// A day: `2026-01-02`.
#[must_use]
pub fn day(text: &str) -> Option<NaiveDate> {
    written_day(text).filter(|day| is_meant(*day))
}

fn written_day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.trim().splitn(3, '-');
    let year = digits(parts.next()?, 4..=4)?;
    let (month, day) = (digits(parts.next()?, 1..=2)?, digits(parts.next()?, 1..=2)?);
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// A moment as Django takes it: ISO 8601, also with a blank for the `T`, without seconds, with `+0300`; without a zone it is
/// UTC, and a date alone is its midnight.
#[must_use]
pub fn date_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let date = day(date)?;
    let Some(time) = time else { return Some(date.and_time(NaiveTime::MIN).and_utc()) };
    let (clock, zone) = time.split_at(time.find(['Z', 'z', '+', '-']).unwrap_or(time.len()));
    let moment = date.and_time(time_of_day(clock.trim())?).checked_sub_signed(offset(zone)?)?;
    // Where the new year begins, another zone may be in the year before.
    Some(moment.and_utc()).filter(|moment| (FIRST_YEAR - 1..=9999).contains(&moment.year()))
}

/// `12:30`, `12:30:05`, `12:30:05.25`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 1..=2)?, digits(parts.next()?, 1..=2)?);
    let (seconds, fraction) = match parts.next() {
        None => (0, "0"),
        Some(text) => match text.split_once(['.', ',']) {
            None => (digits(text, 1..=2)?, "0"),
            Some((seconds, fraction)) => (digits(seconds, 1..=2)?, fraction),
        },
    };
    // What is finer than a microsecond is cut off.
    let is_fraction = (1..=12).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |micros, digit| micros * 10 + u32::from(digit.wrapping_sub(b'0') % 10));
    NaiveTime::from_hms_micro_opt(hour, minute, seconds, micros).filter(|_| is_fraction)
}

/// How far a zone is from UTC: `Z`, `+03:00`, `+0300`, `+03`, or nothing.
fn offset(zone: &str) -> Option<TimeDelta> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(TimeDelta::zero());
    }
    let (is_negative, figures) = match zone.strip_prefix('-') {
        Some(figures) => (true, figures),
        None => (false, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = match figures.split_once(':') {
        Some(parts) => parts,
        None => figures.split_at_checked(2)?,
    };
    let hours = i64::from(digits(hours, 2..=2)?);
    let minutes = if minutes.is_empty() { 0 } else { i64::from(digits(minutes, 2..=2)?) };
    let seconds = (hours * 60 + minutes) * 60;
    (hours < 24 && minutes < 60).then(|| TimeDelta::seconds(if is_negative { -seconds } else { seconds }))
}

fn digits(text: &str, count: RangeInclusive<usize>) -> Option<u32> {
    let is_number = count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
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
    fn degrees_have_a_point_or_a_comma() {
        for (value, read) in [
            (json!("39,93"), Some(39.93)),
            (json!(" -39.93 "), Some(-39.93)),
            (json!(39.93), Some(39.93)),
            (json!(40), Some(40.0)),
            (json!("39,93,1"), None),
            (json!("1.039,93"), None),
            (json!("90,1"), None),
            (json!("NaN"), None),
            (json!(""), None),
            (json!(null), None),
        ] {
            assert_eq!(degrees(&value, 90.0), read, "{value}");
        }
        assert!(is_nowhere(0.0, -0.0) && !is_nowhere(0.0, 9.5));
    }

    #[test]
    fn a_name_is_its_digits_and_no_exponent() {
        for (text, read) in [
            ("9400111899223100001236", Some("9400111899223100001236")),
            ("12.50", Some("12.50")),
            ("8.69E+12", None),
            ("1e3", None),
            ("\"1e3\"", Some("1e3")),
            (r#"" A\u200b""#, Some("A")),
            ("true", None),
        ] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(name(&value).as_deref(), read, "{text}");
        }
        assert_eq!(prose(&json!(" a\u{200d}b ")).as_deref(), Some("a\u{200d}b"));
    }

    #[test]
    fn part_of_a_unit_is_none_and_so_is_less_than_none() {
        for (value, count) in [
            (json!("2.0000"), Some(2)),
            (json!(2.9), Some(2)),
            (json!("0.5"), Some(0)),
            (json!(-3), Some(0)),
            (json!("-0.5"), Some(0)),
            (json!("1e30"), Some(i64::MAX)),
            (json!("many"), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!(""), None),
            (json!(true), None),
            (json!([1]), None),
        ] {
            assert_eq!(units(&value), count, "{value}");
        }
    }

    #[test]
    fn a_year_before_1900_is_told_as_such() {
        for (text, year) in [("0026-11-28", "0026"), (" 0001-01-01T00:00:00", "0001"), ("1899-12-31 12:00", "1899")] {
            let why = wrong_date(text, "usual");
            assert!(date_time(text).is_none() && why.starts_with(&format!("The year {year} is before 1900.")), "{why}");
        }
        for text in ["26-11-28", "28.11.26", "2026-02-30", "tomorrow", ""] {
            assert_eq!(wrong_date(text, "usual"), "usual", "{text}");
        }
        assert!(day("1900-01-01").is_some() && date_time("1900-01-01T00:00:00+03:00").is_some());
    }

    #[test]
    fn dates_are_taken_as_django_takes_them() {
        for text in [
            "2026-01-02",
            "2026-1-2",
            "2026-01-02T00:00:00Z",
            "2026-01-02t00:00:00z",
            "2026-01-02T03:00:00+03:00",
            "2026-01-02T03:00:00+0300",
            "2026-01-02T03:00:00+03",
            "2026-01-01T19:00:00.000000-05:00",
            "2026-01-02T00:00:00",
            "2026-01-02T00:00",
            "2026-01-02 00:00:00",
            "2026-01-02 0:00",
            "2026-01-02 03:00:00.000 +03:00",
            " 2026-01-02 00:00:00,000000000Z ",
        ] {
            let moment = date_time(text).map(|moment| moment.to_rfc3339());
            assert_eq!(moment.as_deref(), Some("2026-01-02T00:00:00+00:00"), "{text}");
        }
        let fine = date_time("2023-02-28T08:48:29.679101999Z").map(|moment| moment.timestamp_micros());
        assert_eq!(fine, Some(1_677_574_109_679_101));
        for text in [
            "tomorrow",
            "",
            "2026",
            "2026-02-30",
            "26-01-02",
            "02.01.2026",
            "2026-01-02T",
            "2026-01-02T24:00:00",
            "2026-01-02T00:00:60",
            "2026-01-02T00:00:00.",
            "2026-01-02T00:00:00.x",
            "2026-01-02T00:00:00+3",
            "2026-01-02T00:00:00+24:00",
            "2026-01-02T00:00:00+03:60",
            "2026-01-02T00:00:00+é0",
            "2026-01-02T00:00:00Zx",
            "٢٠٢٦-01-02",
            "-9000-01-01",
            "+200000-01-01T00:00:00Z",
            "0000-01-01",
            "0001-01-01T00:00:00+14:00",
            "0026-11-28",
            "0026-11-28T12:00:00Z",
            "1899-12-31 23:59",
            "28.11.26",
            "9999-12-31T23:59:59-14:00",
        ] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }
}
