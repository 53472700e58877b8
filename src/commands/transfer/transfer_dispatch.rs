//! `TRANSFER_DISPATCH`: the goods leave their source.

use super::{TransferChanges, TransferCommand, TransferContext};
use crate::error::Refusal;

/// See the module.
#[derive(Debug)]
pub struct TransferDispatch;

impl TransferCommand for TransferDispatch {
    fn identifier(&self) -> &'static str {
        "TRANSFER_DISPATCH"
    }

    fn summary(&self) -> &'static str {
        "Dispatch: the products are on their way. Their units are taken from the stock of the source."
    }

    fn decide(&self, context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
        Ok(TransferChanges::to(context.transition.destination_id))
    }
}
