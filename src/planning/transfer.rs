//! Fetching by the scenarios of a catalog, and planning the items of a transfer again.

use std::sync::Arc;

use super::{
    Line, Supply, Trace, asked,
    plan::{
        Units, demanded,
        fetch::{Fetching, Gathering, Wanted, gather_at},
        parts_of,
    },
    record::{Facts, PlanDecision},
};
use crate::{
    locations::Location,
    planning::choose::choose_scenario,
    scenarios::rules::{OrderFacts, Scenario},
};

impl Fetching {
    /// How an order's items can be fetched; none if no transfer scenario fits.
    #[must_use]
    pub fn choose<'a>(
        scenarios: &[Scenario],
        locations: impl Iterator<Item = &'a Arc<Location>>,
        order: &OrderFacts,
    ) -> Option<Self> {
        let (scenario, considered) = choose_scenario(scenarios, order);
        let places = locations.filter_map(|location| Some((location.id, location.coordinates()?)));
        Some(Self { scenario: scenario?.clone(), considered, places: places.collect() })
    }
}

/// The new sources of items whose transfer failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Refetch {
    /// The items at hand now, and those that other locations send.
    pub gathering: Gathering,
    /// Items that no location has, with their units.
    pub unplaced: Units,
    /// The location where those wait: the default location of the transfer scenario, or, if none fits any more, of the
    /// distribution scenario.
    pub default_location_id: Option<i64>,
    /// The stored form of the plan.
    pub trace: Trace,
}

impl Supply {
    /// Plans items of a package again that a location is to pack, with further (order item, location) pairs excluded.
    #[must_use]
    pub fn fetch_again(&self, stock_location_id: i64, lines: &[Line], exclusions: &[(i64, i64)]) -> Refetch {
        let demands = self.demands(lines, exclusions);
        let circumstances = self.circumstances_of(lines, exclusions);
        let fetching = self.fetching.as_ref();
        let divides =
            self.scenario.as_ref().is_some_and(|scenario| scenario.splitting.allowed && scenario.splitting.lines);
        let whole = demanded(&demands);
        let wanted = Wanted { demands: &demands, whole: &whole, divides };
        let gathering = gather_at(stock_location_id, wanted, fetching, &self.candidates, &circumstances, None);
        let unplaced = gathering.left_of(&whole);
        let at_any_hour = fetching.filter(|_| !unplaced.is_empty()).and_then(Fetching::at_any_hour);
        let waits_for_opening = at_any_hour.is_some_and(|open| {
            let gathering = gather_at(stock_location_id, wanted, Some(&open), &self.candidates, &circumstances, None);
            gathering.left_of(&whole).is_empty()
        });
        let scenario = fetching.map(|fetching| &fetching.scenario).or(self.scenario.as_ref());
        let decision = PlanDecision {
            scenarios: fetching.map(|fetching| asked(&fetching.considered)).unwrap_or_default(),
            unplaced: unplaced.keys().copied().collect(),
            unplaced_parts: parts_of(&unplaced, &whole),
            gatherings: vec![gathering.clone()],
            waits_for_opening,
            ..PlanDecision::default()
        };
        let facts = Facts { gathered_at: Some(stock_location_id), divides, ..self.facts(&circumstances, &demands) };
        let default_location_id = scenario.map(|scenario| scenario.default_location_id);
        Refetch { gathering, unplaced, default_location_id, trace: Trace { decision, facts } }
    }
}
