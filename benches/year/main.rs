//! A year of a shop: how many orders are planned per second, and whether that stays so as packages pile up.
//!
//! ```text
//! cargo bench --profile dist --bench year                          100,000 orders over 300 locations
//! cargo bench --profile dist --bench year -- --orders 10000        a shorter year
//! cargo bench --profile dist --bench year -- --growth              orders per second with 10,000, 100,000 and 1,000,000 packages stored
//! ```
//!
//! Everything goes over HTTP to the real server on a private, durable Postgres: orders one a request over 16
//! connections, as a shop's customers send them; commands in lists, as an ERP does; those on transfers one by one, as
//! stores do. What is ordered is as skewed as the real orders under `installations/demo`. Afterwards `oms verify` has to
//! find nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to people")]

mod feed;
mod growth;
mod house;
#[path = "../support/mod.rs"]
mod support;
mod work;
mod year;

use std::process::ExitCode;

use clap::Parser;

use support::Postgres;

/// Anything that stops the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Plays a year of orders, or measures how planning keeps up with a growing database.
#[derive(Debug, Parser)]
struct Args {
    /// Orders of the year.
    #[arg(long, default_value_t = 100_000)]
    orders: u64,
    /// Instead: orders per second with more and more packages stored.
    #[arg(long)]
    growth: bool,
    /// Where the year begins: the same seed is the same year.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A setting of Postgres: name=value.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres: Vec<String>,
    /// cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    support::run("year", Postgres::start(&args.postgres, &[]), async |postgres| measure(postgres, &args).await).await
}

async fn measure(postgres: &Postgres, args: &Args) -> Result<String, Failure> {
    let machine = support::machine::describe(postgres).await?;
    let table = if args.growth {
        Box::pin(growth::measure(postgres, args.seed)).await?
    } else {
        Box::pin(year::play(postgres, args.orders, args.seed)).await?
    };
    Ok(format!("\n{machine}\n\n{table}"))
}
