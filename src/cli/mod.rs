//! The command line: one file per subcommand.

mod adopt;
mod audit;
mod data;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod health;
mod install;
mod installation;
mod manual;
mod migrate;
mod orders;
mod outcome;
mod repair;
mod serve;
mod settings;
mod simulate;
mod simulate_upstream;
mod stock;
mod table;
mod terminal;
mod token;
mod user;
mod verify;
mod webhooks;

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::LazyLock,
};

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

use self::{outcome::Outcome, terminal::note};
use crate::{
    config::{DataSettings, values},
    error::{Error, Result},
    logging, tasks, version,
};

/// Parses the command line, runs it, and prints the error.
///
/// It is not async, so that the work of all subcommands is compiled with this crate, and not again with the binary.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))?;
        Ok((cli, settings::changed(&Cli::command(), &matches)))
    });
    let (cli, changed) = match parsed {
        Ok(parsed) => parsed,
        // Help and the version are no error.
        Err(told) => {
            let printed = terminal::unless_closed(told.print().err().as_ref());
            if let Some(variable) = variable_of(&told) {
                terminal::remark("\n");
                note!("The value is that of the variable {variable}.");
            }
            return end(terminal::finish().and(printed).map(|()| told.exit_code()));
        }
    };
    let done = run(cli, &changed);
    // Why it failed is the last that is said.
    if !logging::finish() && done.is_err() {
        return ExitCode::FAILURE;
    }
    end(done.and_then(|outcome| terminal::finish().map(|()| outcome.exit_code())))
}

/// Runs it. `changed`: the settings that are not as by default.
fn run(cli: Cli, changed: &[String]) -> Result<Outcome> {
    let no_threads = |error| Error::Fault(format!("cannot start the threads of the program: {error}"));
    logging::start(cli.default_log_filter()).map_err(no_threads)?;
    // What runs where is the first that a server says.
    match cli.command {
        Command::Serve(_) => settings::log_start(&cli.data, changed),
        Command::Demo(_) => note!("{}", settings::first_line(&cli.data, changed)),
        _ => {}
    }
    if matches!(cli.command, Command::Serve(_) | Command::Demo(_)) {
        let set = std::env::vars_os().map(|(name, _)| name);
        for why in values::unknown_variables(&Cli::command(), set) {
            tracing::warn!(why, "a variable is not looked at");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(no_threads)?;
    let work = AssertUnwindSafe(|| runtime.block_on(cli.run()));
    panic::catch_unwind(work).unwrap_or_else(|panic| {
        Err(Error::Fault(format!("this is a fault of oms, please report it: {}", tasks::panic_text(&*panic))))
    })
}

/// The variable that the value which was refused is from.
fn variable_of(told: &clap::Error) -> Option<String> {
    fn find(command: &clap::Command, name: &str) -> Option<String> {
        let own = command.get_arguments().find(|argument| argument.to_string() == name);
        let variable = own.and_then(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()));
        variable.or_else(|| command.get_subcommands().find_map(|command| find(command, name)))
    }
    let Some(ContextValue::String(name)) = told.get(ContextKind::InvalidArg) else { return None };
    let flag = name.split(' ').next().unwrap_or_default();
    let is_given = std::env::args_os().any(|word| word.to_string_lossy().starts_with(flag));
    let mut command = Cli::command();
    // Only then arguments say their names.
    command.build();
    find(&command, name).filter(|variable| !is_given && std::env::var_os(variable).is_some())
}

/// Says an error, and ends the process.
fn end(done: Result<i32>) -> ExitCode {
    match done {
        Ok(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            note!("oms: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, with its subcommands and arguments.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// An order management server: orders come in, are distributed to locations as packages, and each package moves through
/// a table of states by commands.
#[derive(Debug, Parser)]
#[command(name = "oms", version = VERSION.as_str(), max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    data: DataSettings,
    #[command(subcommand)]
    command: Command,
}

/// Version, commit and schema.
static VERSION: LazyLock<String> = LazyLock::new(version::long);

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
RUST_LOG says what is logged, OMS_LOG_FORMAT=json how; OMS_LOG_REQUESTS which requests.
With --json, a command that prints rows prints an array of objects.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Run the server with a standard installation and a day of real orders.
    Demo(demo::Args),
    /// Check, draw, compare or apply an installation.
    Install(install::Args),
    /// What is installed, and what was: export, list, show, diff, transitions.
    #[command(subcommand)]
    Installation(installation::Command),
    /// Bring the database's schema up to date (`serve`, `demo` and `install` do so themselves).
    Migrate,
    /// Stock: import, adjust.
    #[command(subcommand)]
    Stock(stock::Command),
    /// Orders: import.
    #[command(subcommand)]
    Orders(orders::Command),
    /// Plan the orders of a time by other scenarios, without writing, and print what would be different.
    Simulate(simulate::Args),
    /// Stand in for the upstream: hand orders over, and take what is reported of them.
    SimulateUpstream(simulate_upstream::Args),
    /// Users: add, list, set, passwd, disable, enable, remove.
    #[command(subcommand)]
    User(user::Command),
    /// Tokens: issue, list, revoke.
    #[command(subcommand)]
    Token(token::Command),
    /// Who changed users, tokens, webhooks, locations, scenarios and the rest of the installation.
    Audit(audit::Args),
    /// Webhooks: list, replay, resume.
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Make this the home of a database that was copied or moved here: webhooks, the upstream, invoice and stock services
    /// are held until then.
    Adopt,
    /// Prove that all that is stored is in order; exit 1 and a line for each fault. Reads only, beside any load and on a
    /// standby.
    Verify(verify::Args),
    /// Look at database, schema, installation, disk, clocks, rights and what waits: what to do first when something is odd;
    /// exit 1 if anything is wrong.
    Doctor(doctor::Args),
    /// Make again what follows from other data: counters, sequences, indexes, triggers. Facts are never changed. It says
    /// what it would do; --run does it.
    Repair(repair::Args),
    /// Ask a running server whether it is ready; exit 0 if so. For health checks.
    Health(health::Args),
    /// Print what makes a shell complete these commands: `oms completions bash > /etc/bash_completion.d/oms`.
    Completions(manual::Completions),
    /// Write the manual pages.
    Man(manual::Man),
}

impl Cli {
    /// The log level without `RUST_LOG`: servers log their work, tools only errors.
    fn default_log_filter(&self) -> &'static str {
        match self.command {
            Command::Serve(_) => "info,sqlx=warn",
            // Queries over whole tables are slow by nature.
            Command::Verify(_) | Command::Doctor(_) | Command::Repair(_) => "warn,sqlx=error",
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
            Command::Adopt => adopt::run(data).await,
            Command::Verify(args) => verify::run(data, args).await,
            Command::Doctor(args) => doctor::run(data, args).await,
            Command::Repair(args) => repair::run(data, args).await,
            Command::Health(args) => health::run(&args).await,
            Command::Completions(args) => Ok(manual::completions(Self::command(), &args)),
            Command::Man(args) => manual::man(Self::command(), &args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    /// Every argument with a value, with the words of its subcommand.
    fn arguments() -> Vec<(Vec<String>, clap::Arg)> {
        fn walk(command: &clap::Command, words: &[String], found: &mut Vec<(Vec<String>, clap::Arg)>) {
            let own = command.get_arguments().filter(|argument| argument.get_action().takes_values());
            found.extend(own.map(|argument| (words.to_owned(), argument.clone())));
            for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
                walk(command, &[words, &[command.get_name().to_owned()]].concat(), found);
            }
        }
        let (mut command, mut found) = (command(), Vec::new());
        // Only then arguments say their names, and every subcommand has the global ones.
        command.build();
        walk(&command, &["oms".to_owned()], &mut found);
        found
    }

    /// True if the command line refuses a value, or its variable would.
    fn is_refused(words: &[String], argument: &clap::Arg, value: &str) -> bool {
        let given = match argument.get_long() {
            Some(long) => format!("--{long}={value}"),
            None => value.to_owned(),
        };
        // Those without a name are known by their place.
        let before = argument.get_index().unwrap_or(1) - 1;
        let line = words.iter().cloned().chain(std::iter::repeat_n("1".to_owned(), before)).chain([given]);
        let told = Cli::command().try_get_matches_from(line).err();
        told.is_some_and(|told| matches!(told.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue))
    }

    const NUMBERS: &[&str] = &["", "abc", "-1", "99999999999999999999", "1e400", "nan"];

    /// What a kind of value, by its name in the help, must refuse; none: it is a text, or looked at when it is used.
    fn nonsense(name: &str) -> Option<&'static [&'static str]> {
        match name {
            "SECONDS" | "MINUTES" | "HOURS" | "DAYS" | "N" => Some(NUMBERS),
            "ADDR:PORT" => Some(&["nowhere", "127.0.0.1", "127.0.0.1:65536", "http://localhost:1"]),
            "URL" => Some(&["oms.example.com", "ftp://oms.example.com", "https://"]),
            "URLS" => Some(&["oms.example.com", "ftp://oms.example.com"]),
            "RANGES" => Some(&["10.0.0.0/33", "nonsense"]),
            "ENCODING" => Some(&["latin", "utf-7"]),
            "FORMAT" => Some(&["excel", ""]),
            "ZONE" => Some(&["Istanbul", ""]),
            "ORIGINS" => Some(&["panel.example.com", "ftp://panel.example.com", "https://panel.example.com/app"]),
            "BOOL" => Some(&["maybe", "1"]),
            "MOMENT" => Some(&["yesterday", "2026-13-01"]),
            "DATE" => Some(&["yesterday", "2026-02-30"]),
            "KIND:ID" => Some(&["package", "order:1"]),
            "ROLE" | "ROLES" => Some(&["king"]),
            "WHICH" => Some(&["some", ""]),
            "WHAT" => Some(&["packages", ""]),
            "SHELL" => Some(&["command.com"]),
            "ID" | "NUMBER" | "BEFORE" | "AFTER" => Some(&["abc", ""]),
            "DELTA" => Some(&["", "abc", "1.5", "1e3"]),
            "DIR" | "ERP_CODE" | "FILE" | "FILES" | "KIND" | "NAME" | "PASSWORD" | "SECRET" | "SKU" | "TEXT"
            | "TOKEN" | "USER" => None,
            new => panic!("say here what {new} refuses"),
        }
    }

    /// Settings of numbers of which nothing is something.
    const MAY_BE_NONE: [&str; 5] =
        ["drain_seconds", "sweep_minutes", "max_tokens_per_user", "max_webhooks_per_user", "max_webhooks"];

    #[test]
    fn every_setting_refuses_its_nonsense() {
        let mut wrong = Vec::new();
        for (words, argument) in arguments() {
            let id = argument.get_id().as_str();
            // Its address is read when it is connected to, as libpq reads it.
            if id == "database_url" {
                continue;
            }
            let name =
                argument.get_value_names().and_then(<[_]>::first).map_or(id, clap::builder::Str::as_str).to_uppercase();
            let Some(values) = nonsense(&name) else { continue };
            let zero = (values == NUMBERS && !MAY_BE_NONE.contains(&id)).then_some("0");
            wrong.extend(
                values
                    .iter()
                    .copied()
                    .chain(zero)
                    .filter(|value| !is_refused(&words, &argument, value))
                    .map(|value| format!("{} {argument} takes `{value}`", words.join(" "))),
            );
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_secret_is_shown_by_the_help_or_the_log() {
        let secrets = ["PASSWORD", "SECRET", "TOKEN"];
        let mut hidden = 0;
        for (words, argument) in arguments() {
            let id = argument.get_id().as_str();
            let name = argument.get_value_names().and_then(<[_]>::first).map_or(id, clap::builder::Str::as_str);
            let is_secret = id == "database_url" || secrets.contains(&name);
            if argument.get_env().is_some() && is_secret {
                assert!(argument.is_hide_env_values_set(), "{} {argument}", words.join(" "));
                hidden += 1;
            }
        }
        assert!(hidden >= secrets.len(), "{hidden}");
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
