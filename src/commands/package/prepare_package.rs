//! `PREPARE_PACKAGE`: a store reports on all items at once: missing ones are planned again elsewhere, replaced ones
//! become other products, scanned ones get their barcode, and the others are prepared.
//!
//! It does in one step the work of `DETECTED_OUT_OF_STOCK_ITEM`, `REPLACE_PRODUCT` and `PKG_STATE_TRANSITION`; an
//! installation must allow these three from the same state.

use super::{
    super::input::{self, Named},
    checks::parts_of,
    replacements::{self, Naming, PARAMETER as REPLACEMENTS},
    replan,
};
use crate::{
    commands::{
        changes::{Answer, Changes, Part, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::Refusal,
    kinds::{
        Kind, Lookup, Parameter, Plans, StateKey,
        common::{SYNC, items_schema},
        names,
    },
    packages::facts::ItemFacts,
    workflow::{OUT_OF_STOCK, WAITING},
};

const BY_OMNITRON_ID: &str = "select_items_by_omnitron_id";
const MISSING: &str = "out_of_stock_items";
const BARCODES: &str = "barcodes";

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "PREPARE_PACKAGE",
        aliases: &["PREPARE_PACKAGE_COMMAND"],
        summary: "Prepares the package in one step: missing items are planned again in new packages, products are \
                  replaced, barcodes are noted, and what remains goes on.",
        parameters: &[
            Parameter {
                name: BY_OMNITRON_ID,
                schema: r#"{"type":"boolean"}"#,
                summary: "Whether items are named by the upstream's keys of their order lines, or by their own ids.",
                ..Parameter::REQUIRED
            },
            Parameter {
                name: MISSING,
                schema: items_schema!(r#""type":"array""#),
                summary: "Items that are not there, or `{\"id\": 1, \"quantity\": 2}` for some units of one; not all of \
                          them.",
                ..Parameter::OPTIONAL
            },
            REPLACEMENTS,
            Parameter {
                name: BARCODES,
                schema: r#"{"type":"array","items":{"type":"object","required":["package_item","barcode"],"properties":{"package_item":{"type":"integer"},"barcode":{"type":"string"}}}}"#,
                summary: "What was scanned; it becomes the barcode of the item's product.",
                ..Parameter::OPTIONAL
            },
        ],
        common: SYNC,
        example: r#"{"select_items_by_omnitron_id":false,"out_of_stock_items":[],"replacements":[],"barcodes":[{"package_item":1,"barcode":"8690000851239"}]}"#,
        plans: Plans::Always,
        looks_up: &[Lookup::Products],
        needs_states: &[WAITING, OUT_OF_STOCK],
        reports_missing: true,
        leans_on: &[
            (names::DETECTED_OUT_OF_STOCK_ITEM, None),
            (names::REPLACE_PRODUCT, Some(StateKey::Source)),
            (names::PKG_STATE_TRANSITION, Some(StateKey::Destination)),
        ],
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let naming = if context.input.boolean(BY_OMNITRON_ID)? { Naming::OmnitronId } else { Naming::Item };
    let missing = missing(context, naming)?;
    let leaving = replan::leaving(context, &missing);
    let all: Vec<Part> = context.facts.items.iter().map(Part::from).collect();
    if leaving == all && !all.is_empty() {
        let why = if missing == all {
            "All items are listed"
        } else {
            "What is listed takes the other parts of its kits along"
        };
        let message = format!("{why}, so nothing is left to prepare. Run DETECTED_OUT_OF_STOCK_ITEM instead.");
        return Err(Refusal::field(MISSING, message));
    }
    let replaced = replacements::pairs(context, naming, REPLACEMENTS.name, "sku")?;
    let scanned = replacements::pairs(context, naming, BARCODES, "barcode")?;
    for (field, pairs) in [(REPLACEMENTS.name, &replaced), (BARCODES, &scanned)] {
        if let Some((item, _)) = pairs.iter().find(|(item, _)| leaving.contains(&Part::from(*item))) {
            return Err(Refusal::field(field, format!("Item {} is out of stock at the same time.", item.id)));
        }
    }
    for (item, barcode) in &scanned {
        refuse_barcode_of_another(context, item, barcode)?;
    }
    let package = context.facts;
    let mut changes = Changes::to(package, context.transition.destination_id);
    if !missing.is_empty() {
        replan::send_away(context, &leaving, missing, Taking::Move, &mut changes)?;
        // Its own location keeps the others.
        changes.answer = Answer::Package { stock_location_id: package.stock_location_id };
    }
    replacements::replace(context, replaced, &mut changes)?;
    changes.record.barcodes =
        scanned.into_iter().map(|(item, barcode): (&ItemFacts, String)| (item.order_item_id, barcode)).collect();
    Ok(changes)
}

/// Refuses a scanned code that is the barcode of another line of the package: something else was scanned.
fn refuse_barcode_of_another(context: &Context<'_>, item: &ItemFacts, barcode: &str) -> Result<(), Refusal> {
    let barcode_of = |item: &ItemFacts| context.background.barcodes.get(&item.order_item_id).map(String::as_str);
    if barcode_of(item) == Some(barcode) {
        return Ok(());
    }
    let other = context.facts.items.iter().find(|other| other.sku != item.sku && barcode_of(other) == Some(barcode));
    other.map_or(Ok(()), |other| {
        let message =
            format!("{barcode} is the barcode of item {} ({}), not of item {}.", other.id, other.sku, item.id);
        Err(Refusal::field(BARCODES, message))
    })
}

/// The missing items, or units of them.
fn missing(context: &Context<'_>, naming: Naming) -> Result<Vec<Part>, Refusal> {
    let refuse = |message| Refusal::field(MISSING, message);
    let mut items = Vec::new();
    for named in input::parts(context.input.optional_list(MISSING)?).map_err(refuse)? {
        let (first, others) = replacements::items(context, naming, MISSING, named.id)?;
        let all = first.quantity + others.iter().map(|item| item.quantity).sum::<i64>();
        let mut left = named.units_of(all).map_err(refuse)?;
        for item in std::iter::once(first).chain(others) {
            let quantity = left.min(item.quantity);
            left -= quantity;
            if quantity > 0 {
                items.push(Named { id: item.id, quantity: named.quantity.and(Some(quantity)) });
            }
        }
    }
    parts_of(context.facts, &items).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::testing::{Scene, part},
        *,
    };

    const COMMAND: &str = "PREPARE_PACKAGE";

    #[test]
    fn what_is_missing_leaves_and_the_rest_is_prepared() {
        let scene = Scene::new().with_stock(2, &[("BLUE", 5)]);
        let input = json!({ BY_OMNITRON_ID: false, MISSING: [2],
                            BARCODES: [{ "package_item": 1, "barcode": "869" }] });
        let changes = scene.decide(COMMAND, "waiting", &input).expect("prepared");
        assert_eq!((changes.state_id, changes.stock_location_id), (scene.state("preparing"), 1));
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 1 });
        assert_eq!(changes.successors.len(), 1);
        assert_eq!((changes.successors[0].stock_location_id, changes.successors[0].taking), (2, Taking::Move));
        assert_eq!(changes.successors[0].items, [part(2, 2)]);
        assert_eq!(changes.exclusions, [(102, 1)]);
        assert_eq!(changes.record.barcodes.into_iter().collect::<Vec<_>>(), [(101, "869".to_owned())]);
    }

    #[test]
    fn items_may_be_named_by_the_upstreams_keys() {
        let mut scene = Scene::new();
        scene.background.omnitron_ids.insert(102, 7002);
        scene.background.available.insert("GREEN".to_owned(), 2);
        let input = json!({ BY_OMNITRON_ID: true, "replacements": [{ "package_item": 7002, "sku": "GREEN" }] });
        let changes = scene.decide(COMMAND, "waiting", &input).expect("prepared");
        assert_eq!(changes.replacements.get(&2).map(String::as_str), Some("GREEN"));
        let own = json!({ BY_OMNITRON_ID: true, MISSING: [2] });
        let refusal = scene.decide(COMMAND, "waiting", &own).expect_err("refused");
        assert_eq!(refusal.error, json!({ MISSING: ["Item 2 does not belong to this package."] }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let scene = Scene::new();
        for (input, field, message) in [
            (json!({}), BY_OMNITRON_ID, "This field is required."),
            (json!({ BY_OMNITRON_ID: "maybe" }), BY_OMNITRON_ID, "Must be a valid boolean."),
            (json!({ BY_OMNITRON_ID: false, MISSING: 1 }), MISSING, "Expected a list of items but got type \"int\"."),
            (json!({ BY_OMNITRON_ID: false, MISSING: ["x"] }), MISSING, "A list of valid integers is required."),
            (
                json!({ BY_OMNITRON_ID: false, MISSING: [1, 2] }),
                MISSING,
                "All items are listed, so nothing is left to prepare. Run DETECTED_OUT_OF_STOCK_ITEM instead.",
            ),
            (
                json!({ BY_OMNITRON_ID: false, MISSING: [1], BARCODES: [{ "package_item": 1, "barcode": "8" }] }),
                BARCODES,
                "Item 1 is out of stock at the same time.",
            ),
            (
                json!({ BY_OMNITRON_ID: false, BARCODES: [{ "package_item": 1, "barcode": "" }] }),
                BARCODES,
                "Entry 1: barcode must be a string that is not blank.",
            ),
        ] {
            let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ field: [message] }));
        }
    }
}
