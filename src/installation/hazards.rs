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
    for slug in plan.names_gone(Section::CargoCompanies) {
        hazards.extend(company_gone(slug, plan, installed, wanted));
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

/// A cargo company goes, and locations that no file has stay with it: nothing could be packed there.
fn company_gone(slug: &str, plan: &Plan, installed: &Installed, wanted: &Installation) -> Option<String> {
    let is_named = |erp_code: &str| wanted.stock_locations.iter().any(|entry| entry.record.erp_code == erp_code);
    let is_gone = |erp_code: &str| plan.names_gone(Section::StockLocations).any(|gone| gone == erp_code);
    let with_it = installed.installation.stock_locations.iter().filter(|entry| {
        let (location, company) = (&entry.record, entry.reference("cargo_company"));
        let stays = !is_named(&location.erp_code) && !is_gone(&location.erp_code);
        location.is_active && company == Some(slug) && stays
    });
    let with_it: Vec<&str> = with_it.map(|entry| entry.record.erp_code.as_str()).collect();
    (!with_it.is_empty()).then(|| {
        format!(
            "the cargo company {slug} goes, and the locations {}, which are in no file, would have none: nothing could be \
             packed there; give them another first, or leave it in",
            with_it.join(", ")
        )
    })
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

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::installation::items::items;

    const BEFORE: &str = r#"
[[states]]
entity = "package"
slug = "waiting"
enum_value = "100"
name = "Waiting"

[[states]]
entity = "package"
slug = "blocked"
enum_value = "150"
name = "Blocked"

[[states]]
entity = "transfer"
slug = "sent"
enum_value = "sent"
name = "Sent"

[[states]]
entity = "order"
slug = "old"
enum_value = "300"
name = "Old"

[[states]]
entity = "order"
slug = "approved"
enum_value = "400"
name = "Approved"

[[states]]
entity = "transfer"
slug = "waiting"
enum_value = "waiting"
name = "Waiting"

[[cargo_companies]]
slug = "first"
name = "First"
integration = "manual"

[[cargo_companies]]
slug = "second"
name = "Second"
integration = "manual"

[[stock_locations]]
erp_code = "A"
name = "A"
type = "store"
priority = 1

[[stock_locations]]
erp_code = "B"
name = "B"
type = "store"
priority = 2
cargo_company = "second"

[[scenarios]]
name = "Web"
priority = 1
default_location = "A"
initial_state_when_split = "waiting"

[[denial_reasons]]
title = "Busy"
"#;

    fn read(text: &str) -> Installation {
        Installation::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// What these files have installed, with the ids that a database gives, and something made over HTTP.
    fn installed(text: &str, by_hand: &[(Section, &str)]) -> Installed {
        let mut installation = read(text);
        for (state, id) in installation.states.iter_mut().zip(1..) {
            state.id = Some(id);
        }
        for (entry, id) in installation.stock_locations.iter_mut().zip(1..) {
            entry.record.id = id;
        }
        let made_by_hand = by_hand.iter().map(|(section, name)| (*section, (*name).to_owned())).collect();
        let items = items(&installation);
        Installed { items, installation, made_by_hand, changed_since: HashSet::new() }
    }

    /// The same text without the entry that has this line, or with it changed.
    fn without(line: &str) -> String {
        assert!(BEFORE.contains(line), "{line}");
        BEFORE.split("\n\n").filter(|entry| !entry.contains(line)).collect::<Vec<_>>().join("\n\n")
    }

    fn with(from: &str, to: &str) -> String {
        assert!(BEFORE.contains(from), "{from}");
        BEFORE.replacen(from, to, 1)
    }

    /// The first ids are those of the states in their order, and of the locations in theirs.
    fn touched() -> Touched {
        Touched {
            packages: HashMap::from([(2, 1)]),
            transfers: HashMap::from([(3, 2)]),
            orders: HashMap::from([(4, 3)]),
            open_packages: HashMap::from([(1, 4)]),
            ..Touched::default()
        }
    }

    /// What is wanted, what is installed, the files of before, what was made over HTTP, and what is told.
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [(Section, &'a str)], &'a str);

    #[test]
    fn each_reason_to_refuse_is_told_by_itself_and_nothing_else_is() {
        let moved = "\n[[moved]]\nfrom = \"blocked\"\nto = \"waiting\"\n";
        let passive = with("priority = 1\ndefault", "priority = 1\nis_active = false\ndefault");
        let closed = with("priority = 1\n\n", "priority = 1\nis_active = false\n\n");
        let (limited, other) = (with("priority = 2\n", "priority = 2\nmax_quota = 5\n"), with("\"Busy\"", "\"Full\""));
        let in_blocked = with("when_split = \"waiting\"", "when_split = \"blocked\"");
        let none: &[(Section, &str)] = &[];
        let rows: [Row<'_>; 17] = [
            ("", BEFORE, BEFORE, &[(Section::Scenarios, "Web")], "the whole workflow of packages would be retired"),
            (&without("slug = \"blocked\""), BEFORE, BEFORE, none, "the state blocked goes, and 1 package in it"),
            (&(without("slug = \"blocked\"") + moved), BEFORE, BEFORE, none, ""),
            (&without("slug = \"sent\""), BEFORE, BEFORE, none, "the state transfer sent goes, and 2 transfers in it"),
            (&without("slug = \"old\""), BEFORE, BEFORE, none, "the state order old goes, and 3 orders in it"),
            (
                &(without("slug = \"blocked\"").replace("name = \"Web\"", "name = \"Shop\"") + moved),
                &in_blocked,
                BEFORE,
                &[(Section::Scenarios, "Web")],
                "the state blocked goes, and the scenario Web, which is in no file, begins packages in it",
            ),
            (&closed, BEFORE, BEFORE, none, "the location A would be made inactive, with 4 open packages"),
            (
                &without("erp_code = \"A\""),
                BEFORE,
                BEFORE,
                none,
                "the location A is in no file any more, and would be made inactive, with 4 open packages",
            ),
            (&without("erp_code = \"B\""), BEFORE, BEFORE, none, ""),
            (
                &without("slug = \"second\"")
                    .replace("erp_code = \"B\"", "erp_code = \"C\"")
                    .replace("cargo_company = \"second\"", ""),
                BEFORE,
                &without("erp_code = \"B\""),
                none,
                "the cargo company second goes, and the locations B, which are in no file",
            ),
            (&without("name = \"Web\""), BEFORE, BEFORE, none, "no active scenario would be left"),
            (&passive, BEFORE, BEFORE, none, "no active scenario would be left"),
            (&without("name = \"Web\""), BEFORE, BEFORE, &[(Section::Scenarios, "Web")], ""),
            (
                BEFORE,
                &limited,
                BEFORE,
                none,
                "stock locations: B was changed since the last installation, and would be set back in max_quota",
            ),
            (BEFORE, &limited, &limited, none, ""),
            (
                &without("title = \"Busy\""),
                &with("title = \"Busy\"", "title = \"Busy\"\npriority = 1"),
                BEFORE,
                none,
                "denial reasons: Busy was changed since the last installation, and would go",
            ),
            (BEFORE, &other, BEFORE, &[(Section::DenialReasons, "Full")], "denial reasons: Busy was taken away since"),
        ];
        let mut wrong = Vec::new();
        for (at, (wanted, before, base, by_hand, expected)) in rows.into_iter().enumerate() {
            let (installed, wanted, base) = (installed(before, by_hand), read(wanted), read(base));
            let plan = Plan::between(&installed, &wanted, Some(&base));
            let told = hazards(&plan, &installed, &wanted, &touched());
            let is_right =
                if expected.is_empty() { told.is_empty() } else { told.iter().any(|told| told.contains(expected)) };
            if !is_right || told.len() > 1 && at > 0 {
                wrong.push(format!("row {at}: {expected:?}, and was told {told:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
