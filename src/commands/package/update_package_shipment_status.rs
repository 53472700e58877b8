//! `UPDATE_PACKAGE_SHIPMENT_STATUS`: the carrier delivered it, or tried.

use serde_json::Value;

use super::super::{Answer, Changes, Command, Context, Parameter, input};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct UpdatePackageShipmentStatus;

impl Command for UpdatePackageShipmentStatus {
    fn identifier(&self) -> &'static str {
        "UPDATE_PACKAGE_SHIPMENT_STATUS"
    }

    fn summary(&self) -> &'static str {
        "Records a delivery (`delivered_status` true: the transition's destination) or a failed attempt (false: its \
         `otherwise` state)."
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "package",
                schema: r#"{"type":"integer"}"#,
                required: true,
                summary: "The package's id, as in the URL.",
            },
            Parameter {
                name: "delivered_status",
                schema: r#"{"type":"boolean"}"#,
                required: true,
                summary: "Whether it was delivered.",
            },
        ]
    }

    fn common_parameters(&self) -> &'static [&'static str] {
        input::SYNC
    }

    fn example(&self) -> Value {
        serde_json::json!({ "package": 1, "delivered_status": true })
    }

    fn has_otherwise(&self) -> bool {
        true
    }

    fn decide(&self, context: &Context<'_>) -> Result<Changes, Refusal> {
        let delivered = match (context.input.integer("package"), context.input.boolean("delivered_status")) {
            (Ok(_), Ok(delivered)) => delivered,
            (Err(first), Err(second)) => return Err(first.and(second)),
            (Err(refusal), _) | (_, Err(refusal)) => return Err(refusal),
        };
        let transition = context.transition;
        let state_id =
            if delivered { transition.destination_id } else { transition.otherwise_id.unwrap_or(transition.source_id) };
        Ok(Changes { answer: Answer::Nothing, ..Changes::to(context.package, state_id) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};

    #[test]
    fn delivered_or_attempted() {
        let scene = Scene::new();
        let run = |state: &str, delivered: bool| {
            let input = json!({ "package": scene.package.id, "delivered_status": delivered });
            scene.decide("UPDATE_PACKAGE_SHIPMENT_STATUS", state, &input).expect("moved")
        };
        assert_eq!(run("shipped", true).state_id, scene.state("delivered"));
        assert_eq!(run("shipped", false).state_id, scene.state("attempted-delivery"));
        assert_eq!(run("attempted-delivery", false).state_id, scene.state("delivery-failed"));
        assert_eq!(run("delivery-failed", false).state_id, scene.state("delivery-failed"));
        assert_eq!(run("delivery-failed", true).answer, Answer::Nothing);
    }

    #[test]
    fn another_package_in_the_body_is_refused() {
        let scene = Scene::new();
        let input = json!({ "package": scene.package.id + 1, "delivered_status": true });
        let refusal = scene.decide("UPDATE_PACKAGE_SHIPMENT_STATUS", "shipped", &input).expect_err("refused");
        assert_eq!(refusal.error.to_string(), r#"{"package":["This is not the package of the URL."]}"#);
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let scene = Scene::new();
        let refusal = scene.decide("UPDATE_PACKAGE_SHIPMENT_STATUS", "shipped", &json!({})).expect_err("refused");
        assert_eq!(
            refusal.error.to_string(),
            r#"{"package":["This field is required."],"delivered_status":["This field is required."]}"#
        );
    }
}
