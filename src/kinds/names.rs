//! The names of kinds that other code speaks of too.

/// Cancels a package, or some of its items.
pub const CANCEL_PACKAGE: &str = "CANCEL_PACKAGE";
/// Packs a package.
pub const COMPLETE_PACKING: &str = "COMPLETE_PACKING";
/// Plans items that are not there again.
pub const DETECTED_OUT_OF_STOCK_ITEM: &str = "DETECTED_OUT_OF_STOCK_ITEM";
/// The plain move: nothing but the state.
pub const PKG_STATE_TRANSITION: &str = "PKG_STATE_TRANSITION";
/// Plans a package without a place again, without making a new one of it.
pub const REPACK: &str = "REPACK";
/// Gives items another product.
pub const REPLACE_PRODUCT: &str = "REPLACE_PRODUCT";
/// Ends a transfer whose goods are not there. The goods of every other one go on.
pub const TRANSFER_ITEM_NOT_FOUND: &str = "TRANSFER_ITEM_NOT_FOUND";
/// Brings a transfer's goods to its destination.
pub const TRANSFER_DELIVERED: &str = "TRANSFER_DELIVERED";
/// Brings the goods of a transfer that was cancelled on its way back to its source.
pub const TRANSFER_RETURNED: &str = "TRANSFER_RETURNED";
/// Leads back to the state before.
pub const UNBLOCK_THE_PACKAGE: &str = "UNBLOCK_THE_PACKAGE";
