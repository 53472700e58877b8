//! Transfers: what a command on one is, the list of them, and what follows.
//!
//! ```text
//! Request ── dispatch ──▶ load ─▶ resolve ─▶ decide ─▶ lay_out ─▶ consequences ─▶ apply ─▶ commit ─▶ answer
//! ```
//!
//! As with packages a command is a pure decision, here of very little: the transfer's next state, its carrier, or where
//! its items come from instead. What becomes of the package and its items ([`lay_out`]), and what follows for quota,
//! stock, reservations, logs and events ([`consequences`]), is derived from the states before and after.
//!
//! To add a command: a row of [`moves`], or a file here and a line in the list of this module.

pub mod apply;
pub mod begin;
pub mod changes;
pub mod consequences;
pub mod end;
pub mod facts;
pub mod lay_out;
pub mod moves;
mod subject;
pub mod transfer_item_not_found;
pub mod transfer_order_advanced;

pub use changes::{TransferChange, TransferChanges, TransferItemChange};
pub use facts::{LockedTransfer, TransferFacts, TransferItemFacts};
pub use subject::Transfers;

use super::{Command, Context};
/// Everything a decision on a transfer may look at.
pub type TransferContext<'a> = Context<'a, LockedTransfer>;

/// A command on transfers.
pub type TransferCommand = Command<Transfers>;

/// Those with a file of their own. The others are in [`moves`].
static COMMANDS: &[&TransferCommand] = &[&transfer_order_advanced::COMMAND, &transfer_item_not_found::COMMAND];

/// Every command on transfers.
pub fn commands() -> impl Iterator<Item = &'static TransferCommand> {
    COMMANDS.iter().copied().chain(moves::MOVES)
}
