//! Each transition for itself: its command, its states, its outcomes.

use super::{company, findings::Findings, invoicing};
use crate::{
    installation::read::{Entity, Installation, Transition},
    kinds::{Kind, common::invoice_call},
    spelling::nearest,
};

/// The state of a package that has ended without being packed.
const ENDED: &str = "packaging-canceled";

pub(super) fn check(installation: &Installation, kinds: &[&'static Kind], findings: &mut Findings) {
    for transition in &installation.transitions {
        states(installation, transition, findings);
        let kind = kinds.iter().find(|kind| kind.identifier == transition.command);
        match kind {
            Some(kind) => {
                ending(installation, transition, kind, findings);
                company::leans_on(installation, transition, kind, findings);
                outcomes(transition, kind, findings);
                defaults(installation, transition, kind, findings);
                company::way_back(installation, transition, kind, findings);
            }
            None => unknown_command(transition, kinds, findings),
        }
    }
}

fn unknown_command(transition: &Transition, kinds: &[&'static Kind], findings: &mut Findings) {
    let command = transition.command.as_str();
    let names = || kinds.iter().map(|kind| kind.identifier);
    let of_this_version = format!("this version has {}", names().collect::<Vec<_>>().join(", "));
    let near = nearest(command, names());
    let remedy = near.map_or(of_this_version, |near| format!("did you mean {near}?"));
    findings.problem(&transition.at, "command", format!("there is no command {command}"), remedy);
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
fn ending(installation: &Installation, transition: &Transition, kind: &Kind, findings: &mut Findings) {
    let Some(key) = kind.gives_items_away else { return };
    let (key, outcome) = transition.state_under(key);
    // An unknown state is reported for itself.
    let goes_on = |slug: &&str| *slug != ENDED && installation.state(transition.entity, slug).is_some();
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
fn outcomes(transition: &Transition, kind: &Kind, findings: &mut Findings) {
    let (at, command) = (&transition.at, kind.identifier);
    if kind.entity() != transition.entity.as_str() {
        let message =
            format!("{command} is a command of {}s, the transition is of {}", kind.entity(), plural(transition.entity));
        findings.problem(at, "entity", message, format!("write `{}`", kind.entity()));
    }
    match (&transition.otherwise, kind.has_otherwise) {
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
fn defaults(installation: &Installation, transition: &Transition, kind: &Kind, findings: &mut Findings) {
    let given = serde_json::to_value(&transition.parameters).unwrap_or_default();
    for name in given.as_object().into_iter().flat_map(serde_json::Map::keys) {
        let at = &transition.at;
        if !kind.common.contains(&name.as_str()) {
            let message = format!("{} does not take the parameter {name}", kind.identifier);
            findings.problem(at, "parameters", message, format!("take `{name}` out"));
        } else if name == "remote_invoice_call" {
            match invoice_call(&given[name]) {
                Ok(call) => invoicing::service(installation, call["service"].as_str(), at, findings),
                Err(sentence) => {
                    let message = format!("{name} is not complete: {sentence}");
                    findings.problem(at, "parameters", message, "write it as a request would give it");
                }
            }
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
