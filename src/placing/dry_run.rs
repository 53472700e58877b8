//! `POST /api/v1/oms/orders/?dry_run=true`: how orders would be planned, with reasons. Nothing is written.
//!
//! The orders of a list are planned one after the other, each on the stock left by the ones before, as if they were
//! taken.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    catalog::Catalog,
    commands::{
        consequences::PackageChange,
        transfer::{begin::begin, changes::TransferChange, consequences::derive},
    },
    db::PgConnection,
    error::Result,
    orders::{
        identity::{self, Identity},
        input::OrderInput,
    },
    placing::place::{check, kits_of, lines_to_pack, no_scenario, packages, refuse_early, take},
    planning::{
        self, Line, Locking, NewOrder, Snapshot,
        plan::{Units, units_of},
        queue::Unserved,
    },
    plans::Attempt,
    scenarios::rules::Product,
    workflow::StateObject,
};

/// The stock and quota that the orders before would have taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// What they are known by, by number.
    orders: BTreeMap<String, Vec<Identity>>,
    /// What is left.
    snapshot: Snapshot,
    /// What found no place.
    unserved: Vec<Unserved>,
}

impl Taken {
    /// Nothing is taken yet of what these orders may want.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn nothing<'o>(
        connection: &mut PgConnection,
        catalog: &Catalog,
        orders: impl Iterator<Item = &'o OrderInput>,
    ) -> Result<Self> {
        let skus = orders.flat_map(|order| &order.lines).map(|line| line.sku.as_str());
        let snapshot = Snapshot::read(connection, catalog, skus, Locking::None).await?;
        Ok(Self { snapshot, ..Self::default() })
    }
}

/// How an order would be planned, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderDryRun)]
pub(crate) struct DryRun {
    /// 201 for a new order, 200 for a known one.
    status_code: u16,
    order: DryRunOrder,
    /// Null for a known order, and for one of which nothing is to be packed.
    plan: Option<Attempt>,
}

/// The order of a dry run.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunOrder {
    /// Null for a new order.
    id: Option<i64>,
    number: String,
    /// The packages it would become; of a new order only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<DryRunPackage>, required = false)]
    packages: Option<Vec<DryRunPackage>>,
    /// The transfers that would begin; of a new order only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<DryRunTransfer>, required = false)]
    transfers: Option<Vec<DryRunTransfer>>,
}

/// A package that an order would become.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunPackage {
    #[schema(value_type = Option<StateObject>)]
    state: Option<Box<RawValue>>,
    /// Id of the location.
    stock_location: i64,
    stock_location_erp_code: Option<String>,
    items: Vec<DryRunItem>,
}

/// A transfer that would begin.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunTransfer {
    source: DryRunLocation,
    destination: DryRunLocation,
    items: Vec<DryRunItem>,
}

/// An end of a transfer.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunLocation {
    id: i64,
    erp_code: Option<String>,
}

/// Units of a line of the order.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunItem {
    /// Its number in the order, from 1.
    order_item: i64,
    sku: String,
    quantity: i64,
}

/// The answer for an order, with reasons: its packages, with items numbered from 1 in the order's own sequence.
pub(crate) async fn rehearse(
    connection: &mut PgConnection,
    catalog: &Catalog,
    order: &OrderInput,
    taken: &mut Taken,
) -> Result<DryRun> {
    check(catalog, order)?;
    let identity = order.identity();
    let known = identity::find(&mut *connection, &identity).await?;
    let of_its_number = taken.orders.entry(order.number.clone()).or_default();
    if known.is_some() || of_its_number.iter().any(|before| before.is(&identity)) {
        let known = DryRunOrder { id: known, number: order.number.clone(), packages: None, transfers: None };
        return Ok(DryRun { status_code: 200, order: known, plan: None });
    }
    refuse_early(order)?;
    let positions: Vec<i64> = (1..).take(order.lines.len()).collect();
    let (to_pack, lines) = lines_to_pack(order, &positions);
    let (mut planned, mut fetched, mut attempt) = (Vec::new(), Vec::new(), None);
    if !lines.is_empty() {
        let product = |at: usize| to_pack.get(at).map(|line| Product::of(&line.product)).unwrap_or_default();
        let new = NewOrder {
            id: i64::MAX,
            facts: order.facts(),
            lines: &lines,
            product: &product,
            kits: kits_of(order, &positions),
        };
        let supply = planning::supply_for_new(connection, catalog, &taken.snapshot, new, &taken.unserved).await?;
        let plan = supply.plan(&lines, &[]).ok_or_else(|| no_scenario(order))?;
        let mut packages = packages(catalog, 0, &lines, &plan, None)?;
        let transfers = begin(&mut packages, 0, &plan.trace, &catalog.workflow)?;
        take(&mut taken.snapshot, &derive(&packages, &transfers, &catalog.workflow)?.packages);
        let left = units_of(&plan.unplaced, &plan.unplaced_parts, &whole(&lines));
        for (at, line) in lines.iter().enumerate() {
            let Some(units) = left.get(&line.order_item_id).copied() else { continue };
            let (order, product) = (order.facts(), product(at));
            taken.unserved.push(Unserved { order, product, sku: line.sku.clone(), units });
        }
        let rules = supply.explain(&lines, &[]);
        planned = packages.iter().map(|package| view(catalog, package)).collect();
        fetched = transfers.iter().map(|transfer| view_transfer(catalog, transfer)).collect();
        attempt = Some(Attempt::of_dry_run(&plan, &supply.considered, &rules));
    }
    taken.orders.entry(order.number.clone()).or_default().push(identity);
    let number = order.number.clone();
    let order = DryRunOrder { id: None, number, packages: Some(planned), transfers: Some(fetched) };
    Ok(DryRun { status_code: 201, order, plan: attempt })
}

/// The units of lines.
fn whole(lines: &[Line]) -> Units {
    lines.iter().map(|line| (line.order_item_id, line.quantity)).collect()
}

fn view(catalog: &Catalog, package: &PackageChange) -> DryRunPackage {
    let location = catalog.locations.get(&package.after.stock_location_id);
    DryRunPackage {
        state: catalog.workflow.state(package.after.state_id).map(|state| state.json.clone()).ok(),
        stock_location: package.after.stock_location_id,
        stock_location_erp_code: location.map(|location| location.erp_code.clone()),
        items: package.items.iter().map(|item| line(item.order_item_id, &item.sku, item.quantity)).collect(),
    }
}

fn view_transfer(catalog: &Catalog, transfer: &TransferChange) -> DryRunTransfer {
    let end = |id: i64| {
        let erp_code = catalog.locations.get(&id).map(|location| location.erp_code.clone());
        DryRunLocation { id, erp_code }
    };
    DryRunTransfer {
        source: end(transfer.source_location_id),
        destination: end(transfer.destination_location_id),
        items: transfer.items.iter().map(|item| line(item.order_item_id, &item.sku, item.quantity)).collect(),
    }
}

fn line(order_item: i64, sku: &str, quantity: i64) -> DryRunItem {
    DryRunItem { order_item, sku: sku.to_owned(), quantity }
}
