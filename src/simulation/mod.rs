//! Simulation: plans past orders again by other scenarios, with the stock and quota of their time.
//!
//! Each order is planned by itself, on the facts stored with its plan. The effect of the other scenario on earlier
//! orders is not carried over: the stock at each time is the real stock of that time.

pub mod html;
pub mod json;
pub mod run;
pub mod text;

use std::collections::BTreeMap;

use crate::planning::plan::{Candidate, Demand, Outcome, Parcel};

/// Upper bounds of the distance classes, in kilometres. One more class is beyond the last.
pub const DISTANCES: [f64; 7] = [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];

/// The totals of many plans.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Orders in the simulation.
    pub orders: u64,
    /// Orders that no scenario fits.
    pub without_scenario: u64,
    /// Orders by their number of packages; 0: no item has a place.
    pub by_packages: BTreeMap<usize, u64>,
    /// Packages that were given.
    pub packages: u64,
    /// Packages by distance class.
    pub by_distance: [u64; DISTANCES.len() + 1],
    /// Packages whose distance is known.
    pub with_distance: u64,
    /// Their kilometres together.
    pub kilometres: f64,
    /// Items without a place.
    pub unplaced_items: u64,
    /// Orders with items without a place.
    pub unplaced_orders: u64,
    /// Totals by location.
    pub locations: BTreeMap<i64, LocationTally>,
}

/// The totals of a location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocationTally {
    /// Packages.
    pub packages: u64,
    /// Items in them.
    pub items: u64,
    /// Packages beyond its quota.
    pub beyond_quota: u64,
}

impl Tally {
    /// Counts the plan of an order.
    pub fn add(&mut self, outcome: &Outcome, candidates: &[Candidate]) {
        self.orders += 1;
        *self.by_packages.entry(outcome.parcels.len()).or_default() += 1;
        self.unplaced_items += outcome.unplaced.len() as u64;
        self.unplaced_orders += u64::from(!outcome.unplaced.is_empty());
        for parcel in &outcome.parcels {
            self.packages += 1;
            let location = self.locations.entry(parcel.stock_location_id).or_default();
            location.packages += 1;
            location.items += parcel.order_item_ids.len() as u64;
            let candidate = candidates.iter().find(|candidate| candidate.location.id == parcel.stock_location_id);
            let Some(candidate) = candidate else { continue };
            location.beyond_quota += u64::from(candidate.available_quota().is_some_and(|room| room < 1));
            if let Some(km) = candidate.distance_km.filter(|km| km.is_finite()) {
                self.with_distance += 1;
                self.kilometres += km;
                let within = DISTANCES.iter().position(|most| km <= *most).unwrap_or(DISTANCES.len());
                self.by_distance[within] += 1;
            }
        }
    }

    /// Counts an order that no scenario fits.
    pub fn add_without_scenario(&mut self, demands: &[Demand]) {
        self.orders += 1;
        self.without_scenario += 1;
        self.unplaced_orders += 1;
        self.unplaced_items += demands.len() as u64;
        *self.by_packages.entry(0).or_default() += 1;
    }

    /// Average packages per order.
    #[must_use]
    pub fn packages_per_order(&self) -> Option<f64> {
        ratio(count(self.packages), count(self.orders))
    }

    /// Average kilometres per package of known distance.
    #[must_use]
    pub fn kilometres_per_package(&self) -> Option<f64> {
        ratio(self.kilometres, count(self.with_distance))
    }

    /// Packages beyond a quota.
    #[must_use]
    pub fn beyond_quota(&self) -> u64 {
        self.locations.values().map(|location| location.beyond_quota).sum()
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of orders and packages are far below what a float holds exactly"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

/// The two sides of a simulation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// As planned then.
    pub before: Tally,
    /// As planned by the other scenarios.
    pub after: Tally,
    /// Orders with an item at another location.
    pub changed: u64,
    /// Orders that cannot be simulated: their plans are from before facts were stored.
    pub not_kept: u64,
    /// Locations by id: ERP code and name.
    pub names: BTreeMap<i64, (String, String)>,
}

impl Comparison {
    /// Locations with both totals, those with most packages first.
    #[must_use]
    pub fn locations(&self) -> Vec<(i64, LocationTally, LocationTally)> {
        let (before, after) = (&self.before.locations, &self.after.locations);
        let ids: std::collections::BTreeSet<i64> = before.keys().chain(after.keys()).copied().collect();
        let tally = |of: &BTreeMap<i64, LocationTally>, id: i64| of.get(&id).copied().unwrap_or_default();
        let mut all: Vec<_> = ids.into_iter().map(|id| (id, tally(before, id), tally(after, id))).collect();
        all.sort_by_key(|(id, before, after)| (std::cmp::Reverse(before.packages.max(after.packages)), *id));
        all
    }

    /// The name of a location.
    #[must_use]
    pub fn name(&self, id: i64) -> String {
        self.names.get(&id).map_or_else(|| id.to_string(), |(code, name)| format!("{name} ({code})"))
    }
}

/// True if two plans give every unit of every item to the same location.
#[must_use]
pub fn is_same(a: &Outcome, b: &Outcome) -> bool {
    let places = |outcome: &Outcome| -> BTreeMap<(i64, i64), Option<i64>> {
        let of_parcel = |parcel: &Parcel| {
            let items = parcel.order_item_ids.iter();
            let place = |id: &i64| ((*id, parcel.stock_location_id), parcel.parts.get(id).copied());
            items.map(place).collect::<Vec<_>>()
        };
        outcome.parcels.iter().flat_map(of_parcel).collect()
    };
    places(a) == places(b)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::locations::Location;

    fn candidate(id: i64, distance_km: Option<f64>, room: i64) -> Candidate {
        let location = Arc::new(Location { id, ..Location::default() });
        Candidate { location, distance_km, max_quota: Some(room), ..Candidate::default() }
    }

    fn parcel(stock_location_id: i64, items: &[i64]) -> Parcel {
        Parcel {
            stock_location_id,
            order_item_ids: items.to_vec(),
            parts: BTreeMap::new(),
            rule: "r".to_owned(),
            bound_by_stock: false,
            stock_bound_item_ids: vec![],
            bound_by_quota: false,
        }
    }

    #[test]
    fn plans_sum_up() {
        let candidates = [candidate(1, Some(5.0), 1), candidate(2, Some(600.0), 0), candidate(3, None, 9)];
        let mut tally = Tally::default();
        tally.add(
            &Outcome { parcels: vec![parcel(1, &[1]), parcel(2, &[2, 3])], unplaced: vec![4], ..Outcome::default() },
            &candidates,
        );
        tally.add(&Outcome { parcels: vec![parcel(3, &[5])], ..Outcome::default() }, &candidates);
        tally.add_without_scenario(&[Demand::default(), Demand::default()]);
        assert_eq!((tally.orders, tally.packages, tally.unplaced_items, tally.unplaced_orders), (3, 3, 3, 2));
        assert_eq!(tally.by_packages, [(0, 1), (1, 1), (2, 1)].into());
        assert_eq!((tally.with_distance, tally.beyond_quota(), tally.without_scenario), (2, 1, 1));
        assert_eq!((tally.by_distance[0], tally.by_distance[7]), (1, 1));
        assert_eq!(tally.kilometres_per_package(), Some(302.5));
        assert_eq!(tally.packages_per_order(), Some(1.0));
        let beyond = LocationTally { packages: 1, items: 2, beyond_quota: 1 };
        assert_eq!(tally.locations[&2], beyond);
        assert_eq!(Tally::default().packages_per_order(), None);
    }

    #[test]
    fn plans_are_the_same_when_items_go_to_the_same_places() {
        let plan = |parcels: Vec<Parcel>| Outcome { parcels, ..Outcome::default() };
        assert!(is_same(&plan(vec![parcel(1, &[1]), parcel(2, &[2])]), &plan(vec![parcel(2, &[2]), parcel(1, &[1])])));
        assert!(!is_same(&plan(vec![parcel(1, &[1, 2])]), &plan(vec![parcel(1, &[1]), parcel(2, &[2])])));
    }
}
