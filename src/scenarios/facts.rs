//! What rules look at: an order's address and options, and the products of its lines.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    locations::Location,
    reading::{is_same_in_any_case, name, values},
};

/// A product as far as rules use it, from the order's line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `base_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_code: Option<String>,
    /// `attributes`, with values as text; each entry of a list counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// `extra_attributes.allowed_stock_locations`, ERP codes; none: all locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_locations: Option<Vec<String>>,
    /// `extra_attributes.weight_kg` in grams; 0: unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_grams: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Product {
    /// Reads it from the product of an order's line.
    #[must_use]
    pub fn of(product: &Value) -> Self {
        let texts = |value: &Value| -> Vec<String> {
            let entries = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            entries.iter().filter_map(text).collect()
        };
        let attributes = product.get("attributes").and_then(Value::as_object).into_iter().flatten();
        Self {
            base_code: product.get("base_code").and_then(text),
            attributes: attributes.map(|(key, value)| (name(key).into_owned(), texts(value))).collect(),
            allowed_locations: allowed_locations(product).filter(|value| value.is_array()).map(texts),
            weight_grams: product.pointer("/extra_attributes/weight_kg").and_then(grams).unwrap_or(0),
        }
    }
}

/// The path of a product's own allowed locations.
#[must_use]
pub fn allowed_locations(product: &Value) -> Option<&Value> {
    product.get("extra_attributes")?.get("allowed_stock_locations").filter(|value| !value.is_null())
}

/// A number of kilograms, or its digits, in grams; a weight that makes no sense is unknown.
#[expect(clippy::cast_possible_truncation, reason = "at most a million tons")]
fn grams(value: &Value) -> Option<i64> {
    let kilograms = values::number(value).filter(|kilograms| (0.0..=1e9).contains(kilograms))?;
    Some((kilograms * 1000.0).round() as i64)
}

/// A name as rules compare it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(flag.to_string()),
        other => values::name(other),
    }
}

/// An order, as far as scenarios and rules use it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderFacts {
    /// Every name of the order's channel: its name, its pk as text.
    pub channel: Vec<String>,
    /// The shipping option.
    pub shipping: Option<String>,
    /// The payment type.
    pub payment: Option<String>,
    /// The delivery type.
    pub delivery_type: Option<String>,
    /// City of the delivery address.
    pub city: Option<String>,
    /// Country of the delivery address: its code, its name.
    pub country: Vec<String>,
    /// Latitude and longitude of the delivery address in degrees, where both are known.
    pub coordinates: Option<(f64, f64)>,
    /// How often the order was changed before.
    pub revision: i32,
    /// When it was placed: its turn.
    pub date_placed: DateTime<Utc>,
}

impl OrderFacts {
    /// Reads city and country from a shipping address: each is an object with a `name` (a country's `code` too) or a
    /// text.
    pub fn read_address(&mut self, address: &Value) {
        let named = |key: &str, part: &str| {
            let value = address.get(key)?;
            value.get(part).and_then(text).or_else(|| text(value).filter(|_| part == "name"))
        };
        self.city = named("city", "name");
        self.country = ["code", "name"].into_iter().filter_map(|part| named("country", part)).collect();
    }

    /// True if a location is in the order's country; false if either is unknown.
    #[must_use]
    pub fn is_in_country(&self, location: &Location) -> bool {
        let country = location.country();
        country.is_some_and(|country| self.country.iter().any(|name| is_same_in_any_case(name, country)))
    }

    /// True if a location is in the order's city; false if either is unknown, or the countries differ.
    #[must_use]
    pub fn is_in_city(&self, location: &Location) -> bool {
        let same = self.city.as_deref().zip(location.city()).is_some_and(|(a, b)| is_same_in_any_case(a, b));
        same && (self.country.is_empty() || location.country().is_none() || self.is_in_country(location))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_product_is_read_from_the_line_of_the_order() {
        let product = Product::of(&json!({ "sku": "A", "base_code": "A-BASE",
            "attributes": { "cold": true, "size": ["S", 40], "none": null },
            "extra_attributes": { "allowed_stock_locations": ["369", 4] } }));
        assert_eq!(product.base_code.as_deref(), Some("A-BASE"));
        assert_eq!(product.attributes["size"], ["S", "40"]);
        assert_eq!(product.allowed_locations.as_deref(), Some(&["369".to_owned(), "4".to_owned()][..]));
        assert_eq!(
            Product::of(&json!({ "extra_attributes": { "allowed_stock_locations": null } })),
            Product::default()
        );
    }

    #[test]
    fn an_address_names_city_and_country_in_either_form() {
        let mut order = OrderFacts::default();
        order.read_address(&json!({ "city": { "name": "İzmir" }, "country": { "code": "tr", "name": "Türkiye" } }));
        let at = |city: &str, country: Option<&str>| {
            let mut location = Location::default();
            location.address.set_part("city", city);
            if let Some(country) = country {
                location.address.set_part("country", country);
            }
            location
        };
        assert!(order.is_in_city(&at("IZMIR", Some("TR"))) && order.is_in_city(&at("izmir", None)));
        assert!(!order.is_in_city(&at("Izmir", Some("gr"))) && !order.is_in_city(&at("Ankara", Some("tr"))));
        assert!(order.is_in_country(&at("Ankara", Some("türkiye"))) && !order.is_in_country(&at("Izmir", None)));
        order.read_address(&json!({ "city": "Berlin", "country": "DE" }));
        assert!(order.is_in_city(&at("Berlin", Some("de"))));
        order.read_address(&Value::Null);
        assert!(!order.is_in_city(&at("Berlin", None)) && order.country.is_empty());
    }
}
