//! A dry run's answer: what a command would do, said before it is done.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Changes, Context,
    consequences::{Consequences, PackageChange, lay_out},
    dispatch::Reply,
    transfer::{self, TransferChange, consequences::derive},
};
use crate::{error::Result, workflow::Workflow};

/// `200 {"status_code", "reply", "effects"}`.
#[derive(Serialize)]
struct DryRun<'a> {
    status_code: u16,
    reply: Value,
    effects: Effects<'a>,
}

/// What the command would write.
#[derive(Serialize)]
struct Effects<'a> {
    state: FromTo<Value>,
    stock_location: FromTo<i64>,
    items: Vec<ItemEffect>,
    successors: Vec<SuccessorEffect>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transfers: Vec<Value>,
    quota: Vec<Value>,
    stock: Vec<Value>,
    shipments: Vec<Value>,
    events: Vec<&'a str>,
}

#[derive(Serialize)]
struct FromTo<T> {
    from: T,
    to: T,
}

#[derive(Serialize)]
struct ItemEffect {
    package_item: i64,
    order_item: i64,
    state: FromTo<Value>,
}

#[derive(Serialize)]
struct SuccessorEffect {
    stock_location: i64,
    state: Value,
    order_items: Vec<i64>,
}

/// The reply of a dry run in which the command would succeed. `ended`: the transfers that would end with the package.
///
/// # Errors
/// A fault when a state is not in the workflow.
pub fn reply(
    context: &Context<'_>,
    changes: &Changes,
    user_id: i64,
    answer: &Reply,
    ended: &[TransferChange],
) -> Result<Reply> {
    let workflow = &context.catalog.workflow;
    let mut packages = lay_out(context.package, context.transition, changes, user_id);
    let begun = match &changes.trace {
        Some(trace) => transfer::begin::begin(&mut packages, 0, trace, workflow)?,
        None => Vec::new(),
    };
    let all: Vec<TransferChange> = begun.iter().chain(ended).cloned().collect();
    let derived = derive(&packages, &all, workflow)?;
    let mut effects = effects(context, &packages, &derived.packages, workflow)?;
    effects.transfers = transfer::effects::transfers(&begun);
    effects.events.extend(derived.transfers.events.iter().map(|(_, event)| *event));
    let body = DryRun {
        status_code: answer.status.as_u16(),
        reply: serde_json::from_slice(&answer.body).unwrap_or(Value::Null),
        effects,
    };
    Ok(Reply::json(StatusCode::OK, &body))
}

fn effects<'a>(
    context: &Context<'_>,
    packages: &[PackageChange],
    consequences: &Consequences,
    workflow: &Workflow,
) -> Result<Effects<'a>> {
    let named = |state_id: i64| -> Result<Value> {
        let state = workflow.state(state_id)?;
        Ok(json!({ "id": state.id, "slug": state.slug, "enum_value": state.enum_value }))
    };
    let mut items = Vec::new();
    for item in packages.iter().flat_map(|package| &package.items) {
        if let (Some(package_item), Some(before)) = (item.id, item.before)
            && before != item.after
        {
            let state = FromTo { from: named(before.state_id)?, to: named(item.after.state_id)? };
            items.push(ItemEffect { package_item, order_item: item.order_item_id, state });
        }
    }
    let mut successors = Vec::new();
    for successor in packages.iter().filter(|package| package.id.is_none()) {
        successors.push(SuccessorEffect {
            stock_location: successor.after.stock_location_id,
            state: named(successor.after.state_id)?,
            order_items: successor.items.iter().map(|item| item.order_item_id).collect(),
        });
    }
    let own = &packages[0].after;
    Ok(Effects {
        state: FromTo { from: named(context.package.state_id)?, to: named(own.state_id)? },
        stock_location: FromTo { from: context.package.stock_location_id, to: own.stock_location_id },
        items,
        successors,
        transfers: Vec::new(),
        quota: consequences
            .quota
            .iter()
            .map(|delta| json!({ "stock_location": delta.stock_location_id, "delta": delta.delta }))
            .collect(),
        stock: consequences
            .stock
            .iter()
            .map(|((sku, location), delta)| {
                json!({ "stock_location": location, "sku": sku, "quantity": delta.quantity, "reserved": delta.reserved })
            })
            .collect(),
        shipments: packages
            .iter()
            .filter_map(|package| package.shipment.as_ref())
            .map(|shipment| {
                json!({ "cargo_company": shipment.cargo_company_id, "tracking_number": shipment.tracking_number,
                        "label": shipment.labelled })
            })
            .collect(),
        events: consequences.events.iter().map(|(_, event)| *event).collect(),
    })
}
