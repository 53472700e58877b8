//! Entries that must differ in a key, but do not.

use std::collections::HashMap;
use std::hash::Hash;

use super::findings::Findings;
use crate::installation::read::{Installation, Place};

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    states(installation, findings);
    transitions(installation, findings);
    let Installation { stock_locations, cargo_companies, denial_reasons, scenarios, .. } = installation;

    let erp_codes = stock_locations.iter().map(|entry| (&entry.at, &entry.record.erp_code));
    refuse(findings, "erp_code", "two locations", erp_codes);
    let companies = cargo_companies.iter().map(|entry| (&entry.at, &entry.record.slug));
    refuse(findings, "slug", "two cargo companies", companies);
    let titles = denial_reasons.iter().map(|entry| (&entry.at, &entry.record.title));
    refuse(findings, "title", "two denial reasons", titles);
    let names = scenarios.iter().map(|entry| (&entry.at, &entry.definition.name));
    refuse(findings, "name", "two scenarios", names);
    for second in installation.time_zone.iter().skip(1) {
        findings.problem(&second.at, "time_zone", "another file names a time zone already", "take one of them out");
    }
}

/// Slugs and enum values are unique within their entity (an order and a package both have a `waiting`); ids are unique
/// within their table.
fn states(installation: &Installation, findings: &mut Findings) {
    let states = &installation.states;
    let slugs = states.iter().map(|state| (&state.at, Named(&state.slug, state.entity)));
    refuse(findings, "slug", "two states of one entity", slugs);
    let values = states.iter().map(|state| (&state.at, Named(&state.enum_value, state.entity)));
    refuse(findings, "enum_value", "two states of one entity", values);
    let ids = states.iter().filter_map(|state| Some((&state.at, state.id?)));
    refuse(findings, "id", "two states", ids);
}

fn transitions(installation: &Installation, findings: &mut Findings) {
    let transitions = &installation.transitions;
    let ids = transitions.iter().filter_map(|transition| Some((&transition.at, transition.id?)));
    refuse(findings, "id", "two transitions", ids);

    let mut first_lines = HashMap::new();
    for transition in transitions {
        let slug = transition.slug();
        if let Some(first) = first_lines.get(&slug) {
            let message = format!("two transitions have the slug `{slug}`, the other is at {first}");
            let remedy = match &transition.slug {
                Some(_) => "give one of them another slug",
                None => "give one of them a `slug` of its own, or take it out",
            };
            findings.problem(&transition.at, "slug", message, remedy);
        } else {
            first_lines.insert(slug, &transition.at);
        }
    }
}

/// A name that is unique within its owner. It is shown without the owner.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Named<'a, Owner>(pub(super) &'a str, pub(super) Owner);

impl<Owner> std::fmt::Display for Named<'_, Owner> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

pub(super) fn refuse<'a, T>(
    findings: &mut Findings,
    key: &str,
    who: &str,
    entries: impl Iterator<Item = (&'a Place, T)>,
) where
    T: Eq + Hash + std::fmt::Display,
{
    let mut first_places = HashMap::new();
    for (place, value) in entries {
        if let Some(first) = first_places.get(&value) {
            let message = format!("{who} have the {key} `{value}`, the other is at {first}");
            findings.problem(place, key, message, format!("give one of them another {key}"));
        } else {
            first_places.insert(value, place);
        }
    }
}
