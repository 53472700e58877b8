//! The commands on packages, a file each; plain [`moves`] share one.

pub mod assign_package_items_manually;
pub mod cancel_package;
pub mod cancel_packed_package;
pub(crate) mod checks;
pub mod complete_packing;
pub mod detected_out_of_stock_item;
pub mod detected_out_of_stock_item_advanced;
mod engine;
pub mod hold_for_customer_call;
pub mod moves;
pub mod prepare_package;
pub mod refuse_package;
pub mod repack;
pub mod replace_product;
pub(crate) mod replacements;
mod replan;
mod restock;
pub mod return_package;
pub mod ship_the_package_advanced;
pub mod subject;
#[cfg(test)]
pub(crate) mod testing;
pub mod unblock_the_package;
pub mod update_invoice;
pub mod update_package_shipment_status;
pub mod update_shipment_info;
pub mod update_shipment_label;

use subject::PackageCommand;

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
    &cancel_packed_package::COMMAND,
    &return_package::COMMAND,
];

/// Every command on packages.
pub fn commands() -> impl Iterator<Item = &'static PackageCommand> {
    COMMANDS.iter().copied().chain(moves::MOVES)
}
