//! Creates the transfers of a plan that fetches, for new orders and for packages that are planned again.

use super::super::consequences::{ItemChange, PackageChange};
use crate::{
    commands::transfer::changes::{Carried, TransferChange, TransferItemChange},
    error::Result,
    packages::facts::Placement,
    planning::plan::{Trace, Units},
    workflow::{Holding, TRANSFER_WAITING, WAITING, WAITING_FOR_TRANSFER, Workflow},
};

/// The transfers of a plan whose packages start at `first`. The fetched items, and their packages, wait for them. Units of
/// one line from several places, or partly at hand, become items of their own: each waits for what brings it.
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
    let whole = trace.facts.units();
    for gathering in &trace.decision.gatherings {
        for planned in &gathering.transfers {
            let mut units = planned.units(&whole);
            for (index, package) in packages.iter_mut().enumerate().skip(first) {
                let destination_location_id = gathering.stock_location_id;
                let fetched = fetched(package, destination_location_id, &mut units, workflow)?;
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

/// Indexes of the package's items that the transfer brings, of these units: those that would be reserved at its
/// destination, or taken from its shelf. (A package that ends keeps its items as history, which does neither.) An item of which it brings a part
/// is divided.
fn fetched(
    package: &mut PackageChange,
    destination_location_id: i64,
    units: &mut Units,
    workflow: &Workflow,
) -> Result<Vec<usize>> {
    let mut fetched = Vec::new();
    // An item that stays as it is was not planned again, though another of its line may have been.
    let mut planned_first: Vec<usize> = (0..package.items.len()).collect();
    planned_first.sort_by_key(|at| package.items[*at].before == Some(package.items[*at].after));
    for at in planned_first {
        let item = &package.items[at];
        let is_there = item.after.stock_location_id == destination_location_id
            && workflow.state(item.after.state_id)?.holding != Holding::Nothing;
        let Some(left) = units.get_mut(&item.order_item_id).filter(|left| is_there && **left > 0) else { continue };
        let wanted = item.quantity.min(*left);
        *left -= wanted;
        if wanted == item.quantity {
            fetched.push(at);
        } else {
            let part = divide(&mut package.items[at], wanted);
            fetched.push(package.items.len());
            package.items.push(part);
        }
    }
    Ok(fetched)
}

/// Takes units out of an item, as an item of their own.
fn divide(item: &mut ItemChange, units: i64) -> ItemChange {
    let part = ItemChange {
        id: None,
        quantity: units,
        cut_from: None,
        part_of: item.id.or(item.part_of),
        modified_date: None,
        ..item.clone()
    };
    item.cut_from = item.id.and(item.cut_from.or(Some(item.quantity)));
    item.quantity -= units;
    part
}

fn item(package: &PackageChange, at: usize) -> TransferItemChange {
    let item = &package.items[at];
    TransferItemChange {
        package_item: item.id.map_or(Carried::New(at), Carried::Item),
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
