//! The commands on packages, a file each; plain [`moves`] share one.

pub mod assign_package_items_manually;
pub mod cancel_package;
pub mod complete_packing;
pub mod detected_out_of_stock_item;
pub mod detected_out_of_stock_item_advanced;
pub mod hold_for_customer_call;
pub mod moves;
pub mod prepare_package;
pub mod refuse_package;
pub mod repack;
pub mod replace_product;
pub(crate) mod replacements;
mod replan;
pub mod ship_the_package_advanced;
pub mod subject;
#[cfg(test)]
pub(crate) mod testing;
pub mod unblock_the_package;
pub mod update_invoice;
pub mod update_package_shipment_status;
pub mod update_shipment_info;
pub mod update_shipment_label;

use crate::{
    catalog::Catalog,
    commands::{command::Context, package::subject::PackageCommand},
    error::{NO_ITEMS, NO_SHIPMENT, Refusal, UNKNOWN_CARGO_COMPANY},
    packages::facts::{PackageFacts, ShipmentFacts},
};

/// Commands on packages with a file of their own. The others are in [`moves`].
static COMMANDS: &[&PackageCommand] = &[
    &complete_packing::COMMAND,
    &ship_the_package_advanced::COMMAND,
    &detected_out_of_stock_item::COMMAND,
    &detected_out_of_stock_item_advanced::COMMAND,
    &repack::COMMAND,
    &update_package_shipment_status::COMMAND,
    &assign_package_items_manually::COMMAND,
    &cancel_package::COMMAND,
    &refuse_package::COMMAND,
    &hold_for_customer_call::COMMAND,
    &unblock_the_package::COMMAND,
    &prepare_package::COMMAND,
    &replace_product::COMMAND,
    &update_invoice::COMMAND,
    &update_shipment_info::COMMAND,
    &update_shipment_label::COMMAND,
];

/// Every command on packages.
pub fn commands() -> impl Iterator<Item = &'static PackageCommand> {
    COMMANDS.iter().copied().chain(moves::MOVES)
}

/// The items in `package_items`: all of this package, each once.
fn named_items(context: &Context<'_>) -> Result<Vec<i64>, Refusal> {
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
pub(in crate::commands) fn find_cargo_company(catalog: &Catalog, name: &str) -> Result<i64, Refusal> {
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
fn require_shipment(package: &PackageFacts) -> Result<&ShipmentFacts, Refusal> {
    package.shipment.as_ref().ok_or_else(|| {
        let number = &package.number;
        Refusal::rule(
            NO_SHIPMENT,
            format!("Package {number} has no shipment; pack it with one, or ship it with a number."),
        )
    })
}

/// Refuses a package without items.
fn require_items(package: &PackageFacts) -> Result<(), Refusal> {
    if package.items.is_empty() {
        return Err(Refusal::rule(NO_ITEMS, format!("Package {} has no items left.", package.number)));
    }
    Ok(())
}
