//! What webhooks cost, and how fast they are: the real server over HTTP, with a receiver that answers at once.
//!
//! ```text
//! cargo bench --profile dist --bench webhooks                 about two minutes
//! cargo bench --profile dist --bench webhooks -- --seconds 2  shorter
//! ```
//!
//! Three questions. How long after a command does its event arrive, when nothing else happens? How many deliveries a
//! second are made while nothing else happens? And how many commands a second are left with five subscriptions to what
//! they cause, beside none, in turns in the same run? It needs the binaries of Postgres and nothing that runs; Postgres,
//! server, load generator and receiver share the machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to people")]

#[path = "../commands/client.rs"]
#[expect(dead_code, reason = "reading packages is measured by the benchmark of commands")]
mod client;
#[path = "../commands/database.rs"]
#[expect(dead_code, reason = "what only the reference of the benchmark of commands has to name")]
mod database;
mod receiver;
#[path = "../support/mod.rs"]
mod support;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use serde_json::json;

use client::{Phase, milliseconds};
use database::{Database, Loaded};
use receiver::Receiver;
use support::{
    Server,
    machine::{self, Clock},
};

/// Anything that stops the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Packages that wait when a phase begins.
const PACKAGES: u64 = 100_000;
/// Locations of the installation.
const LOCATIONS: u64 = 1_000;
/// Commands whose events are timed one by one.
const TIMED: u64 = 200;
/// Commands whose events are delivered as fast as can be.
const DRAINED: u64 = 5_000;
/// Subscriptions in the second and third part.
const HOOKS: usize = 5;
/// The server may deliver to this machine.
const ALLOWED: &[(&str, &str)] = &[("OMS_WEBHOOK_ALLOW_PRIVATE", "127.0.0.0/8")];

/// Measures webhooks.
#[derive(Debug, Parser)]
struct Args {
    /// Seconds that commands are measured, in each turn.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    seconds: u64,
    /// Turns without and with subscriptions.
    #[arg(long, value_name = "N", default_value_t = 3)]
    turns: u32,
    /// Only this part, for profiling.
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// A setting of Postgres: name=value.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres: Vec<String>,
    /// cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How long an event takes.
    Delay,
    /// Deliveries a second.
    Drain,
    /// What they cost commands.
    Commands,
}

/// How long commands are sent.
#[derive(Debug, Clone)]
struct Plan {
    warm_up: Duration,
    measured: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    rustls::crypto::ring::default_provider().install_default().ok();
    support::run("webhooks", Database::start(&args.postgres), async |database| measure(database, &args).await).await
}

async fn measure(database: &Database, args: &Args) -> Result<String, Failure> {
    let machine = machine::describe(&database.postgres).await?;
    eprintln!("loading {PACKAGES} packages at {LOCATIONS} locations …");
    let template = database.load(&format!("1 + n % {LOCATIONS}")).await?;
    let wants = |part| args.only.is_none_or(|only| only == part);
    let mut lines = Vec::new();
    if wants(Part::Delay) {
        let (p50, p99) = Box::pin(delay(database, &template)).await?;
        lines.push(format!(
            "| from sending a command to its event at the receiver, idle, p50 (p99) of {TIMED} | {:.1} ms ({:.1} ms) | 20 ms |",
            milliseconds(p50),
            milliseconds(p99)
        ));
    }
    if wants(Part::Drain) {
        let drain = Box::pin(drain(database, &template)).await?;
        lines.push(format!(
            "| deliveries to a fast receiver, {HOOKS} subscriptions | {:.0}/s ({:.1} MB/s) | 2000/s |",
            drain.per_second, drain.megabytes_per_second
        ));
    }
    if wants(Part::Commands) {
        let (without, with) = Box::pin(cost(database, &template, args)).await?;
        lines.push(format!(
            "| commands with {HOOKS} subscriptions beside none, mean of {} turns | {with:.0}/s ÷ {without:.0}/s = {:.2} | 0.80 |",
            args.turns,
            with / without
        ));
    }
    template.remove().await?;
    Ok(format!("\n{machine}\n\n| | measured | bar |\n|---|---|---|\n{}", lines.join("\n")))
}

/// Commands a second without and with subscriptions, in turns.
async fn cost(database: &Database, template: &Loaded, args: &Args) -> Result<(f64, f64), Failure> {
    let plan = Plan { warm_up: Duration::from_secs(1), measured: Duration::from_secs(args.seconds) };
    let (mut without, mut with) = (0.0, 0.0);
    for _ in 0..args.turns {
        without += Box::pin(commands(database, template, &plan, 0)).await?.per_second;
        with += Box::pin(commands(database, template, &plan, HOOKS)).await?.per_second;
    }
    let turns = f64::from(args.turns.max(1));
    Ok((without / turns, with / turns))
}

/// Packs one package after the other, and looks when each event arrives.
async fn delay(database: &Database, template: &Loaded) -> Result<(Duration, Duration), Failure> {
    let (copy, receiver) = (database.copy(template).await?, Receiver::start()?);
    let server = Server::start(&database.postgres, &database.url(&copy), ALLOWED).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    subscribe(&client, &server, template, &receiver, 1).await?;
    let mut delays = Vec::new();
    for package in 1..=TIMED {
        let seen = usize::try_from(receiver.count().0)?;
        let sent = Instant::now();
        pack(&client, &server, template, package).await?;
        let arrived = receiver.wait_for(package, seen).await.ok_or("an event did not arrive within ten seconds")?;
        delays.push(arrived.duration_since(sent));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    delays.sort_unstable();
    let rank = |percent: usize| delays[delays.len() * percent / 100];
    eprintln!("  delay: p50 {:.1} ms, p99 {:.1} ms", milliseconds(rank(50)), milliseconds(rank(99)));
    server.stop().await?;
    Box::pin(copy.finish()).await?;
    Ok((rank(50), rank(99)))
}

struct Drain {
    per_second: f64,
    megabytes_per_second: f64,
}

/// Packs many packages, and measures how fast the events are delivered from the last answer on, until all have arrived.
async fn drain(database: &Database, template: &Loaded) -> Result<Drain, Failure> {
    let (copy, receiver) = (database.copy(template).await?, Receiver::start()?);
    let server = Server::start(&database.postgres, &database.url(&copy), ALLOWED).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    subscribe(&client, &server, template, &receiver, HOOKS).await?;
    let numbers: Vec<u64> = (1..=DRAINED).collect();
    for packages in numbers.chunks(1_000) {
        let slug = &template.ids.slug;
        let list: Vec<_> = packages.iter().map(|id| json!({ "package": id, "slug": slug })).collect();
        let request = client.post(format!("http://{}/api/v1/oms/packages/commands/", server.address));
        let request = request.header("Authorization", format!("Token {}", template.ids.token)).json(&list);
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(answer.text().await?.into());
        }
    }
    let wanted = DRAINED * HOOKS as u64;
    let clock = Clock::start(&database.postgres, Some(server.process_id));
    let (begun, (first, _), bytes) = (Instant::now(), receiver.count(), receiver.bytes());
    while receiver.count().1 < wanted {
        if begun.elapsed() > Duration::from_mins(2) {
            return Err(format!("{} of {wanted} deliveries arrived in two minutes", receiver.count().1).into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (all, different) = receiver.count();
    let per_second = f64::from(u32::try_from(all - first)?) / seconds;
    let megabytes_per_second = f64::from(u32::try_from(receiver.bytes() - bytes)?) / seconds / 1e6;
    eprintln!(
        "  {first} of {all} had arrived before the last answer, the rest at {per_second:.0}/s; {different} different; {}",
        clock.stop(all - first)
    );
    server.stop().await?;
    Box::pin(copy.finish()).await?;
    Ok(Drain { per_second, megabytes_per_second })
}

/// Commands as fast as 64 connections bring them, with so many subscriptions.
async fn commands(database: &Database, template: &Loaded, plan: &Plan, hooks: usize) -> Result<Phase, Failure> {
    let (copy, receiver) = (database.copy(template).await?, Receiver::start()?);
    let server = Server::start(&database.postgres, &database.url(&copy), ALLOWED).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    subscribe(&client, &server, template, &receiver, hooks).await?;
    let requests = client::Requests::pack(&server, template);
    eprintln!("  with {hooks} subscriptions:");
    let phase = client::drive(database, &server, requests, 64, plan).await?;
    eprintln!("  {} deliveries arrived meanwhile", receiver.count().0);
    let memory = server.stop().await?;
    eprintln!("  most memory: {} MiB", memory.unwrap_or_default() >> 20);
    Box::pin(copy.finish()).await?;
    Ok(phase)
}

async fn subscribe(
    client: &reqwest::Client,
    server: &Server,
    template: &Loaded,
    receiver: &Receiver,
    hooks: usize,
) -> Result<(), Failure> {
    for number in 0..hooks {
        let hook = json!({
            "target_url": format!("http://{}/{number}", receiver.address),
            "event_type": "package.status.packed",
            "secret_key": "benchmark",
            "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 1 } },
        });
        let request = client.post(format!("http://{}/whisperer/hooks/", server.address));
        let request = request.header("Authorization", format!("Token {}", template.ids.token)).json(&hook);
        let answer = request.send().await?;
        if answer.status().as_u16() != 201 {
            return Err(format!("no subscription: {}", answer.text().await?).into());
        }
    }
    Ok(())
}

async fn pack(client: &reqwest::Client, server: &Server, template: &Loaded, package: u64) -> Result<(), Failure> {
    let request = client.post(format!("http://{}/api/v1/oms/packages/{package}/command/", server.address));
    let request = request.header("Authorization", format!("Token {}", template.ids.token));
    let answer = request.json(&json!({ "slug": template.ids.slug })).send().await?;
    if answer.status().as_u16() != 200 {
        return Err(format!("no packing: {}", answer.text().await?).into());
    }
    Ok(())
}
