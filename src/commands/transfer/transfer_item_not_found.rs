//! `TRANSFER_ITEM_NOT_FOUND`: products to be sent are missing; the transfer's items come from elsewhere.
//!
//! The transfer ends. All its items are planned again by the transfer scenario; the source is excluded for the missing
//! ones. Items that no location has wait in an out-of-stock package at the scenario's default location.

use super::changes::Again;
use crate::{
    commands::transfer::{
        changes::TransferChanges,
        facts::TransferItemFacts,
        subject::{TransferCommand, TransferContext},
    },
    error::Refusal,
    kinds::{End, Kind, Moves, Parameter, Plans, names},
    planning::Line,
};

const ITEMS: &str = "transfer_items";

/// See the module.
pub static COMMAND: TransferCommand = TransferCommand {
    kind: Kind {
        identifier: names::TRANSFER_ITEM_NOT_FOUND,
        moves: Moves::Transfer(End::Source),
        summary: "Product for transfer not found, or wrong: the transfer is cancelled, and its items are planned \
                  again by the transfer scenario. What no location can send waits in an out-of-stock package.",
        parameters: &[Parameter {
            name: ITEMS,
            schema: r#"{"type":"array","items":{"type":"integer"},"minItems":1}"#,
            summary: "Ids of this transfer's items that are missing or faulty; all of them where it is left out.",
            ..Parameter::OPTIONAL
        }],
        example: r#"{"transfer_items":[1]}"#,
        plans: Plans::Always,
        reports_missing: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
    let transfer = context.facts.transfer();
    let missing = missing(context)?;
    let exclusions: Vec<(i64, i64)> =
        missing.iter().map(|item| (item.order_item_id, transfer.source_location_id)).collect();
    let lines: Vec<Line> = transfer
        .items
        .iter()
        .map(|item| Line { order_item_id: item.order_item_id, sku: item.sku.clone(), quantity: item.quantity })
        .collect();
    let mut changes = TransferChanges::to(context.transition.destination_id);
    changes.again = context.supply.map(|supply| Again {
        refetch: supply.fetch_again(transfer.destination_location_id, &lines, &exclusions),
        exclusions,
    });
    Ok(changes)
}

/// The missing items, all of this transfer.
fn missing<'a>(context: &TransferContext<'a>) -> Result<Vec<&'a TransferItemFacts>, Refusal> {
    let items = &context.facts.transfer().items;
    if context.input.optional(ITEMS).is_none() {
        return Ok(items.iter().collect());
    }
    let ids = context.input.integers(ITEMS)?;
    if let Some(stranger) = ids.iter().find(|id| !items.iter().any(|item| item.id == **id)) {
        return Err(Refusal::field(ITEMS, format!("Item {stranger} does not belong to this transfer.")));
    }
    Ok(items.iter().filter(|item| ids.contains(&item.id)).collect())
}
