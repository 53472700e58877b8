//! Where a location is.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    openapi,
    reading::{self, values},
};

/// A coordinate in degrees; on the wire a text with eight decimals, about a millimetre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Degrees(f64);

impl Degrees {
    /// Rounds to what is kept.
    #[must_use]
    pub fn new(degrees: f64) -> Self {
        // Adding zero makes -0 a plain 0.
        Self((degrees * 1e8).round() / 1e8 + 0.0)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Degrees {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.8}", self.0)
    }
}

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self::new).map_err(de::Error::custom)
    }
}

/// An address: its parts as they were given (`line`, `postcode`, `township`, `city`, `country` and others; a city or a
/// country is a name or an object with one), and its coordinates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(flatten)]
    parts: Map<String, Value>,
    /// Degrees north.
    pub latitude: Option<Degrees>,
    /// Degrees east.
    pub longitude: Option<Degrees>,
}

impl PartialSchema for Address {
    /// The parts that labels and scenarios read; others are kept as they were given.
    fn schema() -> RefOr<Schema> {
        let text = || json!({ "type": ["string", "null"] });
        let name = || json!({ "oneOf": [openapi::reference("Place"), { "type": ["string", "null"] }] });
        let degrees =
            |direction: &str| json!({ "type": ["string", "null"], "description": format!("Degrees {direction}.") });
        openapi::of_value(json!({
            "type": "object",
            "description": "Where a location is. A city or a country is a name, or an object with a name.",
            "properties": {
                "line": text(), "postcode": text(), "township": name(), "city": name(), "country": name(),
                "latitude": degrees("north"), "longitude": degrees("east") },
            "additionalProperties": true
        }))
    }
}

impl ToSchema for Address {
    fn name() -> Cow<'static, str> {
        "StockLocationAddress".into()
    }
}

/// The parts that are compared with those of orders, and that lists are filtered by.
const NAMES: [&str; 3] = ["township", "city", "country"];

fn keep_as_name(part: &mut Value) {
    if let Value::String(text) = part {
        *text = reading::name(text).into_owned();
    }
}

impl Address {
    /// Degrees north and east, where both are known.
    #[must_use]
    pub fn coordinates(&self) -> Option<(f64, f64)> {
        let both = self.latitude.zip(self.longitude).map(|(north, east)| (north.get(), east.get()));
        both.filter(|(north, east)| !values::is_nowhere(*north, *east))
    }

    /// Takes coordinates away that are those of nowhere.
    pub fn forget_nowhere(&mut self) {
        if self.latitude.is_some() && self.longitude.is_some() && self.coordinates().is_none() {
            (self.latitude, self.longitude) = (None, None);
        }
    }

    /// Replaces the parts; the coordinates have keys of their own.
    pub fn set_parts(&mut self, mut parts: Map<String, Value>) {
        for key in ["latitude", "longitude"] {
            parts.shift_remove(key);
        }
        for key in NAMES {
            match parts.get_mut(key) {
                Some(Value::Object(named)) => named
                    .iter_mut()
                    .filter(|(key, _)| ["name", "code"].contains(&key.as_str()))
                    .for_each(|(_, part)| keep_as_name(part)),
                Some(part) => keep_as_name(part),
                None => {}
            }
        }
        self.parts = parts;
    }

    /// Sets one part.
    pub fn set_part(&mut self, key: &str, text: &str) {
        let text = if NAMES.contains(&key) { reading::name(text) } else { text.into() };
        self.parts.insert(key.to_owned(), Value::from(text));
    }

    /// Takes over what another address has besides these parts, and of these parts those that say the same in more words.
    pub fn keep_parts_of(&mut self, other: &Self, parts: &[&str]) {
        for (key, value) in &other.parts {
            if !parts.contains(&key.as_str()) || self.said_of(key) == other.said_of(key) {
                self.parts.insert(key.clone(), value.clone());
            }
        }
    }

    /// A part as a text: a text or a number, or the name of an object.
    #[must_use]
    pub fn text_of(&self, key: &str) -> Option<String> {
        let part = self.parts.get(key)?;
        values::prose(part.get("name").unwrap_or(part))
    }

    /// The same, if it says something.
    #[must_use]
    pub fn said_of(&self, key: &str) -> Option<String> {
        self.text_of(key).filter(|text| !text.is_empty())
    }

    /// A part that is a name, or an object with a name.
    #[must_use]
    pub fn name_of(&self, key: &str) -> Option<&str> {
        let part = self.parts.get(key)?;
        part.get("name").unwrap_or(part).as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn coordinates_have_eight_decimals_and_stand_behind_the_other_parts() {
        let address = json!({ "city": { "name": "Leeds" }, "latitude": "40.99000000", "country": "gb" });
        let mut read: Address = serde_json::from_value(address).expect("an address");
        read.longitude = Some(Degrees::new(-0.000_000_001));
        let text = serde_json::to_string(&read).expect("JSON");
        assert_eq!(
            text,
            r#"{"city":{"name":"Leeds"},"country":"gb","latitude":"40.99000000","longitude":"0.00000000"}"#
        );
        assert_eq!((read.name_of("city"), read.name_of("country")), (Some("Leeds"), Some("gb")));
    }
}
