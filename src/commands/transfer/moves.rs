//! Commands that only move a transfer to the transition's destination: a row each.

use crate::{
    commands::transfer::{
        changes::TransferChanges,
        subject::{TransferCommand, TransferContext},
    },
    error::Refusal,
    kinds::{
        End, Kind, Moves,
        names::{TRANSFER_DELIVERED, TRANSFER_RETURNED},
    },
};

/// Every one of them.
pub static MOVES: &[TransferCommand] = &[
    TransferCommand {
        kind: Kind {
            identifier: "TRANSFER_DISPATCH",
            moves: Moves::Transfer(End::Source),
            summary: "Dispatch: the products are on their way. Their units are taken from the stock of the source.",
            ..Kind::BASE
        },
        decide: go,
    },
    TransferCommand {
        kind: Kind {
            identifier: TRANSFER_DELIVERED,
            moves: Moves::Transfer(End::Destination),
            summary: "Delivered: the products are on the shelf of the destination, reserved for the package. When no \
                      other transfer of the package is open, the package moves to waiting. Of a transfer that was \
                      cancelled on its way, they are there for anybody.",
            ..Kind::BASE
        },
        decide: go,
    },
    TransferCommand {
        kind: Kind {
            identifier: TRANSFER_RETURNED,
            moves: Moves::Transfer(End::Source),
            summary: "Returned: the products of a transfer that was cancelled on its way are back on the shelf of the \
                      source.",
            ..Kind::BASE
        },
        decide: go,
    },
];

#[expect(clippy::unnecessary_wraps, reason = "other commands refuse")]
fn go(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
    Ok(TransferChanges::to(context.transition.destination_id))
}
