//! What several commands look for, and refuse to go on without.

use crate::{
    catalog::Catalog,
    commands::command::Context,
    error::{NO_ITEMS, NO_SHIPMENT, Refusal, UNKNOWN_CARGO_COMPANY},
    packages::facts::{PackageFacts, ShipmentFacts},
};

/// The items in `package_items`: all of this package, each once.
pub(super) fn named_items(context: &Context<'_>) -> Result<Vec<i64>, Refusal> {
    let mut ids = context.input.integers("package_items")?;
    let known = |id: &i64| context.facts.items.iter().any(|item| item.id == *id);
    if let Some(stranger) = ids.iter().find(|id| !known(id)) {
        return Err(Refusal::field("package_items", format!("Item {stranger} does not belong to this package.")));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
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
