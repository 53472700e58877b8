//! What several commands look for, and refuse to go on without.

use std::collections::BTreeMap;

use crate::{
    catalog::Catalog,
    commands::{
        changes::Part,
        command::Context,
        input::{self, Named},
    },
    error::{NO_ITEMS, NO_SHIPMENT, Refusal, UNKNOWN_CARGO_COMPANY},
    packages::facts::{PackageFacts, ShipmentFacts},
};

/// The items in `package_items`: all of this package, each once, with the units that are meant.
pub(super) fn named_items(context: &Context<'_>) -> Result<Vec<Part>, Refusal> {
    let named = input::parts(context.input.list("package_items")?)
        .map_err(|message| Refusal::field("package_items", message))?;
    parts_of(context.facts, &named).map_err(|message| Refusal::field("package_items", message))
}

/// Named units of items of a package, each item once, by id. The error is a message.
pub(super) fn parts_of(package: &PackageFacts, named: &[Named]) -> Result<Vec<Part>, String> {
    let mut parts: BTreeMap<i64, Part> = BTreeMap::new();
    for named in named {
        let item = package.items.iter().find(|item| item.id == named.id);
        let item = item.ok_or_else(|| format!("Item {} does not belong to this package.", named.id))?;
        let part = Part { package_item_id: item.id, quantity: named.units_of(item.quantity)? };
        // A plain id may be repeated: it means all of the item each time.
        if parts.insert(item.id, part).is_some_and(|before| before != part || named.quantity.is_some()) {
            return Err(format!("Item {} is named twice.", item.id));
        }
    }
    Ok(parts.into_values().collect())
}

/// The id of a cargo company from its id, a text of digits, or its slug.
pub(crate) fn find_cargo_company(catalog: &Catalog, name: &str) -> Result<i64, Refusal> {
    catalog.cargo_company(name).map(|company| company.id).ok_or_else(|| {
        let known: Vec<String> =
            catalog.cargo_companies.iter().map(|company| format!("{} ({})", company.id, company.slug)).collect();
        Refusal::rule(
            UNKNOWN_CARGO_COMPANY,
            format!("There is no cargo company {name}. Choose one of: {}.", known.join(", ")),
        )
    })
}

/// The shipment, for commands that change one.
pub(super) fn require_shipment(package: &PackageFacts) -> Result<&ShipmentFacts, Refusal> {
    package.shipment.as_ref().ok_or_else(|| {
        let number = &package.number;
        Refusal::rule(
            NO_SHIPMENT,
            format!("Package {number} has no shipment; pack it with one, or ship it with a number."),
        )
    })
}

/// Refuses a package without items.
pub(super) fn require_items(package: &PackageFacts) -> Result<(), Refusal> {
    if package.items.is_empty() {
        return Err(Refusal::rule(NO_ITEMS, format!("Package {} has no items left.", package.number)));
    }
    Ok(())
}
