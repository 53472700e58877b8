//! Transfers, as their commands know them. How the engine treats them is in `engine`, which knows all
//! commands.

use super::facts::LockedTransfer;
use crate::commands::command::{Command, Context};

/// Transfers, as what commands are about.
#[derive(Debug)]
pub struct Transfers;

/// The input of a decision on a transfer.
pub type TransferContext<'a> = Context<'a, LockedTransfer>;

/// A command on transfers.
pub type TransferCommand = Command<Transfers>;
