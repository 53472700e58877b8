//! The planner: which location gets which items of an order, and why.
//!
//! Pure: its input is the order's items, a scenario, the candidate locations and the circumstances (the time is one of
//! them); its output is parcels, and the reason of each choice if asked for. The same facts give the same plan, in any
//! order.
//!
//! The scenario's rules run in turn. Each places what it can of the lines that earlier rules left: as many as possible,
//! in as few new parcels as possible (or at the least distance, if the scenario weighs distances), then at as few
//! locations as possible, then at those that come first in the rule's order ([`super::cover`]). Where the scenario lets
//! lines be split, "many" means units, and what a rule leaves of a line waits for the next one; else a line is never split.
//! Where it says so, the parts of a kit are placed at one location, or none of them is; a rule that is not about all of them
//! leaves them.
//! A location gets one parcel at most: lines from a later rule join it and need no more room. A transferable rule is
//! different: it brings items together at one location ([`fetch`]).

mod explain;
pub mod fetch;
mod state;
mod trace;
mod view;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::trace::{
    CandidateTrace, Items, Missing, RuleTrace, SHOWN_CANDIDATES, SHOWN_ENTRIES, SHOWN_MISSING, ScenarioTrace,
    ScenarioVerdict, Verdict,
};
use self::{
    fetch::{Fetching, Gathering},
    state::PlanState,
};
pub use super::record::Trace;
pub use super::units::{Units, parts_of, units_of};
use crate::{
    locations::Location,
    scenarios::rules::{Condition, OrderFacts, Product, Scenario},
};

/// An order line that needs a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// The order's line. Some of its units may be a demand of their own, because other locations are excluded for them.
    pub order_item_id: i64,
    /// The SKU.
    pub sku: String,
    /// Units. Less than one counts as one.
    pub quantity: i64,
    /// Locations that must not get it: they refused it or could not find it.
    pub excluded_location_ids: BTreeSet<i64>,
    /// The product, as far as rules use it.
    pub product: Product,
    /// The line of the kit that it is a part of. Where the scenario says so, the parts of one kit are placed together.
    pub kit: Option<i64>,
}

/// The stock of a SKU at a location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// Units that were counted.
    pub quantity: i64,
    /// Units of them that are reserved.
    pub reserved: i64,
    /// Units of them that are left to older orders, which wait for them.
    pub set_aside: i64,
}

impl Stock {
    /// Units that can be promised.
    #[must_use]
    pub fn available(self) -> i64 {
        self.quantity.saturating_sub(self.reserved).saturating_sub(self.set_aside)
    }
}

/// An active location that may get a parcel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidate {
    /// The location. Each is given at most once.
    pub location: Arc<Location>,
    /// Most packages that may occupy it; none: no limit.
    pub max_quota: Option<i64>,
    /// Packages that occupy it now, without the one that is planned again.
    pub open_packages: i64,
    /// Room for so many packages is left to older orders, which wait for it.
    pub rooms_set_aside: i64,
    /// Kilometres to the delivery address; none (or not a number): unknown.
    pub distance_km: Option<f64>,
    /// By SKU of the order. A missing SKU is not in stock.
    pub stock: BTreeMap<Arc<str>, Stock>,
}

impl Candidate {
    /// How many more packages it may get; none: no limit.
    #[must_use]
    pub fn available_quota(&self) -> Option<i64> {
        self.max_quota.map(|most| most.saturating_sub(self.open_packages).saturating_sub(self.rooms_set_aside))
    }
}

/// The input of a plan besides items and locations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circumstances {
    /// The time of the plan.
    pub time: DateTime<Utc>,
    /// The order, as far as rules use it.
    pub order: OrderFacts,
    /// ERP code of the location of the package that is planned again; none for a new order.
    pub package_location: Option<String>,
    /// Other packages of the order that hold items.
    pub other_packages: usize,
    /// Locations that refused a package of the order, or could not find an item of it, before.
    pub refused_by: BTreeSet<i64>,
}

/// A package to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Its location.
    pub stock_location_id: i64,
    /// Its items, by id.
    pub order_item_ids: Vec<i64>,
    /// Of items that are elsewhere too, the units that are here. The others are here as a whole.
    #[serde(default, skip_serializing_if = "Units::is_empty")]
    pub parts: Units,
    /// Name of the rule that opened it.
    pub rule: String,
    /// True if a rule with `SELECT_BY_STOCK` gave it items.
    pub bound_by_stock: bool,
    /// The items from such a rule alone, by id: their reservation must find stock. The other items are here with or
    /// without stock.
    pub stock_bound_item_ids: Vec<i64>,
    /// True if the rule that opened it has `SELECT_BY_QUOTA`: the location must have room.
    pub bound_by_quota: bool,
}

impl Parcel {
    /// The units of its items. `whole`: the units of each item.
    #[must_use]
    pub fn units(&self, whole: &Units) -> Units {
        units_of(&self.order_item_ids, &self.parts, whole)
    }
}

/// The units that are demanded, at least one of each.
#[must_use]
pub fn demanded(demands: &[Demand]) -> Units {
    let mut units = Units::new();
    for demand in demands {
        *units.entry(demand.order_item_id).or_default() += demand.quantity.max(1);
    }
    units
}

/// Where the items of an order go.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The scenario that decided.
    pub scenario_id: i64,
    /// The packages to be created, by the rules that opened them, then by the rank of their locations.
    pub parcels: Vec<Parcel>,
    /// The items without a place, by id.
    pub unplaced: Vec<i64>,
    /// Of those with a place for some of their units, the units without one.
    pub unplaced_parts: Units,
    /// The stored facts, from which the plan can be made, and explained, again.
    pub trace: Trace,
}

impl Plan {
    /// True if the items without a place would all have one if every location were open.
    #[must_use]
    pub fn waits_for_opening(&self) -> bool {
        self.trace.decision.waits_for_opening
    }
}

/// The planner's decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// As in [`Plan`].
    pub parcels: Vec<Parcel>,
    /// As in [`Plan`].
    pub unplaced: Vec<i64>,
    /// As in [`Plan`].
    pub unplaced_parts: Units,
    /// What transferable rules bring together, and from where. Transfers are created from it.
    pub gatherings: Vec<Gathering>,
}

/// Places the items of an order by a scenario's rules. Without `fetching` a transferable rule is like any other.
#[must_use]
pub fn plan(
    scenario: &Scenario,
    fetching: Option<&Fetching>,
    demands: &[Demand],
    candidates: &[Candidate],
    circumstances: &Circumstances,
) -> Outcome {
    // If every rule asks for stock, a location without stock of the order is not a candidate: it cannot send anything
    // either.
    let by_stock = scenario.rules.iter().all(|rule| rule.asks_for(&Condition::SelectByStock));
    let has_some = |candidate: &&Candidate| {
        !by_stock
            || demands
                .iter()
                .any(|demand| candidate.stock.get(demand.sku.as_str()).is_some_and(|stock| stock.available() > 0))
    };
    let mut state = PlanState::new(scenario, demands, candidates.iter().filter(has_some), circumstances);
    run_rules(&mut state, scenario, fetching, None);
    state.result()
}

/// The same, with the facts and the decision of each rule. A rule with nothing to place does not run.
#[must_use]
pub fn explain(
    scenario: &Scenario,
    fetching: Option<&Fetching>,
    demands: &[Demand],
    candidates: &[Candidate],
    circumstances: &Circumstances,
) -> (Outcome, Vec<RuleTrace>) {
    let mut state = PlanState::new(scenario, demands, candidates.iter(), circumstances);
    let mut traces = Vec::new();
    run_rules(&mut state, scenario, fetching, Some(&mut traces));
    (state.result(), traces)
}

fn run_rules(
    state: &mut PlanState<'_>,
    scenario: &Scenario,
    fetching: Option<&Fetching>,
    mut traces: Option<&mut Vec<RuleTrace>>,
) {
    for rule in &scenario.rules {
        if state.all_placed() {
            return;
        }
        match fetching.filter(|_| rule.transferable) {
            Some(fetching) => state.gather(rule, fetching, traces.as_deref_mut()),
            None => state.apply_rule(rule, traces.as_deref_mut()),
        }
    }
}

/// Kilometres between two points (latitude, longitude in degrees) along the Earth's surface, to the metre: addresses
/// are less exact.
#[must_use]
pub fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    const EARTH_RADIUS_KM: f64 = 6_371.008_8;
    let (latitude_a, latitude_b) = (a.0.to_radians(), b.0.to_radians());
    let half_of = |angle: f64| (angle / 2.0).sin().powi(2);
    let haversine =
        half_of(latitude_b - latitude_a) + latitude_a.cos() * latitude_b.cos() * half_of((b.1 - a.1).to_radians());
    let km = 2.0 * EARTH_RADIUS_KM * haversine.clamp(0.0, 1.0).sqrt().asin();
    (km * 1_000.0).round() / 1_000.0
}
