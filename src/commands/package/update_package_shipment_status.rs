//! `UPDATE_PACKAGE_SHIPMENT_STATUS`: the carrier delivered the package, or tried to.

use crate::{
    commands::{
        changes::{Answer, Changes},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{Kind, Parameter, common::SYNC},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "UPDATE_PACKAGE_SHIPMENT_STATUS",
        summary: "Records a delivery (`delivered_status` true: the transition's destination) or a failed attempt \
                  (false: its `otherwise` state).",
        parameters: &[
            Parameter {
                name: "package",
                schema: r#"{"type":"integer"}"#,
                summary: "The package's id, as in the URL.",
                ..Parameter::REQUIRED
            },
            Parameter {
                name: "delivered_status",
                schema: r#"{"type":"boolean"}"#,
                summary: "Whether it was delivered.",
                ..Parameter::REQUIRED
            },
        ],
        common: SYNC,
        example: r#"{"package":1,"delivered_status":true}"#,
        has_otherwise: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let delivered = match (context.input.integer("package"), context.input.boolean("delivered_status")) {
        (Ok(_), Ok(delivered)) => delivered,
        (Err(first), Err(second)) => return Err(first.and(second)),
        (Err(refusal), _) | (_, Err(refusal)) => return Err(refusal),
    };
    let transition = context.transition;
    let state_id =
        if delivered { transition.destination_id } else { transition.otherwise_id.unwrap_or(transition.source_id) };
    Ok(Changes { answer: Answer::Nothing, ..Changes::to(context.facts, state_id) })
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
