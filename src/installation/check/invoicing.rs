//! The invoice services: each slug once, and no transition names one that is missing.

use super::findings::Findings;
use crate::{
    installation::read::{Installation, Place},
    spelling::nearest,
};

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    for (index, entry) in installation.invoice_services.iter().enumerate() {
        if installation.invoice_services[..index].iter().any(|other| other.slug == entry.slug) {
            let message = format!("another invoice service is called `{}`", entry.slug);
            findings.problem(&entry.at, "slug", message, "give it a slug of its own");
        }
    }
}

/// The service that a transition names.
pub(super) fn service(installation: &Installation, slug: Option<&str>, at: &Place, findings: &mut Findings) {
    let slugs = || installation.invoice_services.iter().map(|entry| entry.slug.as_str());
    let Some(slug) = slug.filter(|slug| slugs().all(|known| known != *slug)) else { return };
    let remedy = match nearest(slug, slugs()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "add an `[[invoice_services]]` entry with this slug".to_owned(),
    };
    findings.problem(at, "parameters", format!("there is no invoice service `{slug}`"), remedy);
}
