//! The planner: which location gets which items of an order, and why.
//!
//! Pure: it sees the order's items, a scenario, the candidate locations and the circumstances (the time
//! is one of them), and returns parcels; asked to explain, with the reason for each choice. The same
//! facts give the same plan, in whatever order they are given.
//!
//! The rules of the scenario run in turn, and each places what it can of what the earlier ones left:
//! as many items as possible, in as few new parcels (or, where the scenario weighs them, at the least
//! distance), then at as few locations as possible, then at those that come first in the rule's order
//! ([`super::cover`]). A line is never split. A location gets one parcel at most: what a later rule
//! gives it joins the parcel it has, for which it needs no room again. A transferable rule does
//! otherwise: it brings items together at one location ([`fetch`]).

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
use super::{
    location::Location,
    scenario::{Condition, OrderFacts, Product, Scenario},
};

/// An order line that needs a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// The line; each may be given once.
    pub order_item_id: i64,
    /// What is wanted.
    pub sku: String,
    /// How many, all from one location. Less than one counts as one.
    pub quantity: i64,
    /// Locations that may not get it: they refused it or could not find it.
    pub excluded_location_ids: BTreeSet<i64>,
    /// What rules look at of the product.
    pub product: Product,
}

/// What a location has of a SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// Units that were counted.
    pub quantity: i64,
    /// Units of them that are held for packages.
    pub reserved: i64,
}

impl Stock {
    /// Units that can be promised.
    #[must_use]
    pub fn available(self) -> i64 {
        self.quantity.saturating_sub(self.reserved)
    }
}

/// A location that may get a parcel. Inactive ones are not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidate {
    /// The location; each may be given once.
    pub location: Arc<Location>,
    /// Most packages that may occupy it; none: no limit.
    pub max_quota: Option<i64>,
    /// Packages that occupy it now, without the one whose items are planned again.
    pub open_packages: i64,
    /// Kilometres to the delivery address; none (or not a number): unknown.
    pub distance_km: Option<f64>,
    /// By SKU of the order; what is not in it is not there.
    pub stock: BTreeMap<Arc<str>, Stock>,
}

impl Candidate {
    /// How many more packages it may get; none: no limit.
    #[must_use]
    pub fn available_quota(&self) -> Option<i64> {
        self.max_quota.map(|most| most.saturating_sub(self.open_packages))
    }
}

/// What a plan depends on besides items and locations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Circumstances {
    /// When it is made.
    pub time: DateTime<Utc>,
    /// What rules look at of the order.
    pub order: OrderFacts,
    /// ERP code of the location of the package whose items are planned again; none for a new order.
    pub package_location: Option<String>,
    /// How many packages the order has besides: those that hold their items.
    pub other_packages: usize,
    /// Locations that refused a package of the order, or could not find an item of it, before.
    pub refused_by: BTreeSet<i64>,
}

/// A package to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Where.
    pub stock_location_id: i64,
    /// Of what, by id.
    pub order_item_ids: Vec<i64>,
    /// Name of the rule that opened it.
    pub rule: String,
    /// Whether a rule with `SELECT_BY_STOCK` gave it items.
    pub bound_by_stock: bool,
    /// The items such a rule gave it, by id: their reservation must find its stock. The other items
    /// are here whether there is stock or not.
    pub stock_bound_item_ids: Vec<i64>,
    /// Whether the rule that opened it has `SELECT_BY_QUOTA`: the location must have room for it.
    pub bound_by_quota: bool,
}

/// Where the items of an order go.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The scenario that decided.
    pub scenario_id: i64,
    /// The packages to be made, in the order of the rules that opened them and of their locations' rank
    /// there.
    pub parcels: Vec<Parcel>,
    /// The items without a place, by id.
    pub unplaced: Vec<i64>,
    /// What it was made from, to be stored: from it the plan can be made, and explained, again.
    pub trace: Trace,
}

/// What the planner decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// As in [`Plan`].
    pub parcels: Vec<Parcel>,
    /// As in [`Plan`].
    pub unplaced: Vec<i64>,
    /// What transferable rules bring together, and from where: of this, transfers are made.
    pub gatherings: Vec<Gathering>,
}

/// Places the items of an order by a scenario's rules. Without `fetching` a transferable rule is as any other.
#[must_use]
pub fn plan(
    scenario: &Scenario,
    fetching: Option<&Fetching>,
    demands: &[Demand],
    candidates: &[Candidate],
    circumstances: &Circumstances,
) -> Outcome {
    // Where every rule asks for stock, a location that has nothing of the order need not be looked at: it cannot send
    // anything either.
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

/// The same, with what each rule saw and did. A rule with nothing left to place does not run.
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

/// Kilometres between two places given as (latitude, longitude) in degrees, along the surface of the
/// Earth and to the metre, which is finer than an address is known.
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
