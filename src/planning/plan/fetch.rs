//! Fetching: which locations send what another one lacks.
//!
//! Pure. The transfer scenario's rules choose the sources just as a distribution scenario's choose locations: as many
//! items as possible, from as few sources as possible, then those that come first in the rule's order. What differs: the
//! distance is the one between the two locations, a source must have the units, whatever the rule says, and what the
//! scenario says of splitting is said of sources: how many there may be, and what a nearer one is worth.

#[cfg(test)]
mod properties;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Candidate, Circumstances, Demand, RuleTrace, ScenarioTrace, distance_km, explain, plan};
use crate::planning::scenario::{Condition, Rule, Scenario};

/// How items can be fetched from other locations.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetching {
    /// The transfer scenario that fits the order.
    pub scenario: Scenario,
    /// The transfer scenarios that were asked, this one last.
    pub considered: Vec<ScenarioTrace>,
    /// Latitude and longitude of every location that has them.
    pub places: BTreeMap<i64, (f64, f64)>,
}

/// Items of one plan that one location sends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTransfer {
    /// Who sends them.
    pub source_location_id: i64,
    /// Which, by id.
    pub order_item_ids: Vec<i64>,
}

/// What is brought together at one location, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gathering {
    /// Name of the transferable rule; none where a transfer's own items were planned again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The transfer scenario that chose the sources; none where none fits.
    pub scenario_id: Option<i64>,
    /// Where they are brought together.
    pub stock_location_id: i64,
    /// Items that are there already.
    pub at_hand: Vec<i64>,
    /// What is fetched.
    pub transfers: Vec<PlannedTransfer>,
}

impl Gathering {
    /// How many items it brings together.
    #[must_use]
    pub fn count(&self) -> usize {
        self.at_hand.len() + self.transfers.iter().map(|transfer| transfer.order_item_ids.len()).sum::<usize>()
    }

    /// Whether it fetches this item.
    #[must_use]
    pub fn fetches(&self, order_item_id: i64) -> bool {
        self.transfers.iter().any(|transfer| transfer.order_item_ids.contains(&order_item_id))
    }

    /// Whether the item is at hand or fetched.
    #[must_use]
    pub fn has(&self, order_item_id: i64) -> bool {
        self.at_hand.contains(&order_item_id) || self.fetches(order_item_id)
    }
}

/// Brings together at a location as many items as can be: what it has, and what others can send.
///
/// A location left out for an item neither has it at hand nor sends it. With `traces`, adds there how the sources were
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

/// Everything a location has in stock.
fn anything_there() -> Scenario {
    let rule = Rule { conditions: vec![Condition::SelectByStock], ..Rule::default() };
    Scenario { rules: vec![rule], ..Scenario::default() }
}

/// The scenario with `SELECT_BY_STOCK` in every rule: nobody can send what is not there.
fn by_stock(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    for rule in &mut scenario.rules {
        if !rule.asks_for(&Condition::SelectByStock) {
            rule.conditions.push(Condition::SelectByStock);
        }
    }
    scenario
}
