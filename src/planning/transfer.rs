//! Fetching, as a catalog's scenarios have it, and planning a transfer's items again.

use std::sync::Arc;

use super::{
    Line, Supply, Trace, asked,
    location::Location,
    plan::fetch::{Fetching, Gathering, gather_at},
    record::{Facts, PlanDecision},
    scenario::{OrderFacts, Scenario, choose_scenario},
};

impl Fetching {
    /// How an order's items can be fetched; none where no transfer scenario fits it.
    #[must_use]
    pub fn choose<'a>(
        scenarios: &[Scenario],
        locations: impl Iterator<Item = &'a Arc<Location>>,
        order: &OrderFacts,
    ) -> Option<Self> {
        let (scenario, considered) = choose_scenario(scenarios, order);
        let places = locations.filter_map(|location| Some((location.id, location.coordinates?)));
        Some(Self { scenario: scenario?.clone(), considered, places: places.collect() })
    }
}

/// Where items of a transfer that came to nothing are to come from now.
#[derive(Debug, Clone, PartialEq)]
pub struct Refetch {
    /// What is at hand by now, and what other locations send.
    pub gathering: Gathering,
    /// Items that nobody has.
    pub unplaced: Vec<i64>,
    /// Where those wait: the transfer scenario's default location; where none fits any more, the distribution
    /// scenario's.
    pub default_location_id: Option<i64>,
    /// What is kept of it.
    pub trace: Trace,
}

impl Supply {
    /// Plans items of a package again that are to be packed at a location, leaving out further (order item, location)
    /// pairs.
    #[must_use]
    pub fn fetch_again(&self, stock_location_id: i64, lines: &[Line], exclusions: &[(i64, i64)]) -> Refetch {
        let demands = self.demands(lines, exclusions);
        let circumstances = self.circumstances_of(lines, exclusions);
        let fetching = self.fetching.as_ref();
        let gathering = gather_at(stock_location_id, fetching, &demands, &self.candidates, &circumstances, None);
        let unplaced: Vec<i64> =
            demands.iter().map(|demand| demand.order_item_id).filter(|id| !gathering.has(*id)).collect();
        let scenario = fetching.map(|fetching| &fetching.scenario).or(self.scenario.as_ref());
        let decision = PlanDecision {
            scenarios: fetching.map(|fetching| asked(&fetching.considered)).unwrap_or_default(),
            unplaced: unplaced.clone(),
            gatherings: vec![gathering.clone()],
            ..PlanDecision::default()
        };
        let facts = Facts { gathered_at: Some(stock_location_id), ..self.facts(&circumstances, &demands) };
        let default_location_id = scenario.map(|scenario| scenario.default_location_id);
        Refetch { gathering, unplaced, default_location_id, trace: Trace { decision, facts } }
    }
}
