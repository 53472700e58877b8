//! Lists for clients: their references exist, and there are no duplicates.

use super::Findings;
use super::duplicates::{Named, refuse};
use crate::installation::read::{Installation, Place};
use crate::spelling::nearest;

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    let Installation { cargo_company_conditions, sender_addresses, cancellation_reasons, .. } = installation;
    for condition in cargo_company_conditions {
        cargo_company(installation, &condition.cargo_company, &condition.at, findings);
    }
    for address in sender_addresses {
        cargo_company(installation, &address.cargo_company, &address.at, findings);
        stock_location(installation, &address.stock_location, &address.at, findings);
    }

    let companies = cargo_company_conditions.iter().map(|entry| (&entry.at, &entry.cargo_company));
    refuse(findings, "cargo_company", "two conditions", companies);
    let senders = sender_addresses.iter().map(|entry| (&entry.at, Named(&entry.cargo_company, &entry.stock_location)));
    refuse(findings, "cargo_company", "two sender addresses of one location", senders);
    let subjects = cancellation_reasons.iter().map(|entry| (&entry.at, Named(&entry.subject, entry.cancellation_type)));
    refuse(findings, "subject", "two cancellation reasons of one type", subjects);
    let omnitron_ids = cancellation_reasons.iter().filter_map(|entry| Some((&entry.at, entry.omnitron_id?)));
    refuse(findings, "omnitron_id", "two cancellation reasons", omnitron_ids);
    fixed_ids(installation, findings);
}

fn fixed_ids(installation: &Installation, findings: &mut Findings) {
    let ids = installation.cargo_companies.iter().filter_map(|entry| Some((&entry.at, entry.id?)));
    refuse(findings, "id", "two cargo companies", ids);
    let ids = installation.denial_reasons.iter().filter_map(|entry| Some((&entry.at, entry.id?)));
    refuse(findings, "id", "two denial reasons", ids);
    let ids = installation.cargo_company_conditions.iter().filter_map(|entry| Some((&entry.at, entry.id?)));
    refuse(findings, "id", "two conditions", ids);
    let ids = installation.sender_addresses.iter().filter_map(|entry| Some((&entry.at, entry.id?)));
    refuse(findings, "id", "two sender addresses", ids);
    let ids = installation.cancellation_reasons.iter().filter_map(|entry| Some((&entry.at, entry.id?)));
    refuse(findings, "id", "two cancellation reasons", ids);
}

fn cargo_company(installation: &Installation, slug: &str, at: &Place, findings: &mut Findings) {
    let slugs = || installation.cargo_companies.iter().map(|company| company.slug.as_str());
    if slugs().any(|known| known == slug) {
        return;
    }
    let remedy = match nearest(slug, slugs()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add a `[[cargo_companies]]` entry with this slug".to_owned(),
    };
    findings.problem(at, "cargo_company", format!("there is no cargo company `{slug}`"), remedy);
}

fn stock_location(installation: &Installation, erp_code: &str, at: &Place, findings: &mut Findings) {
    let erp_codes = || installation.stock_locations.iter().map(|entry| entry.location.erp_code.as_str());
    if erp_codes().any(|known| known == erp_code) {
        return;
    }
    let remedy = match nearest(erp_code, erp_codes()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add a `[[stock_locations]]` entry with this erp_code".to_owned(),
    };
    findings.problem(at, "stock_location", format!("there is no location `{erp_code}`"), remedy);
}
