//! Goods that have left the shelf and are here again: back on it, or not. For commands by which a packed package ends.
//!
//! Nothing is remembered for it: items that are not back on the shelf have a state of their own ([`NOT_RESTOCKED`]), which
//! holds what was taken as the state of a packed item does. So their units stay taken, wherever their package has got to.

use crate::{
    commands::{changes::Changes, command::Context},
    error::Refusal,
    kinds::Parameter,
    workflow::{Holding, NOT_RESTOCKED},
};

const RESTOCK: &str = "restock";

/// Whether the goods are back on the shelf.
pub(super) const PARAMETER: Parameter = Parameter {
    name: RESTOCK,
    schema: r#"{"type":"boolean"}"#,
    summary: "Whether the goods are back on the shelf: true, and they can be sold again; false, and the quantity of their \
              stock stays as it is (damaged, lost, or to be looked at first).",
    ..Parameter::REQUIRED
};

/// To the destination, with the goods on the shelf or not.
pub(super) fn go(context: &Context<'_>) -> Result<Changes, Refusal> {
    let restocks = context.input.boolean(RESTOCK)?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    if !restocks {
        let workflow = &context.catalog.workflow;
        let is_taken = |id: i64| workflow.state(id).is_ok_and(|state| state.holding == Holding::Taken);
        let not_restocked = context.state_id(NOT_RESTOCKED)?;
        let taken = context.facts.items.iter().filter(|item| is_taken(item.state_id));
        changes.item_states.extend(taken.map(|item| (item.id, not_restocked)));
    }
    Ok(changes)
}

/// What is not back on the shelf does not come back by a further move of its package, as long as that holds nothing.
pub(super) fn keep(context: &Context<'_>, changes: &mut Changes) {
    let workflow = &context.catalog.workflow;
    let is_not_restocked = |id: i64| workflow.state(id).is_ok_and(|state| state.slug == NOT_RESTOCKED);
    if workflow.state(changes.state_id).is_ok_and(|state| state.holding == Holding::Nothing) {
        for item in context.facts.items.iter().filter(|item| is_not_restocked(item.state_id)) {
            changes.item_states.entry(item.id).or_insert(item.state_id);
        }
    }
}
