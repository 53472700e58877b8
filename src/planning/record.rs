//! The stored form of a plan: its facts and its decision. It is small, and enough to make the plan again.
//!
//! Things that never change are named, not copied: the scenario by its version, the locations by the installation's
//! version, the order by its row. Things that change are stored as numbers: the time, and for each location that has
//! any, its quota and its stock of the order's SKUs. The reasons ([`super::plan::explain`]) are made from them on
//! request.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::plan::{
    Candidate, Circumstances, Demand, Outcome, Parcel, ScenarioVerdict, Stock, Units, distance_km, fetch::Gathering,
};
use crate::{
    locations::Location,
    scenarios::rules::{OrderFacts, Product},
};

/// The stored form of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The decision.
    pub decision: PlanDecision,
    /// Its input.
    pub facts: Facts,
}

/// A scenario that was tried: its id, its version, the verdict.
pub type TriedScenario = (i64, i32, ScenarioVerdict);

/// The decision of a plan, and its scenarios.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanDecision {
    /// The scenarios that were tried, the chosen one last. For items of a transfer that were planned again: the
    /// transfer scenarios.
    pub scenarios: Vec<TriedScenario>,
    /// The transfer scenarios that were tried, for a scenario that fetches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfer_scenarios: Vec<TriedScenario>,
    /// The packages that it creates.
    pub parcels: Vec<Parcel>,
    /// The items without a place.
    pub unplaced: Vec<i64>,
    /// Of those with a place for some of their units, the units without one.
    #[serde(default, skip_serializing_if = "Units::is_empty")]
    pub unplaced_parts: Units,
    /// What it brings together, and from where. Transfers are created from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gatherings: Vec<Gathering>,
    /// True if the items without a place would all have one if every location were open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_opening: bool,
}

impl PlanDecision {
    /// What it decides.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome {
            parcels: self.parcels.clone(),
            unplaced: self.unplaced.clone(),
            unplaced_parts: self.unplaced_parts.clone(),
            gatherings: self.gatherings.clone(),
        }
    }
}

/// The input of a plan that can change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When it was made.
    pub time: DateTime<Utc>,
    /// The version of the installation whose locations it used.
    pub installation_version: i64,
    /// How often the order was changed before.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub order_revision: i32,
    /// As in [`Circumstances`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_location: Option<String>,
    /// As in [`Circumstances`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_packages: usize,
    /// As in [`Circumstances`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<i64>,
    /// The location that packs the items, if they are of a transfer that failed; none: the plan decides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gathered_at: Option<i64>,
    /// With `gathered_at`: units of one line may come from several locations.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub divides: bool,
    /// The SKUs, each once.
    pub skus: Vec<String>,
    /// The lines: item, index of its SKU in `skus`, quantity, excluded locations.
    pub lines: Vec<(i64, usize, i64, Vec<i64>)>,
    /// The product of each line; empty if no rule used products.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Product>,
    /// Of lines that are parts of kits: index of the line in `lines`, the kit's item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kits: Vec<(usize, i64)>,
    /// For each location that has any of it: id, open packages, most packages (-1: no limit), then for each SKU its
    /// quantity and its reserved units. Zeros at the end are left out.
    pub locations: Vec<Vec<i64>>,
    /// The units that were left to older orders: location, index of the SKU in `skus`, units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<(i64, usize, i64)>,
    /// The room that was left to older orders: location, packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms_set_aside: Vec<(i64, i64)>,
}

impl Facts {
    /// Makes the stored form of a plan's input.
    #[must_use]
    pub fn of(
        installation_version: i64,
        circumstances: &Circumstances,
        demands: &[Demand],
        candidates: &[Candidate],
        with_products: bool,
    ) -> Self {
        let skus: BTreeSet<&str> = demands.iter().map(|demand| demand.sku.as_str()).collect();
        let skus: Vec<String> = skus.into_iter().map(str::to_owned).collect();
        let column = |sku: &String| skus.binary_search(sku).unwrap_or_default();
        let lines = demands.iter().map(|demand| {
            let excluded = demand.excluded_location_ids.iter().copied().collect();
            (demand.order_item_id, column(&demand.sku), demand.quantity, excluded)
        });
        Self {
            time: circumstances.time,
            installation_version,
            order_revision: circumstances.order.revision,
            package_location: circumstances.package_location.clone(),
            other_packages: circumstances.other_packages,
            refused_by: circumstances.refused_by.iter().copied().collect(),
            gathered_at: None,
            divides: false,
            lines: lines.collect(),
            products: demands.iter().filter(|_| with_products).map(|demand| demand.product.clone()).collect(),
            kits: demands.iter().enumerate().filter_map(|(at, demand)| Some((at, demand.kit?))).collect(),
            locations: candidates.iter().filter_map(|candidate| row(candidate, &skus)).collect(),
            set_aside: candidates.iter().flat_map(|candidate| set_aside(candidate, &skus)).collect(),
            rooms_set_aside: candidates
                .iter()
                .filter(|candidate| candidate.rooms_set_aside != 0)
                .map(|candidate| (candidate.location.id, candidate.rooms_set_aside))
                .collect(),
            skus,
        }
    }

    /// The locations that the plan could choose from, as they were.
    #[must_use]
    pub fn candidates(&self, locations: &BTreeMap<i64, Arc<Location>>, order: &OrderFacts) -> Vec<Candidate> {
        let rows: BTreeMap<i64, &[i64]> =
            self.locations.iter().filter_map(|row| Some((*row.first()?, row.get(1..)?))).collect();
        let skus: Vec<Arc<str>> = self.skus.iter().map(|sku| Arc::from(sku.as_str())).collect();
        let set_aside: HashMap<(i64, usize), i64> =
            self.set_aside.iter().map(|(location, sku, units)| ((*location, *sku), *units)).collect();
        let rooms: HashMap<i64, i64> = self.rooms_set_aside.iter().copied().collect();
        let active = locations.values().filter(|location| location.is_active);
        active
            .map(|location| {
                // A location without a row had nothing, and no limit.
                let row = rows.get(&location.id).copied().unwrap_or(&[0, -1]);
                let number = |at: usize| row.get(at).copied();
                let stock = skus.iter().enumerate().filter_map(|(at, sku)| {
                    let stock = Stock {
                        quantity: number(2 + 2 * at)?,
                        reserved: number(3 + 2 * at).unwrap_or(0),
                        set_aside: set_aside.get(&(location.id, at)).copied().unwrap_or(0),
                    };
                    Some((Arc::clone(sku), stock))
                });
                Candidate {
                    max_quota: number(1).filter(|most| *most >= 0),
                    open_packages: number(0).unwrap_or(0),
                    rooms_set_aside: rooms.get(&location.id).copied().unwrap_or(0),
                    distance_km: order.coordinates.zip(location.coordinates()).map(|(from, to)| distance_km(from, to)),
                    stock: stock.collect(),
                    location: Arc::clone(location),
                }
            })
            .collect()
    }

    /// The lines, with the stored products, or with the given ones if none were stored.
    #[must_use]
    pub fn demands(&self, products: &BTreeMap<i64, Product>) -> Vec<Demand> {
        let lines = self.lines.iter().enumerate();
        let kits: HashMap<usize, i64> = self.kits.iter().copied().collect();
        lines
            .map(|(at, (order_item_id, column, quantity, excluded))| Demand {
                order_item_id: *order_item_id,
                sku: self.skus.get(*column).cloned().unwrap_or_default(),
                quantity: *quantity,
                excluded_location_ids: excluded.iter().copied().collect(),
                product: self.products.get(at).or_else(|| products.get(order_item_id)).cloned().unwrap_or_default(),
                kit: kits.get(&at).copied(),
            })
            .collect()
    }

    /// The units that were planned, by item.
    #[must_use]
    pub fn units(&self) -> Units {
        let mut units = Units::new();
        for (order_item_id, _, quantity, _) in &self.lines {
            *units.entry(*order_item_id).or_default() += (*quantity).max(1);
        }
        units
    }

    /// The other circumstances of the plan.
    #[must_use]
    pub fn circumstances(&self, order: OrderFacts) -> Circumstances {
        Circumstances {
            time: self.time,
            order,
            package_location: self.package_location.clone(),
            other_packages: self.other_packages,
            refused_by: self.refused_by.iter().copied().collect(),
        }
    }
}

/// What of a candidate's stock is set aside.
fn set_aside<'a>(candidate: &'a Candidate, skus: &'a [String]) -> impl Iterator<Item = (i64, usize, i64)> + 'a {
    candidate.stock.iter().filter(|(_, stock)| stock.set_aside != 0).filter_map(|(sku, stock)| {
        let column = skus.binary_search_by(|known| known.as_str().cmp(sku)).ok()?;
        Some((candidate.location.id, column, stock.set_aside))
    })
}

/// A candidate as numbers; none if all are zero.
fn row(candidate: &Candidate, skus: &[String]) -> Option<Vec<i64>> {
    let mut row = vec![candidate.location.id, candidate.open_packages, candidate.max_quota.unwrap_or(-1)];
    for sku in skus {
        let stock = candidate.stock.get(sku.as_str()).copied().unwrap_or_default();
        row.extend([stock.quantity, stock.reserved]);
    }
    let used = row.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
    row.truncate(used.max(3));
    let says_nothing = row[1..] == [0, -1];
    (!says_nothing).then_some(row)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_yet(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn candidate(id: i64, open_packages: i64, max_quota: Option<i64>, stock: &[(&str, i64, i64)]) -> Candidate {
        let stock = stock.iter().map(|(sku, quantity, reserved)| {
            (Arc::from(*sku), Stock { quantity: *quantity, reserved: *reserved, ..Stock::default() })
        });
        let location = Location { id, is_active: true, ..Location::default() };
        Candidate {
            location: Arc::new(location),
            max_quota,
            open_packages,
            stock: stock.collect(),
            ..Candidate::default()
        }
    }

    #[test]
    fn it_is_kept_like_this() {
        let demand = |order_item_id, sku: &str, quantity, excluded: &[i64]| Demand {
            order_item_id,
            sku: sku.to_owned(),
            quantity,
            excluded_location_ids: excluded.iter().copied().collect(),
            ..Demand::default()
        };
        let candidates = [
            candidate(1, 0, None, &[]),
            candidate(2, 3, Some(0), &[("shirt", 5, 1)]),
            candidate(3, 0, None, &[("shoe", 2, 0)]),
            candidate(4, 7, None, &[("hat", 9, 9)]),
        ];
        let demands = [demand(11, "shoe", 1, &[]), demand(12, "shirt", 2, &[3]), demand(13, "shoe", 4, &[])];
        let facts = Facts::of(9, &Circumstances::default(), &demands, &candidates, false);
        assert_eq!(
            serde_json::to_value(&facts).unwrap(),
            json!({
                "time": "1970-01-01T00:00:00Z",
                "installation_version": 9,
                "skus": ["shirt", "shoe"],
                "lines": [[11, 1, 1, []], [12, 0, 2, [3]], [13, 1, 4, []]],
                "locations": [[2, 3, 0, 5, 1], [3, 0, -1, 0, 0, 2], [4, 7, -1]]
            })
        );
    }
}
