//! Carriers, locations and scenarios: their references exist.

use super::findings::Findings;
use crate::cargo::Integration;
use crate::installation::read::{Entity, Installation};
use crate::spelling::nearest;

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    cargo_companies(installation, findings);
    stock_locations(installation, findings);
    scenarios(installation, findings);
}

fn cargo_companies(installation: &Installation, findings: &mut Findings) {
    for company in &installation.cargo_companies {
        if company.record.integration == Integration::Flow {
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
        let (message, remedy) = match location.reference("cargo_company") {
            None => (
                "the installation has no cargo company for this location".to_owned(),
                "add a `[[cargo_companies]]` entry".to_owned(),
            ),
            Some(slug) => (
                format!("there is no cargo company `{slug}`"),
                match nearest(slug, companies.map(|company| company.record.slug.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "add a `[[cargo_companies]]` entry with this slug".to_owned(),
                },
            ),
        };
        findings.problem(&location.at, "cargo_company", message, remedy);
    }
}

fn scenarios(installation: &Installation, findings: &mut Findings) {
    let erp_codes: Vec<&str> =
        installation.stock_locations.iter().map(|entry| entry.record.erp_code.as_str()).collect();
    let states = installation.states.iter().filter(|state| state.entity == Entity::Package);
    let states: Vec<(&str, bool)> = states.map(|state| (state.slug.as_str(), state.is_final)).collect();
    for scenario in &installation.scenarios {
        for defect in scenario.definition.wrong_references(&erp_codes, &states) {
            findings.0.problems.push(scenario.at.defect(&defect));
        }
        if scenario.definition.rules.is_empty() {
            let message = "a scenario without rules finds no place for anything";
            let remedy = "add a `[[scenarios.rules]]` entry";
            findings.warning(&scenario.at, "rules", message, remedy);
        }
    }
}
