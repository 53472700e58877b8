//! JSON of a request, within bounds. Parts of it are free (an order's `customer`, a webhook's `config`) and are stored
//! and shown as they came, so what is too deep or too much is refused here, before anything is kept.
//!
//! A number is its digits (`arbitrary_precision` of `serde_json`): a tracking number of 22 digits is no float.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::pieces::{self, Entry, Piece, Unread};

/// Most values in one text, each object, list and scalar counted: about 100 MB of memory. The largest list of orders
/// has half as many.
const MOST_VALUES: usize = 1_000_000;
/// Deepest nesting. JSON is read to a depth of 128, and what is stored stands inside other objects when it is shown.
const DEEPEST: usize = 64;
/// Longest key, in bytes.
const LONGEST_KEY: usize = 255;
/// Longest number whose digits are kept. Of a longer one, and of one with a greater exponent, a float of 64 bits is kept, as
/// far as it is one: Postgres takes neither without end.
const LONGEST_NUMBER: usize = 400;
const GREATEST_EXPONENT: i64 = 400;
/// Digits that an integer of 64 bits has always room for.
const SHORT: usize = 18;
/// The key by which `serde_json` hands on a number: an object of nothing but its digits.
const NUMBER: &str = "$serde_json::private::Number";
/// How keys begin that `serde_json` takes for its own, wherever it reads an object.
const PRIVATE: &str = "$serde_json::private::";

/// Reads a JSON text. Half a surrogate in it becomes U+FFFD.
///
/// # Errors
/// When it is no JSON, or exceeds a bound; the message has the place.
pub(super) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    let mut left = MOST_VALUES;
    parse_within(text, &mut left)
}

/// The entries of a list that were read, each by itself.
pub(super) struct Entries {
    pub list: Vec<Entry>,
    /// They are more than one text may have: the last of them were not read.
    pub are_too_many: bool,
    /// One of them exceeds another bound.
    pub exceed: bool,
}

/// Reads the entries of a list, each by itself; none if it is no list.
pub(super) fn parse_entries(list: Piece<'_>) -> Option<Entries> {
    let (mut left, mut exceed) = (MOST_VALUES, false);
    let read = |piece: Piece<'_>| {
        parse_within(piece.text, &mut left).map_err(|why| {
            exceed |= why.is_data() && !why.to_string().starts_with(OUT_OF_RANGE);
            Unread::of(Piece { position: list.position + piece.position, ..piece }, &why)
        })
    };
    let list: Vec<Entry> = pieces::entries(list.text)?.into_iter().map(read).collect();
    Some(Entries { list, are_too_many: left == 0, exceed })
}

fn parse_within(text: &[u8], left: &mut usize) -> serde_json::Result<Value> {
    let text = pieces::with_whole_letters(text);
    let mut deserializer = serde_json::Deserializer::from_slice(&text);
    let value = Bounded { depth: 0, left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Checks the depth and the keys of a value that was read elsewhere. (JSON is read to a depth of 128, so the recursion
/// ends.)
pub(super) fn check(value: &Value) -> Result<(), String> {
    fn below(value: &Value, depth: usize) -> Result<(), String> {
        match value {
            Value::Array(_) | Value::Object(_) if depth == DEEPEST => Err(too_deep()),
            Value::Array(list) => list.iter().try_for_each(|value| below(value, depth + 1)),
            Value::Object(object) => object.iter().try_for_each(|(key, value)| {
                check_key(key)?;
                below(value, depth + 1)
            }),
            Value::Number(number) => match kept(number.as_str()) {
                Some(true) => Ok(()),
                Some(false) => Err(format!("a number may have at most {LONGEST_NUMBER} digits")),
                None => Err(OUT_OF_RANGE.to_owned()),
            },
            _ => Ok(()),
        }
    }
    below(value, 0)
}

fn too_deep() -> String {
    format!("objects and lists may be nested {DEEPEST} deep")
}

fn too_long() -> String {
    format!("a key may have at most {LONGEST_KEY} bytes")
}

fn check_key(key: &str) -> Result<(), String> {
    if key.len() > LONGEST_KEY {
        return Err(too_long());
    }
    if key.starts_with(PRIVATE) { Err(format!("no key may begin with {PRIVATE}")) } else { Ok(()) }
}

/// What `serde_json` says where a number is no float of 64 bits.
const OUT_OF_RANGE: &str = "number out of range";

/// Whether the digits of a number are kept; none: it is out of range.
fn kept(text: &str) -> Option<bool> {
    if text.len() <= SHORT && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Some(true);
    }
    text.parse::<f64>().ok().filter(|float| float.is_finite())?;
    let exponent = text.split_once(['e', 'E']).map(|(_, exponent)| exponent.parse::<i64>());
    let is_near = exponent.is_none_or(|exponent| exponent.is_ok_and(|exponent| exponent.abs() <= GREATEST_EXPONENT));
    Some(is_near && text.len() <= LONGEST_NUMBER)
}

/// The number of these digits.
fn number<E: Error>(text: &str) -> Result<Value, E> {
    let number = match kept(text) {
        Some(true) => text.parse().ok(),
        Some(false) => text.parse().ok().and_then(Number::from_f64),
        None => None,
    };
    number.map(Value::Number).ok_or_else(|| E::custom(OUT_OF_RANGE))
}

/// The first key of an object.
enum First {
    /// It is no object, but a number.
    Number,
    Key(String),
}

/// Reads it.
struct FirstKey;

impl<'de> DeserializeSeed<'de> for FirstKey {
    type Value = First;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<First, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FirstKey {
    type Value = First;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string key")
    }

    fn visit_str<E>(self, key: &str) -> Result<First, E> {
        Ok(if key == NUMBER { First::Number } else { First::Key(key.to_owned()) })
    }
}

/// Reads one value, and counts it.
struct Bounded<'a> {
    depth: usize,
    left: &'a mut usize,
}

impl Bounded<'_> {
    fn below(&mut self) -> Bounded<'_> {
        Bounded { depth: self.depth + 1, left: self.left }
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth < DEEPEST { Ok(()) } else { Err(E::custom(too_deep())) }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom(format_args!("there may be at most {MOST_VALUES} values")))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.below())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        let mut next = match object.next_key_seed(FirstKey)? {
            Some(First::Number) => return number(&object.next_value::<Cow<'_, str>>()?),
            Some(First::Key(key)) => Some(key),
            None => None,
        };
        self.check_depth()?;
        let mut values = Map::new();
        while let Some(key) = next {
            check_key(&key).map_err(A::Error::custom)?;
            let value = object.next_value_seed(self.below())?;
            values.insert(key, value);
            next = object.next_key()?;
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).expect_err("a bound").to_string()
    }

    #[test]
    fn what_exceeds_a_bound_is_refused_and_what_reaches_it_is_not() {
        assert!(parse(nested(DEEPEST).as_bytes()).is_ok());
        assert!(refused(&nested(DEEPEST + 1)).starts_with("objects and lists may be nested 64 deep at line 1"));
        assert!(parse(json!({ "k".repeat(LONGEST_KEY): 1 }).to_string().as_bytes()).is_ok());
        assert!(refused(&json!({ "k".repeat(LONGEST_KEY + 1): 1 }).to_string()).starts_with("a key may have at most"));
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(parse(zeros(MOST_VALUES - 1).as_bytes()).is_ok());
        assert!(refused(&zeros(MOST_VALUES)).starts_with("there may be at most 1000000 values"));
    }

    #[test]
    fn a_value_from_elsewhere_has_the_same_bounds() {
        for text in [nested(DEEPEST), nested(DEEPEST + 1), json!({ "k".repeat(LONGEST_KEY + 1): [] }).to_string()] {
            let value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(check(&value).is_ok(), parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_number_is_its_digits_as_far_as_it_is_one() {
        let read = |text: &str| parse(text.as_bytes()).map(|value| value.to_string());
        for text in [
            "9400111899223100001236",
            "-1000000000000008781491",
            "18446744073709551616",
            "1.10",
            "19.990000000000002",
            "0.1000000000000000055511151231257827",
            "1e-400",
            "{\"a\":[1000000000000008781492]}",
        ] {
            assert_eq!(read(text).expect(text), text);
        }
        assert_eq!(
            parse(format!("{}1{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST)).as_bytes()).map(|_| ()).ok(),
            Some(())
        );
        let long = format!("0.{}1", "3".repeat(LONGEST_NUMBER));
        assert_eq!(read(&long).expect("a float"), "0.3333333333333333");
        assert_eq!(read("1e-100000").expect("a float"), "0.0");
        for text in ["1e400", "[1E99999999999999999999]", &"9".repeat(400)] {
            assert!(refused(text).starts_with(OUT_OF_RANGE), "{text}");
            let value: Value = serde_json::from_str(text).expect("JSON, to who asks for no bounds");
            assert_eq!(check(&value), Err(OUT_OF_RANGE.to_owned()));
        }
        for text in [&long, "1e-100000"] {
            assert!(check(&serde_json::from_str(text).expect("JSON")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_of_the_parser_is_no_key() {
        for text in ["{\"$serde_json::private::Number\":\"x\"}", "{\"$serde_json::private::Number\":{}}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        for key in [NUMBER, "$serde_json::private::RawValue"] {
            assert!(refused(&json!({ "a": 1, key: "2" }).to_string()).starts_with("no key may begin with $serde_json"));
        }
    }

    #[test]
    fn a_depth_without_end_is_refused_without_being_followed() {
        let deep = "[".repeat(10_000_000);
        assert!(refused(&deep).starts_with("objects and lists may be nested 64 deep at line 1 column 65"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let scalars = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        scalars.prop_recursive(5, 40, 6, |below| {
            prop_oneof![
                prop::collection::vec(below.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,9}", below), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn within_the_bounds_it_reads_as_ever(value in values(), cut in 0_usize..40) {
            let text = value.to_string();
            let text = &text.as_bytes()[..text.len().saturating_sub(if cut < 30 { 0 } else { cut - 29 })];
            let plain = serde_json::from_slice::<Value>(text);
            match (parse(text), plain) {
                (Ok(bounded), Ok(plain)) => prop_assert_eq!(bounded.to_string(), plain.to_string()),
                (Err(bounded), Err(plain)) => prop_assert_eq!(bounded.to_string(), plain.to_string()),
                (bounded, plain) => prop_assert!(false, "{:?} and {:?}", bounded, plain),
            }
        }
    }
}
