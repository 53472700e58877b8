//! How fast packages are packed, and what it costs: the real server over HTTP, beside the same writes by pgbench.
//!
//! ```text
//! cargo bench --profile dist --bench commands                      the whole table, about five minutes
//! cargo bench --profile dist --bench commands -- --quick           fewer phases, shorter: about a minute
//! cargo bench --profile dist --bench commands -- --only hot        one part, for profiling
//! ```
//!
//! It needs the binaries of Postgres and nothing that runs. A private, durable Postgres is started in the target
//! folder and loaded twice: packages spread over all locations, and all of them at one. Every phase gets a copy of
//! that, so each begins with the same packages waiting; and after each, `oms verify` has to find nothing, be it the
//! server that wrote or the reference.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to people")]

mod client;
mod database;
mod reference;
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use database::Database;
use report::{Part, Report};
use support::{Server, machine};

/// Anything that stops the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Packages that wait when a phase begins.
const PACKAGES: u64 = 100_000;
/// Locations of the installation.
const LOCATIONS: u64 = 1_000;

/// Measures commands per second over HTTP, against pgbench.
#[derive(Debug, Parser)]
struct Args {
    /// Fewer phases, and shorter: about a minute.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_name = "PART", num_args = 1..)]
    only: Vec<Scene>,
    /// Only the server, or only the reference.
    #[arg(long, value_enum, value_name = "SIDE")]
    side: Option<Side>,
    /// Connections to measure with.
    #[arg(long, value_name = "N", num_args = 1..)]
    connections: Vec<usize>,
    /// Seconds a phase is measured.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// A setting of Postgres, for server and reference alike: name=value.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres: Vec<String>,
    /// cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scene {
    /// Packing, spread over all locations.
    Spread,
    /// Packing, all at one location.
    Hot,
    /// Reading one package and its commands.
    Listing,
}

/// What packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    Server,
    Reference,
}

/// How long and how wide.
#[derive(Debug, Clone)]
struct Plan {
    scenes: Vec<Scene>,
    connections: Vec<usize>,
    clients: Vec<usize>,
    run_server: bool,
    run_reference: bool,
    warm_up: Duration,
    measured: Duration,
}

impl Plan {
    fn new(args: &Args) -> Self {
        let (connections, clients) =
            if args.quick { (vec![1, 64], vec![8, 32]) } else { (vec![1, 16, 64, 256], vec![8, 16, 32, 64]) };
        let seconds = args.seconds.unwrap_or(if args.quick { 2 } else { 5 });
        Self {
            scenes: if args.only.is_empty() { Scene::value_variants().to_vec() } else { args.only.clone() },
            connections: if args.connections.is_empty() { connections } else { args.connections.clone() },
            clients,
            run_server: args.side != Some(Side::Reference),
            run_reference: args.side != Some(Side::Server),
            warm_up: Duration::from_secs(if args.quick { 1 } else { 2 }),
            measured: Duration::from_secs(seconds),
        }
    }
}

// The load generator shares the machine with what it measures: one thread of it is enough, and all it may take.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    support::run("commands", Database::start(&args.postgres), async |database| {
        measure(database, &Plan::new(&args)).await
    })
    .await
}

async fn measure(database: &Database, plan: &Plan) -> Result<Report, Failure> {
    let mut report = Report::new(machine::describe(&database.postgres).await?);
    for scene in &plan.scenes {
        eprintln!("\n{scene:?}: loading {PACKAGES} packages at {LOCATIONS} locations …");
        let part = match scene {
            Scene::Spread => Box::pin(pack(database, plan, "1 + n % {locations}")).await?,
            Scene::Hot => Box::pin(pack(database, plan, "1")).await?,
            Scene::Listing => Box::pin(list(database, plan)).await?,
        };
        report.add(*scene, part);
    }
    Ok(report)
}

/// `COMPLETE_PACKING`, by the server and by the reference.
async fn pack(database: &Database, plan: &Plan, location: &str) -> Result<Part, Failure> {
    let template = database.load(&location.replace("{locations}", &LOCATIONS.to_string())).await?;
    let mut part = Part::default();
    for connections in plan.connections.iter().filter(|_| plan.run_server) {
        let copy = database.copy(&template).await?;
        let server = Server::start(&database.postgres, &database.url(&copy), &[]).await?;
        let requests = client::Requests::pack(&server, &template);
        let phase = client::drive(database, &server, requests, *connections, plan).await?;
        part.add_server(phase, server.stop().await?);
        let written = Box::pin(copy.finish()).await?;
        if written != phase.done {
            return Err(format!("{} commands were answered 200, {written} packages are packed", phase.done).into());
        }
    }
    for clients in plan.clients.iter().filter(|_| plan.run_reference) {
        let copy = database.copy(&template).await?;
        let script = reference::script(include_str!("pack.sql"), &template);
        let run = reference::run(database, &copy, &script, *clients, plan).await?;
        part.add_reference(run);
        let written = Box::pin(copy.finish()).await?;
        if written != run.transactions {
            return Err(format!("{} transactions were run, {written} packages are packed", run.transactions).into());
        }
    }
    template.remove().await?;
    Ok(part)
}

/// `GET` of one package, by the server and by the reference.
async fn list(database: &Database, plan: &Plan) -> Result<Part, Failure> {
    let template = database.load(&format!("1 + n % {LOCATIONS}")).await?;
    let mut part = Part::default();
    for connections in plan.connections.iter().filter(|_| plan.run_server) {
        let server = Server::start(&database.postgres, &database.url(&template), &[]).await?;
        let requests = client::Requests::get(&server, &template);
        let phase = client::drive(database, &server, requests, *connections, plan).await?;
        part.add_server(phase, server.stop().await?);
    }
    for clients in plan.clients.iter().filter(|_| plan.run_reference) {
        let script = reference::script(include_str!("view.sql"), &template);
        part.add_reference(reference::run(database, &template, &script, *clients, plan).await?);
    }
    template.remove().await?;
    Ok(part)
}
