//! The commands of packages, a file each.

pub mod assign_package_items_manually;
pub mod cancel_package;
pub mod channel_based_complete_packing;
pub mod complete_packing;
pub mod detected_out_of_stock_item;
pub mod pkg_state_transition;
pub mod repack;
mod replan;
pub mod ship_the_package;
pub mod ship_the_package_advanced;
#[cfg(test)]
pub(crate) mod testing;
pub mod update_package_shipment_status;

use super::{Context, PackageFacts};
use crate::error::{NO_ITEMS, Refusal};

/// The items a command names in `package_items`: all of this package, each once.
fn named_items(context: &Context<'_>) -> Result<Vec<i64>, Refusal> {
    let mut ids = context.input.integers("package_items")?;
    let known = |id: &i64| context.package.items.iter().any(|item| item.id == *id);
    if let Some(stranger) = ids.iter().find(|id| !known(id)) {
        return Err(Refusal::field("package_items", format!("Item {stranger} does not belong to this package.")));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Refuses a package whose items have all left it.
fn require_items(package: &PackageFacts) -> Result<(), Refusal> {
    if package.items.is_empty() {
        return Err(Refusal::rule(NO_ITEMS, format!("Package {} has no items left.", package.number)));
    }
    Ok(())
}
