//! `UPDATE_SHIPMENT_INFO`: the shipment gets another carrier, tracking number or query number. The label is made again:
//! the old label and its link are no longer valid.

use super::{
    super::changes::ShipmentRecord,
    checks::{find_cargo_company, require_shipment},
    ship_the_package_advanced::LONGEST_TRACKING_NUMBER,
};
use crate::{
    commands::{
        changes::{Changes, ShipmentChange},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{Kind, Parameter, common::SYNC},
};

const COMPANY: &str = "cargo_company";
const TRACKING: &str = "tracking_number";
const QUERY: &str = "query_number";
/// Longest other number, in characters.
const LONGEST_NUMBER: usize = 128;

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "UPDATE_SHIPMENT_INFO",
        summary: "Corrects the shipment: carrier, tracking number or query number, at least one. The label is made \
                  again.",
        parameters: &[
            Parameter {
                name: COMPANY,
                schema: r#"{"oneOf":[{"type":"integer"},{"type":"string"}]}"#,
                summary: "Id of a cargo company (see /api/v1/oms/cargo-company/); its digits or slug are understood \
                          too.",
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: TRACKING,
                schema: r#"{"type":"string","maxLength":256}"#,
                summary: "The carrier's number for the shipment.",
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: QUERY,
                schema: r#"{"type":"string","maxLength":128}"#,
                summary: "The carrier's number to ask for its whereabouts.",
                ..Parameter::OPTIONAL
            },
        ],
        common: SYNC,
        example: r#"{"tracking_number":"TN0123456789","query_number":"Q0123456789"}"#,
        stays: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let company = context.input.optional_string(COMPANY, LONGEST_NUMBER)?;
    let tracking_number = context.input.optional_string(TRACKING, LONGEST_TRACKING_NUMBER)?;
    let query_number = context.input.optional_string(QUERY, LONGEST_NUMBER)?;
    if company.is_none() && tracking_number.is_none() && query_number.is_none() {
        let message = format!("Give at least one of {COMPANY}, {TRACKING} and {QUERY}.");
        return Err(Refusal::fields([(TRACKING.to_owned(), vec![message])]));
    }
    let known = require_shipment(context.facts)?;
    let company = company.map(|name| find_cargo_company(context.catalog, &name)).transpose()?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    changes.record.shipment = Some(ShipmentRecord {
        query_number,
        renews_label: true,
        awb_number_is_new: tracking_number.as_ref().is_some_and(|number| *number != known.tracking_number),
    });
    changes.shipment = Some(ShipmentChange {
        cargo_company_id: company.unwrap_or(known.cargo_company_id),
        tracking_number: tracking_number.unwrap_or_else(|| known.tracking_number.clone()),
        labelled: true,
    });
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};
    use crate::packages::facts::ShipmentFacts;

    const COMMAND: &str = "UPDATE_SHIPMENT_INFO";

    fn shipped() -> Scene {
        let mut scene = Scene::new();
        scene.package.shipment =
            Some(ShipmentFacts { cargo_company_id: 1, tracking_number: "T1".to_owned(), labelled: true });
        scene
    }

    #[test]
    fn what_is_not_given_stays() {
        let scene = shipped();
        for state in ["packed", "shipped", "attempted-delivery", "delivered"] {
            let changes = scene.decide(COMMAND, state, &json!({ QUERY: "Q1" })).expect("updated");
            assert_eq!(changes.state_id, scene.state(state));
            let shipment = changes.shipment.expect("a shipment");
            assert_eq!((shipment.tracking_number.as_str(), shipment.labelled), ("T1", true));
            let record = changes.record.shipment.expect("a record");
            assert_eq!((record.query_number.as_deref(), record.awb_number_is_new), (Some("Q1"), false));
            assert!(record.renews_label);
        }
        let changes = scene.decide(COMMAND, "packed", &json!({ TRACKING: "T2" })).expect("updated");
        assert!(changes.record.shipment.is_some_and(|record| record.awb_number_is_new));
    }

    #[test]
    fn something_must_be_given() {
        let refusal = shipped().decide(COMMAND, "packed", &json!({})).expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({ TRACKING: ["Give at least one of cargo_company, tracking_number and query_number."] })
        );
        let blank = shipped().decide(COMMAND, "packed", &json!({ QUERY: " " })).expect_err("refused");
        assert_eq!(blank.error, json!({ QUERY: ["This field may not be blank."] }));
    }

    #[test]
    fn there_must_be_a_shipment_and_the_carrier_be_known() {
        let refusal = Scene::new().decide(COMMAND, "packed", &json!({ QUERY: "Q1" })).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_shipment_1");
        let refusal = shipped().decide(COMMAND, "packed", &json!({ COMPANY: "nobody" })).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_cargo_1");
    }
}
