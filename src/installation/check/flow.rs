//! The states as a graph: transitions into them, out of them, and the stock and quota that they hold.

use std::collections::HashSet;

use super::findings::Findings;
use crate::{
    installation::read::{Entity, Installation, Place, State, Transition},
    kinds::{self, Kind, names::CANCEL_PACKAGE},
    scenarios::rules::Rule,
    spelling::nearest,
    workflow::{
        NEEDS_RESCHEDULING, NOT_FOUND, NOT_RESTOCKED, OUT_OF_STOCK, TRANSFER_CANCELLED_IN_TRANSIT, WAITING,
        WAITING_FOR_TRANSFER, holds_goods,
    },
};

/// The states in which planning creates packages, for any scenario.
const LED_TO_BY_PLANNING: &[&str] = &[WAITING, OUT_OF_STOCK];

pub(super) fn check(installation: &Installation, kinds: &[&'static Kind], findings: &mut Findings) {
    quota(installation, findings);
    needed_states(installation, kinds, findings);
    moved(installation, findings);
    cancelling(installation, findings);
    let entities = [Entity::Package, Entity::Transfer, Entity::Order];
    for entity in entities.into_iter().filter(|it| it.is_moved_by_commands()) {
        ways_out(installation, entity, findings);
        ways_in(installation, kinds, entity, findings);
    }
}

/// Quota is freed when a package leaves an occupying state. A final state is never left.
fn quota(installation: &Installation, findings: &mut Findings) {
    for state in &installation.states {
        if state.is_final && state.occupies_quota() {
            let message = format!("`{}` is final and occupies quota, which would never be given back", state.slug);
            let remedy = "write `occupies_quota = false`, or `final = false`";
            findings.problem(&state.at, "occupies_quota", message, remedy);
        }
        if state.entity != Entity::Package && state.occupies_quota == Some(true) {
            let message = format!("quota counts packages, `{}` is none of theirs", state.slug);
            findings.problem(&state.at, "occupies_quota", message, "take `occupies_quota` out");
        }
    }
}

fn needed_states(installation: &Installation, kinds: &[&'static Kind], findings: &mut Findings) {
    let mut reported = HashSet::new();
    let mut need = |slug: &'static str, who: &str, place: &Place, key: &str| {
        if installation.state(Entity::Package, slug).is_none() && reported.insert(slug) {
            let message = format!("{who} needs the package state `{slug}`, which is not there");
            let remedy = format!("add a `[[states]]` entry with `slug = \"{slug}\"`");
            findings.problem(place, key, message, remedy);
        }
    };
    for transition in &installation.transitions {
        let kind = kinds::find(kinds, &transition.command);
        for slug in kind.into_iter().flat_map(|kind| kind.needs_states) {
            need(slug, &transition.command, &transition.at, "command");
        }
    }
    for scenario in &installation.scenarios {
        for slug in LED_TO_BY_PLANNING {
            need(slug, "planning", &scenario.at, "name");
        }
    }
}

/// Packages are moved out of a state that is gone, into one that is there.
fn moved(installation: &Installation, findings: &mut Findings) {
    for moved in &installation.moved {
        if installation.state(Entity::Package, &moved.from).is_some() {
            let message = format!("`{}` is still a state; packages are moved only out of one that is gone", moved.from);
            findings.problem(&moved.at, "from", message, "take the state out, or this entry");
        }
        if installation.state(Entity::Package, &moved.to).is_none() {
            let message = format!("there is no package state `{}`", moved.to);
            let slugs = states_of(installation, Entity::Package).map(|state| state.slug.as_str());
            let remedy = match nearest(&moved.to, slugs) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write the slug of a `[[states]]` entry".to_owned(),
            };
            findings.problem(&moved.at, "to", message, remedy);
        }
    }
}

/// A package that holds goods and cannot be cancelled blocks the cancellation plans of its whole order.
fn cancelling(installation: &Installation, findings: &mut Findings) {
    let holds = |state: &&State| !state.is_final && holds_goods(&state.slug, &state.enum_value);
    for state in states_of(installation, Entity::Package).filter(holds) {
        let can_cancel = transitions_of(installation, Entity::Package)
            .any(|transition| transition.source == state.slug && transition.command == CANCEL_PACKAGE);
        if !can_cancel {
            let message = format!("a package in `{}` holds goods and cannot be cancelled", state.slug);
            let remedy = format!("add a transition of {CANCEL_PACKAGE} from `{}`", state.slug);
            findings.warning(&state.at, "slug", message, remedy);
        }
    }
}

/// A state that is not final needs a transition out of it, or its packages stay there for ever.
fn ways_out(installation: &Installation, entity: Entity, findings: &mut Findings) {
    let saved = states_that_end(installation, entity);
    for state in states_of(installation, entity).filter(|state| !state.is_final) {
        let ways_out = transitions_of(installation, entity)
            .filter(|transition| transition.source == state.slug && !transition.stays());
        if ways_out.count() == 0 {
            let message = format!("`{}` is not final and has no way out", state.slug);
            let remedy = "add a `[[transitions]]` entry from it, or write `final = true`";
            findings.problem(&state.at, "slug", message, remedy);
        } else if !saved.contains(state.slug.as_str()) {
            let message = format!("no way leads from `{}` to a final state", state.slug);
            let remedy = "add a transition out of the circle it goes in";
            findings.warning(&state.at, "slug", message, remedy);
        }
    }
}

/// The slugs of states from which there is a path to an end: a final state, or a dead end, which has its own problem.
fn states_that_end(installation: &Installation, entity: Entity) -> HashSet<&str> {
    let leaves = |slug: &str| {
        transitions_of(installation, entity).any(|transition| transition.source == slug && !transition.stays())
    };
    let mut ending: HashSet<&str> = states_of(installation, entity)
        .filter(|state| state.is_final || !leaves(&state.slug))
        .map(|state| state.slug.as_str())
        .collect();
    loop {
        let before = ending.len();
        for transition in transitions_of(installation, entity) {
            // An unknown state has its own problem.
            let is_unknown = |slug: &str| installation.state(entity, slug).is_none();
            if transition.outcomes().any(|slug| ending.contains(slug) || is_unknown(slug)) {
                ending.insert(&transition.source);
            }
        }
        if ending.len() == before {
            return ending;
        }
    }
}

/// A state without a transition into it is probably a mistake, or for a later version.
fn ways_in(installation: &Installation, kinds: &[&'static Kind], entity: Entity, findings: &mut Findings) {
    let mut reached: HashSet<&str> = LED_TO_BY_PLANNING.iter().copied().collect();
    let scenarios = installation.scenarios.iter();
    reached.extend(scenarios.clone().map(|scenario| scenario.definition.initial_state_when_split.as_str()));
    let rules = scenarios.flat_map(|scenario| &scenario.definition.rules);
    if rules.clone().any(|rule| rule.transferable) {
        reached.insert(WAITING_FOR_TRANSFER);
    }
    if rules.clone().any(Rule::asks_for_hours) {
        reached.insert(NEEDS_RESCHEDULING);
    }
    // Its package ends, and takes it there.
    let on_the_way = installation.states.iter().filter(|state| state.enum_value == TRANSFER_CANCELLED_IN_TRANSIT);
    reached.extend(on_the_way.filter(|state| state.entity == entity).map(|state| state.slug.as_str()));
    for transition in transitions_of(installation, entity) {
        let kind = kinds::find(kinds, &transition.command);
        // Only a package that was in the state before comes back to it.
        if kind.is_none_or(|kind| !kind.leads_back()) {
            reached.extend(transition.outcomes().filter(|slug| *slug != transition.source));
        }
        // No package is ever in these, only items: those that a location could not find, and goods that are lost.
        for of_items in [NOT_FOUND, NOT_RESTOCKED] {
            if kind.is_some_and(|kind| kind.needs_states.contains(&of_items)) {
                reached.insert(of_items);
            }
        }
    }
    for state in states_of(installation, entity) {
        if !state.unused && !reached.contains(state.slug.as_str()) {
            let message = format!("neither planning nor a transition leads to `{}`", state.slug);
            let remedy = "add a transition to it, take the state out, or write `unused = true`";
            findings.warning(&state.at, "slug", message, remedy);
        }
    }
}

fn states_of(installation: &Installation, entity: Entity) -> impl Iterator<Item = &State> {
    installation.states.iter().filter(move |state| state.entity == entity)
}

fn transitions_of(installation: &Installation, entity: Entity) -> impl Iterator<Item = &Transition> {
    installation.transitions.iter().filter(move |transition| transition.entity == entity)
}
