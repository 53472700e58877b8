//! `COMPLETE_PACKING`, "Pack": everything is in the box; a shipment and its label are created.

use super::checks::require_items;
use crate::{
    commands::{
        changes::{Changes, ShipmentChange},
        command::Context,
        package::subject::PackageCommand,
    },
    error::{NO_CARGO_COMPANY, Refusal},
    kinds::{Kind, common::PACKING, names},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::COMPLETE_PACKING,
        summary: "Pack: all products are in the package. Creates the shipment and its label through the location's \
                  cargo company.",
        common: PACKING,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    require_items(context.facts)?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    changes.shipment = Some(shipment(context)?);
    Ok(changes)
}

/// The shipment of a package: the existing one, or a new one by the company of the order or the location, or else by
/// the first active company.
fn shipment(context: &Context<'_>) -> Result<ShipmentChange, Refusal> {
    if let Some(shipment) = &context.facts.shipment {
        return Ok(ShipmentChange {
            cargo_company_id: shipment.cargo_company_id,
            tracking_number: shipment.tracking_number.clone(),
            labelled: true,
        });
    }
    let mut active = context.catalog.cargo_companies.iter().filter(|company| company.is_active);
    let location = context.catalog.locations.get(&context.facts.stock_location_id);
    let wanted = context.facts.cargo_company_id.or_else(|| location?.cargo_company);
    let company = match wanted {
        Some(id) => active.find(|company| company.id == id),
        None => active.next(),
    };
    let company = company.ok_or_else(|| {
        Refusal::rule(NO_CARGO_COMPANY, "No active cargo company is set for this location; choose one and pack again.")
    })?;
    Ok(ShipmentChange {
        cargo_company_id: company.id,
        tracking_number: own_tracking_number(context.facts.id),
        labelled: true,
    })
}

/// The tracking number of our own labels: `OMS`, the package's id in ten digits, and a GS1 check digit. It is always
/// the same for a package, so packing again does not change it.
#[must_use]
pub fn own_tracking_number(package_id: i64) -> String {
    let digits = format!("{package_id:010}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| u32::from(digit - b'0') * if place % 2 == 0 { 3 } else { 1 })
        .sum();
    format!("OMS{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Scene, *};

    #[test]
    fn packing_makes_a_labelled_shipment_by_the_locations_company() {
        let scene = Scene::new();
        let changes = scene.decide("COMPLETE_PACKING", "waiting", &serde_json::json!({})).expect("packed");
        assert_eq!(changes.state_id, scene.state("packed"));
        let shipment = changes.shipment.expect("a shipment");
        assert_eq!(shipment.cargo_company_id, 1);
        assert_eq!(shipment.tracking_number, own_tracking_number(scene.package.id));
        assert!(shipment.labelled);
    }

    #[test]
    fn packing_again_keeps_the_shipment_there_is() {
        let mut scene = Scene::new();
        scene.package.shipment = Some(crate::packages::facts::ShipmentFacts {
            cargo_company_id: 1,
            tracking_number: "TN-1".to_owned(),
            labelled: false,
        });
        let changes = scene.decide("COMPLETE_PACKING", "waiting", &serde_json::json!({})).expect("packed");
        assert_eq!(changes.shipment.map(|shipment| shipment.tracking_number).as_deref(), Some("TN-1"));
    }

    #[test]
    fn without_a_company_nobody_could_carry_it() {
        let mut scene = Scene::new();
        scene.content().cargo_companies.clear();
        let refusal = scene.decide("COMPLETE_PACKING", "waiting", &serde_json::json!({})).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_cargo_2");
    }

    #[test]
    fn tracking_numbers_carry_a_check_digit() {
        assert_eq!(own_tracking_number(12), "OMS00000000123");
        assert_eq!(own_tracking_number(21), "OMS00000000215");
    }
}
