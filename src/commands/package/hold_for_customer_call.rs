//! `HOLD_FOR_CUSTOMER_CALL`: the location calls the customer before it goes on. The package keeps what it holds, and
//! `UNBLOCK_THE_PACKAGE` leads back to where it was.

use super::moves::go;
use crate::{
    commands::package::subject::PackageCommand,
    kinds::{Kind, Parameter, Recorded, common::SYNC, names},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "HOLD_FOR_CUSTOMER_CALL",
        summary: "Holds the package until the customer was called. It keeps its reservations and its place.",
        parameters: &[Parameter {
            name: "reason",
            schema: r#"{"type":"string","maxLength":200}"#,
            summary: "What is to be asked; kept with the log.",
            recorded: Some(Recorded::Text { most_characters: 200 }),
            ..Parameter::REQUIRED
        }],
        common: SYNC,
        example: r#"{"reason":"The flat's number is missing."}"#,
        undone_by: Some(names::UNBLOCK_THE_PACKAGE),
        ..Kind::BASE
    },
    decide: go,
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    const COMMAND: &str = "HOLD_FOR_CUSTOMER_CALL";

    #[test]
    fn it_waits_for_the_call_and_the_reason_is_kept() {
        let scene = Scene::new();
        for state in ["waiting", "preparing"] {
            let changes = scene.decide(COMMAND, state, &json!({ "reason": "No flat" })).expect("held");
            assert_eq!(changes.state_id, scene.state("waiting-customer"));
            assert_eq!(changes.record.parameters.get("reason"), Some(&json!("No flat")));
        }
    }

    #[test]
    fn the_reason_is_required_and_short() {
        let scene = Scene::new();
        let too_long = "Ensure this field has no more than 200 characters.";
        for (input, message) in [
            (json!({}), "This field is required."),
            (json!({ "reason": " " }), "This field may not be blank."),
            (json!({ "reason": "x".repeat(201) }), too_long),
        ] {
            let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ "reason": [message] }));
        }
    }
}
