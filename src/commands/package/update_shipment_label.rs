//! `UPDATE_SHIPMENT_LABEL`: the label is made again; a package that waited for it becomes packed. Answers 204.

use serde_json::Value;

use super::{
    super::{changes::ShipmentRecord, input},
    checks::require_shipment,
};
use crate::{
    commands::{
        changes::{Answer, Changes, ShipmentChange},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{Kind, Parameter},
};

const ITEMS: &str = "package_items";

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "UPDATE_SHIPMENT_LABEL",
        summary: "Makes the shipment's label again; the old link leads nowhere from then on. Answers 204.",
        parameters: &[Parameter {
            name: ITEMS,
            schema: r#"{"type":"array","items":{"oneOf":[{"type":"object","additionalProperties":true},{"type":"integer"}]}}"#,
            summary: "Items of this package, by id or as objects with an id; may be empty. The label is always of all.",
            ..Parameter::REQUIRED
        }],
        example: r#"{"package_items":[]}"#,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    check_items(context)?;
    let known = require_shipment(context.facts)?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    changes.answer = Answer::Nothing;
    changes.record.shipment = Some(ShipmentRecord { renews_label: true, ..ShipmentRecord::default() });
    changes.shipment = Some(ShipmentChange {
        cargo_company_id: known.cargo_company_id,
        tracking_number: known.tracking_number.clone(),
        labelled: true,
    });
    Ok(changes)
}

/// Each entry is an object, or the id of an item; the item must be of this package.
fn check_items(context: &Context<'_>) -> Result<(), Refusal> {
    for entry in context.input.any_list(ITEMS)? {
        let id = match entry {
            Value::Object(object) => object.get("id"),
            other => Some(other),
        };
        let Some(id) = id else { continue };
        let id = input::integer(id)
            .ok_or_else(|| Refusal::field(ITEMS, "Each entry must be an object, or the id of an item."))?;
        if !context.facts.items.iter().any(|item| item.id == id) {
            return Err(Refusal::field(ITEMS, format!("Item {id} does not belong to this package.")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};
    use crate::packages::facts::ShipmentFacts;

    const COMMAND: &str = "UPDATE_SHIPMENT_LABEL";

    fn shipped() -> Scene {
        let mut scene = Scene::new();
        scene.package.shipment =
            Some(ShipmentFacts { cargo_company_id: 1, tracking_number: "T1".to_owned(), labelled: false });
        scene
    }

    #[test]
    fn a_package_that_waited_for_its_label_is_packed() {
        let scene = shipped();
        for (state, then) in [
            ("waiting-cargo-label", "packed"),
            ("preparing", "preparing"),
            ("packed", "packed"),
            ("shipped", "shipped"),
        ] {
            for items in [json!([]), json!([{}]), json!([{ "id": 1 }, 2])] {
                let changes = scene.decide(COMMAND, state, &json!({ ITEMS: items })).expect("made again");
                assert_eq!(changes.state_id, scene.state(then));
                assert_eq!(changes.answer, Answer::Nothing);
                assert!(changes.shipment.is_some_and(|shipment| shipment.labelled));
                assert!(changes.record.shipment.is_some_and(|record| record.renews_label));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (input, message) in [
            (json!({}), "This field is required."),
            (json!({ ITEMS: {} }), "Expected a list of items but got type \"dict\"."),
            (json!({ ITEMS: [9] }), "Item 9 does not belong to this package."),
            (json!({ ITEMS: [{ "id": 9 }] }), "Item 9 does not belong to this package."),
            (json!({ ITEMS: ["x"] }), "Each entry must be an object, or the id of an item."),
        ] {
            let refusal = shipped().decide(COMMAND, "packed", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ ITEMS: [message] }));
        }
        let refusal = Scene::new().decide(COMMAND, "packed", &json!({ ITEMS: [] })).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_shipment_1");
    }
}
