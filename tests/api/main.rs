//! The contract, told from outside: over HTTP against a real server on a real Postgres.
//!
//! [`support`] holds what tests are written with; every other module is a section of the contract.

mod support;

mod cli;
mod documentation;
mod dry_run;
mod errors;
mod idempotency;
mod installation;
mod lists;
mod operations;
mod order_of_checks;
mod orders;
mod planning;
mod quota;
mod repack;
mod replanning;
mod seeds;
mod stock;
mod success;
mod transitions;
mod users;
