//! The tests of the API: over HTTP against a real server on a real Postgres.
//!
//! [`support`] holds the tools of the tests; every other module tests one area of the API.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]
#![expect(clippy::too_many_lines, reason = "a table of cases is long")]
#![expect(unreachable_pub, reason = "nothing is public: it is one binary")]

mod support;

mod accounts;
mod adjusting;
mod audit;
mod backup;
mod benchmarks;
mod blocking;
mod bulk;
mod cli;
mod command_line;
mod common_parameters;
mod conditions;
mod conflicts;
mod connections;
mod container;
mod counted_at;
mod crash;
mod deploying;
mod digits;
mod documentation;
mod documents;
mod dry_run;
mod errors;
mod events;
mod examples;
mod exports;
mod extremes;
mod first_come;
mod following;
mod history;
mod homes;
mod hostile;
mod idempotency;
mod if_match;
mod installation;
mod inventory;
mod lasting;
mod lists;
mod locations;
mod operations;
mod options;
mod order_files;
mod order_of_checks;
mod orders;
mod output;
mod package_items;
mod pages;
mod planning;
mod plans;
mod preparing;
mod proofs;
mod properties;
mod quota;
mod races;
mod refusing;
mod repack;
mod replanning;
mod reservations;
mod resources;
mod rights;
mod scenarios;
mod scope;
mod seeds;
mod shelf;
mod signals;
mod silence;
mod simulate;
mod stock;
mod stock_ledger;
mod success;
mod transfers;
mod transitions;
mod units;
mod upgrade;
mod upstream;
mod users;
mod waiting;
mod webhooks;
mod whose_data;
mod wire;
