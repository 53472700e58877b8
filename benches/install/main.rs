//! What an installation costs, and how long commands wait for it: `oms install` beside the real server under load.
//!
//! ```text
//! cargo bench --profile dist --bench install                        about three minutes
//! cargo bench --profile dist --bench install -- --only quota-rule   one of them
//! ```
//!
//! Each installation is applied to a copy of the same database twice: when nothing else happens, and while commands come
//! as fast as so many connections bring them. It is measured how long it took, and how long the slowest command waited;
//! beside it the slowest command of a time without an installation, on the same machine in the same run. It needs the
//! binaries of Postgres and nothing that runs; Postgres, server, load generator and `oms install` share the machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to people")]

#[path = "../commands/client.rs"]
#[expect(dead_code, reason = "reading packages is measured by the benchmark of commands")]
mod client;
#[path = "../commands/database.rs"]
#[expect(dead_code, reason = "what only the reference of the benchmark of commands has to name")]
mod database;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use tokio::process::Command;

use client::{Phase, Requests, milliseconds};
use database::{Database, Loaded, STANDARD, places};
use support::{Server, machine};

/// Anything that stops the benchmark.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Packages that wait when a phase begins.
const PACKAGES: u64 = 100_000;
/// Locations of the installation.
const LOCATIONS: u64 = 1_000;

/// Measures installations.
#[derive(Debug, Parser)]
struct Args {
    /// Seconds of commands, in each phase with load.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    seconds: u64,
    /// Connections that send commands.
    #[arg(long, value_name = "N", default_value_t = 16)]
    connections: usize,
    /// Only this installation.
    #[arg(long, value_enum, value_name = "KIND")]
    only: Option<Kind>,
    /// A setting of Postgres: name=value.
    #[arg(long, value_name = "NAME=VALUE")]
    postgres: Vec<String>,
    /// cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// An installation over the one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The same again.
    Unchanged,
    /// A label is different.
    Label,
    /// The state in which all packages stand ceases to occupy quota.
    QuotaRule,
    /// Every location has a limit.
    Locations,
    /// A state goes, with the transitions that name it.
    StateGone,
}

impl Kind {
    const fn title(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Label => "a label changed",
            Self::QuotaRule => "a quota rule changed, of every package",
            Self::Locations => "every location changed",
            Self::StateGone => "a state gone, with its transitions",
        }
    }

    /// The bar for the whole of it, in seconds.
    const fn bar(self) -> u32 {
        if matches!(self, Self::Unchanged) { 1 } else { 3 }
    }

    /// Its files, as (name, text).
    fn files(self) -> Result<[(&'static str, String); 2], Failure> {
        let (mut standard, mut places) = (STANDARD.to_owned(), places()?);
        match self {
            Self::Unchanged => {}
            Self::Label => standard = standard.replacen("label = \"Pack\"", "label = \"Pack it\"", 1),
            Self::QuotaRule => {
                let waiting = "slug = \"waiting\"\nenum_value = \"100\"\n";
                standard = standard.replacen(waiting, &format!("{waiting}occupies_quota = false\n"), 1);
            }
            Self::Locations => places = places.replace("latitude = 51.5", "max_quota = 100000\nlatitude = 51.5"),
            Self::StateGone => {
                let names = |entry: &&str| !entry.contains("\"waiting-cargo-label\"");
                standard = standard.split("\n[[").filter(names).collect::<Vec<_>>().join("\n[[");
            }
        }
        if self != Self::Unchanged && standard == STANDARD && places == self::places()? {
            return Err(format!("{}: nothing is different", self.title()).into());
        }
        Ok([("standard.toml", standard), ("places.toml", places)])
    }
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
    support::run("install", Database::start(&args.postgres), async |database| measure(database, &args).await).await
}

async fn measure(database: &Database, args: &Args) -> Result<String, Failure> {
    let machine = machine::describe(&database.postgres).await?;
    eprintln!("loading {PACKAGES} packages at {LOCATIONS} locations …");
    let template = database.load(&format!("1 + n % {LOCATIONS}")).await?;
    // The first installation of a database that knows its files: that of `load`, from files of these names.
    let mut table = String::new();
    let alone = Box::pin(under_load(database, &template, args, None)).await?.0;
    writeln!(table, "| none | | | {:.0}/s, slowest {:.0} ms | |", alone.per_second, milliseconds(alone.slowest))?;
    let kinds = Kind::value_variants().iter().filter(|kind| args.only.is_none_or(|only| only == **kind));
    for kind in kinds {
        eprintln!("{}:", kind.title());
        let idle = Box::pin(when_idle(database, &template, *kind)).await?;
        let (phase, took) = Box::pin(under_load(database, &template, args, Some(*kind))).await?;
        writeln!(
            table,
            "| {} | {:.2} s | {:.2} s | {:.0}/s, slowest {:.0} ms | {} s; 1000 ms |",
            kind.title(),
            idle.as_secs_f64(),
            took.as_secs_f64(),
            phase.per_second,
            milliseconds(phase.slowest),
            kind.bar()
        )?;
    }
    template.remove().await?;
    Ok(format!(
        "\n{machine}\n\n{PACKAGES} packages at {LOCATIONS} locations; commands over {} connections\n\n\
         | installation | idle | under load | commands meanwhile | bar: idle; slowest command |\n|---|---|---|---|---|\n{table}",
        args.connections
    ))
}

async fn when_idle(database: &Database, template: &Loaded, kind: Kind) -> Result<Duration, Failure> {
    let copy = database.copy(template).await?;
    let took = install(database, &copy, kind).await?;
    eprintln!("  idle: {:.2} s", took.as_secs_f64());
    Box::pin(copy.finish()).await?;
    Ok(took)
}

/// Commands for some seconds, and an installation in the middle of them.
async fn under_load(
    database: &Database,
    template: &Loaded,
    args: &Args,
    kind: Option<Kind>,
) -> Result<(Phase, Duration), Failure> {
    let plan = Plan { warm_up: Duration::from_secs(1), measured: Duration::from_secs(args.seconds) };
    let copy = database.copy(template).await?;
    let server = Server::start(&database.postgres, &database.url(&copy), &[]).await?;
    let driven = client::drive(database, &server, Requests::pack(&server, template), args.connections, &plan);
    let installed = async {
        tokio::time::sleep(plan.warm_up + Duration::from_secs(1)).await;
        match kind {
            Some(kind) => install(database, &copy, kind).await,
            None => Ok(Duration::ZERO),
        }
    };
    let (phase, took) = tokio::join!(driven, installed);
    let (phase, took) = (phase?, took?);
    eprintln!("  under load: {:.2} s", took.as_secs_f64());
    server.stop().await?;
    Box::pin(copy.finish()).await?;
    Ok((phase, took))
}

/// Runs `oms install`.
async fn install(database: &Database, copy: &Loaded, kind: Kind) -> Result<Duration, Failure> {
    let folder = database.postgres.folder();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, text) in kind.files()? {
        let path = folder.join(name);
        fs::write(&path, text)?;
        paths.push(path);
    }
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_oms"))
        .arg("install")
        .args(&paths)
        .env("DATABASE_URL", database.url(copy))
        .kill_on_drop(true)
        .output()
        .await?;
    let took = began.elapsed();
    if !output.status.success() {
        return Err(format!("oms install: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(took)
}
