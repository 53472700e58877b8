//! What an installation would do that nobody wants by mistake. It is refused, unless it is forced.

use super::{
    installed::Installed,
    items::Section,
    plan::{Change, Plan, What, distributes},
    read::{Entity, Installation},
    touched::{Touched, counted},
};

/// The hazards of a plan, each a line with the remedy.
#[must_use]
pub fn hazards(plan: &Plan, installed: &Installed, wanted: &Installation, touched: &Touched) -> Vec<String> {
    let mut hazards = Vec::new();
    hazards.extend(workflow_gone(installed, wanted));
    for change in plan.of(Section::States) {
        hazards.extend(state_gone(change, plan, installed, wanted, touched));
    }
    for change in plan.of(Section::StockLocations) {
        hazards.extend(location_closed(change, touched));
    }
    hazards.extend(no_scenario(plan, installed, wanted));
    hazards.extend(plan.changes.iter().filter_map(undone_by_hand));
    hazards
}

fn workflow_gone(installed: &Installed, wanted: &Installation) -> Option<String> {
    let is_gone = |entity| installed.has_states_of(entity) && wanted.states.iter().all(|state| state.entity != entity);
    let entity = [Entity::Package, Entity::Transfer, Entity::Order].into_iter().find(|entity| is_gone(*entity))?;
    Some(format!(
        "no file has a state of {entity}s: the whole workflow of {entity}s would be retired; is a file missing or empty?"
    ))
}

/// A scenario that is left alone, and begins packages in this state.
fn begins_in<'a>(slug: &str, plan: &Plan, installed: &'a Installed, wanted: &Installation) -> Option<&'a str> {
    let definitions = installed.installation.scenarios.iter().map(|scenario| &scenario.definition);
    let is_named = |name: &str| wanted.scenarios.iter().any(|scenario| scenario.definition.name == name);
    let is_gone = |name: &str| plan.names_gone(Section::Scenarios).any(|gone| gone == name);
    let mut alone = definitions.filter(|definition| !is_named(&definition.name) && !is_gone(&definition.name));
    alone
        .find(|definition| definition.is_active && definition.initial_state_when_split == slug)
        .map(|definition| definition.name.as_str())
}

fn state_gone(
    change: &Change,
    plan: &Plan,
    installed: &Installed,
    wanted: &Installation,
    touched: &Touched,
) -> Option<String> {
    let id = change.id.filter(|_| change.what == What::Gone)?;
    let state = installed.installation.states.iter().find(|state| state.id == Some(id))?;
    if let Some(scenario) = begins_in(&state.slug, plan, installed, wanted).filter(|_| state.entity == Entity::Package)
    {
        return Some(format!(
            "the state {} goes, and the scenario {scenario}, which is in no file, begins packages in it; change the scenario",
            change.name
        ));
    }
    let has_move = state.entity == Entity::Package && wanted.moved.iter().any(|moved| moved.from == state.slug);
    let standing = touched.in_state(id);
    if has_move || standing.is_empty() {
        return None;
    }
    let remedy = match state.entity {
        Entity::Package => {
            format!("leave it in, or move them: [[moved]] from = \"{}\" to = \"…\"", state.slug)
        }
        Entity::Transfer | Entity::Order => "leave it in".to_owned(),
    };
    Some(format!("the state {} goes, and {} in it would have no way out; {remedy}", change.name, standing.join(", ")))
}

fn location_closed(change: &Change, touched: &Touched) -> Option<String> {
    let how = match &change.what {
        What::Gone => "is in no file any more, and would be made inactive",
        What::Changed(differences)
            if differences
                .iter()
                .any(|difference| difference.key == "is_active" && difference.after == Some(false.into())) =>
        {
            "would be made inactive"
        }
        _ => return None,
    };
    let open = counted(*touched.open_packages.get(&change.id?)?, "open package")?;
    Some(format!("the location {} {how}, with {open}; let them end first, or plan them elsewhere", change.name))
}

fn no_scenario(plan: &Plan, installed: &Installed, wanted: &Installation) -> Option<String> {
    let before = installed.installation.scenarios.iter().map(|scenario| &scenario.definition);
    if !distributes(before.clone()) {
        return None;
    }
    let is_named = |name: &str| wanted.scenarios.iter().any(|scenario| scenario.definition.name == name);
    let is_gone = |name: &str| plan.names_gone(Section::Scenarios).any(|gone| gone == name);
    let kept = before.filter(|definition| !is_named(&definition.name) && !is_gone(&definition.name));
    let after = wanted.scenarios.iter().map(|scenario| &scenario.definition).chain(kept);
    (!distributes(after)).then(|| {
        "no active scenario would be left: every order would be refused; is a file missing, or `is_active` wrong?"
            .to_owned()
    })
}

fn undone_by_hand(change: &Change) -> Option<String> {
    let section = change.section.title();
    let name = &change.name;
    let keys: Vec<&str> = change.undone.iter().map(String::as_str).collect();
    match (&keys[..], &change.what) {
        ([], _) => None,
        ([""], What::Added) => Some(format!(
            "{section}: {name} was taken away since the last installation, and would come back; take it out of the files"
        )),
        ([""], _) => Some(format!(
            "{section}: {name} was changed since the last installation, and would go; oms installation export has it as it is"
        )),
        (keys, _) => Some(format!(
            "{section}: {name} was changed since the last installation, and would be set back in {}; write what it is now \
             into the files (oms installation export has it)",
            keys.join(", ")
        )),
    }
}
