//! Why a plan is as it is: made from the plan's stored facts, on request.
//!
//! The size is bounded for any order. A rule shows every location that got something, then others, up to
//! [`SHOWN_CANDIDATES`] in all (first those that could have taken something), and counts the rest by verdict. A list of
//! items shows [`SHOWN_ENTRIES`] and the count. Missing stock shows [`SHOWN_MISSING`] entries for each rule, the best
//! ranks first. Only given items are all there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{planning::units::Units, scenarios::rules::Condition};

pub use crate::scenarios::verdict::Verdict;

/// Candidates that a rule shows; more only if more got something.
pub const SHOWN_CANDIDATES: usize = 50;
/// Entries shown of a list, beside its count.
pub const SHOWN_ENTRIES: usize = 20;
/// Entries of missing stock that a rule shows for all its candidates together.
pub const SHOWN_MISSING: usize = 100;

/// A scenario that was asked whether it is for this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScenarioTrace {
    /// The scenario.
    pub scenario_id: i64,
    /// Its version at the time.
    pub version: i32,
    /// Its name at the time.
    pub name: String,
    /// Its place in the order of asking.
    pub priority: i32,
    /// Chosen, or why not.
    pub verdict: ScenarioVerdict,
    /// What it wanted where the order differs: the first [`SHOWN_ENTRIES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    /// What the order had there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_has: Vec<String>,
}

/// What became of a scenario that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioVerdict {
    /// It planned the order.
    Chosen,
    /// It is for other channels.
    OtherChannel,
    /// It is for other shipping options.
    OtherShipping,
    /// It is for other payment types.
    OtherPayment,
}

/// What one rule saw and did.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RuleTrace {
    /// Name of the rule.
    pub rule: String,
    /// What it demanded of a location.
    #[schema(value_type = Vec<Condition>)]
    pub conditions: Vec<Value>,
    /// The keys it was told to order by; after them come priority and id.
    pub order_by: Vec<&'static str>,
    /// Whether it brings items together at one location, which fetches what it lacks.
    pub transferable: bool,
    /// The prerequisite for which it did not run: a key of its `order`, or `products`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub skipped: Option<&'static str>,
    /// The items the earlier rules left to it.
    pub asked: Items,
    /// How many of them it placed.
    pub placed: usize,
    /// How many of them it placed in part: the rest of their units it left to the next rule.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub placed_in_part: usize,
    /// Whether no choice would have placed more, or as much at less cost, with fewer parcels or
    /// locations. False: too many locations mattered to look at every set of them.
    pub exact: bool,
    /// The locations that are shown, in the rule's order.
    pub candidates: Vec<CandidateTrace>,
    /// The others, counted by what became of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_shown: BTreeMap<Verdict, usize>,
    /// How the sources of what it fetches were chosen: what each rule of the transfer scenario saw and did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub sources: Vec<RuleTrace>,
}

/// What a rule saw at one location.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CandidateTrace {
    /// Place in the rule's order, from 1.
    pub rank: usize,
    /// The location.
    pub stock_location_id: i64,
    /// Its code in the shop's own systems.
    pub erp_code: String,
    /// Its name at the time.
    pub name: String,
    /// Its priority at the time.
    pub priority: i32,
    /// Kilometres to the delivery address; null: unknown.
    pub distance_km: Option<f64>,
    /// Room for packages before this plan; null: no limit.
    pub available_quota: Option<i64>,
    /// Packages that occupied its quota before this plan.
    pub open_packages: i64,
    /// What it had of the items' SKUs, less what earlier rules of this plan gave it: the first
    /// [`SHOWN_ENTRIES`].
    pub stock: BTreeMap<String, i64>,
    /// Units that it has beside and that are left to older orders, which wait for them: the first [`SHOWN_ENTRIES`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub set_aside: BTreeMap<String, i64>,
    /// Room for so many packages that is left to older orders.
    #[serde(skip_serializing_if = "is_none_aside")]
    #[schema(required = false)]
    pub rooms_set_aside: i64,
    /// What the rule's other conditions looked at there, by condition.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub seen: Map<String, Value>,
    /// Chosen, or why not.
    pub verdict: Verdict,
    /// The same for people.
    pub reason: &'static str,
    /// Whether an earlier rule of this plan gave it a parcel, which further items join.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_parcel: bool,
    /// Items that stock and exclusions allow it, each looked at alone, whether it has room or not.
    #[serde(skip_serializing_if = "Items::is_empty")]
    pub could_take: Items,
    /// Items that it could take alone, but not with the other parts of their kit, with which they are to be.
    #[serde(skip_serializing_if = "Items::is_empty")]
    #[schema(required = false)]
    pub apart: Items,
    /// Items it was given: all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<i64>,
    /// Of those that it got in part, the units.
    #[serde(skip_serializing_if = "Units::is_empty")]
    #[schema(value_type = BTreeMap<String, i64>, required = false)]
    pub parts: Units,
    /// Items it was not asked for because it was left out for them before.
    #[serde(skip_serializing_if = "Items::is_empty")]
    pub left_out: Items,
    /// Items whose product is not allowed there.
    #[serde(skip_serializing_if = "Items::is_empty")]
    pub not_allowed: Items,
    /// Items for which it has too little stock: the first [`SHOWN_ENTRIES`], as long as the rule's
    /// [`SHOWN_MISSING`] last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub missing_not_shown: usize,
}

/// Too little stock for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MissingStock)]
pub struct Missing {
    /// The item.
    pub order_item_id: i64,
    /// What it is.
    pub sku: String,
    /// How many it needs, at one location.
    pub needed: i64,
    /// How many there were, after what this plan gave the location otherwise.
    pub available: i64,
}

/// Some items: the first [`SHOWN_ENTRIES`] and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SomeItems)]
pub struct Items {
    /// How many.
    pub count: usize,
    /// The first of them, by id.
    pub ids: Vec<i64>,
}

impl Items {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl FromIterator<i64> for Items {
    fn from_iter<I: IntoIterator<Item = i64>>(ids: I) -> Self {
        ids.into_iter().fold(Self::default(), |mut items, id| {
            if items.count < SHOWN_ENTRIES {
                items.ids.push(id);
            }
            items.count += 1;
            items
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_aside(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}
