//! Each transition for itself: its command, its states, its outcomes.

use super::{CommandKind, Findings, company};
use crate::{
    commands::common::invoice_call,
    installation::read::{Entity, Installation, Transition},
    spelling::nearest,
};

/// The commands of the whole contract. One that is here and not in the server's own list is
/// planned, and is refused with other words than one that nobody knows.
const PLANNED_COMMANDS: &[&str] = &[
    "ASSIGN_PACKAGE_ITEMS_MANUALLY",
    "BLOCK_THE_PACKAGE",
    "CANCEL_PACKAGE",
    "CHANNEL_BASED_COMPLETE_PACKING",
    "COMPLETE_PACKING",
    "COMPLETE_PACKING_WITHOUT_SHIPMENT",
    "DETECTED_OUT_OF_STOCK_ITEM",
    "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED",
    "PACKAGE_PACKED_FOR_REFUND",
    "PKG_DEALLOCATE_RESERVATIONS",
    "PKG_STATE_TRANSITION",
    "PREPARE_PACKAGE",
    "PREPARE_PACKAGE_COMMAND",
    "READY_FOR_PICKUP",
    "REFUSE_PACKAGE",
    "REPACK",
    "REPLACE_PRODUCT",
    "SELF_SERVICE_PACKAGE_DELIVERY",
    "SHIP_THE_PACKAGE",
    "SHIP_THE_PACKAGE_ADVANCED",
    "SHIP_THE_PACKAGE_BASIC",
    "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION",
    "UNBLOCK_THE_PACKAGE",
    "UPDATE_INVOICE",
    "UPDATE_PACKAGE_SHIPMENT_STATUS",
    "UPDATE_SHIPMENT_INFO",
    "UPDATE_SHIPMENT_LABEL",
];

/// The state of a package that has ended without being packed.
const ENDED: &str = "packaging-canceled";

pub(super) fn check(installation: &Installation, commands: &[CommandKind], findings: &mut Findings) {
    for transition in &installation.transitions {
        states(installation, transition, findings);
        ending(installation, transition, findings);
        company::check(installation, transition, findings);
        let kind = commands.iter().find(|kind| kind.identifier == transition.command);
        match kind {
            Some(kind) => {
                outcomes(transition, kind, findings);
                defaults(transition, kind, findings);
            }
            None => unknown_command(transition, commands, findings),
        }
    }
}

fn unknown_command(transition: &Transition, commands: &[CommandKind], findings: &mut Findings) {
    let command = transition.command.as_str();
    let names = || commands.iter().map(|kind| kind.identifier);
    let of_this_version = format!("this version has {}", names().collect::<Vec<_>>().join(", "));
    let (message, remedy) = if PLANNED_COMMANDS.contains(&command) {
        let message = format!("this version does not have the command {command} yet");
        (message, format!("take the transition out; {of_this_version}"))
    } else {
        let message = format!("there is no command {command}");
        match nearest(command, names()) {
            Some(near) => (message, format!("did you mean {near}?")),
            None => (message, of_this_version),
        }
    };
    findings.problem(&transition.at, "command", message, remedy);
}

/// The states it names exist, are of its own entity, and nothing leaves a final one.
fn states(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    let mut named = vec![("source", transition.source.as_str()), ("destination", transition.destination.as_str())];
    named.extend(transition.otherwise.as_deref().map(|slug| ("otherwise", slug)));
    for (key, slug) in named {
        if installation.state(transition.entity, slug).is_none() {
            unknown_state(installation, transition, (key, slug), findings);
        }
    }

    let source = installation.state(transition.entity, &transition.source);
    if source.is_some_and(|state| state.is_final) && !transition.stays() {
        let message = format!("`{}` is final, nothing leads out of it", transition.source);
        let remedy = format!("start from another state, or take `final` from `{}`", transition.source);
        findings.problem(&transition.at, "source", message, remedy);
    }
}

/// Where the items of a package go on in other packages, it ends: a line of an order is in one package.
fn ending(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    let (key, outcome) = match transition.command.as_str() {
        "ASSIGN_PACKAGE_ITEMS_MANUALLY" => ("destination", Some(&transition.destination)),
        // What has no place stays in the package and leads to the destination; else nothing stays in it.
        "DETECTED_OUT_OF_STOCK_ITEM" | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
            ("otherwise", transition.otherwise.as_ref())
        }
        _ => return,
    };
    // An unknown state is reported for itself.
    let goes_on = |slug: &&String| *slug != ENDED && installation.state(transition.entity, slug).is_some();
    if let Some(slug) = outcome.filter(goes_on) {
        let message = format!("the package's items go on in others, so it cannot go on in `{slug}`");
        findings.problem(&transition.at, key, message, format!("write `{ENDED}`"));
    }
}

fn unknown_state(
    installation: &Installation,
    transition: &Transition,
    (key, slug): (&str, &str),
    findings: &mut Findings,
) {
    let entity = transition.entity;
    let elsewhere = installation.states.iter().find(|state| state.slug == slug);
    let (message, remedy) = if let Some(state) = elsewhere {
        let message =
            format!("`{slug}` is a state of {}, the transition is of {}", plural(state.entity), plural(entity));
        (message, format!("name a state of {}", plural(entity)))
    } else {
        let own = installation.states.iter().filter(|state| state.entity == entity);
        let remedy = match nearest(slug, own.map(|state| state.slug.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add a `[[states]]` entry of {} with this slug", plural(entity)),
        };
        let message = format!("there is no state `{slug}` of {}", plural(entity));
        (message, remedy)
    };
    findings.problem(&transition.at, key, message, remedy);
}

/// What the command makes of its transition: the entity, and one outcome or two.
fn outcomes(transition: &Transition, kind: &CommandKind, findings: &mut Findings) {
    let (at, command) = (&transition.at, kind.identifier);
    if kind.entity != transition.entity.as_str() {
        let message =
            format!("{command} is a command of {}s, the transition is of {}", kind.entity, plural(transition.entity));
        findings.problem(at, "entity", message, format!("write `{}`", kind.entity));
    }
    match (&transition.otherwise, kind.needs_otherwise) {
        (None, true) => {
            let message = format!("{command} has a second outcome, which has no state");
            let remedy = "add `otherwise = …` with the state it then leads to";
            findings.problem(at, "otherwise", message, remedy);
        }
        (Some(_), false) => {
            let message = format!("{command} has no second outcome");
            findings.problem(at, "otherwise", message, "take `otherwise` out");
        }
        (None, false) | (Some(_), true) => {}
    }
    if kind.stays && transition.destination != transition.source {
        let message = format!("{command} leaves the state as it is");
        let remedy = format!("write `{}`, as its source", transition.source);
        findings.problem(at, "destination", message, remedy);
    }
}

/// Defaults are for parameters that the command takes, and as a request would have to give them.
fn defaults(transition: &Transition, kind: &CommandKind, findings: &mut Findings) {
    let given = serde_json::to_value(&transition.parameters).unwrap_or_default();
    for name in given.as_object().into_iter().flat_map(serde_json::Map::keys) {
        let at = &transition.at;
        if !kind.common_parameters.contains(&name.as_str()) {
            let message = format!("{} does not take the parameter {name}", kind.identifier);
            findings.problem(at, "parameters", message, format!("take `{name}` out"));
        } else if name == "remote_invoice_call"
            && let Err(sentence) = invoice_call(&given[name])
        {
            let message = format!("{name} is not complete: {sentence}");
            findings.problem(at, "parameters", message, "write it as a request would give it");
        }
    }
}

fn plural(entity: Entity) -> &'static str {
    match entity {
        Entity::Package => "packages",
        Entity::Transfer => "transfers",
        Entity::Order => "orders",
    }
}
