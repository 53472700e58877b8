//! Carriers, locations and scenarios: what they refer to is there.

use super::Findings;
use crate::installation::read::{Entity, Installation, Integration, Scenario, nearest};

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    cargo_companies(installation, findings);
    stock_locations(installation, findings);
    scenarios(installation, findings);
}

fn cargo_companies(installation: &Installation, findings: &mut Findings) {
    for company in &installation.cargo_companies {
        if company.integration == Integration::Flow {
            let message = "carrier adaptors are not part of this version";
            findings.problem(&company.at, "integration", message, "use `manual`");
        }
    }
}

fn stock_locations(installation: &Installation, findings: &mut Findings) {
    for location in &installation.stock_locations {
        if installation.cargo_company_of(location).is_some() {
            continue;
        }
        let companies = installation.cargo_companies.iter();
        let (message, remedy) = match &location.cargo_company {
            None => (
                "the installation has no cargo company for this location".to_owned(),
                "add a `[[cargo_companies]]` entry".to_owned(),
            ),
            Some(slug) => (
                format!("there is no cargo company `{slug}`"),
                match nearest(slug, companies.map(|company| company.slug.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "add a `[[cargo_companies]]` entry with this slug".to_owned(),
                },
            ),
        };
        findings.problem(&location.at, "cargo_company", message, remedy);
    }
}

fn scenarios(installation: &Installation, findings: &mut Findings) {
    for scenario in &installation.scenarios {
        let erp_codes = || {
            let locations = installation.stock_locations.iter();
            locations.map(|location| location.erp_code.as_str())
        };
        let wanted = scenario.default_location.as_str();
        if !erp_codes().any(|erp_code| erp_code == wanted) {
            let remedy = match nearest(wanted, erp_codes()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add a `[[stock_locations]]` entry with this erp_code".to_owned(),
            };
            let message = format!("there is no location `{wanted}`");
            findings.problem(&scenario.at, "default_location", message, remedy);
        }
        initial_state(installation, scenario, findings);
        if scenario.rules.is_empty() {
            let message = "a scenario without rules finds no place for anything";
            let remedy = "add a `[[scenarios.rules]]` entry";
            findings.warning(&scenario.at, "rules", message, remedy);
        }
    }
}

fn initial_state(installation: &Installation, scenario: &Scenario, findings: &mut Findings) {
    let slug = scenario.initial_state_when_split.as_str();
    let (message, remedy) = match installation.state(Entity::Package, slug) {
        Some(state) if !state.is_final => return,
        Some(_) => {
            (format!("`{slug}` is final, a package cannot begin in it"), "name a state that is not final".to_owned())
        }
        None => {
            let packages = installation.states.iter().filter(|state| state.entity == Entity::Package);
            let remedy = match nearest(slug, packages.map(|state| state.slug.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name a package state of this installation".to_owned(),
            };
            (format!("there is no state `{slug}` of packages"), remedy)
        }
    };
    findings.problem(&scenario.at, "initial_state_when_split", message, remedy);
}
