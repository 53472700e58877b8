//! The planner: which location gets which items of an order, and why.
//!
//! Pure: it sees the order's items, a scenario and the candidate locations, and returns parcels with
//! the reason for each choice. The same facts give the same plan, in whatever order they are given.
//!
//! The rules of the scenario run in turn, and each places what it can of what the earlier ones left:
//! as many items as possible, in as few new parcels, then at as few locations as possible, then at
//! those that come first in the rule's order ([`super::cover`]). A line is never split. A location
//! gets one parcel at most: what a later rule gives it joins the parcel it has, for which it needs
//! no room again.

mod board;
mod explain;
mod trace;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use self::board::Board;
pub use self::trace::{
    CandidateTrace, Items, Missing, RuleTrace, SHOWN_CANDIDATES, SHOWN_ENTRIES, SHOWN_MISSING, ScenarioTrace,
    ScenarioVerdict, Trace, Verdict,
};
use super::scenario::Scenario;

/// An order line that needs a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The line; each may be given once.
    pub order_item_id: i64,
    /// What is wanted.
    pub sku: String,
    /// How many, all from one location. Less than one counts as one.
    pub quantity: i64,
    /// Locations that may not get it: they refused it or could not find it.
    pub excluded_location_ids: BTreeSet<i64>,
}

/// A location that may get a parcel. Inactive ones are not given.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The location; each may be given once.
    pub stock_location_id: i64,
    /// Its code in the shop's own systems.
    pub erp_code: String,
    /// What people call it.
    pub name: String,
    /// Lower is asked first.
    pub priority: i32,
    /// How many more packages it may get; none: no limit.
    pub available_quota: Option<i64>,
    /// Kilometres to the delivery address; none (or not a number): unknown.
    pub distance_km: Option<f64>,
    /// Quantity less reservations, for the SKUs of the order; what is not in it is not there.
    pub available_stock: HashMap<String, i64>,
}

/// A package to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Why.
    pub trace: Trace,
}

/// Places the items of an order by a scenario's rules.
#[must_use]
pub fn plan(scenario: &Scenario, demands: &[Demand], candidates: &[Candidate]) -> Plan {
    let mut board = Board::new(demands, candidates);
    let mut trace = Trace::default();
    for rule in &scenario.rules {
        if board.all_placed() {
            break;
        }
        trace.rules.push(board.run(rule));
    }
    let (parcels, unplaced) = board.result();
    Plan { scenario_id: scenario.id, parcels, unplaced, trace }
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
