//! `DETECTED_OUT_OF_STOCK_ITEM`: products of the package are missing; all its items are planned again.
//!
//! If every item has a place, this package ends (`otherwise`) and its successors wait elsewhere. If not, items without
//! a place stay in this package, which goes to the destination at the scenario's default location; the others move to
//! successors.

use super::{checks::named_items, replan};
use crate::{
    commands::{
        changes::{Answer, Changes, Part, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{
        Kind, Parameter, Plans, StateKey,
        common::{SYNC, items_schema},
        names,
    },
    workflow::{CANCELLED, NOT_FOUND, WAITING},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::DETECTED_OUT_OF_STOCK_ITEM,
        summary: "Out of stock: the listed items are not at this location. All items are planned again; what finds a \
                  place leaves in new packages, what does not waits at the default location.",
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
        needs_states: &[WAITING, NOT_FOUND, CANCELLED],
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
    let parts: Vec<Part> = package.items.iter().map(Part::from).collect();
    // What is found of an item may be packed here again.
    let (whole, in_part): (Vec<Part>, Vec<Part>) = missing.iter().partition(|part| parts.contains(part));
    let mut replanned = replan::plan(context, &parts, &in_part, &replan::excluded(context, &whole))?;
    let all_placed = replanned.plan.unplaced.is_empty();
    let transition = context.transition;
    let state_id = if all_placed {
        transition.otherwise_id.unwrap_or(transition.destination_id)
    } else {
        transition.destination_id
    };
    let waiting = context.state_id(WAITING)?;
    let taking = if all_placed { Taking::Copy } else { Taking::Move };
    let mut changes = Changes::to(package, state_id);
    changes.successors = replanned.successors(waiting, taking);
    let plan = replanned.plan;
    if !all_placed {
        changes.stock_location_id = replan::default_location_id(context);
    }
    let not_found = context.state_id(NOT_FOUND)?;
    changes.item_states = whole.into_iter().map(|part| (part.package_item_id, not_found)).collect();
    changes.exclusions = replan::excluded(context, &missing);
    changes.missing = missing;
    changes.answer = Answer::Package {
        stock_location_id: replan::busiest(context, &plan.parcels)
            .map_or(changes.stock_location_id, |parcel| parcel.stock_location_id),
    };
    changes.stock_bound_items = replan::stock_bound_items(&plan);
    changes.trace = Some(plan.trace);
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::testing::{Scene, part},
        *,
    };

    const COMMAND: &str = "DETECTED_OUT_OF_STOCK_ITEM";

    #[test]
    fn when_everything_finds_a_place_the_package_ends_and_its_successor_waits_there() {
        let scene = Scene::new().with_stock(2, &[("RED", 5), ("BLUE", 5)]);
        let changes = scene.decide(COMMAND, "waiting", &json!({ "package_items": [1] })).expect("planned");
        assert_eq!(changes.state_id, scene.state("packaging-canceled"));
        assert_eq!(changes.item_states.get(&1), Some(&scene.state("oms-not-found")));
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 2 });
        let successor = &changes.successors[0];
        assert_eq!((successor.stock_location_id, successor.taking), (2, Taking::Copy));
        assert_eq!(successor.items, [part(1, 1), part(2, 2)]);
        assert_eq!(successor.state_id, scene.state("waiting"));
    }

    #[test]
    fn what_finds_no_place_stays_and_waits_at_the_default_location() {
        let scene = Scene::new().with_stock(2, &[("BLUE", 5)]);
        let changes = scene.decide(COMMAND, "waiting", &json!({ "package_items": [1, 2] })).expect("planned");
        assert_eq!(changes.state_id, scene.state("out-of-stock"));
        assert_eq!(changes.stock_location_id, 3);
        assert_eq!(changes.successors[0].items, [part(2, 2)]);
        assert_eq!(changes.successors[0].taking, Taking::Move);
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 2 });
        assert_eq!(changes.exclusions, [(101, 1), (102, 1)]);
    }

    #[test]
    fn the_items_must_be_this_packages() {
        let scene = Scene::new();
        let refusal = scene.decide(COMMAND, "waiting", &json!({ "package_items": [1, 99] })).expect_err("refused");
        assert_eq!(refusal.error.to_string(), r#"{"package_items":["Item 99 does not belong to this package."]}"#);
        for empty in [json!({}), json!({ "package_items": [] }), json!({ "package_items": "1" })] {
            assert_eq!(scene.decide(COMMAND, "waiting", &empty).expect_err("refused").status, 400);
        }
    }
}
