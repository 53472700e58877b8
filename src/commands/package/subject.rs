//! Packages, as their commands know them. How the engine treats them is in `engine`, which knows all
//! commands.

use crate::commands::command::Command;

/// Packages, as what commands are about.
#[derive(Debug)]
pub struct Packages;

/// A command on packages.
pub type PackageCommand = Command<Packages>;
