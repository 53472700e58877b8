//! Planning: which locations an order's items go to, and why.
//!
//! [`crate::scenarios::rules`] has the rules as data, [`plan`] is the pure function. This module reads their input from the database;
//! [`record`] stores a plan, and [`replay`] makes a stored plan again.

pub mod choose;
pub mod cover;
pub mod plan;
pub mod queue;
mod read;
pub mod record;
pub mod replay;
pub mod transfer;
pub mod units;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::types::Json;

use crate::{
    db::PgConnection,
    error::Result,
    scenarios::rules::{Product, Scenario},
};
use plan::{Candidate, Circumstances, Demand, Outcome, Plan, ScenarioTrace, fetch::Fetching};
use record::{Facts, PlanDecision, TriedScenario};

pub use read::{Locking, NewOrder, Snapshot, order_facts, supply, supply_for_new};
pub use record::Trace;

/// A line that needs a place.
#[derive(Debug, Clone)]
pub struct Line {
    /// The order's line.
    pub order_item_id: i64,
    /// The SKU.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
    /// A location that has not found these units. Others of the same line may be there.
    pub not_at: Option<i64>,
}

impl Line {
    /// Units of a line, which may be anywhere.
    #[must_use]
    pub fn of(order_item_id: i64, sku: &str, quantity: i64) -> Self {
        Self { order_item_id, sku: sku.to_owned(), quantity, not_at: None }
    }
}

/// The stock and quota that the lines' own package holds now. They count as available when the package is planned
/// again.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The package.
    pub package_id: Option<i64>,
    /// The location.
    pub stock_location_id: i64,
    /// Units reserved, by SKU.
    pub reserved: HashMap<String, i64>,
    /// True if the package occupies quota there.
    pub occupies_quota: bool,
    /// (location, SKU, units) that its transfers hold at their sources.
    pub elsewhere: Vec<(i64, String, i64)>,
}

/// The input of a plan: the scenario that fits the order, and the stock of the locations.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    /// The scenario; none where no active one fits the order.
    pub scenario: Option<Scenario>,
    /// The reasons why earlier scenarios did not fit.
    pub considered: Vec<ScenarioTrace>,
    /// Every active location.
    pub candidates: Vec<Candidate>,
    /// Excluded locations, by order item.
    pub excluded: BTreeMap<i64, BTreeSet<i64>>,
    /// The products, as far as rules use them, by order item; else empty.
    pub products: BTreeMap<i64, Product>,
    /// The kits that order items are parts of, by order item, as items; empty where plans do not look at them.
    pub kits: BTreeMap<i64, i64>,
    /// The order, the time, its history.
    pub circumstances: Circumstances,
    /// The version of the installation that the locations are from.
    pub installation_version: i64,
    /// True if the lines are from a package that is planned again.
    pub is_again: bool,
    /// The units read. If fewer are planned, the package keeps the others.
    pub units_read: i64,
    /// How items can be fetched from other locations. None if no transfer scenario fits the order, or, for a new order,
    /// if the scenario fetches nothing.
    pub fetching: Option<Fetching>,
}

impl Supply {
    /// Plans lines, with further (order item, location) pairs excluded. None if no scenario fits.
    #[must_use]
    pub fn plan(&self, lines: &[Line], exclusions: &[(i64, i64)]) -> Option<Plan> {
        let scenario = self.scenario.as_ref()?;
        let demands = self.demands(lines, exclusions);
        let circumstances = self.circumstances_of(lines, exclusions);
        let fetching = self.fetching_of(scenario);
        let Outcome { parcels, unplaced, unplaced_parts, gatherings } =
            plan::plan(scenario, fetching, &demands, &self.candidates, &circumstances);
        let decision = PlanDecision {
            scenarios: asked(&self.considered),
            transfer_scenarios: fetching.map(|fetching| asked(&fetching.considered)).unwrap_or_default(),
            parcels: parcels.clone(),
            unplaced: unplaced.clone(),
            unplaced_parts: unplaced_parts.clone(),
            gatherings,
            waits_for_opening: !unplaced.is_empty()
                && self.finds_all_at_any_hour(scenario, fetching, &demands, &circumstances),
        };
        let trace = Trace { decision, facts: self.facts(&circumstances, &demands) };
        Some(Plan { scenario_id: scenario.id, parcels, unplaced, unplaced_parts, trace })
    }

    /// Whether opening hours alone keep items from a place: if every location were open, all of them would have one.
    fn finds_all_at_any_hour(
        &self,
        scenario: &Scenario,
        fetching: Option<&Fetching>,
        demands: &[Demand],
        circumstances: &Circumstances,
    ) -> bool {
        let open = scenario.at_any_hour();
        let open_fetching = fetching.and_then(Fetching::at_any_hour);
        if open.is_none() && open_fetching.is_none() {
            return false;
        }
        let scenario = open.as_ref().unwrap_or(scenario);
        let fetching = open_fetching.as_ref().or(fetching);
        plan::plan(scenario, fetching, demands, &self.candidates, circumstances).unplaced.is_empty()
    }

    /// How items can be fetched, if the scenario fetches any.
    fn fetching_of(&self, scenario: &Scenario) -> Option<&Fetching> {
        self.fetching.as_ref().filter(|_| scenario.fetches())
    }

    fn facts(&self, circumstances: &Circumstances, demands: &[Demand]) -> Facts {
        Facts::of(self.installation_version, circumstances, demands, &self.candidates, self.reads_products())
    }

    /// True if a scenario uses more of an item than its SKU.
    fn reads_products(&self) -> bool {
        let sources = self.fetching.as_ref().map(|fetching| &fetching.scenario);
        self.scenario.iter().chain(sources).any(Scenario::reads_products)
    }

    /// The reasons of [`Self::plan`]: the facts and the decision of each rule.
    #[must_use]
    pub fn explain(&self, lines: &[Line], exclusions: &[(i64, i64)]) -> Vec<plan::RuleTrace> {
        let Some(scenario) = self.scenario.as_ref() else { return Vec::new() };
        let circumstances = self.circumstances_of(lines, exclusions);
        let fetching = self.fetching_of(scenario);
        plan::explain(scenario, fetching, &self.demands(lines, exclusions), &self.candidates, &circumstances).1
    }

    fn circumstances_of(&self, lines: &[Line], exclusions: &[(i64, i64)]) -> Circumstances {
        let mut circumstances = self.circumstances.clone();
        let units: i64 = lines.iter().map(|line| line.quantity).sum();
        circumstances.other_packages += usize::from(self.is_again && units < self.units_read);
        circumstances.refused_by.extend(exclusions.iter().map(|(_, location)| location));
        circumstances.refused_by.extend(lines.iter().filter_map(|line| line.not_at));
        circumstances
    }

    /// Lines in the planner's form.
    #[must_use]
    pub fn demands(&self, lines: &[Line], exclusions: &[(i64, i64)]) -> Vec<Demand> {
        let demand = |line: &Line| {
            let mut excluded = self.excluded.get(&line.order_item_id).cloned().unwrap_or_default();
            excluded.extend(exclusions.iter().filter(|(item, _)| *item == line.order_item_id).map(|(_, at)| at));
            excluded.extend(line.not_at);
            Demand {
                order_item_id: line.order_item_id,
                sku: line.sku.clone(),
                quantity: line.quantity,
                excluded_location_ids: excluded,
                product: self.products.get(&line.order_item_id).cloned().unwrap_or_default(),
                kit: self.kits.get(&line.order_item_id).copied(),
            }
        };
        lines.iter().map(demand).collect()
    }

    /// The available units of a SKU at a location.
    #[must_use]
    pub fn available(&self, stock_location_id: i64, sku: &str) -> i64 {
        let found = self.candidates.iter().find(|candidate| candidate.location.id == stock_location_id);
        found.and_then(|candidate| candidate.stock.get(sku)).map_or(0, |stock| stock.available())
    }
}

/// The scenarios that were tried, in the stored form.
fn asked(considered: &[ScenarioTrace]) -> Vec<TriedScenario> {
    considered.iter().map(|asked| (asked.scenario_id, asked.version, asked.verdict)).collect()
}

/// Stores a plan.
///
/// # Errors
/// When the database fails.
pub async fn store_trace(
    connection: &mut PgConnection,
    order_id: i64,
    package_id: Option<i64>,
    scenario_id: Option<i64>,
    trace: &Trace,
) -> Result<()> {
    let version = trace.decision.scenarios.iter().find(|(id, _, _)| Some(*id) == scenario_id);
    sqlx::query!(
        "insert into order_plans (order_id, package_id, scenario_id, scenario_version, trace, facts)
         values ($1, $2, $3, $4, $5, $6)",
        order_id,
        package_id,
        scenario_id,
        version.map(|(_, version, _)| *version),
        Json(&trace.decision) as _,
        Json(&trace.facts) as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores plans of new orders: each with its order and its scenario.
///
/// # Errors
/// When the database fails.
pub async fn store_plans_of_new(connection: &mut PgConnection, plans: &[(i64, i64, Trace)]) -> Result<()> {
    let version = |scenario: i64, trace: &Trace| {
        let asked = trace.decision.scenarios.iter().find(|(id, _, _)| *id == scenario);
        asked.map(|(_, version, _)| *version)
    };
    let orders: Vec<i64> = plans.iter().map(|(order, ..)| *order).collect();
    let scenarios: Vec<i64> = plans.iter().map(|(_, scenario, _)| *scenario).collect();
    let versions: Vec<Option<i32>> = plans.iter().map(|(_, scenario, trace)| version(*scenario, trace)).collect();
    let decisions: Vec<Json<&PlanDecision>> = plans.iter().map(|(.., trace)| Json(&trace.decision)).collect();
    let facts: Vec<Json<&Facts>> = plans.iter().map(|(.., trace)| Json(&trace.facts)).collect();
    sqlx::query!(
        "insert into order_plans (order_id, scenario_id, scenario_version, trace, facts)
         select order_id, scenario_id, version, trace, facts
           from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::jsonb[], $5::jsonb[]) with ordinality
                as c(order_id, scenario_id, version, trace, facts, n)
          order by n",
        &orders,
        &scenarios,
        &versions as &[Option<i32>],
        &decisions as _,
        &facts as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Excludes locations for items until their stock is counted again.
///
/// # Errors
/// When the database fails.
pub async fn store_exclusions(connection: &mut PgConnection, exclusions: &[(i64, i64)]) -> Result<()> {
    let items: Vec<i64> = exclusions.iter().map(|(item, _)| *item).collect();
    let locations: Vec<i64> = exclusions.iter().map(|(_, location)| *location).collect();
    sqlx::query!(
        "insert into item_exclusions (order_item_id, stock_location_id)
         select * from unnest($1::bigint[], $2::bigint[]) on conflict do nothing",
        &items,
        &locations
    )
    .execute(connection)
    .await?;
    Ok(())
}
