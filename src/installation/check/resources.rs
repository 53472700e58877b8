//! Lists for clients: their references exist, and there are no duplicates.

use super::duplicates::{Named, refuse};
use super::findings::Findings;
use crate::installation::read::{Entry, Installation, Place};
use crate::record::Record;
use crate::spelling::nearest;

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    let Installation { cargo_company_conditions, sender_addresses, cancellation_reasons, .. } = installation;
    for condition in cargo_company_conditions {
        cargo_company(installation, company_of(condition), &condition.at, findings);
    }
    for address in sender_addresses {
        cargo_company(installation, company_of(address), &address.at, findings);
        stock_location(installation, location_of(address), &address.at, findings);
    }

    let companies = cargo_company_conditions.iter().map(|entry| (&entry.at, company_of(entry)));
    refuse(findings, "cargo_company", "two conditions", companies);
    let senders = sender_addresses.iter().map(|entry| (&entry.at, Named(company_of(entry), location_of(entry))));
    refuse(findings, "cargo_company", "two sender addresses of one location", senders);
    let subjects = cancellation_reasons
        .iter()
        .map(|entry| (&entry.at, Named(&entry.record.subject, entry.record.cancellation_type)));
    refuse(findings, "subject", "two cancellation reasons of one type", subjects);
    let omnitron_ids = cancellation_reasons.iter().filter_map(|entry| Some((&entry.at, entry.record.omnitron_id?)));
    refuse(findings, "omnitron_id", "two cancellation reasons", omnitron_ids);

    fixed_ids(&installation.cargo_companies, findings);
    fixed_ids(&installation.denial_reasons, findings);
    fixed_ids(cargo_company_conditions, findings);
    fixed_ids(sender_addresses, findings);
    fixed_ids(cancellation_reasons, findings);
}

fn company_of<R: Record>(entry: &Entry<R>) -> &str {
    entry.reference("cargo_company").unwrap_or_default()
}

fn location_of<R: Record>(entry: &Entry<R>) -> &str {
    entry.reference("stock_location").unwrap_or_default()
}

fn fixed_ids<R: Record>(entries: &[Entry<R>], findings: &mut Findings) {
    let fixed = entries.iter().filter(|entry| entry.record.id() != 0);
    refuse(findings, "id", &format!("two {}", R::PLURAL), fixed.map(|entry| (&entry.at, entry.record.id())));
}

fn cargo_company(installation: &Installation, slug: &str, at: &Place, findings: &mut Findings) {
    let slugs = || installation.cargo_companies.iter().map(|company| company.record.slug.as_str());
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
    let erp_codes = || installation.stock_locations.iter().map(|entry| entry.record.erp_code.as_str());
    if erp_codes().any(|known| known == erp_code) {
        return;
    }
    let remedy = match nearest(erp_code, erp_codes()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add a `[[stock_locations]]` entry with this erp_code".to_owned(),
    };
    findings.problem(at, "stock_location", format!("there is no location `{erp_code}`"), remedy);
}
