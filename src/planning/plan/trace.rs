//! Why a plan is what it is: stored with the plan, served to whoever asks.
//!
//! Bounded, whatever the order: a rule shows every location it gave something to, then up to
//! [`SHOWN_CANDIDATES`] in all (first those that could have taken something), and counts the rest by
//! verdict; a list of items shows [`SHOWN_ENTRIES`] and the count; of stock that was missing a rule
//! shows [`SHOWN_MISSING`] entries in all, the best ranks first. Only the items given are all there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::planning::scenario::{Condition, OrderBy};

/// Candidates a rule shows; more only where more than that were given something.
pub const SHOWN_CANDIDATES: usize = 50;
/// Entries of a list that are shown beside its count.
pub const SHOWN_ENTRIES: usize = 20;
/// Entries of missing stock a rule shows at all its candidates together.
pub const SHOWN_MISSING: usize = 100;

/// The reasons of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The scenarios that were asked, the last one chosen. [`super::plan`] leaves it empty: it is the
    /// second half of what [`crate::planning::scenario::choose_scenario`] returns.
    pub scenarios: Vec<ScenarioTrace>,
    /// The rules that ran, in order. A rule with nothing left to place does not run.
    pub rules: Vec<RuleTrace>,
}

/// A scenario that was asked whether it is for this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioTrace {
    /// The scenario.
    pub scenario_id: i64,
    /// Its name at the time.
    pub name: String,
    /// Its place in the order of asking.
    pub priority: i32,
    /// Chosen, or why not.
    pub verdict: ScenarioVerdict,
    /// What it wanted where the order differs: the first [`SHOWN_ENTRIES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    /// What the order had there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order_has: Vec<String>,
}

/// What became of a scenario that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTrace {
    /// Name of the rule.
    pub rule: String,
    /// What it demanded of a location.
    pub conditions: Vec<Condition>,
    /// The keys it was told to order by; after them come priority and id.
    pub order_by: Vec<OrderBy>,
    /// The items the earlier rules left to it.
    pub asked: Items,
    /// How many of them it placed.
    pub placed: usize,
    /// Whether no choice would have placed more, or as much with fewer parcels or locations. False:
    /// too many locations mattered to look at every set of them.
    pub exact: bool,
    /// The locations that are shown, in the rule's order.
    pub candidates: Vec<CandidateTrace>,
    /// The others, counted by what became of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_shown: BTreeMap<Verdict, usize>,
}

/// What a rule saw at one location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Chosen, or why not.
    pub verdict: Verdict,
    /// Whether an earlier rule of this plan gave it a parcel, which further items join.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_parcel: bool,
    /// Items that stock and exclusions allow it, each looked at alone, whether it has room or not.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub could_take: Items,
    /// Items it was given: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<i64>,
    /// Items it was not asked for because it was left out for them before.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub left_out: Items,
    /// Items for which it has too little stock: the first [`SHOWN_ENTRIES`], as long as the rule's
    /// [`SHOWN_MISSING`] last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_not_shown: usize,
}

/// Too little stock for an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What became of a location in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It got items.
    Chosen,
    /// It could take items, but those that got them do without it.
    NotNeeded,
    /// It could take items, but has no room for a package.
    NoQuota,
    /// It has too little stock for each item.
    NoStock,
    /// It was left out for every item: it refused them or could not find them.
    LeftOutBefore,
}

impl Verdict {
    /// The verdict as a sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Chosen => "It got these items.",
            Self::NotNeeded => "It could take items, but the chosen locations do without it.",
            Self::NoQuota => "It could take items, but has no room for another package.",
            Self::NoStock => "It has too little stock for every one of the items.",
            Self::LeftOutBefore => "It refused these items or could not find them before.",
        }
    }
}

/// Some items: the first [`SHOWN_ENTRIES`] and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
const fn is_zero(number: &usize) -> bool {
    *number == 0
}
