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

use super::{Candidate, Circumstances, Demand, RuleTrace, ScenarioTrace, distance_km, explain, plan};
use crate::scenarios::rules::{Condition, Rule, Scenario};

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

/// Items of one plan that one location sends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTransfer {
    /// The sender.
    pub source_location_id: i64,
    /// The items, by id.
    pub order_item_ids: Vec<i64>,
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
    /// Items that are fetched.
    pub transfers: Vec<PlannedTransfer>,
}

impl Gathering {
    /// The number of items.
    #[must_use]
    pub fn count(&self) -> usize {
        self.at_hand.len() + self.transfers.iter().map(|transfer| transfer.order_item_ids.len()).sum::<usize>()
    }

    /// True if it fetches this item.
    #[must_use]
    pub fn fetches(&self, order_item_id: i64) -> bool {
        self.transfers.iter().any(|transfer| transfer.order_item_ids.contains(&order_item_id))
    }

    /// True if the item is at hand or fetched.
    #[must_use]
    pub fn has(&self, order_item_id: i64) -> bool {
        self.at_hand.contains(&order_item_id) || self.fetches(order_item_id)
    }
}

/// Brings together as many items as possible at a location: its own, and those that others can send.
///
/// A location that is excluded for an item neither has it at hand nor sends it. `traces` receives how the sources were
/// chosen.
#[must_use]
pub fn gather_at(
    stock_location_id: i64,
    fetching: Option<&Fetching>,
    demands: &[Demand],
    candidates: &[Candidate],
    circumstances: &Circumstances,
    traces: Option<&mut Vec<RuleTrace>>,
) -> Gathering {
    let (own, others): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.location.id == stock_location_id);
    let own: Vec<Candidate> = own.into_iter().cloned().collect();
    let there = plan(&anything_there(), None, demands, &own, &Circumstances::default());
    let at_hand: Vec<i64> = there.parcels.into_iter().flat_map(|parcel| parcel.order_item_ids).collect();
    let mut gathering = Gathering {
        rule: None,
        scenario_id: fetching.map(|fetching| fetching.scenario.id),
        stock_location_id,
        at_hand,
        transfers: Vec::new(),
    };
    let missing: Vec<Demand> =
        demands.iter().filter(|demand| !gathering.at_hand.contains(&demand.order_item_id)).cloned().collect();
    let Some(fetching) = fetching.filter(|_| !missing.is_empty()) else { return gathering };
    let sources: Vec<Candidate> = others
        .into_iter()
        .map(|candidate| {
            let ends = fetching.places.get(&stock_location_id).zip(fetching.places.get(&candidate.location.id));
            Candidate { distance_km: ends.map(|(to, from)| distance_km(*to, *from)), ..candidate.clone() }
        })
        .collect();
    let scenario = by_stock(&fetching.scenario);
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
    gathering.transfers = outcome
        .parcels
        .into_iter()
        .map(|parcel| PlannedTransfer {
            source_location_id: parcel.stock_location_id,
            order_item_ids: parcel.order_item_ids,
        })
        .collect();
    gathering
}

/// Matches everything that a location has in stock.
fn anything_there() -> Scenario {
    let rule = Rule { conditions: vec![Condition::SelectByStock], ..Rule::default() };
    Scenario { rules: vec![rule], ..Scenario::default() }
}

/// The scenario with `SELECT_BY_STOCK` in every rule, because a source must have the units.
fn by_stock(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    for rule in &mut scenario.rules {
        if !rule.asks_for(&Condition::SelectByStock) {
            rule.conditions.push(Condition::SelectByStock);
        }
    }
    scenario
}
