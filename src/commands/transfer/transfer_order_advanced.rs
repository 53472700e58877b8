//! `TRANSFER_ORDER_ADVANCED`: the goods stand ready for a carrier that the sender has chosen.

use serde_json::Value;

use super::{
    super::{
        Parameter,
        package::{find_cargo_company, ship_the_package_advanced as advanced},
    },
    TransferChanges, TransferCommand, TransferContext,
    changes::TransferShipment,
};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct TransferOrderAdvanced;

impl TransferCommand for TransferOrderAdvanced {
    fn identifier(&self) -> &'static str {
        "TRANSFER_ORDER_ADVANCED"
    }

    fn summary(&self) -> &'static str {
        "Ready for dispatch: records the carrier and the tracking number chosen outside; the carrier is not called. From \
         then on its products cannot be reported missing."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "tracking_number",
                schema: r#"{"type":"string","maxLength":128}"#,
                required: true,
                summary: "The carrier's number for the goods.",
            },
            Parameter {
                name: "cargo_company",
                schema: r#"{"oneOf":[{"type":"integer"},{"type":"string"}]}"#,
                required: true,
                summary: "Id of a cargo company (see /api/v1/oms/cargo-company/); its digits or slug are understood too.",
            },
        ]
    }

    fn example(&self) -> Value {
        serde_json::json!({ "tracking_number": "TN0123456789", "cargo_company": 1 })
    }

    fn decide(&self, context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
        let (tracking_number, company) = advanced::read_shipment(context.input)?;
        let cargo_company_id = find_cargo_company(context.catalog, &company)?;
        let mut changes = TransferChanges::to(context.transition.destination_id);
        changes.shipment = Some(TransferShipment { cargo_company_id, tracking_number });
        Ok(changes)
    }
}
