//! The stock service: at most one, and only for existing locations.

use super::findings::Findings;
use crate::{installation::read::Installation, spelling::nearest};

pub(super) fn check(installation: &Installation, findings: &mut Findings) {
    for second in installation.inventory.iter().skip(1) {
        let message = "another file has an `[inventory]` already";
        findings.problem(&second.at, "", message, "name one stock service; take the other out");
    }
    let erp_codes = || installation.stock_locations.iter().map(|entry| entry.record.erp_code.as_str());
    for inventory in &installation.inventory {
        for erp_code in &inventory.settings.stock_locations {
            if erp_codes().any(|known| known == erp_code) {
                continue;
            }
            let remedy = match nearest(erp_code, erp_codes()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "add a `[[stock_locations]]` entry with this erp_code".to_owned(),
            };
            findings.problem(&inventory.at, "stock_locations", format!("there is no location `{erp_code}`"), remedy);
        }
    }
}
