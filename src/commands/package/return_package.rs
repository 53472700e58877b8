//! `RETURN_PACKAGE`: a parcel that was sent came back, undelivered or refused. Its goods go back on the shelf or not, and
//! somebody decides what becomes of the order: the upstream is told nothing until then.

use super::restock;
use crate::{
    commands::package::subject::PackageCommand,
    kinds::{Kind, Parameter, Recorded, common::SYNC},
    workflow::NOT_RESTOCKED,
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "RETURN_PACKAGE",
        summary: "Return to sender: a package that was sent is back at its location. Whether its goods are back on the \
                  shelf has to be said.",
        parameters: &[
            restock::PARAMETER,
            Parameter {
                name: "reason",
                schema: r#"{"type":["string","null"],"maxLength":200}"#,
                summary: "Why it came back; kept with the log.",
                recorded: Some(Recorded::Text { most_characters: 200 }),
                ..Parameter::OPTIONAL
            },
        ],
        common: SYNC,
        example: r#"{"restock":true,"reason":"Nobody at home, three times."}"#,
        needs_states: &[NOT_RESTOCKED],
        ..Kind::BASE
    },
    decide: restock::go,
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    #[test]
    fn it_is_back_from_wherever_it_was_on_its_way() {
        for state in ["shipped", "attempted-delivery", "delivery-failed"] {
            let scene = Scene::new().with_items_in(state);
            let changes = scene.decide("RETURN_PACKAGE", state, &json!({ "restock": true })).expect("back");
            assert_eq!(changes.state_id, scene.state("returned"));
            assert!(changes.item_states.is_empty());
            let input = json!({ "restock": false, "reason": "wet" });
            let changes = scene.decide("RETURN_PACKAGE", state, &input).expect("back");
            assert_eq!(changes.item_states.len(), 2);
            assert_eq!(changes.record.parameters.get("reason"), Some(&json!("wet")));
        }
    }

    #[test]
    fn what_is_not_back_on_the_shelf_stays_so_when_its_package_ends() {
        let mut scene = Scene::new().with_items_in("returned");
        scene.package.items[0].state_id = scene.state("not-restocked");
        let changes = scene.decide("CANCEL_PACKAGE", "returned", &json!({})).expect("cancelled");
        assert_eq!(changes.item_states, [(1, scene.state("not-restocked"))].into());
    }
}
