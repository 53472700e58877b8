//! Calls the library; nothing else. See its tour.

use std::process::ExitCode;

fn main() -> ExitCode {
    oms::cli::main()
}
