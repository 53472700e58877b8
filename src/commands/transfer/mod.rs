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
//! To add a command: a file here that implements [`TransferCommand`], and a line in [`TRANSFER_COMMANDS`].

pub mod apply;
pub mod begin;
pub mod changes;
pub mod consequences;
pub mod dispatch;
pub mod effects;
pub mod end;
pub mod facts;
pub mod lay_out;
pub mod transfer_delivered;
pub mod transfer_dispatch;
pub mod transfer_item_not_found;
pub mod transfer_order_advanced;

use std::fmt;

use serde_json::Value;

pub use changes::{TransferChange, TransferChanges, TransferItemChange};
pub use facts::{TransferFacts, TransferItemFacts};

use super::{AnyCommand, Input, PackageFacts, Parameter};
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
    /// Where its items could come from; only for commands that [plan](TransferCommand::plans).
    pub supply: Option<&'a Supply>,
}

/// A kind of command on transfers. Where it applies is a matter of the installation's transitions.
pub trait TransferCommand: fmt::Debug + Send + Sync {
    /// `UPPER_SNAKE`, as in an installation and in the `command` key of a listed transition.
    fn identifier(&self) -> &'static str;

    /// One sentence for the documentation.
    fn summary(&self) -> &'static str;

    /// Its own parameters, besides `transfer`.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// `input_parameters` of an example request.
    fn example(&self) -> Value {
        serde_json::json!({})
    }

    /// Whether it may give items another source: then its context has a [`Supply`].
    fn plans(&self) -> bool {
        false
    }

    /// What changes, or why not.
    ///
    /// # Errors
    /// 400 for a parameter, 406 for a business rule.
    fn decide(&self, context: &TransferContext<'_>) -> Result<TransferChanges, Refusal>;
}

/// Every command on transfers: installations, dispatcher, documentation and tests read this list.
pub static TRANSFER_COMMANDS: &[&dyn TransferCommand] = &[
    &transfer_order_advanced::TransferOrderAdvanced,
    &transfer_dispatch::TransferDispatch,
    &transfer_delivered::TransferDelivered,
    &transfer_item_not_found::TransferItemNotFound,
];

/// Finds the input's fault, `transfer` first, then decides. `transfer` may be left out; it names the one of the URL.
///
/// # Errors
/// As [`TransferCommand::decide`].
pub fn decide(context: &TransferContext<'_>) -> Result<TransferChanges, Refusal> {
    // The table resolves only a transfer's own transitions for it.
    let AnyCommand::Transfer(command) = context.transition.command else { return Err(Refusal::not_allowed()) };
    if context.input.optional("transfer").is_some() && context.input.integer("transfer")? != context.transfer.id {
        return Err(Refusal::field("transfer", "This is not the transfer of the URL."));
    }
    command.decide(context)
}
