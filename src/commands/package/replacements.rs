//! Replacing products, for commands that do: the items, the new products, and the check of their stock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    commands::{changes::Changes, command::Context, input::Input},
    error::{NOT_ENOUGH_STOCK, Refusal},
    kinds::Parameter,
    packages::facts::ItemFacts,
    reading::values,
};

/// `[{"package_item": 1, "sku": "…"}]`.
pub(super) const PARAMETER: Parameter = Parameter {
    name: "replacements",
    schema: r#"{"type":"array","items":{"type":"object","required":["package_item","sku"],"properties":{"package_item":{"type":"integer"},"sku":{"type":"string"}}}}"#,
    summary: "Items that are packed as another product; the location must have enough of it.",
    ..Parameter::OPTIONAL
};

/// The SKUs in a request, as far as it is well formed: their stock is read before the request is checked.
pub(crate) fn named_skus(input: Input<'_>) -> Vec<String> {
    let list = input.optional(PARAMETER.name).and_then(Value::as_array).into_iter().flatten();
    let skus: BTreeSet<String> = list.filter_map(|entry| values::name(entry.get("sku")?)).collect();
    skus.into_iter().collect()
}

/// How a request refers to items.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming {
    /// By item ids.
    Item,
    /// By the upstream's keys of their order lines.
    OmnitronId,
}

/// The package's item of that id or key.
pub(super) fn item<'a>(
    context: &Context<'a>,
    naming: Naming,
    field: &str,
    name: i64,
) -> Result<&'a ItemFacts, Refusal> {
    Ok(items(context, naming, field, name)?.0)
}

/// The same with the package's other items of that key: of a divided line there may be several.
pub(super) fn items<'a>(
    context: &Context<'a>,
    naming: Naming,
    field: &str,
    name: i64,
) -> Result<(&'a ItemFacts, Vec<&'a ItemFacts>), Refusal> {
    let mut found = context.facts.items.iter().filter(|item| match naming {
        Naming::Item => item.id == name,
        Naming::OmnitronId => context.background.omnitron_ids.get(&item.order_item_id) == Some(&name),
    });
    let stranger = || Refusal::field(field, format!("Item {name} does not belong to this package."));
    Ok((found.next().ok_or_else(stranger)?, found.collect()))
}

/// A list of `{"package_item": int, "<key>": str}`, if it is given: each item at most once.
pub(super) fn pairs<'a>(
    context: &Context<'a>,
    naming: Naming,
    field: &str,
    key: &'static str,
) -> Result<Vec<(&'a ItemFacts, String)>, Refusal> {
    let mut pairs: Vec<(&ItemFacts, String)> = Vec::new();
    for (at, entry) in context.input.optional_list(field)?.iter().enumerate() {
        let wrong = |what: &str| Refusal::field(field, format!("Entry {}: {what}", at + 1));
        let entry = entry.as_object().ok_or_else(|| wrong("expected an object."))?;
        let entry = Input(entry);
        let name = entry.integer("package_item").map_err(|_| wrong("package_item must be the id of an item."))?;
        let text = entry.string(key).map_err(|_| wrong(&format!("{key} must be a string that is not blank.")))?;
        if text.chars().count() > LONGEST_TEXT {
            return Err(wrong(&format!("{key} has more than {LONGEST_TEXT} characters.")));
        }
        let item = item(context, naming, field, name)?;
        if pairs.iter().any(|(other, _)| other.id == item.id) {
            return Err(Refusal::field(field, format!("Item {name} is listed twice.")));
        }
        pairs.push((item, text));
    }
    Ok(pairs)
}

/// Longest SKU and barcode, in characters.
const LONGEST_TEXT: usize = 255;

/// Replaces products, if the location has enough of the new ones.
pub(super) fn replace(
    context: &Context<'_>,
    replacements: Vec<(&ItemFacts, String)>,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let mut needed: BTreeMap<String, i64> = BTreeMap::new();
    for (item, sku) in replacements {
        if item.sku == sku {
            continue;
        }
        if context.background.divided.contains(&item.order_item_id) {
            let message =
                format!("Item {} is a part of its line, and other items are too: a line has one product.", item.id);
            return Err(Refusal::field(PARAMETER.name, message));
        }
        *needed.entry(sku.clone()).or_default() += item.quantity;
        changes.stock_bound_items.insert((changes.stock_location_id, item.order_item_id));
        changes.replacements.insert(item.id, sku);
    }
    for (sku, quantity) in needed {
        let available = context.background.available.get(&sku).copied().unwrap_or(0);
        if available < quantity {
            let location = context.catalog.locations.get(&context.facts.stock_location_id);
            let name = location.map_or("The location", |location| &location.name);
            return Err(Refusal::rule(
                NOT_ENOUGH_STOCK,
                format!("{name} has {} of {sku} available, {quantity} are needed.", available.max(0)),
            ));
        }
    }
    Ok(())
}
