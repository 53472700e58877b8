//! `ASSIGN_PACKAGE_ITEMS_MANUALLY`, "Manual planning": an operator assigns items to locations. The package ends, and
//! one new package begins for each group.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::input;
use crate::{
    commands::{
        changes::{Answer, Changes, Part, Successor, Taking},
        command::Context,
        package::subject::PackageCommand,
    },
    error::{NOT_ENOUGH_STOCK, Refusal},
    kinds::{
        Kind, Parameter, Plans, StateKey,
        common::{SYNC, items_schema},
    },
    packages::facts::ItemFacts,
    workflow::WAITING,
};

const GROUPS: &str = "assignment_groups";

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "ASSIGN_PACKAGE_ITEMS_MANUALLY",
        summary: "Manual planning: cancels the package and begins one new package a group, at the location given.",
        parameters: &[Parameter {
            name: GROUPS,
            schema: concat!(
                r#"{"type":"array","minItems":1,"items":{"type":"object","required":["stock_location","package_items"],"properties":{"stock_location":{"type":"string"},"package_items":"#,
                items_schema!(r#""type":"array","minItems":1"#),
                "}}}"
            ),
            summary: "Every unit of the package exactly once: an item by its id, or `{\"id\": 1, \"quantity\": 2}` for some \
                      units of one; stock_location is an erp_code.",
            ..Parameter::REQUIRED
        }],
        common: SYNC,
        example: r#"{"assignment_groups":[{"stock_location":"S-LONDON","package_items":[1]}]}"#,
        plans: Plans::Always,
        needs_states: &[WAITING],
        gives_items_away: Some(StateKey::Destination),
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let groups = read_groups(context)?;
    check_items(context, &groups)?;
    check_stock(context, &groups)?;
    let waiting = context.state_id(WAITING)?;
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    changes.answer = Answer::Package { stock_location_id: busiest(context, &groups) };
    changes.stock_bound_items = groups.iter().flat_map(|group| group.needs(context)).map(|needs| needs.0).collect();
    changes.successors = groups
        .into_iter()
        .map(|group| Successor {
            stock_location_id: group.stock_location_id,
            state_id: waiting,
            items: group.items,
            taking: Taking::Copy,
            // An operator may exceed a location's quota: only plans are bound by it.
            bound_by_quota: false,
        })
        .collect();
    Ok(changes)
}

struct Group {
    stock_location_id: i64,
    items: Vec<Part>,
}

impl Group {
    /// ((location, order item), SKU, units) of each part.
    fn needs<'a>(&'a self, context: &Context<'a>) -> impl Iterator<Item = ((i64, i64), &'a str, i64)> {
        let items = &context.facts.items;
        self.items.iter().filter_map(move |part| {
            let item = items.iter().find(|item| item.id == part.package_item_id)?;
            Some(((self.stock_location_id, item.order_item_id), item.sku.as_str(), part.quantity))
        })
    }
}

fn refuse(message: impl Into<String>) -> Refusal {
    Refusal::field(GROUPS, message)
}

fn read_groups(context: &Context<'_>) -> Result<Vec<Group>, Refusal> {
    context.input.list(GROUPS)?.iter().enumerate().map(|(index, group)| read_group(context, index, group)).collect()
}

fn read_group(context: &Context<'_>, index: usize, group: &Value) -> Result<Group, Refusal> {
    let erp_code = match group.get("stock_location") {
        Some(Value::String(code)) => code.clone(),
        Some(Value::Number(code)) => code.to_string(),
        _ => return Err(refuse(format!("Group {}: stock_location must be an erp_code.", index + 1))),
    };
    let location = context.catalog.locations.values().find(|location| location.erp_code == erp_code);
    let location = location
        .filter(|location| location.is_active)
        .ok_or_else(|| refuse(format!("Group {}: there is no active stock location {erp_code}.", index + 1)))?;
    let list = group.get("package_items").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| refuse(format!("Group {}: package_items must be a list of item ids.", index + 1)))?;
    let in_group = |message: String| refuse(format!("Group {}: {message}", index + 1));
    // Units of one item that are named twice in a group are one item of its package.
    let mut units: BTreeMap<i64, i64> = BTreeMap::new();
    for named in input::parts(list).map_err(in_group)? {
        let item = context.facts.items.iter().find(|item| item.id == named.id);
        let item = item.ok_or_else(|| refuse(format!("Item {} does not belong to this package.", named.id)))?;
        *units.entry(item.id).or_default() += named.units_of(item.quantity).map_err(in_group)?;
    }
    let part = |(package_item_id, quantity)| Part { package_item_id, quantity };
    Ok(Group { stock_location_id: location.id, items: units.into_iter().map(part).collect() })
}

/// Every unit of the package exactly once.
fn check_items(context: &Context<'_>, groups: &[Group]) -> Result<(), Refusal> {
    for ItemFacts { id, quantity, .. } in &context.facts.items {
        let parts = groups.iter().flat_map(|group| &group.items).filter(|part| part.package_item_id == *id);
        let given: i64 = parts.map(|part| part.quantity).sum();
        let wrong = match given {
            0 => format!("Item {id} is in no group; every item must be in exactly one."),
            given if given == *quantity => continue,
            // As a whole, more than once.
            given if given % quantity == 0 => {
                format!("Item {id} is in several groups; every item must be in exactly one.")
            }
            given => {
                format!("Item {id} has {quantity} units, and {given} are in groups; every unit must be in exactly one.")
            }
        };
        return Err(refuse(wrong));
    }
    Ok(())
}

/// The stock of the chosen locations. This package's own reservations count as free.
fn check_stock(context: &Context<'_>, groups: &[Group]) -> Result<(), Refusal> {
    let mut needed: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    for group in groups {
        for (_, sku, units) in group.needs(context) {
            *needed.entry((group.stock_location_id, sku)).or_default() += units;
        }
    }
    for ((location, sku), quantity) in needed {
        let available = context.supply.map_or(0, |supply| supply.available(location, sku));
        if available < quantity {
            let named = context.catalog.locations.get(&location);
            let sentence = if context.scope.sees(location) {
                let name = named.map_or("the location", |location| &location.name);
                format!("{name} has {} of {sku} available, {quantity} are needed.", available.max(0))
            } else {
                // In the words of the request: neither its name nor its stock is told.
                let erp_code = named.map_or("the location", |location| &location.erp_code);
                format!("{erp_code} cannot serve {quantity} of {sku}.")
            };
            return Err(Refusal::rule(NOT_ENOUGH_STOCK, sentence));
        }
    }
    Ok(())
}

/// The location with most items; among equals, the first by priority.
fn busiest(context: &Context<'_>, groups: &[Group]) -> i64 {
    let mut items: HashMap<i64, usize> = HashMap::new();
    for group in groups {
        *items.entry(group.stock_location_id).or_default() += group.items.len();
    }
    let rank = |location: &i64| {
        let priority = context.catalog.locations.get(location).map_or(i32::MAX, |location| location.priority);
        (std::cmp::Reverse(items.get(location).copied().unwrap_or(0)), priority, *location)
    };
    items.keys().copied().min_by_key(rank).unwrap_or(context.facts.stock_location_id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::testing::{Scene, part},
        *,
    };
    use crate::scope::Scope;

    const COMMAND: &str = "ASSIGN_PACKAGE_ITEMS_MANUALLY";

    fn groups(groups: &Value) -> Value {
        json!({ GROUPS: groups })
    }

    #[test]
    fn one_new_package_a_group() {
        let scene = Scene::new().with_stock(2, &[("RED", 1)]).with_stock(3, &[("BLUE", 2)]);
        let input = groups(&json!([
            { "stock_location": "B", "package_items": [1] }, { "stock_location": "C", "package_items": [2] }
        ]));
        let changes = scene.decide(COMMAND, "waiting", &input).expect("planned");
        assert_eq!(changes.state_id, scene.state("packaging-canceled"));
        let places: Vec<_> = changes.successors.iter().map(|new| (new.stock_location_id, &new.items)).collect();
        assert_eq!(places, [(2, &vec![part(1, 1)]), (3, &vec![part(2, 2)])]);
        assert_eq!(changes.answer, Answer::Package { stock_location_id: 2 });
    }

    #[test]
    fn every_item_must_be_in_exactly_one_group() {
        let scene = Scene::new().with_stock(2, &[("RED", 9), ("BLUE", 9)]);
        for (ids, message) in [
            (json!([1]), "Item 2 is in no group; every item must be in exactly one."),
            (json!([1, 1, 2]), "Item 1 is in several groups; every item must be in exactly one."),
            (json!([1, 2, 3]), "Item 3 does not belong to this package."),
        ] {
            let input = groups(&json!([{ "stock_location": "B", "package_items": ids }]));
            let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ GROUPS: [message] }));
        }
    }

    #[test]
    fn the_location_must_have_the_stock() {
        let scene = Scene::new().with_stock(2, &[("RED", 1), ("BLUE", 1)]);
        let input = groups(&json!([{ "stock_location": "B", "package_items": [1, 2] }]));
        let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
        assert_eq!(refusal.error["error_code"], "oms_planning_2");
        assert_eq!(refusal.error["non_field_errors"], "Store B has 1 of BLUE available, 2 are needed.");
    }

    #[test]
    fn who_does_not_see_the_location_is_not_told_its_stock() {
        let mut scene = Scene::new().with_stock(2, &[("RED", 1), ("BLUE", 1)]);
        scene.scope = Scope::limited_to([1].into());
        let input = groups(&json!([{ "stock_location": "B", "package_items": [1, 2] }]));
        let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
        assert_eq!(refusal.error["non_field_errors"], "B cannot serve 2 of BLUE.");
    }

    #[test]
    fn the_location_must_exist() {
        let scene = Scene::new();
        let input = groups(&json!([{ "stock_location": "NOWHERE", "package_items": [1, 2] }]));
        let refusal = scene.decide(COMMAND, "waiting", &input).expect_err("refused");
        assert_eq!(refusal.error, json!({ GROUPS: ["Group 1: there is no active stock location NOWHERE."] }));
    }
}
