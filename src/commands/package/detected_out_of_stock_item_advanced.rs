//! `DETECTED_OUT_OF_STOCK_ITEM_ADVANCED`: some items are missing; only these are planned again, with the other
//! parts of their kits where the scenario keeps kits together.
//!
//! The other items stay in this package, which goes to the destination. If there are none, the package ends
//! (`otherwise`). Missing items move to new packages; those without a place to an out-of-stock package at the default
//! location.

use super::{checks::named_items, replan};
use crate::{
    commands::{
        changes::{Changes, Part, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{
        Kind, Parameter, Plans, StateKey,
        common::{SYNC, items_schema},
    },
    workflow::{CANCELLED, NOT_FOUND, OUT_OF_STOCK, WAITING},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED",
        summary: "Out of stock, advanced: the listed items are not at this location and are planned again in new \
                  packages; the rest stays in this one.",
        parameters: &[Parameter {
            name: "package_items",
            schema: items_schema!(r#""type":"array","minItems":1"#),
            summary: "This package's items that are missing or faulty: their ids, or `{\"id\": 1, \"quantity\": 2}` for \
                      some units of one.",
            ..Parameter::REQUIRED
        }],
        common: SYNC,
        example: r#"{"package_items":[1]}"#,
        plans: Plans::Always,
        has_otherwise: true,
        needs_states: &[WAITING, NOT_FOUND, CANCELLED, OUT_OF_STOCK],
        // What has no place stays in the package and leads to the destination; else nothing stays in it.
        gives_items_away: Some(StateKey::Otherwise),
        reports_missing: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let package = context.facts;
    let missing = named_items(context)?;
    let transition = context.transition;
    let mut changes = Changes::to(package, transition.destination_id);
    let all: Vec<Part> = package.items.iter().map(Part::from).collect();
    let leaving = replan::leaving(context, &missing);
    if leaving == all {
        changes.state_id = transition.otherwise_id.unwrap_or(transition.destination_id);
        let not_found = context.state_id(NOT_FOUND)?;
        let whole = missing.iter().filter(|part| all.contains(part));
        changes.item_states = whole.map(|part| (part.package_item_id, not_found)).collect();
        replan::send_away(context, &leaving, missing, Taking::Copy, &mut changes)?;
    } else {
        replan::send_away(context, &leaving, missing, Taking::Move, &mut changes)?;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::testing::{Scene, part},
        *,
    };
    use crate::commands::changes::Answer;

    const COMMAND: &str = "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED";

    #[test]
    fn only_the_missing_items_leave() {
        let scene = Scene::new().with_stock(2, &[("RED", 5), ("BLUE", 5)]);
        let changes = scene.decide(COMMAND, "waiting", &json!({ "package_items": [2] })).expect("planned");
        assert_eq!((changes.state_id, changes.stock_location_id), (scene.state("waiting"), 1));
        assert_eq!(changes.successors.len(), 1);
        let successor = &changes.successors[0];
        assert_eq!((successor.stock_location_id, successor.taking), (2, Taking::Move));
        assert_eq!(successor.items, [part(2, 2)]);
        assert_eq!(changes.exclusions, [(102, 1)]);
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 2 });
    }

    #[test]
    fn what_finds_no_place_leaves_out_of_stock() {
        let scene = Scene::new();
        let changes = scene.decide(COMMAND, "waiting", &json!({ "package_items": [2] })).expect("planned");
        assert_eq!(changes.state_id, scene.state("waiting"));
        let successor = &changes.successors[0];
        assert_eq!((successor.state_id, successor.stock_location_id), (scene.state("out-of-stock"), 3));
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 1 });
    }

    #[test]
    fn a_package_of_which_nothing_rests_ends() {
        let scene = Scene::new().with_stock(2, &[("RED", 5)]);
        let changes = scene.decide(COMMAND, "waiting", &json!({ "package_items": [1, 2] })).expect("planned");
        assert_eq!(changes.state_id, scene.state("packaging-canceled"));
        let places: Vec<_> = changes.successors.iter().map(|new| (new.stock_location_id, new.taking)).collect();
        assert_eq!(places, [(2, Taking::Copy), (3, Taking::Copy)]);
        assert_eq!(changes.item_states.values().collect::<Vec<_>>(), [&scene.state("oms-not-found"); 2]);
    }

    #[test]
    fn the_items_must_be_this_packages() {
        let scene = Scene::new();
        for wrong in [json!({}), json!({ "package_items": [] }), json!({ "package_items": [99] })] {
            assert_eq!(scene.decide(COMMAND, "waiting", &wrong).expect_err("refused").status, 400);
        }
    }
}
