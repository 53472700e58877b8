//! Parse the command line, run it, print the error; nothing else. See the library's tour.

use std::process::ExitCode;

use clap::Parser;
use oms::cli::{Cli, Outcome};

#[tokio::main]
async fn main() -> ExitCode {
    oms::logging::start();
    match Cli::parse().run().await {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Faults) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("oms: {error}");
            ExitCode::FAILURE
        }
    }
}
