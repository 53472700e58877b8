//! Transfers, and packages that wait for them: what must hold so that goods are counted once, wherever they are.

use super::findings::Findings;
use crate::{
    installation::read::{Entity, Installation, Scenario, Transition},
    kinds::names::{TRANSFER_DELIVERED, TRANSFER_ITEM_NOT_FOUND, TRANSFER_RETURNED},
    scenarios::{definition::of_transferable, rules::ScenarioKind},
    workflow::{
        NEEDED_BY_TRANSFERS, TRANSFER_CANCELLED, TRANSFER_CANCELLED_IN_TRANSIT, TRANSFER_WORDS, WAITING_FOR_TRANSFER,
    },
};

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    words(installation, findings);
    for transition in &installation.transitions {
        match transition.entity {
            Entity::Package => of_package(installation, transition, findings),
            Entity::Transfer => of_transfer(installation, transition, findings),
            Entity::Order => {}
        }
    }
    for scenario in &installation.scenarios {
        rules(installation, scenario, findings);
    }
    needed(installation, findings);
}

/// What a transfer does to stock follows from its stable code.
fn words(installation: &Installation, findings: &mut Findings) {
    for state in installation.states.iter().filter(|state| state.entity == Entity::Transfer) {
        if !TRANSFER_WORDS.contains(&state.enum_value.as_str()) {
            let message = format!("`{}` is no word of transfers", state.enum_value);
            let remedy = format!("write one of {}", TRANSFER_WORDS.join(", "));
            findings.problem(&state.at, "enum_value", message, remedy);
        }
    }
}

/// A package waits for transfers because a plan made some, until they are there or it ends.
fn of_package(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    if transition.stays() {
        return;
    }
    let named = [("destination", Some(&transition.destination)), ("otherwise", transition.otherwise.as_ref())];
    for (key, slug) in named.into_iter().filter_map(|(key, slug)| Some((key, slug?))) {
        if slug == WAITING_FOR_TRANSFER {
            let message = format!("a package is in `{WAITING_FOR_TRANSFER}` because of its transfers alone");
            let remedy = "name another state; a rule with `transferable = true` leads there";
            findings.problem(&transition.at, key, message, remedy);
        }
        let number = installation.state(Entity::Package, slug).and_then(|state| state.enum_value.parse::<u32>().ok());
        let goes_on = number.is_some_and(|number| !(900..1000).contains(&number));
        if transition.source == WAITING_FOR_TRANSFER && slug != WAITING_FOR_TRANSFER && goes_on {
            let message = format!("what a package in `{WAITING_FOR_TRANSFER}` lacks would not be there in `{slug}`");
            let remedy = "lead to a state numbered 900 to 999; when the transfers are there it goes on by itself";
            findings.problem(&transition.at, key, message, remedy);
        }
    }
}

fn of_transfer(installation: &Installation, transition: &Transition, findings: &mut Findings) {
    let code = |slug: &str| {
        let state = installation.state(Entity::Transfer, slug);
        state.map(|state| state.enum_value.as_str())
    };
    // An unknown state is reported for itself.
    let (Some(source), Some(destination)) = (code(&transition.source), code(&transition.destination)) else { return };
    let command = transition.command.as_str();
    let ends = destination == TRANSFER_CANCELLED;
    if ends != [TRANSFER_ITEM_NOT_FOUND, TRANSFER_RETURNED].contains(&command) {
        let (message, remedy) = if ends {
            (format!("{command} does not end a transfer"), format!("only {TRANSFER_ITEM_NOT_FOUND} does"))
        } else {
            (format!("after {command} a transfer is over"), format!("write `{TRANSFER_CANCELLED}`"))
        };
        findings.problem(&transition.at, "destination", message, remedy);
    }
    let on_the_way = TRANSFER_CANCELLED_IN_TRANSIT;
    if destination == on_the_way {
        let message = format!("a transfer is in `{on_the_way}` because its package has ended");
        findings.problem(&transition.at, "destination", message, "name another state".to_owned());
    }
    let books_in = source == on_the_way;
    if books_in && ![TRANSFER_DELIVERED, TRANSFER_RETURNED].contains(&command) {
        let message =
            format!("the package of a transfer in `{on_the_way}` has ended, and {command} is for one that waits");
        let remedy = format!("write {TRANSFER_DELIVERED} or {TRANSFER_RETURNED}");
        findings.problem(&transition.at, "command", message, remedy);
    }
    if books_in && command == TRANSFER_DELIVERED && destination != "transferred" {
        let message = "what arrives is on the shelf of the destination".to_owned();
        findings.problem(&transition.at, "destination", message, "write `transferred`".to_owned());
    }
    if command == TRANSFER_RETURNED && !books_in {
        let message = format!("{command} is for transfers whose package has ended");
        findings.problem(&transition.at, "source", message, format!("write `{on_the_way}`"));
    }
}

fn rules(installation: &Installation, scenario: &Scenario, findings: &mut Findings) {
    let definition = &scenario.definition;
    // States that are lacking are told once, by `needed`.
    for defect in definition.wrong_transfers(|_, _| true) {
        findings.0.problems.push(scenario.at.defect(&defect));
    }
    let is_source = |other: &Scenario| other.definition.kind == ScenarioKind::Transfer && other.definition.is_active;
    if definition.kind == ScenarioKind::Distribution && !installation.scenarios.iter().any(is_source) {
        for (at, _) in definition.rules.iter().enumerate().filter(|(_, rule)| rule.transferable) {
            let message = "nothing says where to fetch from, so the rule is as any other";
            let remedy = "add a `[[scenarios]]` entry with `kind = \"transfer\"`";
            let defect = of_transferable(at, message.to_owned(), remedy.to_owned());
            findings.0.warnings.push(scenario.at.defect(&defect));
        }
    }
}

/// The states that transfers and their packages are put into by the code itself.
fn needed(installation: &Installation, findings: &mut Findings) {
    let first_rule = |scenario: &Scenario| scenario.definition.rules.iter().position(|rule| rule.transferable);
    let by_rule = installation.scenarios.iter().find_map(|scenario| Some((scenario, first_rule(scenario)?)));
    let by_transition = installation.transitions.iter().find(|transition| transition.entity == Entity::Transfer);
    let has_state = |entity: &str, slug: &str| {
        installation.states.iter().any(|state| state.entity.as_str() == entity && state.slug == slug)
    };
    for (entity, slug) in NEEDED_BY_TRANSFERS.iter().filter(|(entity, slug)| !has_state(entity, slug)) {
        let message = format!("transfers need the {entity} state `{slug}`, which is not there");
        let remedy = format!("add a `[[states]]` entry with `entity = \"{entity}\"` and `slug = \"{slug}\"`");
        if let Some((scenario, at)) = by_rule {
            findings.0.problems.push(scenario.at.defect(&of_transferable(at, message, remedy)));
        } else if let Some(transition) = by_transition {
            findings.problem(&transition.at, "command", message, remedy);
        }
    }
}
