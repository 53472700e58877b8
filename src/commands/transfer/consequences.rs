//! Derives the consequences of a transfer's change of state: stock, reservations, events. Pure, for every transfer.
//!
//! At its source a transfer reserves its units, then takes them; at its destination they are put on the shelf on
//! arrival. So each delta is `effect(after) - effect(before)`, added to the consequences of the packages.

use std::sync::Arc;

use super::super::consequences::{self, Consequences, PackageChange};
use crate::{
    cause::Cause,
    commands::transfer::changes::{Carried, TransferChange},
    error::Result,
    planning::plan::Trace,
    stock::ledger::NotFound,
    workflow::{Holding, State, TRANSFER_CANCELLED, TRANSFER_CANCELLED_IN_TRANSIT, TRANSFER_IN_TRANSIT, Workflow},
};

/// The changes of one write: packages, and transfers that refer to them.
#[derive(Debug, Clone, Default)]
pub struct Laid {
    /// The packages.
    pub packages: Vec<PackageChange>,
    /// The transfers.
    pub transfers: Vec<TransferChange>,
    /// Additional rows of a plan, if the command planned or excluded a location.
    pub planned: Option<Planned>,
}

impl Laid {
    /// Notes the request that all of it is done for.
    pub fn is_caused_by(&mut self, cause: Option<&Arc<Cause>>) {
        for package in &mut self.packages {
            package.cause = cause.cloned();
        }
        for transfer in &mut self.transfers {
            transfer.cause = cause.cloned();
        }
        for not_found in self.planned.iter_mut().flat_map(|planned| &mut planned.not_found) {
            not_found.request_id = cause.map(|cause| cause.request_id().to_owned());
        }
    }
}

/// Additional rows of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The order.
    pub order_id: i64,
    /// The package whose items were planned.
    pub package_id: i64,
    /// The scenario that planned.
    pub scenario_id: Option<i64>,
    /// Why each place was chosen.
    pub trace: Option<Trace>,
    /// (order item, location) pairs that are excluded from now on.
    pub exclusions: Vec<(i64, i64)>,
    /// What the location looked for and did not find.
    pub not_found: Vec<NotFound>,
}

/// The consequences of transfers alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransferConsequences {
    /// (transfer, item) indexes of new reservations at their source.
    pub reserve: Vec<(usize, usize)>,
    /// (transfer index, event type), in order.
    pub events: Vec<(usize, &'static str)>,
}

/// The consequences of packages and transfers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derived {
    /// For the packages, and for the stock and reservations of both.
    pub packages: Consequences,
    /// For the transfers alone.
    pub transfers: TransferConsequences,
}

/// Derives all consequences of packages and transfers.
///
/// # Errors
/// A fault when a state is not in the workflow.
pub fn derive(packages: &[PackageChange], transfers: &[TransferChange], workflow: &Workflow) -> Result<Derived> {
    let mut shared = consequences::derive(packages, workflow)?;
    let mut own = TransferConsequences::default();
    for (index, transfer) in transfers.iter().enumerate() {
        derive_stock(&mut shared, &mut own, index, transfer, workflow)?;
        derive_events(&mut own, index, transfer, workflow)?;
    }
    shared.stock.retain(|_, delta| delta.quantity != 0 || delta.reserved != 0);
    Ok(Derived { packages: shared, transfers: own })
}

fn derive_stock(
    shared: &mut Consequences,
    own: &mut TransferConsequences,
    index: usize,
    transfer: &TransferChange,
    workflow: &Workflow,
) -> Result<()> {
    let before = transfer.before.map(|state_id| workflow.state(state_id)).transpose()?;
    let after = workflow.state(transfer.after)?;
    let (held, holds) = (before.map_or(Holding::Nothing, |state| state.holding), after.holding);
    let arrives = i64::from(after.is_arrived_transfer()) - i64::from(before.is_some_and(State::is_arrived_transfer));
    for (at, item) in transfer.items.iter().enumerate() {
        if held != holds {
            let delta = shared.stock.entry((item.sku.clone(), transfer.source_location_id)).or_default();
            match held {
                Holding::Reserved => delta.reserved -= item.quantity,
                Holding::Taken => delta.quantity += item.quantity,
                Holding::Nothing => {}
            }
            match holds {
                Holding::Reserved => {
                    delta.reserved += item.quantity;
                    // A transfer is planned from stock, so it is valid only with available stock.
                    delta.bound = true;
                    own.reserve.push((index, at));
                }
                Holding::Taken => delta.quantity -= item.quantity,
                Holding::Nothing => {}
            }
            if let (Holding::Reserved, Carried::Item(id)) = (held, item.package_item) {
                shared.release.push(id);
            }
        }
        if arrives != 0 {
            let delta = shared.stock.entry((item.sku.clone(), transfer.destination_location_id)).or_default();
            delta.quantity += arrives * item.quantity;
        }
    }
    Ok(())
}

fn derive_events(
    own: &mut TransferConsequences,
    index: usize,
    transfer: &TransferChange,
    workflow: &Workflow,
) -> Result<()> {
    match transfer.before {
        None => own.events.push((index, "transfer.status.created")),
        Some(before) if before != transfer.after => {
            own.events.push((index, "transfer.status.transitioned"));
            let was_cancelled = workflow.state(before)?.is_cancelled_on_the_way();
            let event = match workflow.state(transfer.after)?.enum_value.as_str() {
                "ready_to_shipment" => Some("transfer.status.ready_to_shipment"),
                TRANSFER_IN_TRANSIT => Some("transfer.status.in_transit"),
                "transferred" => Some("transfer.status.transferred"),
                // It is told once, when the package ends, and not again when the goods are back.
                TRANSFER_CANCELLED | TRANSFER_CANCELLED_IN_TRANSIT if !was_cancelled => {
                    Some("transfer.status.cancelled")
                }
                _ => None,
            };
            own.events.extend(event.map(|event| (index, event)));
        }
        Some(_) => {}
    }
    Ok(())
}
