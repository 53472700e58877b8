//! The orders and products that a rule runs on.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::facts::{OrderFacts, Product};
use crate::reading::is_same_in_any_case;

/// The orders that a rule runs on. An empty list does not restrict; of several, each must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioRuleOrders)]
pub struct OrderPrerequisites {
    /// One of these channels, by name or pk.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// To one of these cities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cities: Vec<String>,
    /// To one of these countries, by code or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// One of these ways to reach the customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delivery_types: Vec<String>,
    /// Planned again from a package at one of these locations, by ERP code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub package_locations: Vec<String>,
    /// One of these payment types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<String>,
    /// One of these shipping options.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipping: Vec<String>,
}

impl OrderPrerequisites {
    /// True if the rule runs on every order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The products that a rule runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioRuleProducts)]
pub struct ProductPrerequisite {
    /// How many of them must match, and which of them the rule places.
    pub which: Which,
    /// One of these SKUs; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skus: Vec<String>,
    /// One of these base codes; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub base_codes: Vec<String>,
    /// By name, an attribute that has one of these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// How many products must match a rule's prerequisite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioProductsWhich)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// All waiting items must match; then the rule places all of them.
    All,
    /// At least one must match; then the rule places all of them.
    Any,
    /// The rule places those that match, and leaves the others to the next rule.
    These,
}

impl Which {
    /// Every way, with its word.
    pub const WORDS: [(&'static str, Self); 3] = [("all", Self::All), ("any", Self::Any), ("these", Self::These)];

    /// The word in files, on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::These => "these",
        }
    }
}

impl ProductPrerequisite {
    /// True if the rule is about this product.
    #[must_use]
    pub fn matches(&self, sku: &str, product: &Product) -> bool {
        let among = |wanted: &[String], has: Option<&str>| {
            wanted.is_empty() || has.is_some_and(|has| wanted.iter().any(|one| one == has))
        };
        let has_one_of = |(name, wanted): (&String, &Vec<String>)| {
            product.attributes.get(name).is_some_and(|has| has.iter().any(|value| wanted.contains(value)))
        };
        among(&self.skus, Some(sku))
            && among(&self.base_codes, product.base_code.as_deref())
            && self.attributes.iter().all(has_one_of)
    }
}

impl OrderPrerequisites {
    /// The key of the first prerequisite that the order does not meet; none: it meets all.
    #[must_use]
    pub fn unmet(&self, order: &OrderFacts, package_location: Option<&str>) -> Option<&'static str> {
        fn listed<'a>(wanted: &[String], mut has: impl Iterator<Item = &'a str>) -> bool {
            wanted.is_empty() || has.any(|has| wanted.iter().any(|one| one == has))
        }
        fn named<'a>(wanted: &[String], mut has: impl Iterator<Item = &'a str>) -> bool {
            wanted.is_empty() || has.any(|has| wanted.iter().any(|one| is_same_in_any_case(one, has)))
        }
        [
            ("channels", named(&self.channels, order.channel.iter().map(String::as_str))),
            ("shipping", listed(&self.shipping, order.shipping.as_deref().into_iter())),
            ("payments", listed(&self.payments, order.payment.as_deref().into_iter())),
            ("delivery_types", listed(&self.delivery_types, order.delivery_type.as_deref().into_iter())),
            ("cities", named(&self.cities, order.city.as_deref().into_iter())),
            ("countries", named(&self.countries, order.country.iter().map(String::as_str))),
            ("package_locations", listed(&self.package_locations, package_location.into_iter())),
        ]
        .into_iter()
        .find(|(_, met)| !met)
        .map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_is_one() {
        for (word, which) in Which::WORDS {
            assert_eq!(serde_json::to_value(which).unwrap(), json!(word));
            assert_eq!(which.name(), word);
        }
    }

    #[test]
    fn a_rule_is_about_products_with_all_that_it_names() {
        let product = Product::of(&json!({ "sku": "A", "base_code": "A-BASE",
            "attributes": { "cold": true, "size": ["S", 40] } }));
        let about = |skus: &[&str], attribute: &[(&str, &str)]| ProductPrerequisite {
            which: Which::All,
            skus: skus.iter().map(|sku| (*sku).to_owned()).collect(),
            base_codes: vec!["A-BASE".to_owned()],
            attributes: attribute.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect(),
        };
        assert!(about(&[], &[("cold", "true"), ("size", "40")]).matches("A", &product));
        assert!(!about(&[], &[("cold", "false")]).matches("A", &product));
        assert!(!about(&["B"], &[]).matches("A", &product));
        assert!(!about(&[], &[]).matches("A", &Product::default()));
    }
}
