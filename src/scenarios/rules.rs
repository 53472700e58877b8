//! Scenarios: the rules of planning as data.
//!
//! An installation has scenarios. An order is planned by the first distribution scenario whose prerequisites it meets
//! ([`crate::planning::choose`]). Missing items come from where the first such transfer scenario says. A scenario's rules run
//! in their order; each places what it can of the items that earlier ones left ([`crate::planning::plan`]).

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use super::{
    conditions::Condition,
    facts::{OrderFacts, Product, allowed_locations},
    prerequisites::{OrderPrerequisites, ProductPrerequisite, Which},
};

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
    /// What happens to what older orders wait for.
    pub waiting: Waiting,
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

    /// The same without opening hours, as if every location were open; none if no rule asks for them.
    #[must_use]
    pub fn at_any_hour(&self) -> Option<Self> {
        if !self.rules.iter().any(Rule::asks_for_hours) {
            return None;
        }
        let mut scenario = self.clone();
        for rule in &mut scenario.rules {
            rule.conditions.retain(|condition| !is_of_hours(condition));
        }
        Some(scenario)
    }

    /// Most packages of an order, or most sources for a transfer scenario; none: no limit.
    #[must_use]
    pub fn most_packages(&self) -> Option<usize> {
        if self.splitting.allowed { self.splitting.most_packages } else { Some(1) }
    }
}

/// What a plan does with stock and room that older orders wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ScenarioWaiting)]
pub enum Waiting {
    /// It leaves it to them: first come, first served. Who came first says the order's `date_placed`, then its id.
    #[default]
    FirstCome,
    /// It takes whatever fits.
    WhoeverFits,
}

impl Waiting {
    /// Every way, with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("first_come", Self::FirstCome), ("whoever_fits", Self::WhoeverFits)];

    /// True if plans leave to older orders what those wait for.
    #[must_use]
    pub const fn is_first_come(&self) -> bool {
        matches!(self, Self::FirstCome)
    }

    /// The word in files, on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstCome => "first_come",
            Self::WhoeverFits => "whoever_fits",
        }
    }
}

/// How an order may be split into packages. The default: as many as needed, as few as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScenarioSplitting)]
pub struct Splitting {
    /// False: a rule gives one location all items, or nothing.
    pub allowed: bool,
    /// True: units of one line may go to several locations. Left out where it is false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub lines: bool,
    /// True: the parts of one kit leave in one package of one location, or wait together. They are not divided. Left out where
    /// it is false: they are placed like any other lines.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub kits_together: bool,
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
        Self { allowed: true, lines: false, kits_together: false, most_packages: None, metres_per_package: None }
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

    /// True if it chooses locations for their opening hours.
    #[must_use]
    pub fn asks_for_hours(&self) -> bool {
        self.conditions.iter().any(is_of_hours)
    }
}

fn is_of_hours(condition: &Condition) -> bool {
    matches!(condition, Condition::SelectByOpeningHours(_))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one() {
        for (word, way) in Waiting::WORDS {
            assert_eq!((serde_json::to_value(way).unwrap(), way.as_str()), (json!(word), word));
        }
        for (word, key) in OrderBy::WORDS {
            assert_eq!(serde_json::to_value(key).unwrap(), json!(word));
            assert_eq!(key.name(), word);
        }
    }
}
