//! `CANCEL_PACKAGE`: the package ends; its reservations and its quota become free. If only some of its items are
//! cancelled, the others are planned again, into new packages.

use super::{checks::named_items, replan};
use crate::{
    commands::{
        changes::{Changes, Part, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{
        Kind, Parameter, Plans, Recorded,
        common::{SYNC, items_schema},
        names,
    },
    packages::facts::ItemFacts,
    workflow::{CANCELLED, Holding},
};

/// The cancelled items, if not all are.
const ITEMS: &str = "package_items";

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::CANCEL_PACKAGE,
        summary: "Cancels the package and frees what it holds.",
        parameters: &[
            Parameter {
                name: "cancellation_reason",
                schema: r#"{"type":["integer","string","null"],"maxLength":1000}"#,
                summary: "Why, in words or by a number of the caller's own; kept with the log.",
                recorded: Some(Recorded::Text { most_characters: 1000 }),
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: ITEMS,
                schema: items_schema!(r#""type":["array","null"],"minItems":1"#),
                summary: "The items that are cancelled: their ids, or `{\"id\": 1, \"quantity\": 2}` for some units of \
                          one; the others are planned anew into new packages. Without it, all are.",
                ..Parameter::OPTIONAL
            },
        ],
        common: SYNC,
        example: r#"{"cancellation_reason":"customer changed their mind"}"#,
        plans: Plans::With(ITEMS),
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    let remaining = remaining(context)?;
    // A package that waits for its cancellation keeps all items until that is decided.
    if !remaining.is_empty() && ends(context) {
        replan::send(context, &remaining, Vec::new(), Taking::Copy, &mut changes)?;
    }
    Ok(changes)
}

/// True if the package holds nothing in the state that the transition leads to.
fn ends(context: &Context<'_>) -> bool {
    let destination = context.catalog.workflow.state(context.transition.destination_id);
    destination.is_ok_and(|state| state.slug == CANCELLED || state.holding == Holding::Nothing)
}

/// What is not cancelled of the items.
fn remaining(context: &Context<'_>) -> Result<Vec<Part>, Refusal> {
    if context.input.optional(ITEMS).is_none() {
        return Ok(Vec::new());
    }
    let cancelled = named_items(context)?;
    let remains = |item: &ItemFacts| {
        let cancelled = cancelled.iter().find(|part| part.package_item_id == item.id);
        let quantity = item.quantity - cancelled.map_or(0, |part| part.quantity);
        (quantity > 0).then_some(Part { package_item_id: item.id, quantity })
    };
    Ok(context.facts.items.iter().filter_map(remains).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{Scene, part};
    use crate::commands::changes::{Answer, Taking};

    #[test]
    fn what_is_not_cancelled_is_planned_anew() {
        let scene = Scene::new().with_stock(1, &[("RED", 1), ("BLUE", 2)]);
        let changes = scene.decide("CANCEL_PACKAGE", "preparing", &json!({ "package_items": [2] })).expect("cancelled");
        assert_eq!(changes.state_id, scene.state("packaging-canceled"));
        assert_eq!(changes.successors.len(), 1);
        let successor = &changes.successors[0];
        // It may go to its own location again: that location did not fail.
        assert_eq!((successor.stock_location_id, successor.taking), (1, Taking::Copy));
        assert_eq!((&successor.items, successor.state_id), (&vec![part(1, 1)], scene.state("waiting")));
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 1 });
        assert!(changes.exclusions.is_empty());
        let all = scene.decide("CANCEL_PACKAGE", "waiting", &json!({ "package_items": [1, 2] })).expect("cancelled");
        assert!(all.successors.is_empty() && all.trace.is_none());
    }

    #[test]
    fn cancelled_items_are_items_of_the_package() {
        let scene = Scene::new();
        for (items, message) in [
            (json!([]), "This list may not be empty."),
            (json!(["x"]), "A list of valid integers is required."),
            (json!([1, 3]), "Item 3 does not belong to this package."),
        ] {
            let input = json!({ "package_items": items });
            let refusal = scene.decide("CANCEL_PACKAGE", "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ "package_items": [message] }));
        }
    }

    #[test]
    fn it_cancels_with_or_without_a_reason() {
        let scene = Scene::new();
        let too_long = json!({ "cancellation_reason": "x".repeat(1001) });
        assert_eq!(scene.decide("CANCEL_PACKAGE", "waiting", &too_long).expect_err("refused").status, 400);
        for input in [json!({}), json!({ "cancellation_reason": 3 }), json!({ "cancellation_reason": "late" })] {
            let changes = scene.decide("CANCEL_PACKAGE", "waiting", &input).expect("cancelled");
            assert_eq!(changes.state_id, scene.state("packaging-canceled"));
            let reason = input.get("cancellation_reason").map(|reason| reason.to_string().replace('"', ""));
            assert_eq!(changes.record.parameters.get("cancellation_reason"), reason.map(Value::String).as_ref());
        }
        let refusal =
            scene.decide("CANCEL_PACKAGE", "waiting", &json!({ "cancellation_reason": [] })).expect_err("refused");
        assert_eq!(refusal.error.to_string(), r#"{"cancellation_reason":["Not a valid string."]}"#);
    }
}
