//! `TRANSFER_ORDER_ADVANCED`: the goods are ready for a carrier that the sender has chosen.

use super::{
    super::package::{checks::find_cargo_company, ship_the_package_advanced as advanced},
    changes::TransferShipment,
};
use crate::{
    commands::transfer::{
        changes::TransferChanges,
        subject::{TransferCommand, TransferContext},
    },
    error::Refusal,
    kinds::{End, Kind, Moves, Parameter},
};

/// See the module.
pub static COMMAND: TransferCommand = TransferCommand {
    kind: Kind {
        identifier: "TRANSFER_ORDER_ADVANCED",
        moves: Moves::Transfer(End::Source),
        summary: "Ready for dispatch: records the carrier and the tracking number chosen outside; the carrier is not \
                  called. From then on its products cannot be reported missing.",
        parameters: &[
            Parameter {
                name: "tracking_number",
                schema: r#"{"type":"string","maxLength":256}"#,
                summary: "The carrier's number for the goods.",
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
        example: r#"{"tracking_number":"TN0123456789","cargo_company":1}"#,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
    let (tracking_number, company) = advanced::read_shipment(context.input)?;
    let cargo_company_id = find_cargo_company(context.catalog, &company)?;
    let mut changes = TransferChanges::to(context.transition.destination_id);
    changes.shipment = Some(TransferShipment { cargo_company_id, tracking_number });
    Ok(changes)
}
