//! `CANCEL_PACKED_PACKAGE`: the package ends after it was packed, and its goods go back on the shelf or not. All of it:
//! whoever opens the box and sends the rest plans that anew.

use super::restock;
use crate::{
    commands::package::subject::PackageCommand,
    kinds::{Kind, Parameter, Recorded, common::SYNC},
    workflow::NOT_RESTOCKED,
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "CANCEL_PACKED_PACKAGE",
        summary: "Cancels a package that is packed. Whether its goods are back on the shelf has to be said.",
        parameters: &[
            restock::PARAMETER,
            Parameter {
                name: "cancellation_reason",
                schema: r#"{"type":["integer","string","null"],"maxLength":1000}"#,
                summary: "Why, in words or by a number of the caller's own; kept with the log.",
                recorded: Some(Recorded::Text { most_characters: 1000 }),
                ..Parameter::OPTIONAL
            },
        ],
        common: SYNC,
        example: r#"{"restock":true,"cancellation_reason":"customer changed their mind"}"#,
        needs_states: &[NOT_RESTOCKED],
        ..Kind::BASE
    },
    decide: restock::go,
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    const COMMAND: &str = "CANCEL_PACKED_PACKAGE";

    #[test]
    fn its_goods_are_on_the_shelf_again_or_stay_taken() {
        for state in ["waiting-cargo-label", "packed", "ready-for-pickup"] {
            let scene = Scene::new().with_items_in(state);
            let input = json!({ "restock": true, "cancellation_reason": "late" });
            let changes = scene.decide(COMMAND, state, &input).expect("cancelled");
            assert_eq!(changes.state_id, scene.state("packaging-canceled"));
            assert!(changes.item_states.is_empty() && changes.successors.is_empty());
            assert_eq!(changes.record.parameters, *json!({ "cancellation_reason": "late" }).as_object().expect("it"));
            let changes = scene.decide(COMMAND, state, &json!({ "restock": false })).expect("cancelled");
            let stays = scene.state("not-restocked");
            assert_eq!(
                (changes.state_id, changes.item_states),
                (scene.state("packaging-canceled"), [(1, stays), (2, stays)].into(),)
            );
        }
    }

    #[test]
    fn it_has_to_be_said_where_the_goods_are() {
        let scene = Scene::new();
        for (input, message) in [
            (json!({}), "This field is required."),
            (json!({ "restock": null }), "This field may not be null."),
            (json!({ "restock": "some" }), "Must be a valid boolean."),
        ] {
            let refusal = scene.decide(COMMAND, "packed", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ "restock": [message] }));
        }
    }
}
