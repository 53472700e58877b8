//! Transfers: commands on them, the list of these commands, and their consequences.
//!
//! ```text
//! Request ── dispatch ──▶ load ─▶ resolve ─▶ decide ─▶ lay_out ─▶ consequences ─▶ apply ─▶ commit ─▶ answer
//! ```
//!
//! As with packages, a command is a pure decision, here a small one: the transfer's next state, its carrier, or new
//! sources of its items. The change of the package and its items ([`lay_out`]), and the consequences for quota, stock,
//! reservations, logs and events ([`consequences`]), are derived from the states before and after.
//!
//! To add a command: a row of [`moves`], or a file here and a line in the list of this module.

pub mod apply;
pub mod begin;
pub mod changes;
pub mod consequences;
pub mod end;
mod engine;
pub mod facts;
pub mod lay_out;
pub mod moves;
pub mod subject;
pub mod transfer_item_not_found;
pub mod transfer_order_advanced;

use subject::TransferCommand;

/// Those with a file of their own. The others are in [`moves`].
static COMMANDS: &[&TransferCommand] = &[&transfer_order_advanced::COMMAND, &transfer_item_not_found::COMMAND];

/// Every command on transfers.
pub fn commands() -> impl Iterator<Item = &'static TransferCommand> {
    COMMANDS.iter().copied().chain(moves::MOVES)
}
