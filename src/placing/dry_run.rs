//! `POST /api/v1/oms/orders/?dry_run=true`: how orders would be planned, with reasons. Nothing is written.
//!
//! The orders of a list are planned one after the other, each on the stock left by the ones before, as if they were
//! taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    catalog::Catalog,
    commands::{
        consequences::{Consequences, PackageChange},
        transfer::{begin::begin, changes::TransferChange, consequences::derive},
    },
    error::Result,
    orders::input::OrderInput,
    placing::place::{check, lines_to_pack, no_scenario, packages},
    planning::{self, Supply},
    plans::Attempt,
    scenarios::rules::Product,
};

/// The stock and quota that the orders before would have taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Their order numbers.
    numbers: BTreeSet<String>,
    /// Units, by location and SKU.
    reserved: BTreeMap<(i64, String), i64>,
    /// Packages, by location.
    packages: BTreeMap<i64, i64>,
}

impl Taken {
    fn add(&mut self, derived: &Consequences) {
        for quota in &derived.quota {
            *self.packages.entry(quota.stock_location_id).or_default() += i64::from(quota.delta);
        }
        for ((sku, at), delta) in &derived.stock {
            *self.reserved.entry((*at, sku.clone())).or_default() += delta.reserved - delta.quantity;
        }
    }

    fn take_from(&self, supply: &mut Supply) {
        for candidate in &mut supply.candidates {
            let id = candidate.location.id;
            candidate.open_packages += self.packages.get(&id).copied().unwrap_or(0);
            for ((_, sku), units) in self.reserved.range((id, String::new())..(id + 1, String::new())) {
                candidate.stock.entry(Arc::from(sku.as_str())).or_default().reserved += units;
            }
        }
    }
}

/// The answer for an order, with reasons: its packages, with items numbered from 1 in the order's own sequence.
pub(crate) async fn rehearse(
    connection: &mut PgConnection,
    catalog: &Catalog,
    order: &OrderInput,
    taken: &mut Taken,
) -> Result<Value> {
    check(catalog, order)?;
    let known = sqlx::query_scalar!("select id from orders where number = $1", order.number)
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_some() || taken.numbers.contains(&order.number) {
        return Ok(json!({ "status_code": 200, "order": { "id": known, "number": order.number }, "plan": null }));
    }
    let positions: Vec<i64> = (1..).take(order.lines.len()).collect();
    let (to_pack, lines) = lines_to_pack(order, &positions);
    let mut answer = json!({ "status_code": 201, "order": { "id": null, "number": order.number, "packages": [],
                                                       "transfers": [] },
                             "plan": null });
    if !lines.is_empty() {
        let product = |at: usize| to_pack.get(at).map(|line| Product::of(&line.product)).unwrap_or_default();
        let mut supply = planning::supply_for_new(connection, catalog, order.facts(), &lines, product, false).await?;
        taken.take_from(&mut supply);
        let plan = supply.plan(&lines, &[]).ok_or_else(|| no_scenario(order))?;
        let mut packages = packages(catalog, 0, &lines, &plan, None)?;
        let transfers = begin(&mut packages, 0, &plan.trace, &catalog.workflow)?;
        taken.add(&derive(&packages, &transfers, &catalog.workflow)?.packages);
        let rules = supply.explain(&lines, &[]);
        answer["order"]["packages"] = packages.iter().map(|package| view(catalog, package)).collect();
        answer["order"]["transfers"] = transfers.iter().map(|transfer| view_transfer(catalog, transfer)).collect();
        answer["plan"] =
            serde_json::to_value(Attempt::of_dry_run(&plan, &supply.considered, &rules)).unwrap_or_default();
    }
    taken.numbers.insert(order.number.clone());
    Ok(answer)
}

fn view(catalog: &Catalog, package: &PackageChange) -> Value {
    let location = catalog.locations.get(&package.after.stock_location_id);
    let state = catalog.workflow.state(package.after.state_id).map(|state| state.json.clone()).ok();
    let items: Vec<Value> = package
        .items
        .iter()
        .map(|item| json!({ "order_item": item.order_item_id, "sku": item.sku, "quantity": item.quantity }))
        .collect();
    json!({
        "state": state,
        "stock_location": package.after.stock_location_id,
        "stock_location_erp_code": location.map(|location| &location.erp_code),
        "items": items
    })
}

fn view_transfer(catalog: &Catalog, transfer: &TransferChange) -> Value {
    let erp_code = |id: i64| catalog.locations.get(&id).map(|location| location.erp_code.as_str());
    let items: Vec<Value> = transfer
        .items
        .iter()
        .map(|item| json!({ "order_item": item.order_item_id, "sku": item.sku, "quantity": item.quantity }))
        .collect();
    json!({
        "source": { "id": transfer.source_location_id, "erp_code": erp_code(transfer.source_location_id) },
        "destination": { "id": transfer.destination_location_id, "erp_code": erp_code(transfer.destination_location_id) },
        "items": items
    })
}
