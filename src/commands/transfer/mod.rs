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
pub mod dispatch;
pub mod effects;
pub mod end;
pub mod facts;
pub mod lay_out;
pub mod moves;
pub mod transfer_item_not_found;
pub mod transfer_order_advanced;

pub use changes::{TransferChange, TransferChanges, TransferItemChange};
pub use facts::{TransferFacts, TransferItemFacts};

use super::{Command, Input, PackageFacts, find};
use crate::{catalog::Catalog, error::Refusal, planning::Supply, workflow::Transition};

/// Everything a decision on a transfer may look at.
#[derive(Debug, Clone, Copy)]
pub struct TransferContext<'a> {
    /// The installation as of this transaction.
    pub catalog: &'a Catalog,
    /// The transition that was resolved: it starts at the transfer's state.
    pub transition: &'a Transition,
    /// The transfer, locked.
    pub transfer: &'a TransferFacts,
    /// The package it is for, locked.
    pub package: &'a PackageFacts,
    /// All transfers of that package, this one included, locked.
    pub transfers: &'a [TransferFacts],
    /// `input_parameters`.
    pub input: Input<'a>,
    /// Where its items could come from; only for commands that plan.
    pub supply: Option<&'a Supply>,
}

/// A command on transfers.
pub type TransferCommand = Command<fn(&TransferContext<'_>) -> Result<TransferChanges, Refusal>>;

/// Those with a file of their own. The others are in [`moves`].
static COMMANDS: &[&TransferCommand] = &[&transfer_order_advanced::COMMAND, &transfer_item_not_found::COMMAND];

/// Every command on transfers.
pub fn commands() -> impl Iterator<Item = &'static TransferCommand> {
    COMMANDS.iter().copied().chain(moves::MOVES)
}

/// Finds the input's fault, `transfer` first, then decides. `transfer` may be left out; it names the one of the URL.
///
/// # Errors
/// 400 for a parameter, 406 for a business rule.
pub fn decide(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
    // The table resolves only a transfer's own transitions for it.
    let command = find(commands(), context.transition.kind).ok_or_else(Refusal::not_allowed)?;
    if context.input.optional("transfer").is_some() && context.input.integer("transfer")? != context.transfer.id {
        return Err(Refusal::field("transfer", "This is not the transfer of the URL."));
    }
    (command.decide)(context)
}
