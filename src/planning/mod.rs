//! Planning: which locations an order's items go to, and why.
//!
//! [`scenario`] is the rules as data, [`plan`] the pure function; here is what they need from the database and how a
//! plan is kept.

pub mod cover;
pub mod plan;
pub mod scenario;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    catalog::Catalog,
    error::{Error, Result},
};
use plan::{Candidate, Demand, Plan, Trace};
use scenario::{Condition, OrderFacts, Rule, Scenario};

/// Reads the active scenarios, by priority.
///
/// # Errors
/// When the database fails, or holds rules this version does not know.
pub async fn load_scenarios(connection: &mut PgConnection) -> Result<Vec<Scenario>> {
    let rows = sqlx::query!(
        "select id, name, priority, channels, shipping, payments, default_location_id, initial_state_when_split_id,
                rules
           from scenarios where is_active order by priority, id"
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let rules: Vec<Rule> = serde_json::from_value(row.rules).map_err(|error| {
                Error::Fault(format!("scenario {} has rules this version does not know: {error}", row.name))
            })?;
            Ok(Scenario {
                id: row.id,
                name: row.name,
                priority: row.priority,
                channels: row.channels,
                shipping: row.shipping,
                payments: row.payments,
                default_location_id: row.default_location_id,
                initial_state_when_split_id: row.initial_state_when_split_id,
                rules,
            })
        })
        .collect()
}

/// A line that needs a place.
#[derive(Debug, Clone)]
pub struct Line {
    /// The order's line.
    pub order_item_id: i64,
    /// What it is.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
}

/// What the lines' own package holds at its location now: it counts as available while they are planned again.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The location.
    pub stock_location_id: i64,
    /// Units reserved, by SKU.
    pub reserved: HashMap<String, i64>,
    /// Whether the package occupies quota there.
    pub occupies_quota: bool,
}

/// Everything a plan can be made from: the scenario that fits the order, and what the locations have.
#[derive(Debug, Clone)]
pub struct Supply {
    /// The scenario; none where no active one fits the order.
    pub scenario: Option<Scenario>,
    /// Why the scenarios before it did not fit.
    pub considered: Vec<plan::ScenarioTrace>,
    /// Locations that could give something.
    pub candidates: Vec<Candidate>,
    /// Locations left out so far, by order item.
    pub excluded: BTreeMap<i64, BTreeSet<i64>>,
}

impl Supply {
    /// Plans lines, leaving out further (order item, location) pairs. None where no scenario fits.
    #[must_use]
    pub fn plan(&self, lines: &[Line], exclusions: &[(i64, i64)]) -> Option<Plan> {
        let scenario = self.scenario.as_ref()?;
        let demands: Vec<Demand> = lines
            .iter()
            .map(|line| {
                let mut excluded = self.excluded.get(&line.order_item_id).cloned().unwrap_or_default();
                excluded.extend(exclusions.iter().filter(|(item, _)| *item == line.order_item_id).map(|(_, at)| at));
                Demand {
                    order_item_id: line.order_item_id,
                    sku: line.sku.clone(),
                    quantity: line.quantity,
                    excluded_location_ids: excluded,
                }
            })
            .collect();
        let mut plan = plan::plan(scenario, &demands, &self.candidates);
        plan.trace.scenarios.clone_from(&self.considered);
        Some(plan)
    }

    /// What is available of a SKU at a location.
    #[must_use]
    pub fn available(&self, stock_location_id: i64, sku: &str) -> i64 {
        self.candidates
            .iter()
            .find(|candidate| candidate.stock_location_id == stock_location_id)
            .and_then(|candidate| candidate.available_stock.get(sku).copied())
            .unwrap_or(0)
    }
}

/// Reads what a plan for some lines of an order needs.
///
/// With `lock`, the stock and locations it reads stay as they are until the transaction ends: the way out when others
/// took what was planned with too often.
///
/// # Errors
/// When the database fails.
pub async fn supply(
    connection: &mut PgConnection,
    catalog: &Catalog,
    order_id: i64,
    lines: &[Line],
    held: &Held,
    lock: bool,
) -> Result<Supply> {
    let order = sqlx::query!(
        r#"select channel_id, channel_name, shipping_option_slug, payment_type,
                  latitude::float8 as latitude, longitude::float8 as longitude
             from orders where id = $1"#,
        order_id
    )
    .fetch_one(&mut *connection)
    .await?;
    let facts = OrderFacts {
        channel: order.channel_id.map(|id| id.to_string()).into_iter().chain(order.channel_name).collect(),
        shipping: order.shipping_option_slug,
        payment: order.payment_type,
    };
    let (scenario, considered) = scenario::choose_scenario(&catalog.scenarios, &facts);
    let scenario = scenario.cloned();
    let mut stock = read_stock(connection, lines, lock).await?;
    for (sku, quantity) in &held.reserved {
        *stock.entry(held.stock_location_id).or_default().entry(sku.clone()).or_default() += quantity;
    }
    let quota = read_quota(connection, scenario.as_ref(), &stock, lock).await?;
    let destination = order.latitude.zip(order.longitude);
    let candidates = catalog
        .locations
        .values()
        .filter(|location| location.is_active && quota.contains_key(&location.id))
        .map(|location| {
            let own = i64::from(held.occupies_quota && held.stock_location_id == location.id);
            Candidate {
                stock_location_id: location.id,
                erp_code: location.erp_code.clone(),
                name: location.name.clone(),
                priority: location.priority,
                available_quota: quota.get(&location.id).copied().flatten().map(|available| available + own),
                distance_km: destination.zip(location.coordinates).map(|(from, to)| plan::distance_km(from, to)),
                available_stock: stock.get(&location.id).cloned().unwrap_or_default(),
            }
        })
        .collect();
    let excluded = read_exclusions(connection, lines).await?;
    Ok(Supply { scenario, considered, candidates, excluded })
}

type StockByLocation = HashMap<i64, HashMap<String, i64>>;

async fn read_stock(connection: &mut PgConnection, lines: &[Line], lock: bool) -> Result<StockByLocation> {
    let skus: BTreeSet<&str> = lines.iter().map(|line| line.sku.as_str()).collect();
    let skus: Vec<String> = skus.into_iter().map(str::to_owned).collect();
    if lock {
        sqlx::query!("select from stocks where sku = any($1) order by sku, stock_location_id for no key update", &skus)
            .execute(&mut *connection)
            .await?;
    }
    let rows = sqlx::query!(
        r#"select stock_location_id, sku, quantity - reserved as "available!" from stocks where sku = any($1)"#,
        &skus
    )
    .fetch_all(connection)
    .await?;
    let mut stock = StockByLocation::new();
    for row in rows {
        stock.entry(row.stock_location_id).or_default().insert(row.sku, row.available);
    }
    Ok(stock)
}

/// What quota is left at each location worth asking; None where there is no limit.
async fn read_quota(
    connection: &mut PgConnection,
    scenario: Option<&Scenario>,
    stock: &StockByLocation,
    lock: bool,
) -> Result<HashMap<i64, Option<i64>>> {
    // A rule without SELECT_BY_STOCK may choose a location that has nothing.
    let asks_stock = |rule: &Rule| rule.conditions.contains(&Condition::SelectByStock);
    let anywhere = scenario.is_some_and(|scenario| !scenario.rules.iter().all(asks_stock));
    let ids: Vec<i64> = stock.keys().copied().collect();
    if lock {
        sqlx::query!(
            "select from stock_locations where $1 or id = any($2) order by id for no key update",
            anywhere,
            &ids
        )
        .execute(&mut *connection)
        .await?;
    }
    let rows = sqlx::query!(
        "select id, max_quota - quota as available_quota from stock_locations where $1 or id = any($2)",
        anywhere,
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.available_quota)).collect())
}

async fn read_exclusions(connection: &mut PgConnection, lines: &[Line]) -> Result<BTreeMap<i64, BTreeSet<i64>>> {
    let items: Vec<i64> = lines.iter().map(|line| line.order_item_id).collect();
    let rows = sqlx::query!(
        "select order_item_id, stock_location_id from item_exclusions where order_item_id = any($1)",
        &items
    )
    .fetch_all(connection)
    .await?;
    let mut excluded: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for row in rows {
        excluded.entry(row.order_item_id).or_default().insert(row.stock_location_id);
    }
    Ok(excluded)
}

/// Keeps the trace of a plan.
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
    let trace = serde_json::to_value(trace).unwrap_or(Value::Null);
    sqlx::query!(
        "insert into order_plans (order_id, package_id, scenario_id, trace) values ($1, $2, $3, $4)",
        order_id,
        package_id,
        scenario_id,
        trace
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Leaves locations out for items from now on, until their stock is counted anew.
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
