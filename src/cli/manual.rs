//! `oms completions SHELL` and `oms man`: both from the command line as it is declared.

use std::path::PathBuf;

use clap_complete::Shell;

use super::{outcome::Outcome, terminal};
use crate::error::{Error, Result};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The folder that the pages are written into: oms.1, oms-serve.1 … It is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions.
pub(super) fn completions(mut command: clap::Command, args: &Completions) -> Outcome {
    // First whole, because the generator takes a failed write for a fault of the program.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "oms", &mut script);
    terminal::print(String::from_utf8_lossy(&script));
    Outcome::Done
}

/// Writes the pages.
pub(super) fn man(command: clap::Command, args: &Man) -> Result<Outcome> {
    std::fs::create_dir_all(&args.out)
        .and_then(|()| clap_mangen::generate_to(command, &args.out))
        .map_err(|error| Error::Fault(format!("cannot write the pages into {}: {error}", args.out.display())))?;
    Ok(Outcome::Done)
}
