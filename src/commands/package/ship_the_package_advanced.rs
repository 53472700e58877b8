//! `SHIP_THE_PACKAGE_ADVANCED`, "Advanced ship": shipped, with the client's carrier and tracking number.

use super::{super::changes::ShipmentRecord, checks::find_cargo_company};
use crate::{
    commands::{
        changes::{Changes, ShipmentChange},
        command::Context,
        input::Input,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{Kind, Parameter, common::SYNC_AND_INVOICE},
};

/// Longest tracking number, in characters.
pub(super) const LONGEST_TRACKING_NUMBER: usize = 256;

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "SHIP_THE_PACKAGE_ADVANCED",
        summary: "Advanced ship: the package has left its location with the carrier and tracking number given.",
        parameters: &[
            Parameter {
                name: "tracking_number",
                schema: r#"{"type":"string","maxLength":256}"#,
                summary: "The carrier's number for the shipment.",
                ..Parameter::REQUIRED
            },
            Parameter {
                name: "cargo_company",
                schema: r#"{"oneOf":[{"type":"integer"},{"type":"string"}]}"#,
                summary: "Id of a cargo company (see /api/v1/oms/cargo-company/); its digits or slug are understood \
                          too.",
                ..Parameter::REQUIRED
            },
        ],
        common: SYNC_AND_INVOICE,
        example: r#"{"tracking_number":"TN0123456789","cargo_company":1}"#,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let (tracking_number, company) = read_shipment(context.input)?;
    let company = find_cargo_company(context.catalog, &company)?;
    let labelled = context.facts.shipment.as_ref().is_some_and(|shipment| {
        // The existing label is for the carrier and number that it was made for.
        shipment.labelled && shipment.cargo_company_id == company && shipment.tracking_number == tracking_number
    });
    let known = context.facts.shipment.as_ref().map(|shipment| &shipment.tracking_number);
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    changes.record.shipment =
        Some(ShipmentRecord { awb_number_is_new: known != Some(&tracking_number), ..ShipmentRecord::default() });
    changes.shipment = Some(ShipmentChange { cargo_company_id: company, tracking_number, labelled });
    Ok(changes)
}

/// Both parameters are required; the refusal names each missing one.
pub(crate) fn read_shipment(input: Input<'_>) -> Result<(String, String), Refusal> {
    match (input.string("tracking_number"), input.string("cargo_company")) {
        (Ok(number), _) if number.chars().count() > LONGEST_TRACKING_NUMBER => Err(Refusal::field(
            "tracking_number",
            format!("Ensure this field has no more than {LONGEST_TRACKING_NUMBER} characters."),
        )),
        (Ok(number), Ok(company)) => Ok((number, company)),
        (Err(first), Err(second)) => Err(first.and(second)),
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn the_company_may_be_an_id_its_digits_or_its_slug() {
        let scene = Scene::new();
        for company in [json!(1), json!("1"), json!("manual")] {
            let input = json!({ "tracking_number": "TN1", "cargo_company": company });
            let changes = scene.decide("SHIP_THE_PACKAGE_ADVANCED", "packed", &input).expect("shipped");
            let shipment = changes.shipment.expect("a shipment");
            assert_eq!((shipment.cargo_company_id, shipment.tracking_number.as_str()), (1, "TN1"));
        }
    }

    #[test]
    fn both_parameters_are_required_and_both_are_named() {
        let scene = Scene::new();
        let refusal = scene.decide("SHIP_THE_PACKAGE_ADVANCED", "packed", &json!({})).expect_err("refused");
        assert_eq!(
            refusal.error.to_string(),
            r#"{"tracking_number":["This field is required."],"cargo_company":["This field is required."]}"#
        );
    }

    #[test]
    fn an_unknown_company_is_a_business_refusal() {
        let scene = Scene::new();
        let input = json!({ "tracking_number": "TN1", "cargo_company": 77 });
        let refusal = scene.decide("SHIP_THE_PACKAGE_ADVANCED", "packed", &input).expect_err("refused");
        assert_eq!(refusal.status, 406);
        assert_eq!(refusal.error["error_code"], "oms_cargo_1");
    }
}
