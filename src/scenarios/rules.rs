//! Scenarios: the rules of planning as data.
//!
//! An installation has scenarios. An order is planned by the first distribution scenario whose prerequisites it meets
//! ([`crate::planning::choose`]). Missing items come from where the first such transfer scenario says. A scenario's rules run
//! in their order; each places what it can of the items that earlier ones left ([`crate::planning::plan`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use super::conditions::Condition;
use crate::{locations::Location, reading::values};

/// The decision that a scenario makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioKind {
    /// Which locations an order's items go to.
    #[default]
    Distribution,
    /// Which locations send items that another one lacks.
    Transfer,
}

impl ScenarioKind {
    /// Every kind, with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("distribution", Self::Distribution), ("transfer", Self::Transfer)];

    /// The word in files, on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Transfer => "transfer",
        }
    }
}

/// A scenario, in one of its versions. Only active ones plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// The id, in plans and in the API.
    pub id: i64,
    /// Grows with each change. Plans name it.
    pub version: i32,
    /// The name for people.
    pub name: String,
    /// Its kind: it distributes orders, or chooses the sources of transfers.
    pub kind: ScenarioKind,
    /// Lower comes first; among equals the lower id.
    pub priority: i32,
    /// Channels that it applies to; empty: all.
    pub channels: Vec<String>,
    /// Shipping options that it applies to; empty: all.
    pub shipping: Vec<String>,
    /// Payment types that it applies to; empty: all.
    pub payments: Vec<String>,
    /// The location of packages for items without a place.
    pub default_location_id: i64,
    /// State of the new packages when an order needs more than one.
    pub initial_state_when_split_id: i64,
    /// How an order may be split into packages.
    pub splitting: Splitting,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Scenario {
    /// True if its rules use more of an item than its SKU.
    #[must_use]
    pub fn reads_products(&self) -> bool {
        let reads = |condition: &Condition| condition.kind().reads_products;
        self.rules.iter().any(|rule| rule.products.is_some() || rule.conditions.iter().any(reads))
    }

    /// True if it chooses the sources of transfers.
    #[must_use]
    pub fn is_for_transfers(&self) -> bool {
        self.kind == ScenarioKind::Transfer
    }

    /// True if one of its rules may fetch missing items.
    #[must_use]
    pub fn fetches(&self) -> bool {
        self.rules.iter().any(|rule| rule.transferable)
    }

    /// Most packages of an order, or most sources for a transfer scenario; none: no limit.
    #[must_use]
    pub fn most_packages(&self) -> Option<usize> {
        if self.splitting.allowed { self.splitting.most_packages } else { Some(1) }
    }
}

/// How an order may be split into packages. The default: as many as needed, as few as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioSplitting)]
pub struct Splitting {
    /// False: a rule gives one location all items, or nothing.
    pub allowed: bool,
    /// Most packages of an order, existing ones included. An item that needs one more finds no place.
    pub most_packages: Option<usize>,
    /// The distance that another package must save. Packages are chosen so that the sum of their distances to the
    /// address, and of this number for each of them, is the least. None: no distance is worth another package.
    #[serde(rename = "kilometres_per_package", serialize_with = "in_kilometres")]
    #[schema(value_type = Option<f64>)]
    pub metres_per_package: Option<i64>,
}

impl Default for Splitting {
    fn default() -> Self {
        Self { allowed: true, most_packages: None, metres_per_package: None }
    }
}

/// One step of a scenario: which locations may serve, and in which order they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioRule)]
pub struct Rule {
    /// The name for people. Plans give it as their reason.
    pub name: String,
    /// The orders that it runs on.
    #[serde(skip_serializing_if = "OrderPrerequisites::is_empty")]
    pub order: OrderPrerequisites,
    /// The products that it runs on; none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProductPrerequisite, required = false)]
    pub products: Option<ProductPrerequisite>,
    /// All of them must hold at a location; none: every location may take everything.
    pub conditions: Vec<Condition>,
    /// The first key decides, the next ones break ties, then priority, then id.
    pub order_by: Vec<OrderBy>,
    /// True if it brings items together at one location, which fetches missing ones by transfers.
    pub transferable: bool,
}

impl Rule {
    /// True if the rule asks for this condition.
    #[must_use]
    pub fn asks_for(&self, condition: &Condition) -> bool {
        self.conditions.contains(condition)
    }
}

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
            attributes: attributes.map(|(name, value)| (name.clone(), texts(value))).collect(),
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

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
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

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn in_kilometres<S: Serializer>(metres: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    metres.map(kilometres).serialize(serializer)
}

/// Metres as a number of kilometres, whole where it is.
#[must_use]
pub fn kilometres(metres: i64) -> Value {
    if metres % 1000 == 0 {
        json!(metres / 1000)
    } else {
        #[expect(clippy::cast_precision_loss, reason = "at most twenty million")]
        let kilometres = metres as f64 / 1000.0;
        json!(kilometres)
    }
}

/// A key by which a rule sorts its locations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = ScenarioOrderBy)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    /// The location's priority, lower first.
    Priority,
    /// Kilometres to the delivery address, nearer first, unknown last.
    Distance,
    /// Free quota, more first; no limit before any limit.
    AvailableQuota,
    /// Free quota as a share of the whole, more first; no limit before any limit.
    AvailableQuotaShare,
    /// The number of items that it could take, each checked alone, more first.
    ItemsCovered,
    /// Packages that occupy its quota, fewer first.
    OpenPackages,
}

impl OrderBy {
    /// Every key there is, with its word.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("priority", Self::Priority),
        ("distance", Self::Distance),
        ("available_quota", Self::AvailableQuota),
        ("available_quota_share", Self::AvailableQuotaShare),
        ("items_covered", Self::ItemsCovered),
        ("open_packages", Self::OpenPackages),
    ];

    /// The word for it in installation files, on the wire and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, key)| *key == self).map_or("", |(word, _)| word)
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
        country.is_some_and(|country| self.country.iter().any(|name| is_same_place(name, country)))
    }

    /// True if a location is in the order's city; false if either is unknown, or the countries differ.
    #[must_use]
    pub fn is_in_city(&self, location: &Location) -> bool {
        let same = self.city.as_deref().zip(location.city()).is_some_and(|(a, b)| is_same_place(a, b));
        same && (self.country.is_empty() || location.country().is_none() || self.is_in_country(location))
    }
}

/// True if two names of places are equal, ignoring case and surrounding blanks. The Turkish dotted and dotless i count
/// as one letter, because systems lower them differently.
fn is_same_place(a: &str, b: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> {
        let letters = name.trim().chars().flat_map(char::to_lowercase);
        letters.filter(|letter| *letter != '\u{307}').map(|letter| if letter == 'ı' { 'i' } else { letter })
    }
    folded(a).eq(folded(b))
}

impl OrderPrerequisites {
    /// The key of the first prerequisite that the order does not meet; none: it meets all.
    #[must_use]
    pub fn unmet(&self, order: &OrderFacts, package_location: Option<&str>) -> Option<&'static str> {
        fn listed<'a>(wanted: &[String], mut has: impl Iterator<Item = &'a str>) -> bool {
            wanted.is_empty() || has.any(|has| wanted.iter().any(|one| one == has))
        }
        fn named<'a>(wanted: &[String], mut has: impl Iterator<Item = &'a str>) -> bool {
            wanted.is_empty() || has.any(|has| wanted.iter().any(|one| is_same_place(one, has)))
        }
        [
            ("channels", listed(&self.channels, order.channel.iter().map(String::as_str))),
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
        for (word, key) in OrderBy::WORDS {
            assert_eq!(serde_json::to_value(key).unwrap(), json!(word));
            assert_eq!(key.name(), word);
        }
        for (word, which) in Which::WORDS {
            assert_eq!(which.name(), word);
        }
    }

    #[test]
    fn a_product_is_read_from_the_line_of_the_order() {
        let product = Product::of(&json!({ "sku": "A", "base_code": "A-BASE",
            "attributes": { "cold": true, "size": ["S", 40], "none": null },
            "extra_attributes": { "allowed_stock_locations": ["369", 4] } }));
        assert_eq!(product.base_code.as_deref(), Some("A-BASE"));
        assert_eq!(product.attributes["size"], ["S", "40"]);
        assert_eq!(product.allowed_locations.as_deref(), Some(&["369".to_owned(), "4".to_owned()][..]));
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

    #[test]
    fn places_are_the_same_whatever_the_case() {
        for (a, b) in [("İstanbul", "istanbul"), ("ISTANBUL", "istanbul"), ("IZMIR ", "İzmir"), ("Ağrı", "AĞRI")] {
            assert!(is_same_place(a, b), "{a} {b}");
        }
        assert!(!is_same_place("Ankara", "Istanbul"));
    }
}
