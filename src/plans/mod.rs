//! Why each package is where it is: the plans of orders, with their reasons, and the stock they saw.
//!
//! Reasons are not stored: the plan is made again from its stored facts ([`crate::planning::replay`]). `reproduced`
//! says that it came out the same; only a change of the planner itself can prevent that.

pub mod list;
pub mod stock_info;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::Result,
    planning::{
        plan::{Parcel, RuleTrace, ScenarioTrace, fetch::Gathering},
        replay::{Content, PlanReferences, StoredPlan, plans},
        units::Units,
    },
    scope::Scope,
    wire::Timestamp,
};

/// The planning record of an order, keys as documented.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanningRecord)]
pub struct ExecutionPlanView {
    /// The order's id: an order has one record.
    id: i64,
    /// `pending` while items wait for a place, `cancelled` where every package is, else `completed`.
    state: &'static str,
    order: OrderView,
    /// No command runs on a plan.
    #[schema(value_type = Vec<String>)]
    commands: [(); 0],
    created_date: Timestamp,
    modified_date: Timestamp,
    orderexecutionplanitem_set: Vec<ItemView>,
    context: Context,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlannedOrder)]
struct OrderView {
    id: i64,
    number: String,
    omnitron_id: Option<i64>,
    date_placed: Timestamp,
}

/// An item of the order, and where it is now; one whose units are in several packages has an entry for each.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlannedItem)]
struct ItemView {
    /// The order item's id.
    id: i64,
    sku: String,
    /// Units that are there.
    quantity: i64,
    /// The package it is in; null: it was not to be packed, or the package is at a location that the caller does not see.
    package: Option<i64>,
    stock_location: Option<i64>,
    stock_location_erp_code: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanningContext)]
struct Context {
    /// One for each plan of items of the order, oldest first.
    attempts: Vec<Attempt>,
}

/// A plan and its reasons.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanningAttempt)]
pub struct Attempt {
    /// The plan's id; null in a dry run.
    plan: Option<i64>,
    /// The package whose items were planned again; null for a new order, or where the caller does not see the package.
    package: Option<i64>,
    /// The moment it was made for: opening hours are those of then.
    time: Option<Timestamp>,
    /// The scenario that decided.
    scenario: Option<i64>,
    /// Its version; null in plans made before versions were kept.
    scenario_version: Option<i32>,
    /// Version of the installation whose locations it saw.
    installation_version: Option<i64>,
    /// The scenarios that were asked, in order, the last one chosen.
    #[schema(value_type = Vec<ScenarioTrace>)]
    scenarios: Value,
    /// What each rule saw and did, in order.
    #[schema(value_type = Vec<RuleTrace>)]
    rules: Value,
    /// The packages it made.
    parcels: Vec<ParcelView>,
    /// Items that found no place.
    unplaced: Vec<i64>,
    /// Of those that found one for some of their units, the units without.
    #[serde(skip_serializing_if = "Units::is_empty")]
    #[schema(value_type = BTreeMap<String, i64>, required = false)]
    unplaced_parts: Units,
    /// True if all of these would have a place if every location were open: they are planned again when one opens.
    waits_for_opening: bool,
    /// What it brings together, and from where: of this, transfers are made.
    gatherings: Vec<Gathering>,
    /// Whether the plan, made again from what was kept of it, is the same; null where too little was kept.
    reproduced: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlannedParcel)]
struct ParcelView {
    stock_location: i64,
    order_items: Vec<i64>,
    /// Of items that are elsewhere too, the units that are here.
    #[serde(skip_serializing_if = "Units::is_empty")]
    #[schema(value_type = BTreeMap<String, i64>, required = false)]
    parts: Units,
    /// Name of the rule that opened it.
    rule: String,
}

impl ParcelView {
    fn all(parcels: &[Parcel]) -> Vec<Self> {
        let view = |parcel: &Parcel| Self {
            stock_location: parcel.stock_location_id,
            order_items: parcel.order_item_ids.clone(),
            parts: parcel.parts.clone(),
            rule: parcel.rule.clone(),
        };
        parcels.iter().map(view).collect()
    }
}

impl Attempt {
    /// A plan that is not stored.
    #[must_use]
    pub fn of_dry_run(plan: &crate::planning::plan::Plan, scenarios: &[ScenarioTrace], rules: &[RuleTrace]) -> Self {
        let version = scenarios.iter().find(|asked| asked.scenario_id == plan.scenario_id).map(|asked| asked.version);
        Self {
            plan: None,
            package: None,
            time: Some(plan.trace.facts.time.into()),
            scenario: Some(plan.scenario_id),
            scenario_version: version,
            installation_version: Some(plan.trace.facts.installation_version),
            scenarios: serde_json::to_value(scenarios).unwrap_or_default(),
            rules: serde_json::to_value(rules).unwrap_or_default(),
            parcels: ParcelView::all(&plan.parcels),
            unplaced: plan.unplaced.clone(),
            unplaced_parts: plan.unplaced_parts.clone(),
            waits_for_opening: plan.waits_for_opening(),
            gatherings: plan.trace.decision.gatherings.clone(),
            reproduced: None,
        }
    }

    /// Shows only what is at these locations: candidates of the rules, parcels, transfers.
    fn restrict(&mut self, scope: &Scope) {
        let Some(visible) = scope.location_ids() else { return };
        let is_visible = |at: &Value| at.as_i64().is_some_and(|id| visible.contains(&id));
        let restrict_rule = |rule: &mut Value| {
            if let Some(candidates) = rule["candidates"].as_array_mut() {
                candidates.retain(|candidate| is_visible(&candidate["stock_location_id"]));
            }
            // It tells how many of the others had no stock or no room.
            rule.as_object_mut().map(|rule| rule.shift_remove("not_shown"));
        };
        for rule in self.rules.as_array_mut().into_iter().flatten() {
            restrict_rule(rule);
            rule.get_mut("sources").and_then(Value::as_array_mut).into_iter().flatten().for_each(restrict_rule);
        }
        self.parcels.retain(|parcel| visible.contains(&parcel.stock_location));
        // A sender sees only its own items.
        for gathering in self.gatherings.iter_mut().filter(|it| !visible.contains(&it.stock_location_id)) {
            gathering.at_hand.clear();
            gathering.at_hand_parts.clear();
            gathering.transfers.retain(|transfer| visible.contains(&transfer.source_location_id));
        }
        self.gatherings.retain(|it| visible.contains(&it.stock_location_id) || !it.transfers.is_empty());
    }
}

/// A stored plan with its reasons.
fn attempt(kept: &StoredPlan, references: &PlanReferences) -> Attempt {
    let mut attempt = Attempt {
        plan: Some(kept.id),
        package: kept.package_id,
        time: Some(kept.created_date.into()),
        scenario: kept.scenario_id,
        scenario_version: kept.scenario_version,
        installation_version: None,
        scenarios: Value::Null,
        rules: Value::Null,
        parcels: Vec::new(),
        unplaced: Vec::new(),
        unplaced_parts: Units::new(),
        waits_for_opening: false,
        gatherings: Vec::new(),
        reproduced: None,
    };
    match &kept.content {
        Content::Reasons(reasons) => {
            attempt.scenarios.clone_from(&reasons["scenarios"]);
            attempt.rules.clone_from(&reasons["rules"]);
        }
        Content::Record(record) => {
            let again = references.replay(kept.order_id, record);
            attempt.time = Some(record.facts.time.into());
            attempt.installation_version = Some(record.facts.installation_version);
            attempt.scenarios = serde_json::to_value(again.scenarios).unwrap_or_default();
            attempt.rules = serde_json::to_value(again.rules).unwrap_or_default();
            attempt.parcels = ParcelView::all(&record.decision.parcels);
            attempt.unplaced.clone_from(&record.decision.unplaced);
            attempt.unplaced_parts.clone_from(&record.decision.unplaced_parts);
            attempt.waits_for_opening = record.decision.waits_for_opening;
            attempt.gatherings.clone_from(&record.decision.gatherings);
            attempt.reproduced = Some(again.is_same);
        }
    }
    attempt
}

/// Reads the planning records of orders, in the order of `ids`.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64], scope: &Scope) -> Result<Vec<ExecutionPlanView>> {
    let kept = plans(connection, ids).await?;
    let references = PlanReferences::load(connection, &kept).await?;
    let seen_packages = seen_packages(connection, ids, scope).await?;
    let mut attempts: HashMap<i64, Vec<Attempt>> = HashMap::new();
    let mut dates: HashMap<i64, (Timestamp, Timestamp)> = HashMap::new();
    for plan in &kept {
        let mut attempt = attempt(plan, &references);
        attempt.restrict(scope);
        // A package that is elsewhere by now is not named.
        attempt.package = attempt.package.filter(|id| seen_packages.as_ref().is_none_or(|seen| seen.contains(id)));
        attempts.entry(plan.order_id).or_default().push(attempt);
        let made: Timestamp = plan.created_date.into();
        dates.entry(plan.order_id).or_insert((made, made)).1 = made;
    }
    let mut items = load_items(connection, ids, scope).await?;
    let states = load_states(connection, ids).await?;
    let rows =
        sqlx::query!("select id, number, omnitron_id, date_placed, created_date from orders where id = any($1)", ids)
            .fetch_all(connection)
            .await?;
    let mut views = BTreeMap::new();
    for row in rows {
        let (created_date, modified_date) =
            dates.get(&row.id).copied().unwrap_or((row.created_date.into(), row.created_date.into()));
        let view = ExecutionPlanView {
            id: row.id,
            state: states.get(&row.id).copied().unwrap_or("start"),
            order: OrderView {
                id: row.id,
                number: row.number,
                omnitron_id: row.omnitron_id,
                date_placed: row.date_placed.into(),
            },
            commands: [],
            created_date,
            modified_date,
            orderexecutionplanitem_set: items.remove(&row.id).unwrap_or_default(),
            context: Context { attempts: attempts.remove(&row.id).unwrap_or_default() },
        };
        views.insert(row.id, view);
    }
    Ok(ids.iter().filter_map(|id| views.remove(id)).collect())
}

/// The units of each order item and the package that has them, if the scope sees it: one entry for each package.
async fn load_items(connection: &mut PgConnection, ids: &[i64], scope: &Scope) -> Result<HashMap<i64, Vec<ItemView>>> {
    let rows = sqlx::query!(
        r#"select oi.id, oi.order_id, oi.sku, coalesce(i.quantity - i.passed_on, oi.quantity) as "quantity!",
                  p.id as "package_id?", p.stock_location_id as "stock_location_id?", l.erp_code as "erp_code?"
             from order_items oi
             left join package_items i on i.order_item_id = oi.id and i.quantity > i.passed_on
             left join packages p on p.id = i.package_id
             left join stock_locations l on l.id = p.stock_location_id
            where oi.order_id = any($1) order by oi.order_id, oi.position, i.id"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let mut items: HashMap<i64, Vec<ItemView>> = HashMap::new();
    for row in rows {
        let is_seen = row.stock_location_id.is_some_and(|id| scope.sees(id));
        items.entry(row.order_id).or_default().push(ItemView {
            id: row.id,
            sku: row.sku,
            quantity: row.quantity,
            package: row.package_id.filter(|_| is_seen),
            stock_location: row.stock_location_id.filter(|_| is_seen),
            stock_location_erp_code: row.erp_code.filter(|_| is_seen),
        });
    }
    Ok(items)
}

/// The packages of orders that a scope sees; none: all.
async fn seen_packages(
    connection: &mut PgConnection,
    order_ids: &[i64],
    scope: &Scope,
) -> Result<Option<HashSet<i64>>> {
    let Some(visible) = scope.location_ids() else { return Ok(None) };
    let ids = sqlx::query_scalar!(
        "select id from packages where order_id = any($1) and stock_location_id = any($2)",
        order_ids,
        visible
    )
    .fetch_all(connection)
    .await?;
    Ok(Some(ids.into_iter().collect()))
}

/// `pending`, `cancelled` or `completed`, by order.
async fn load_states(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, &'static str>> {
    let rows = sqlx::query!(
        r#"select p.order_id, bool_or(s.slug in ('out-of-stock', 'needs-rescheduling')) as "waits!",
                  bool_and(s.slug = 'packaging-canceled') as "cancelled!"
             from packages p join states s on s.id = p.state_id
            where p.order_id = any($1) group by 1"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let state = |waits: bool, cancelled: bool| {
        if waits {
            "pending"
        } else if cancelled {
            "cancelled"
        } else {
            "completed"
        }
    };
    Ok(rows.into_iter().map(|row| (row.order_id, state(row.waits, row.cancelled))).collect())
}
