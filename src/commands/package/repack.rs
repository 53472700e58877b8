//! `REPACK`: a package without a place is planned again, and moves if a place is found.

use super::{checks::require_items, replan};
use crate::{
    commands::{
        changes::{Answer, Changes, Part, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::{NO_PLACE, Refusal},
    kinds::{Kind, Plans, common::SYNC, names},
    workflow::OUT_OF_STOCK,
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::REPACK,
        summary: "Plans a package that is out of stock or needs rescheduling again. It moves to the location that was \
                  found; items that need another location leave in new packages, those without a place in a new \
                  out-of-stock package.",
        common: SYNC,
        plans: Plans::Always,
        needs_states: &[OUT_OF_STOCK],
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let package = context.facts;
    require_items(package)?;
    let parts: Vec<Part> = package.items.iter().map(Part::from).collect();
    let mut replanned = replan::plan(context, &parts, &[], &[])?;
    let parcels = replanned.plan.parcels.clone();
    let kept = replan::busiest(context, &parcels).ok_or_else(|| {
        let number = &package.number;
        Refusal::rule(NO_PLACE, format!("No location can serve any of the items of package {number} now."))
    })?;
    let waiting = context.transition.destination_id;
    let mut changes = Changes::to(package, waiting);
    changes.stock_location_id = kept.stock_location_id;
    changes.stock_bound_items = replan::stock_bound_items(&replanned.plan);
    changes.bound_by_quota = kept.bound_by_quota;
    changes.answer = Answer::Package { stock_location_id: kept.stock_location_id };
    // What it keeps is not given out.
    replanned.allotment.take(&kept.units(&replanned.whole));
    let others = parcels.iter().filter(|parcel| parcel.stock_location_id != kept.stock_location_id);
    changes.successors = others.map(|parcel| replanned.successor(parcel, waiting, Taking::Move)).collect();
    changes.successors.extend(replanned.leftover(context, Taking::Move)?);
    changes.trace = Some(replanned.plan.trace);
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Scene, part};

    #[test]
    fn the_package_itself_moves_to_the_location_that_was_found() {
        let scene = Scene::new().with_stock(2, &[("RED", 5), ("BLUE", 5)]);
        let changes = scene.decide("REPACK", "out-of-stock", &json!({})).expect("planned");
        assert_eq!((changes.state_id, changes.stock_location_id), (scene.state("waiting"), 2));
        assert!(changes.successors.is_empty());
    }

    #[test]
    fn the_rest_leaves_and_what_has_no_place_waits_in_a_new_package() {
        let scene = Scene::new().with_stock(2, &[("BLUE", 5)]);
        let changes = scene.decide("REPACK", "out-of-stock", &json!({})).expect("planned");
        assert_eq!((changes.state_id, changes.stock_location_id), (scene.state("waiting"), 2));
        let rest = &changes.successors[0];
        assert_eq!((rest.state_id, rest.stock_location_id), (scene.state("out-of-stock"), 3));
        assert_eq!(rest.items, [part(1, 1)]);
    }

    #[test]
    fn with_no_place_for_anything_nothing_changes() {
        let scene = Scene::new();
        let refusal = scene.decide("REPACK", "out-of-stock", &json!({})).expect_err("refused");
        assert_eq!((refusal.status.as_u16(), &refusal.error["error_code"]), (406, &json!("oms_planning_1")));
    }
}
