//! The command line: one file per subcommand.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to people")]

mod audit;
mod data;
mod demo;
mod health;
mod install;
mod installation;
mod migrate;
mod orders;
mod outcome;
mod serve;
mod simulate;
mod simulate_upstream;
mod stock;
mod token;
mod user;
mod verify;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::outcome::Outcome;
use crate::{config::DataSettings, error::Result, logging};

/// Parses the command line, runs it, and prints the error.
///
/// It is not async, so that the work of all subcommands is compiled with this crate, and not again with the binary.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.default_log_filter());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("oms: cannot start the threads of the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Faults) => ExitCode::FAILURE,
        Ok(Outcome::Refused) => ExitCode::from(3),
        Ok(Outcome::Different) => ExitCode::from(4),
        Err(error) => {
            eprintln!("oms: {}", logging::one_line(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// An order management server: orders come in, are distributed to locations as packages, and each package moves through
/// a table of states by commands.
#[derive(Debug, Parser)]
#[command(name = "oms", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    data: DataSettings,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  oms demo
      a server with a day of real orders, on its own Postgres
  oms install installations/standard.toml my-shop.toml
      apply an installation; again and again has the same end
  oms user add erp --role integrator && oms token issue erp
      a user and a token for an integration
  DATABASE_URL=postgres://oms:secret@db/oms oms serve
      on a Postgres of your own

Every subcommand works while a server runs on the same data.
Exit code 0: done. 1: it failed, or found faults. 2: the command line is wrong. 3: refused, for it would hurt; --force
does it. 4: there is a difference (install --plan --exit-code).
RUST_LOG says what is logged, OMS_LOG_FORMAT=json how.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Run the server with a standard installation and a day of real orders.
    Demo(demo::Args),
    /// Check, draw, compare or apply an installation.
    Install(install::Args),
    /// What is installed, and what was: export, list, show, diff, and the table of transition ids and slugs.
    #[command(subcommand)]
    Installation(installation::Command),
    /// Bring the database's schema up to date (`serve`, `demo` and `install` do so themselves).
    Migrate,
    /// Count stock.
    #[command(subcommand)]
    Stock(stock::Command),
    /// Take orders.
    #[command(subcommand)]
    Orders(orders::Command),
    /// Plan the orders of a time by other scenarios, without writing, and print what would be different.
    Simulate(simulate::Args),
    /// Stand in for the upstream: hand orders over, and take what is reported of them.
    SimulateUpstream(simulate_upstream::Args),
    /// Users.
    #[command(subcommand)]
    User(user::Command),
    /// Tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Who changed users, tokens, webhooks, locations, scenarios and the rest of the installation.
    Audit(audit::Args),
    /// Webhooks: who subscribed, and delivering again.
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Prove that quota, logs, reservations and events are in order; exit 1 and a line for each fault.
    Verify,
    /// Ask a running server whether it is ready; exit 0 if so. For health checks.
    Health(health::Args),
}

impl Cli {
    /// The log level without `RUST_LOG`: servers log their work, tools only errors.
    fn default_log_filter(&self) -> &'static str {
        match self.command {
            Command::Serve(_) => "info,sqlx=warn",
            _ => "warn",
        }
    }

    /// Runs the subcommand.
    ///
    /// # Errors
    /// One line with the remedy.
    async fn run(self) -> Result<Outcome> {
        let data = &self.data;
        match self.command {
            Command::Serve(args) => Box::pin(serve::run(data, args)).await,
            Command::Demo(args) => Box::pin(demo::run(data, args)).await,
            Command::Install(args) => install::run(data, args).await,
            Command::Installation(command) => installation::run(data, command).await,
            Command::Migrate => migrate::run(data).await,
            Command::Stock(command) => stock::run(data, command).await,
            Command::Orders(command) => orders::run(data, command).await,
            Command::Simulate(args) => simulate::run(data, args).await,
            Command::SimulateUpstream(args) => simulate_upstream::run(args).await,
            Command::User(command) => user::run(data, command).await,
            Command::Token(command) => token::run(data, command).await,
            Command::Audit(args) => audit::run(data, args).await,
            Command::Webhooks(command) => webhooks::run(data, command).await,
            Command::Verify => verify::run(data).await,
            Command::Health(args) => health::run(&args).await,
        }
    }
}
