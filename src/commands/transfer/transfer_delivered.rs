//! `TRANSFER_DELIVERED`: the goods are there. With the last of them their package waits to be packed.

use super::{TransferChanges, TransferCommand, TransferContext};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct TransferDelivered;

impl TransferCommand for TransferDelivered {
    fn identifier(&self) -> &'static str {
        "TRANSFER_DELIVERED"
    }

    fn summary(&self) -> &'static str {
        "Delivered: the products are on the shelf of the destination, reserved for the package. When no other transfer of \
         the package is open, the package moves to waiting."
    }

    fn decide(&self, context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
        Ok(TransferChanges::to(context.transition.destination_id))
    }
}
