//! Turns orders into packages: stores, plans and reserves them, in one transaction, one or many. An order that is known
//! ([`crate::orders::identity`]) changes nothing.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use futures_util::future::BoxFuture;

use super::store::{self, New};
use crate::{
    catalog::{Catalog, CatalogCache},
    cause::{self, Cause},
    commands::{
        apply::Applied,
        consequences::{Consequences, ItemChange, PackageChange, Reserving},
        transfer::{apply::apply, begin::begin, changes::TransferChange, consequences::derive},
    },
    db::{self, PgConnection, PgPool, Transaction},
    error::{Error, NO_SCENARIO, Refusal, Result},
    orders::{
        input::{LineInput, OrderInput},
        statuses::Stage,
    },
    packages::facts::{Documents, Placement},
    planning::{
        self, Line, Locking, NewOrder, Snapshot,
        choose::choose_scenario,
        plan::{Plan, Units, units_of},
        queue::Unserved,
    },
    workflow::WAITING,
};

/// How often an order is tried again after others took its stock or quota.
const MOST_ATTEMPTS: u32 = 6;
/// From this attempt on, the plan locks the rows that it reads.
const LOCK_FROM_ATTEMPT: u32 = 3;
/// How often orders are tried together; the last time, the rows that they read are locked.
const MOST_ATTEMPTS_TOGETHER: u32 = 2;

/// When the answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the order is on disk: the client may then forget it.
    Each,
    /// Before it is on disk: for imports, which wait for the disk once at the end and can be repeated.
    Later,
}

/// The result for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub order_id: i64,
    /// False if it was known.
    pub is_new: bool,
    /// True if it is new and some items have no place.
    pub waits: bool,
}

impl Placed {
    /// An order that was here.
    pub(super) const fn known(order_id: i64) -> Self {
        Self { order_id, is_new: false, waits: false }
    }
}

/// An order to be placed.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The order.
    pub order: Arc<OrderInput>,
    /// Who sends it.
    pub user_id: Option<i64>,
    /// The request that it came with.
    pub cause: Option<Arc<Cause>>,
}

impl Sent {
    /// An order of the request that is served now.
    #[must_use]
    pub fn of(order: &Arc<OrderInput>, user_id: Option<i64>) -> Self {
        Self { order: Arc::clone(order), user_id, cause: cause::current() }
    }
}

/// Stores and plans orders, in the order in which they are given: as far as they can, together in one transaction, in which each
/// sees what those before it took. One that fails costs itself alone. The future is boxed: an import, which is generic, does not
/// compile the planning once more in each crate that imports.
///
/// # Errors
/// Of each order: 400 for a status or cargo company that the installation does not have; 406 if no scenario fits; 503 when the
/// database is away, or others were faster too often.
#[must_use]
pub fn place<'a>(
    pool: &'a PgPool,
    catalog_cache: &'a CatalogCache,
    orders: &'a [Sent],
    durability: Durability,
) -> BoxFuture<'a, Vec<Result<Placed>>> {
    Box::pin(async move {
        let mut results: Vec<Option<Result<Placed>>> = orders.iter().map(|_| None).collect();
        let mut left: Vec<usize> = (0..orders.len()).collect();
        while !left.is_empty() {
            // What may be the same order as one before it comes after that.
            let (mut numbers, mut keys) = (HashSet::new(), HashSet::new());
            let (group, later): (Vec<usize>, Vec<usize>) = left.into_iter().partition(|at| {
                let order = &orders[*at].order;
                let is_new = numbers.insert(order.number.as_str());
                order.omnitron_id.is_none_or(|key| keys.insert(key)) && is_new
            });
            let sent: Vec<&Sent> = group.iter().map(|at| &orders[*at]).collect();
            let placed = place_or_retry(pool, catalog_cache, &sent, durability).await;
            for (at, placed) in group.into_iter().zip(placed) {
                results[at] = Some(placed);
            }
            left = later;
        }
        results.into_iter().map(|placed| placed.unwrap_or(Err(Error::Overloaded))).collect()
    })
}

/// A group of orders of different numbers and keys; if that comes to nothing, each of them alone.
async fn place_or_retry(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    group: &[&Sent],
    durability: Durability,
) -> Vec<Result<Placed>> {
    let attempts = if group.len() == 1 { MOST_ATTEMPTS } else { MOST_ATTEMPTS_TOGETHER };
    let lock_from = if group.len() == 1 { LOCK_FROM_ATTEMPT } else { MOST_ATTEMPTS_TOGETHER };
    for attempt in 1..=attempts {
        match try_place(pool, catalog_cache, group, durability, attempt >= lock_from).await {
            Ok(Some(placed)) => return placed,
            Ok(None) => {}
            Err(error) if error.is_deadlock() && attempt < attempts => {}
            Err(error) if group.len() == 1 => return vec![Err(of_one(error, &group[0].order))],
            Err(error) if error.status().as_u16() == 503 => {
                let others = (1..group.len()).map(|_| Err(Error::Overloaded));
                return others.chain([Err(error)]).collect();
            }
            Err(_) => break,
        }
    }
    if group.len() == 1 {
        return vec![Err(Error::Overloaded)];
    }
    let mut placed = Vec::with_capacity(group.len());
    for one in group {
        placed.extend(Box::pin(place_or_retry(pool, catalog_cache, &[one], durability)).await);
    }
    placed
}

/// Why an order alone could not be placed.
fn of_one(error: Error, order: &OrderInput) -> Error {
    if !error.is_of_a_value() {
        return error;
    }
    // The reader knows what columns hold. Should it not know of one, that costs this order, and not the others of its list, its
    // file or its queue.
    tracing::error!(order = order.number, %error, "an order has a value that the database cannot keep");
    Refusal::non_field("It has a value that the database cannot keep; the log of the server says which.").into()
}

/// One transaction. None if others were faster.
async fn try_place(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    group: &[&Sent],
    durability: Durability,
    lock: bool,
) -> Result<Option<Vec<Result<Placed>>>> {
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    if durability == Durability::Later {
        sqlx::query!("set local synchronous_commit = off").execute(&mut *transaction).await?;
    }
    let catalog = catalog_cache.up_to_date(&mut transaction).await?;
    let mut results = store::orders(&mut transaction, &catalog, group).await?;
    let new: Vec<New<'_>> = store::lines(&mut transaction, &catalog, group, &results).await?;
    if !plan_all(&mut transaction, &catalog, &new, &mut results, lock).await? {
        return Ok(None);
    }
    transaction.commit().await?;
    Ok(Some(results.into_iter().map(|placed| placed.map_err(Error::from)).collect()))
}

/// Plans new orders one after the other, and writes their packages together. False if others were faster.
async fn plan_all(
    transaction: &mut Transaction<'_>,
    catalog: &Catalog,
    new: &[New<'_>],
    results: &mut [Result<Placed, Refusal>],
    lock: bool,
) -> Result<bool> {
    let to_plan = || new.iter().filter(|order| !order.lines.is_empty());
    if to_plan().next().is_none() {
        return Ok(true);
    }
    let skus = to_plan().flat_map(|order| &order.lines).map(|line| line.sku.as_str());
    let scenarios = to_plan().filter_map(|order| choose_scenario(&catalog.scenarios, &order.facts).0);
    let locking = if lock { Locking::of(scenarios) } else { Locking::None };
    let mut snapshot = Snapshot::read(&mut *transaction, catalog, skus, locking).await?;
    let (mut packages, mut transfers) = (Vec::new(), Vec::new());
    let (mut unserved, mut plans) = (Vec::new(), Vec::new());
    for order in to_plan() {
        let planned = plan_one(&mut *transaction, catalog, &snapshot, order, &unserved).await?;
        let mut own = packages_of(catalog, order.id, &order.lines, &planned, order.sent)?;
        let begun = begin(&mut own, 0, &planned.trace, &catalog.workflow)?;
        take(&mut snapshot, &derive(&own, &begun, &catalog.workflow)?.packages);
        unserved.extend(order.unserved(&planned));
        if let Ok(placed) = &mut results[order.at] {
            placed.waits = !planned.unplaced.is_empty();
        }
        let first = packages.len();
        packages.extend(own);
        transfers.extend(
            begun.into_iter().map(|transfer| TransferChange {
                package: transfer.package.map(|package| first + package),
                ..transfer
            }),
        );
        plans.push((order.id, planned.scenario_id, planned.trace));
    }
    planning::store_plans_of_new(&mut *transaction, &plans).await?;
    let derived = derive(&packages, &transfers, &catalog.workflow)?;
    Ok(apply(&mut *transaction, &packages, &transfers, &derived, None).await? != Applied::Conflict)
}

async fn plan_one(
    connection: &mut PgConnection,
    catalog: &Catalog,
    snapshot: &Snapshot,
    order: &New<'_>,
    unserved: &[Unserved],
) -> Result<Plan> {
    let product = |at: usize| order.product(at);
    let new = NewOrder {
        id: order.id,
        facts: order.facts.clone(),
        lines: &order.lines,
        product: &product,
        kits: order.kits.clone(),
    };
    let supply = planning::supply_for_new(connection, catalog, snapshot, new, unserved).await?;
    // Orders that no scenario fits are not stored.
    supply.plan(&order.lines, &[]).ok_or_else(|| no_scenario(&order.sent.order).into())
}

/// Takes out of a snapshot what packages will hold.
pub(super) fn take(snapshot: &mut Snapshot, derived: &Consequences) {
    for quota in &derived.quota {
        snapshot.occupy(quota.stock_location_id, i64::from(quota.delta));
    }
    for ((sku, at), delta) in &derived.stock {
        snapshot.take(sku, *at, delta.reserved - delta.quantity);
    }
}

/// The lines of an order that are packed, as they came and as they are planned.
pub(super) fn lines_to_pack<'o>(order: &'o OrderInput, item_ids: &[i64]) -> (Vec<&'o LineInput>, Vec<Line>) {
    let lines = order.lines.iter().zip(item_ids);
    let wanted = lines.filter(|(line, _)| order.is_to_pack(line));
    let line = |(line, id): (&'o LineInput, &i64)| (line, Line::of(*id, &line.sku, line.quantity));
    wanted.map(line).unzip()
}

/// The kits that lines of an order are parts of, by line, as lines.
pub(super) fn kits_of(order: &OrderInput, item_ids: &[i64]) -> BTreeMap<i64, i64> {
    let lines = order.lines.iter().zip(item_ids);
    lines.filter_map(|(line, id)| Some((*id, *item_ids.get(line.kit?)?))).collect()
}

pub(super) fn no_scenario(order: &OrderInput) -> Refusal {
    let number = &order.number;
    Refusal::rule(NO_SCENARIO, format!("No active distribution scenario fits order {number}; add one."))
}

/// The packages of a plan of an order that is placed.
fn packages_of(
    catalog: &Catalog,
    order_id: i64,
    lines: &[Line],
    plan: &Plan,
    sent: &Sent,
) -> Result<Vec<PackageChange>> {
    let mut packages = packages(catalog, order_id, lines, plan, sent.user_id)?;
    for package in &mut packages {
        package.cause.clone_from(&sent.cause);
    }
    Ok(packages)
}

/// The packages of a plan: one for each parcel, and one at the default location for items without a place.
pub(super) fn packages(
    catalog: &Catalog,
    order_id: i64,
    lines: &[Line],
    plan: &Plan,
    user_id: Option<i64>,
) -> Result<Vec<PackageChange>> {
    let workflow = &catalog.workflow;
    let scenario = catalog.scenarios.iter().find(|scenario| scenario.id == plan.scenario_id);
    let scenario = scenario.ok_or_else(|| Error::Fault(format!("scenario {} vanished", plan.scenario_id)))?;
    let is_split = plan.parcels.len() + usize::from(!plan.unplaced.is_empty()) > 1;
    let first_state =
        if is_split { scenario.initial_state_when_split_id } else { workflow.state_by_slug("package", WAITING)?.id };
    let whole: Units = lines.iter().map(|line| (line.order_item_id, line.quantity)).collect();
    let package = |after: Placement, units: &Units, stock_bound: &[i64], bound_by_quota| PackageChange {
        id: None,
        order_id,
        before: None,
        after,
        transition_id: None,
        replaces: None,
        event_sequence: 0,
        version: 0,
        items: lines
            .iter()
            .filter_map(|line| Some((line, *units.get(&line.order_item_id)?)))
            .map(|(line, quantity)| ItemChange {
                id: None,
                order_item_id: line.order_item_id,
                sku: line.sku.clone(),
                quantity,
                cut_from: None,
                part_of: None,
                passed_on: 0,
                before: None,
                after,
                bound_by_stock: stock_bound.contains(&line.order_item_id),
                was_reserved: false,
                reserving: Reserving::Anew,
                replaces_sku: None,
                modified_date: None,
                leaves: None,
            })
            .collect(),
        shipment: None,
        documents: Documents::default(),
        bound_by_quota,
        user_id,
        cause: cause::current(),
        record: None,
        event: None,
    };
    let mut packages: Vec<PackageChange> = plan
        .parcels
        .iter()
        .map(|parcel| {
            let after = Placement { state_id: first_state, stock_location_id: parcel.stock_location_id };
            package(after, &parcel.units(&whole), &parcel.stock_bound_item_ids, parcel.bound_by_quota)
        })
        .collect();
    if !plan.unplaced.is_empty() {
        let after = Placement {
            state_id: workflow.state_without_place(plan.waits_for_opening())?.id,
            stock_location_id: scenario.default_location_id,
        };
        let units = units_of(&plan.unplaced, &plan.unplaced_parts, &whole);
        packages.push(package(after, &units, &[], false));
    }
    Ok(packages)
}

pub(super) fn order_state(catalog: &Catalog, status: &str) -> Result<i64, Refusal> {
    let mut states = catalog.workflow.states();
    let state = states.find(|state| state.entity == "order" && state.enum_value == status);
    state
        .map(|state| state.id)
        .ok_or_else(|| Refusal::field("status", format!("\"{status}\" is not an order status of this installation.")))
}

/// The cargo company that an order asks for, if any.
pub(super) fn cargo_company_id(catalog: &Catalog, order: &OrderInput) -> Result<Option<i64>, Refusal> {
    let Some(name) = &order.cargo_company else { return Ok(None) };
    let company = catalog.cargo_company(name).map(|company| company.id);
    company.map(Some).ok_or_else(|| Refusal::field("cargo_company", format!("There is no cargo company {name}.")))
}

/// Refuses a new order that is not approved yet.
pub(super) fn refuse_early(order: &OrderInput) -> Result<(), Refusal> {
    if Stage::of(&order.status) != Stage::NotYet {
        return Ok(());
    }
    let status = &order.status;
    let message =
        format!("An order is taken when it is approved (400), and this one has {status}; send it again then.");
    Err(Refusal::field("status", message))
}

/// Refuses statuses and companies that the installation does not have, as placing the order would.
pub(super) fn check(catalog: &Catalog, order: &OrderInput) -> Result<(), Refusal> {
    cargo_company_id(catalog, order)?;
    order_state(catalog, &order.status)?;
    order.lines.iter().try_for_each(|line| order_state(catalog, &line.status).map(drop))
}
