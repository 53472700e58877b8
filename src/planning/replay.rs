//! Makes stored plans again.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use super::{
    asked,
    plan::{
        self, Candidate, Circumstances, Demand, Outcome, RuleTrace, ScenarioTrace, demanded,
        fetch::{Fetching, Wanted, gather_at},
        parts_of,
    },
    read::{earlier_order_facts, order_facts, products},
    record::{Facts, PlanDecision, Trace, TriedScenario},
};
use crate::{
    catalog,
    db::PgConnection,
    error::Result,
    locations::Location,
    planning::choose::choose_scenario,
    scenarios::{
        self,
        rules::{OrderFacts, Product, Scenario},
    },
};

/// A stored plan.
#[derive(Debug, Clone)]
pub struct StoredPlan {
    /// Its id.
    pub id: i64,
    /// Its order.
    pub order_id: i64,
    /// The package whose items were planned again; none for a new order.
    pub package_id: Option<i64>,
    /// The scenario that decided.
    pub scenario_id: Option<i64>,
    /// The scenario's version; none in plans from before versions were stored.
    pub scenario_version: Option<i32>,
    /// When it was stored.
    pub created_date: DateTime<Utc>,
    /// Its facts and decision, or, from before facts were stored, its reasons.
    pub content: Content,
}

/// The content of a stored plan.
#[derive(Debug, Clone)]
pub enum Content {
    /// The plan can be made again.
    Record(Box<Trace>),
    /// Reasons only: the plan was made before facts were stored.
    Reasons(Value),
}

/// Reads the plans of orders, oldest first.
///
/// # Errors
/// When the database fails, or has a plan that this version cannot read.
pub async fn plans(connection: &mut PgConnection, order_ids: &[i64]) -> Result<Vec<StoredPlan>> {
    let rows = sqlx::query!(
        r#"select id, order_id, package_id, scenario_id, scenario_version, trace, facts as "facts: Json<Facts>",
                  created_date
             from order_plans where order_id = any($1) order by id"#,
        order_ids
    )
    .fetch_all(connection)
    .await?;
    let kept = rows.into_iter().map(|row| {
        let content = match row.facts {
            None => Content::Reasons(row.trace),
            Some(Json(facts)) => {
                let decision: PlanDecision = serde_json::from_value(row.trace).map_err(|error| {
                    crate::error::Error::Fault(format!(
                        "plan {} is not one that this version can read: {error}",
                        row.id
                    ))
                })?;
                Content::Record(Box::new(Trace { decision, facts }))
            }
        };
        Ok(StoredPlan {
            id: row.id,
            order_id: row.order_id,
            package_id: row.package_id,
            scenario_id: row.scenario_id,
            scenario_version: row.scenario_version,
            created_date: row.created_date,
            content,
        })
    });
    kept.collect()
}

/// The things that plans name. They are read once for many plans.
#[derive(Debug, Default)]
pub struct PlanReferences {
    /// Versions of the installation in which locations changed, ascending. Many versions change none.
    changes: Vec<i64>,
    /// Locations, by such a version.
    locations: HashMap<i64, Arc<BTreeMap<i64, Arc<Location>>>>,
    scenarios: BTreeMap<(i64, i32), Scenario>,
    orders: BTreeMap<i64, OrderFacts>,
    /// What changed orders were before, by order and revision.
    earlier_orders: BTreeMap<(i64, i32), OrderFacts>,
    products: BTreeMap<i64, Product>,
}

/// The input of a plan, as the planner got it.
#[derive(Debug, Clone)]
pub struct Task {
    /// The lines.
    pub demands: Vec<Demand>,
    /// The locations.
    pub candidates: Vec<Candidate>,
    /// The rest.
    pub circumstances: Circumstances,
}

/// A plan made again.
#[derive(Debug, Clone)]
pub struct ReplayedPlan {
    /// The scenarios that were tried.
    pub scenarios: Vec<ScenarioTrace>,
    /// The facts and the decision of each rule.
    pub rules: Vec<RuleTrace>,
    /// The decision now.
    pub outcome: Outcome,
    /// True if the decision is the same as then.
    pub is_same: bool,
}

impl PlanReferences {
    /// Reads the things that plans name.
    ///
    /// # Errors
    /// When the database fails, or has something that this version cannot read.
    pub async fn load(connection: &mut PgConnection, plans: &[StoredPlan]) -> Result<Self> {
        let mut references = Self::default();
        references.load_more(connection, plans).await?;
        Ok(references)
    }

    /// Reads the things that more plans name.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_more(&mut self, connection: &mut PgConnection, plans: &[StoredPlan]) -> Result<()> {
        if self.changes.is_empty() {
            self.changes =
                sqlx::query_scalar!("select distinct installation_version from stock_location_versions order by 1")
                    .fetch_all(&mut *connection)
                    .await?;
        }
        let mut versions = Vec::new();
        let mut orders = Vec::new();
        let mut items = Vec::new();
        self.orders.clear();
        self.products.clear();
        for plan in plans {
            let Content::Record(record) = &plan.content else { continue };
            orders.push(plan.order_id);
            let PlanDecision { scenarios, transfer_scenarios, .. } = &record.decision;
            let asked = scenarios.iter().chain(transfer_scenarios).map(|(id, version, _)| (*id, *version));
            versions.extend(asked.filter(|asked| !self.scenarios.contains_key(asked)));
            if record.facts.products.is_empty() {
                items.extend(record.facts.lines.iter().map(|(item, ..)| *item));
            }
            let version = self.change_before(record.facts.installation_version);
            if let Entry::Vacant(vacant) = self.locations.entry(version) {
                vacant.insert(Arc::new(catalog::load_locations(connection, version).await?));
            }
        }
        versions.sort_unstable();
        versions.dedup();
        self.scenarios.extend(scenarios::load_versions(connection, &versions).await?);
        self.orders = order_facts(connection, &orders).await?;
        self.earlier_orders = earlier_order_facts(connection, &self.orders).await?;
        self.products = products(connection, &items).await?;
        Ok(())
    }

    /// The last version, up to this one, in which locations changed.
    fn change_before(&self, version: i64) -> i64 {
        let until = self.changes.partition_point(|change| *change <= version);
        until.checked_sub(1).and_then(|at| self.changes.get(at)).copied().unwrap_or(version)
    }

    /// The input of the plan, as it was.
    #[must_use]
    pub fn task(&self, order_id: i64, facts: &Facts) -> Task {
        let earlier = self.earlier_orders.get(&(order_id, facts.order_revision));
        let order = earlier.or_else(|| self.orders.get(&order_id)).cloned().unwrap_or_default();
        let none = BTreeMap::new();
        let version = self.change_before(facts.installation_version);
        let locations = self.locations.get(&version).map_or(&none, |locations| &**locations);
        Task {
            demands: facts.demands(&self.products),
            candidates: facts.candidates(locations, &order),
            circumstances: facts.circumstances(order),
        }
    }

    /// Makes a plan again, by the scenario in the stored version, with reasons.
    #[must_use]
    pub fn replay(&self, order_id: i64, record: &Trace) -> ReplayedPlan {
        let task = self.task(order_id, &record.facts);
        let PlanDecision { scenarios, transfer_scenarios, .. } = &record.decision;
        if let Some(stock_location_id) = record.facts.gathered_at {
            return self.replay_fetched(stock_location_id, &task, record);
        }
        let all = self.scenarios(scenarios);
        let (chosen, considered) = choose_scenario(&all, &task.circumstances.order);
        let fetching = self.fetching(transfer_scenarios, &task, &record.facts);
        let (outcome, rules) = chosen.map_or_else(Default::default, |chosen| {
            plan::explain(chosen, fetching.as_ref(), &task.demands, &task.candidates, &task.circumstances)
        });
        let considered_sources = fetching.map(|fetching| asked(&fetching.considered)).unwrap_or_default();
        let is_same = asked(&considered) == *scenarios
            && considered_sources == *transfer_scenarios
            && outcome == record.decision.outcome();
        ReplayedPlan { scenarios: considered, rules, outcome, is_same }
    }

    /// The same for items of a transfer that failed.
    fn replay_fetched(&self, stock_location_id: i64, task: &Task, record: &Trace) -> ReplayedPlan {
        let PlanDecision { scenarios, .. } = &record.decision;
        let fetching = self.fetching(scenarios, task, &record.facts);
        let Task { demands, candidates, circumstances } = task;
        let mut rules = Vec::new();
        let whole = demanded(demands);
        let wanted = Wanted { demands, whole: &whole, divides: record.facts.divides };
        let sources = Some(&mut rules);
        let gathering = gather_at(stock_location_id, wanted, fetching.as_ref(), candidates, circumstances, sources);
        let left = gathering.left_of(&whole);
        let outcome = Outcome {
            unplaced: left.keys().copied().collect(),
            unplaced_parts: parts_of(&left, &whole),
            gatherings: vec![gathering],
            ..Outcome::default()
        };
        let considered = fetching.map(|fetching| fetching.considered).unwrap_or_default();
        let is_same = asked(&considered) == *scenarios && outcome == record.decision.outcome();
        ReplayedPlan { scenarios: considered, rules, outcome, is_same }
    }

    fn scenarios(&self, asked: &[TriedScenario]) -> Vec<Scenario> {
        asked.iter().filter_map(|(id, version, _)| self.scenarios.get(&(*id, *version)).cloned()).collect()
    }

    fn fetching(&self, asked: &[TriedScenario], task: &Task, facts: &Facts) -> Option<Fetching> {
        let locations = self.locations.get(&self.change_before(facts.installation_version))?;
        Fetching::choose(&self.scenarios(asked), locations.values(), &task.circumstances.order)
    }
}
