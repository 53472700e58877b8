//! Creates the transfers of a plan that fetches, for new orders and for packages that are planned again.

use super::super::consequences::PackageChange;
use crate::{
    commands::transfer::changes::{TransferChange, TransferItemChange},
    error::Result,
    packages::facts::Placement,
    planning::plan::{Trace, fetch::PlannedTransfer},
    workflow::{Holding, TRANSFER_WAITING, WAITING, WAITING_FOR_TRANSFER, Workflow},
};

/// The transfers of a plan whose packages start at `first`. The fetched items, and their packages, wait for them.
///
/// The plan's trace is the decision, so no command can plan to fetch an item and forget its transfer.
///
/// # Errors
/// A fault if the installation does not have a state that its check requires.
pub fn begin(
    packages: &mut [PackageChange],
    first: usize,
    trace: &Trace,
    workflow: &Workflow,
) -> Result<Vec<TransferChange>> {
    let mut begun = Vec::new();
    for gathering in &trace.decision.gatherings {
        for planned in &gathering.transfers {
            for (index, package) in packages.iter_mut().enumerate().skip(first) {
                let destination_location_id = gathering.stock_location_id;
                let fetched = fetched(package, destination_location_id, planned, workflow)?;
                if fetched.is_empty() {
                    continue;
                }
                begun.push(TransferChange {
                    id: None,
                    package: Some(index),
                    source_location_id: planned.source_location_id,
                    destination_location_id,
                    before: None,
                    after: workflow.state_by_slug("transfer", TRANSFER_WAITING)?.id,
                    transition_id: None,
                    event_sequence: 0,
                    items: fetched.iter().map(|at| item(package, *at)).collect(),
                    shipment: None,
                    user_id: package.user_id,
                    cause: package.cause.clone(),
                });
                wait(package, &fetched, workflow)?;
            }
        }
    }
    Ok(begun)
}

/// Indexes of the package's items that the transfer brings: those that would be reserved at its destination, or taken
/// from its shelf. (A package that ends keeps its items as history, which does neither.)
fn fetched(
    package: &PackageChange,
    destination_location_id: i64,
    planned: &PlannedTransfer,
    workflow: &Workflow,
) -> Result<Vec<usize>> {
    let mut fetched = Vec::new();
    for (at, item) in package.items.iter().enumerate() {
        if planned.order_item_ids.contains(&item.order_item_id)
            && item.after.stock_location_id == destination_location_id
            && workflow.state(item.after.state_id)?.holding != Holding::Nothing
        {
            fetched.push(at);
        }
    }
    Ok(fetched)
}

fn item(package: &PackageChange, at: usize) -> TransferItemChange {
    let item = &package.items[at];
    TransferItemChange {
        package_item_id: item.id,
        order_item_id: item.order_item_id,
        sku: item.sku.clone(),
        quantity: item.quantity,
    }
}

/// The package and these items wait for a transfer; items at hand wait to be packed.
fn wait(package: &mut PackageChange, fetched: &[usize], workflow: &Workflow) -> Result<()> {
    let waiting = workflow.state_by_slug("package", WAITING)?.id;
    let for_transfer = workflow.state_by_slug("package", WAITING_FOR_TRANSFER)?.id;
    package.after = Placement { state_id: for_transfer, ..package.after };
    for (at, item) in package.items.iter_mut().enumerate() {
        if fetched.contains(&at) {
            item.after.state_id = for_transfer;
            item.bound_by_stock = false;
        } else if workflow.state(item.after.state_id)?.holding != Holding::Nothing {
            item.after.state_id = waiting;
        }
    }
    Ok(())
}
