//! What a decision on a transfer may change, and a transfer before and after.

use super::TransferFacts;
use crate::planning::transfer::Refetch;

/// What a command on a transfer decided. What becomes of its package follows ([`super::lay_out`]).
#[derive(Debug, Clone, PartialEq)]
pub struct TransferChanges {
    /// The transfer's state after it.
    pub state_id: i64,
    /// The carrier and its number for the goods, if the command says them.
    pub shipment: Option<TransferShipment>,
    /// Where its items come from instead, if it came to nothing.
    pub again: Option<Again>,
}

impl TransferChanges {
    /// The plain move.
    #[must_use]
    pub fn to(state_id: i64) -> Self {
        Self { state_id, shipment: None, again: None }
    }
}

/// A transfer's items planned again.
#[derive(Debug, Clone, PartialEq)]
pub struct Again {
    /// Where they are to come from.
    pub refetch: Refetch,
    /// (order item, location): this location could not send this item and is left out for it.
    pub exclusions: Vec<(i64, i64)>,
}

/// Who carries a transfer, as its sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferShipment {
    /// The carrier.
    pub cargo_company_id: i64,
    /// Its number for the goods.
    pub tracking_number: String,
}

/// One transfer before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferChange {
    /// None for a transfer that begins here.
    pub id: Option<i64>,
    /// For a transfer that begins here, the index of its package among the package changes of the same write.
    pub package: Option<usize>,
    /// Who sends.
    pub source_location_id: i64,
    /// Who gets.
    pub destination_location_id: i64,
    /// Its state before; none for one that begins here.
    pub before: Option<i64>,
    /// Its state then.
    pub after: i64,
    /// What moved it, a transfer's transition or that of a package which ended; none for one that begins here.
    pub transition_id: Option<i64>,
    /// The sequence number of its latest event before.
    pub event_sequence: i64,
    /// What it carries.
    pub items: Vec<TransferItemChange>,
    /// Its carrier, if that changes.
    pub shipment: Option<TransferShipment>,
    /// Who did it.
    pub user_id: Option<i64>,
}

/// What a transfer carries of one package item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferItemChange {
    /// The package's item; none where it is made in the same write.
    pub package_item_id: Option<i64>,
    /// The order's line.
    pub order_item_id: i64,
    /// What it is.
    pub sku: String,
    /// How many units.
    pub quantity: i64,
}

impl TransferChange {
    /// A known transfer on its way to a state.
    #[must_use]
    pub fn of(transfer: &TransferFacts, after: i64, transition_id: i64, user_id: Option<i64>) -> Self {
        let items = transfer.items.iter().map(|item| TransferItemChange {
            package_item_id: Some(item.package_item_id),
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
        }
    }
}
