//! `REPLACE_PRODUCT`: items are packed as other products that the location has.

use super::replacements::{self, Naming, PARAMETER};
use crate::{
    commands::{changes::Changes, command::Context, package::subject::PackageCommand},
    error::Refusal,
    kinds::{Kind, Lookup, Parameter, Plans, common::SYNC, names},
};

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: names::REPLACE_PRODUCT,
        summary: "Replaces products: the listed items become another product of which the location has enough. The \
                  order's line becomes that product, and the log keeps what it was.",
        parameters: &[Parameter { required: true, ..PARAMETER }],
        common: SYNC,
        example: r#"{"replacements":[{"package_item":1,"sku":"85123B"}]}"#,
        plans: Plans::Always,
        looks_up: &[Lookup::Products],
        stays: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    context.input.list(PARAMETER.name)?;
    let replacements = replacements::pairs(context, Naming::Item, PARAMETER.name, "sku")?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    replacements::replace(context, replacements, &mut changes)?;
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::Scene;

    const COMMAND: &str = "REPLACE_PRODUCT";

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.background.available.insert("GREEN".to_owned(), 2);
        scene
    }

    #[test]
    fn an_item_becomes_another_product() {
        let scene = scene();
        let input = json!({ "replacements": [{ "package_item": 2, "sku": "GREEN" }] });
        let changes = scene.decide(COMMAND, "waiting", &input).expect("replaced");
        assert_eq!(changes.state_id, scene.state("waiting"));
        assert_eq!(changes.replacements.into_iter().collect::<Vec<_>>(), [(2, "GREEN".to_owned())]);
        assert!(changes.stock_bound_items.contains(&(1, 102)));
    }

    #[test]
    fn the_product_it_is_already_changes_nothing() {
        let input = json!({ "replacements": [{ "package_item": 1, "sku": "RED" }] });
        assert!(scene().decide(COMMAND, "waiting", &input).expect("the same").replacements.is_empty());
    }

    #[test]
    fn the_location_must_have_enough_of_it() {
        let input = json!({ "replacements": [{ "package_item": 1, "sku": "GREEN" },
                                             { "package_item": 2, "sku": "GREEN" }] });
        let refusal = scene().decide(COMMAND, "waiting", &input).expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({ "non_field_errors": "Store A has 2 of GREEN available, 3 are needed.",
                    "error_code": "oms_planning_2" })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (replacements, message) in [
            (json!([]), "This list may not be empty."),
            (json!([1]), "Entry 1: expected an object."),
            (json!([{ "sku": "GREEN" }]), "Entry 1: package_item must be the id of an item."),
            (json!([{ "package_item": 1 }]), "Entry 1: sku must be a string that is not blank."),
            (json!([{ "package_item": 9, "sku": "GREEN" }]), "Item 9 does not belong to this package."),
            (
                json!([{ "package_item": 1, "sku": "GREEN" }, { "package_item": 1, "sku": "BLUE" }]),
                "Item 1 is listed twice.",
            ),
        ] {
            let input = json!({ "replacements": replacements });
            let refusal = scene().decide(COMMAND, "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ "replacements": [message] }));
        }
    }
}
