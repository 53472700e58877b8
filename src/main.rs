//! Parse the command line, run it, print the error; nothing else. See the library's tour.
#![expect(clippy::print_stderr, reason = "errors go to standard error")]

use std::process::ExitCode;

use clap::Parser;
use oms::cli::{Cli, Outcome};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    oms::logging::start(cli.default_log_filter());
    match cli.run().await {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Faults) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("oms: {error}");
            ExitCode::FAILURE
        }
    }
}
