//! `TRANSFER_ITEM_NOT_FOUND`: products to be sent are missing; the transfer's items come from elsewhere.
//!
//! The transfer ends. All its items are planned again by the transfer scenario; the source is excluded for the missing
//! ones. Items that no location has wait in an out-of-stock package at the scenario's default location.

use std::collections::BTreeMap;

use super::changes::Again;
use crate::{
    commands::{
        input,
        transfer::{
            changes::TransferChanges,
            facts::TransferItemFacts,
            subject::{TransferCommand, TransferContext},
        },
    },
    error::Refusal,
    kinds::{End, Kind, Moves, Parameter, Plans, common::items_schema, names},
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
            schema: items_schema!(r#""type":"array","minItems":1"#),
            summary: "This transfer's items that are missing or faulty: their ids, or `{\"id\": 1, \"quantity\": 2}` for \
                      some units of one; all of them where it is left out.",
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
        missing.iter().map(|(item, _)| (item.order_item_id, transfer.source_location_id)).collect();
    // What is found of an item may be sent from there again.
    let (whole, in_part): (Vec<_>, Vec<_>) = missing.iter().partition(|(item, units)| *units == item.quantity);
    let excluded: Vec<(i64, i64)> =
        whole.iter().map(|(item, _)| (item.order_item_id, transfer.source_location_id)).collect();
    let mut lines = Vec::with_capacity(transfer.items.len());
    for item in &transfer.items {
        let not_found = in_part.iter().find(|(missing, _)| missing.id == item.id).map_or(0, |(_, units)| *units);
        for (units, not_at) in [(item.quantity - not_found, None), (not_found, Some(transfer.source_location_id))] {
            if units > 0 {
                lines.push(Line { not_at, ..Line::of(item.order_item_id, &item.sku, units) });
            }
        }
    }
    let mut changes = TransferChanges::to(context.transition.destination_id);
    changes.again = context.supply.map(|supply| Again {
        refetch: supply.fetch_again(transfer.destination_location_id, &lines, &excluded),
        exclusions,
        missing: missing.iter().map(|(item, units)| (item.sku.clone(), *units)).collect(),
    });
    Ok(changes)
}

/// The missing items, all of this transfer, each once, with the units that are missing.
fn missing<'a>(context: &TransferContext<'a>) -> Result<Vec<(&'a TransferItemFacts, i64)>, Refusal> {
    let items = &context.facts.transfer().items;
    if context.input.optional(ITEMS).is_none() {
        return Ok(items.iter().map(|item| (item, item.quantity)).collect());
    }
    let refuse = |message| Refusal::field(ITEMS, message);
    let mut missing: BTreeMap<i64, (&TransferItemFacts, i64)> = BTreeMap::new();
    for named in input::parts(context.input.list(ITEMS)?).map_err(refuse)? {
        let item = items.iter().find(|item| item.id == named.id);
        let item = item.ok_or_else(|| refuse(format!("Item {} does not belong to this transfer.", named.id)))?;
        let units = named.units_of(item.quantity).map_err(refuse)?;
        if missing.insert(item.id, (item, units)).is_some() && named.quantity.is_some() {
            return Err(refuse(format!("Item {} is named twice.", item.id)));
        }
    }
    Ok(missing.into_values().collect())
}
