//! The changes that a decision on a transfer may make, and a transfer before and after.

use std::sync::Arc;

use crate::{cause::Cause, commands::transfer::facts::TransferFacts, planning::transfer::Refetch};

/// The decision of a command on a transfer. Its package follows ([`super::lay_out`]).
#[derive(Debug, Clone, PartialEq)]
pub struct TransferChanges {
    /// The transfer's state after it.
    pub state_id: i64,
    /// The carrier and tracking number, if the command has them.
    pub shipment: Option<TransferShipment>,
    /// The new sources of its items, if it failed.
    pub again: Option<Again>,
}

impl TransferChanges {
    /// A plain move.
    #[must_use]
    pub fn to(state_id: i64) -> Self {
        Self { state_id, shipment: None, again: None }
    }
}

/// The new plan of a transfer's items.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// Their new sources.
    pub refetch: Refetch,
    /// (order item, location) pairs: this location could not send this item and is excluded for it.
    pub exclusions: Vec<(i64, i64)>,
    /// What it looked for and did not find: (SKU, units).
    pub missing: Vec<(String, i64)>,
}

/// The carrier of a transfer, as its sender named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferShipment {
    /// The carrier.
    pub cargo_company_id: i64,
    /// The tracking number.
    pub tracking_number: String,
}

/// One transfer before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferChange {
    /// None for a new transfer.
    pub id: Option<i64>,
    /// For a new transfer: the index of its package among the package changes of the same write.
    pub package: Option<usize>,
    /// The sender.
    pub source_location_id: i64,
    /// The receiver.
    pub destination_location_id: i64,
    /// Its state before; none for a new transfer.
    pub before: Option<i64>,
    /// Its state after.
    pub after: i64,
    /// The transition: its own, or that of a package that ended; none for a new transfer.
    pub transition_id: Option<i64>,
    /// The sequence number of its latest event before.
    pub event_sequence: i64,
    /// Its items.
    pub items: Vec<TransferItemChange>,
    /// Its carrier, if that changes.
    pub shipment: Option<TransferShipment>,
    /// The user.
    pub user_id: Option<i64>,
    /// The request; none: the server does it by itself.
    pub cause: Option<Arc<Cause>>,
}

/// An item of a package that a transfer brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// It is there; its id.
    Item(i64),
    /// It is created in the same write; its index among the items of the transfer's package.
    New(usize),
}

/// The units of one package item in a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferItemChange {
    /// The package item.
    pub package_item: Carried,
    /// The order's line.
    pub order_item_id: i64,
    /// The SKU.
    pub sku: String,
    /// The number of units.
    pub quantity: i64,
}

impl TransferChange {
    /// An existing transfer that moves to a state.
    #[must_use]
    pub fn of(transfer: &TransferFacts, after: i64, transition_id: i64, user_id: Option<i64>) -> Self {
        let items = transfer.items.iter().map(|item| TransferItemChange {
            package_item: Carried::Item(item.package_item_id),
            order_item_id: item.order_item_id,
            sku: item.sku.clone(),
            quantity: item.quantity,
        });
        Self {
            id: Some(transfer.id),
            package: None,
            source_location_id: transfer.source_location_id,
            destination_location_id: transfer.destination_location_id,
            before: Some(transfer.state_id),
            after,
            transition_id: Some(transition_id),
            event_sequence: transfer.event_sequence,
            items: items.collect(),
            shipment: None,
            user_id,
            cause: None,
        }
    }
}
