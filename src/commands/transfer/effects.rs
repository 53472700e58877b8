//! A dry run's answer: what a command on a transfer would do, said before it is done.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::{consequences::PackageChange, dispatch::Reply},
    TransferChange, TransferContext,
    consequences::{Derived, Laid, derive},
};
use crate::{error::Result, workflow::Workflow};

/// The reply of a dry run in which the command would succeed: `200 {"status_code", "reply", "effects"}`.
///
/// # Errors
/// A fault when a state is not in the workflow.
pub fn reply(context: &TransferContext<'_>, laid: &Laid, answer: &Reply) -> Result<Reply> {
    let workflow = &context.catalog.workflow;
    let Derived { packages: shared, transfers: own } = derive(&laid.packages, &laid.transfers, workflow)?;
    let mut successors = Vec::new();
    for successor in laid.packages.iter().filter(|package| package.id.is_none()) {
        successors.push(json!({
            "stock_location": successor.after.stock_location_id,
            "state": state(workflow, successor.after.state_id)?,
            "order_items": successor.items.iter().map(|item| item.order_item_id).collect::<Vec<_>>(),
        }));
    }
    let quota = shared.quota.iter();
    let stock = shared.stock.iter();
    let effects = json!({
        "state": { "from": state(workflow, context.transfer.state_id)?, "to": state(workflow, laid.transfers[0].after)? },
        "package": package(context, laid)?,
        "transfers": transfers(&laid.transfers),
        "successors": successors,
        "quota": quota
            .map(|delta| json!({ "stock_location": delta.stock_location_id, "delta": delta.delta }))
            .collect::<Vec<_>>(),
        "stock": stock
            .map(|((sku, location), delta)| {
                json!({ "stock_location": location, "sku": sku, "quantity": delta.quantity,
                        "reserved": delta.reserved })
            })
            .collect::<Vec<_>>(),
        "events": shared.events.iter().map(|(_, event)| *event)
            .chain(own.events.iter().map(|(_, event)| *event)).collect::<Vec<_>>(),
    });
    let body = json!({
        "status_code": answer.status.as_u16(),
        "reply": serde_json::from_slice::<Value>(&answer.body).unwrap_or(Value::Null),
        "effects": effects,
    });
    Ok(Reply::json(StatusCode::OK, &body))
}

/// The transfers that would begin.
#[must_use]
pub fn transfers(transfers: &[TransferChange]) -> Vec<Value> {
    let begun = transfers.iter().filter(|transfer| transfer.id.is_none());
    begun
        .map(|transfer| {
            json!({ "source": transfer.source_location_id, "destination": transfer.destination_location_id,
                    "order_items": transfer.items.iter().map(|item| item.order_item_id).collect::<Vec<_>>() })
        })
        .collect()
}

/// The transfer's package; as it is where it would not change.
fn package(context: &TransferContext<'_>, laid: &Laid) -> Result<Value> {
    let workflow = &context.catalog.workflow;
    let before = context.package.placement();
    let own: Option<&PackageChange> = laid.packages.first();
    let after = own.map_or(before, |own| own.after);
    let mut items = Vec::new();
    for item in own.into_iter().flat_map(|own| &own.items) {
        if let (Some(package_item), Some(was)) = (item.id, item.before)
            && was != item.after
        {
            items.push(json!({
                "package_item": package_item,
                "order_item": item.order_item_id,
                "state": { "from": state(workflow, was.state_id)?, "to": state(workflow, item.after.state_id)? },
            }));
        }
    }
    Ok(json!({
        "id": context.package.id,
        "state": { "from": state(workflow, before.state_id)?, "to": state(workflow, after.state_id)? },
        "stock_location": { "from": before.stock_location_id, "to": after.stock_location_id },
        "items": items,
    }))
}

fn state(workflow: &Workflow, id: i64) -> Result<Value> {
    let state = workflow.state(id)?;
    Ok(json!({ "id": state.id, "slug": state.slug, "enum_value": state.enum_value }))
}
