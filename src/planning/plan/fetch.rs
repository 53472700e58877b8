//! Fetching: which locations send items that another one lacks.
//!
//! Pure. The rules of the transfer scenario choose sources as those of a distribution scenario choose locations: as
//! many items as possible, from as few sources as possible, then by the rule's order. Three things differ: the distance
//! is between the two locations; a source must have the units, even without a condition; and the limits of splitting
//! are limits of sources: how many, and what a nearer one is worth.

#[cfg(test)]
mod properties;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Candidate, Circumstances, Demand, RuleTrace, ScenarioTrace, Units, demanded, distance_km, explain, parts_of, plan,
    units_of,
};
use crate::scenarios::rules::{Condition, Rule, Scenario, Splitting};

/// How items can be fetched from other locations.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetching {
    /// The transfer scenario that fits the order.
    pub scenario: Scenario,
    /// The transfer scenarios that were tried, this one last.
    pub considered: Vec<ScenarioTrace>,
    /// Latitude and longitude of every location that has them.
    pub places: BTreeMap<i64, (f64, f64)>,
}

impl Fetching {
    /// The same without opening hours; none if no rule asks for them.
    #[must_use]
    pub fn at_any_hour(&self) -> Option<Self> {
        Some(Self { scenario: self.scenario.at_any_hour()?, ..self.clone() })
    }
}

/// Items of one plan that one location sends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTransfer {
    /// The sender.
    pub source_location_id: i64,
    /// The items, by id.
    pub order_item_ids: Vec<i64>,
    /// Of items that it does not send as a whole, the units.
    #[serde(default, skip_serializing_if = "Units::is_empty")]
    #[schema(value_type = BTreeMap<String, i64>, required = false)]
    pub parts: Units,
}

impl PlannedTransfer {
    /// The units of its items. `whole`: the units of each item.
    #[must_use]
    pub fn units(&self, whole: &Units) -> Units {
        units_of(&self.order_item_ids, &self.parts, whole)
    }
}

/// Items that are brought together at one location, and their sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gathering {
    /// The name of the transferable rule; none for items of a failed transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub rule: Option<String>,
    /// The transfer scenario that chose the sources; none if none fits.
    pub scenario_id: Option<i64>,
    /// The location.
    pub stock_location_id: i64,
    /// Items that are there already.
    pub at_hand: Vec<i64>,
    /// Of items that are not there as a whole, the units that are.
    #[serde(default, skip_serializing_if = "Units::is_empty")]
    #[schema(value_type = BTreeMap<String, i64>, required = false)]
    pub at_hand_parts: Units,
    /// Items that are fetched.
    pub transfers: Vec<PlannedTransfer>,
}

impl Gathering {
    /// The units of its items that are at hand. `whole`: the units of each item.
    #[must_use]
    pub fn units_at_hand(&self, whole: &Units) -> Units {
        units_of(&self.at_hand, &self.at_hand_parts, whole)
    }

    /// The units of its items, at hand or fetched. `whole`: the units of each item.
    #[must_use]
    pub fn units(&self, whole: &Units) -> Units {
        let mut all = self.units_at_hand(whole);
        for (id, units) in self.transfers.iter().flat_map(|transfer| transfer.units(whole)) {
            *all.entry(id).or_default() += units;
        }
        all
    }

    /// The units that are neither at hand nor fetched. `whole`: the units of each item.
    #[must_use]
    pub fn left_of(&self, whole: &Units) -> Units {
        let has = self.units(whole);
        let left = whole.iter().map(|(id, units)| (*id, units - has.get(id).copied().unwrap_or(0)));
        left.filter(|(_, units)| *units > 0).collect()
    }

    /// True if it fetches this item, or a part of it.
    #[must_use]
    pub fn fetches(&self, order_item_id: i64) -> bool {
        self.transfers.iter().any(|transfer| transfer.order_item_ids.contains(&order_item_id))
    }
}

/// What is to be brought together.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What has no place yet.
    pub demands: &'a [Demand],
    /// The units of each item that the whole plan is about: what is less is a part.
    pub whole: &'a Units,
    /// Units of one line may come from several locations.
    pub divides: bool,
}

/// Brings together as many items as possible at a location: its own, and those that others can send.
///
/// A location that is excluded for an item neither has it at hand nor sends it. `traces` receives how the sources were
/// chosen.
#[must_use]
pub fn gather_at(
    stock_location_id: i64,
    wanted: Wanted<'_>,
    fetching: Option<&Fetching>,
    candidates: &[Candidate],
    circumstances: &Circumstances,
    traces: Option<&mut Vec<RuleTrace>>,
) -> Gathering {
    let (own, others): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.location.id == stock_location_id);
    let own: Vec<Candidate> = own.into_iter().cloned().collect();
    let Wanted { demands, whole, divides } = wanted;
    let there = plan(&anything_there(divides), None, demands, &own, &Circumstances::default());
    let of_demands = demanded(demands);
    let at_hand: Units = there.parcels.iter().flat_map(|parcel| parcel.units(&of_demands)).collect();
    let mut gathering = Gathering {
        rule: None,
        scenario_id: fetching.map(|fetching| fetching.scenario.id),
        stock_location_id,
        at_hand: at_hand.keys().copied().collect(),
        at_hand_parts: parts_of(&at_hand, whole),
        transfers: Vec::new(),
    };
    let missing = missing(demands, at_hand, stock_location_id);
    let Some(fetching) = fetching.filter(|_| !missing.is_empty()) else { return gathering };
    let sources: Vec<Candidate> = others
        .into_iter()
        .map(|candidate| {
            let ends = fetching.places.get(&stock_location_id).zip(fetching.places.get(&candidate.location.id));
            Candidate { distance_km: ends.map(|(to, from)| distance_km(*to, *from)), ..candidate.clone() }
        })
        .collect();
    let scenario = by_stock(&fetching.scenario, divides);
    // The order's packages are not sources.
    let circumstances = Circumstances { other_packages: 0, ..circumstances.clone() };
    let outcome = match traces {
        None => plan(&scenario, None, &missing, &sources, &circumstances),
        Some(traces) => {
            let (outcome, rules) = explain(&scenario, None, &missing, &sources, &circumstances);
            traces.extend(rules);
            outcome
        }
    };
    let of_missing = demanded(&missing);
    gathering.transfers = outcome
        .parcels
        .into_iter()
        .map(|parcel| PlannedTransfer {
            source_location_id: parcel.stock_location_id,
            parts: parts_of(&parcel.units(&of_missing), whole),
            order_item_ids: parcel.order_item_ids,
        })
        .collect();
    gathering
}

/// What is demanded besides the units at hand. These are of demands for which the location is not excluded.
fn missing(demands: &[Demand], mut at_hand: Units, stock_location_id: i64) -> Vec<Demand> {
    let mut missing = Vec::new();
    for demand in demands {
        let is_excluded = demand.excluded_location_ids.contains(&stock_location_id);
        let there = at_hand.get_mut(&demand.order_item_id).filter(|_| !is_excluded);
        let wanted = demand.quantity.max(1);
        let units = there.map_or(0, |there| {
            let units = wanted.min(*there);
            *there -= units;
            units
        });
        if units < wanted {
            missing.push(Demand { quantity: wanted - units, ..demand.clone() });
        }
    }
    missing
}

/// Matches everything that a location has in stock.
fn anything_there(divides: bool) -> Scenario {
    let rule = Rule { conditions: vec![Condition::SelectByStock], ..Rule::default() };
    let splitting = Splitting { lines: divides, ..Splitting::default() };
    Scenario { rules: vec![rule], splitting, ..Scenario::default() }
}

/// The scenario with `SELECT_BY_STOCK` in every rule, because a source must have the units.
fn by_stock(scenario: &Scenario, divides: bool) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.splitting.lines = divides;
    // What belongs together does so where it is packed.
    scenario.splitting.kits_together = false;
    for rule in &mut scenario.rules {
        if !rule.asks_for(&Condition::SelectByStock) {
            rule.conditions.push(Condition::SelectByStock);
        }
    }
    scenario
}
