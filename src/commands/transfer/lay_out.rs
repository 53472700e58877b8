//! What a transfer's next state means for its package. Pure.
//!
//! While the transfer is open, nothing. When it has arrived, its items are at hand. When it failed, its items are at
//! hand now, come by other transfers, or have no place. When no transfer is open, the package waits to be packed.

use std::collections::BTreeMap;

use super::{
    super::consequences,
    begin,
    consequences::{Laid, Planned},
};
use crate::{
    commands::{
        changes::{Changes, Part, Successor, Taking},
        transfer::{
            changes::{Again, TransferChange, TransferChanges},
            subject::TransferContext,
        },
    },
    error::Result,
    planning::plan::Units,
    stock::ledger::NotFound,
    workflow::{WAITING, WAITING_FOR_TRANSFER},
};

/// Turns the decision of a command on a transfer into changes of the transfer and its package.
///
/// # Errors
/// A fault when the installation lacks a state that its check requires.
pub fn lay_out(context: &TransferContext<'_>, changes: TransferChanges, user_id: i64) -> Result<Laid> {
    let workflow = &context.catalog.workflow;
    let mut own = TransferChange::of(context.facts.transfer(), changes.state_id, context.transition.id, Some(user_id));
    own.shipment.clone_from(&changes.shipment);
    let mut laid = Laid { packages: Vec::new(), transfers: vec![own], planned: None };
    let package = &context.facts.package;
    let waits = workflow.state(package.state_id)?.slug == WAITING_FOR_TRANSFER;
    if waits && !workflow.state(changes.state_id)?.is_open_transfer() {
        let of_package = package_changes(context, &changes)?;
        laid.packages = consequences::lay_out(package, context.transition, &of_package, user_id);
        if let Some(trace) = &of_package.trace {
            laid.transfers.extend(begin::begin(&mut laid.packages, 0, trace, workflow)?);
        }
    }
    laid.planned = changes.again.map(|again| Planned {
        order_id: package.order_id,
        package_id: package.id,
        scenario_id: again.refetch.gathering.scenario_id,
        trace: Some(again.refetch.trace),
        not_found: not_found(context, again.missing, user_id),
        exclusions: again.exclusions,
    });
    Ok(laid)
}

/// What the transfer's source did not find.
fn not_found(context: &TransferContext<'_>, missing: Vec<(String, i64)>, user_id: i64) -> Vec<NotFound> {
    let transfer = context.facts.transfer();
    let not_found = |(sku, units)| NotFound {
        sku,
        stock_location_id: transfer.source_location_id,
        units,
        package_id: transfer.package_id,
        transfer_id: Some(transfer.id),
        user_id,
        request_id: None,
    };
    missing.into_iter().map(not_found).collect()
}

/// The units of a line that a transfer was to bring and no location can send; all of them if it is not planned again.
/// They are taken out of `left`.
fn unplaced(again: Option<&Again>, order_item_id: i64, most: i64, left: &mut Units) -> i64 {
    if again.is_none() {
        return most;
    }
    left.get_mut(&order_item_id).map_or(0, |left| {
        let units = most.min(*left);
        *left -= units;
        units
    })
}

/// The change of the package when the transfer is no longer open.
fn package_changes(context: &TransferContext<'_>, changes: &TransferChanges) -> Result<Changes> {
    let workflow = &context.catalog.workflow;
    let waiting = workflow.state_by_slug("package", WAITING)?.id;
    let for_transfer = workflow.state_by_slug("package", WAITING_FOR_TRANSFER)?.id;
    let arrived = workflow.state(changes.state_id)?.is_arrived_transfer();
    let mut others_open = false;
    for other in context.facts.transfers.iter().filter(|other| other.id != context.facts.transfer().id) {
        others_open |= workflow.state(other.state_id)?.is_open_transfer();
    }
    let again = changes.again.as_ref().filter(|_| !arrived);
    let mut item_states = BTreeMap::new();
    let mut homeless = Vec::new();
    let mut left = again.map(|again| again.refetch.unplaced.clone()).unwrap_or_default();
    for item in &context.facts.package.items {
        let is_carried = context.facts.transfer().items.iter().any(|carried| carried.package_item_id == item.id);
        // What no location can send, of the units that this transfer was to bring.
        let needs_place = is_carried && !arrived;
        let without = if needs_place { unplaced(again, item.order_item_id, item.quantity, &mut left) } else { 0 };
        if without > 0 {
            homeless.push(Part { package_item_id: item.id, quantity: without });
        }
        if is_carried && without < item.quantity {
            // Items that come by another transfer are marked when that begins.
            item_states.insert(item.id, waiting);
        } else if !is_carried {
            item_states.insert(item.id, item.state_id);
        }
    }
    let mut of_package = Changes::to(&context.facts.package, if others_open { for_transfer } else { waiting });
    if !homeless.is_empty() {
        let waits_for_opening = again.is_some_and(|again| again.refetch.trace.decision.waits_for_opening);
        let state_id = workflow.state_without_place(waits_for_opening)?.id;
        let default = again.and_then(|again| again.refetch.default_location_id);
        let stock_location_id = default.unwrap_or(context.facts.package.stock_location_id);
        let all: Vec<Part> = context.facts.package.items.iter().map(Part::from).collect();
        if homeless == all {
            // Nothing is left to wait for: it waits for stock itself.
            (of_package.state_id, of_package.stock_location_id) = (state_id, stock_location_id);
        } else {
            of_package.successors.push(Successor {
                stock_location_id,
                state_id,
                items: homeless,
                taking: Taking::Move,
                bound_by_quota: false,
            });
        }
    }
    if let Some(again) = again {
        let gathering = &again.refetch.gathering;
        of_package.stock_bound_items =
            gathering.at_hand.iter().map(|order_item_id| (gathering.stock_location_id, *order_item_id)).collect();
        of_package.trace = Some(again.refetch.trace.clone());
    }
    of_package.item_states = item_states;
    Ok(of_package)
}
