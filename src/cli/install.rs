//! `oms install FILE…`.

use std::path::PathBuf;

use super::{
    data::Data,
    installation::kept,
    outcome::{Outcome, read_file},
    table,
    terminal::{self, note, say},
};
use crate::{
    audit, commands,
    config::DataSettings,
    db::PgPool,
    error::{Error, Result},
    installation::{
        apply::{self, Applying, Survey},
        check, draw, print,
        read::{Installation, Problem},
    },
};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// Installation files (TOML); together they are one installation.
    #[arg(required_unless_present = "number", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Instead of files: the installation with this number, as `oms installation list` has it.
    #[arg(long = "version", value_name = "N", conflicts_with = "files",
          value_parser = clap::value_parser!(i64).range(1..))]
    number: Option<i64>,

    /// Only check; nothing is applied, and no database is needed.
    #[arg(long, conflicts_with_all = ["diagram", "number"])]
    check: bool,

    /// Draw the graph of states and transitions as SVG on standard output; nothing is applied.
    #[arg(long, conflicts_with = "number")]
    diagram: bool,

    /// Print the difference to what is installed, and what it touches; nothing is applied.
    #[arg(long, conflicts_with_all = ["check", "diagram"])]
    plan: bool,

    /// With `--plan`: print JSON, an array with an object a change.
    #[arg(long, requires = "plan")]
    json: bool,

    /// With `--plan`: exit 4 if there is a difference, 3 if it would be refused.
    #[arg(long, requires = "plan")]
    exit_code: bool,

    /// Apply it in spite of what would hurt.
    #[arg(long)]
    force: bool,

    /// Who applies it, for `oms installation list` [default: the user of the operating system].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    if let Some(number) = args.number {
        let data = Data::open_and_migrate(settings).await?;
        let files = kept(&data.pool, number).await;
        let done = match files {
            Ok(kept) => {
                let files: Vec<_> = kept.files.into_iter().map(|file| (file.name, file.text)).collect();
                match load_or_report(&files) {
                    Some((installation, _)) => deploy(&data.pool, &installation, &args).await,
                    None => Ok(Outcome::Faults),
                }
            }
            Err(error) => Err(error),
        };
        data.close().await?;
        return done;
    }
    let Some((installation, warnings)) = load_or_report(&read_files(&args.files)?) else { return Ok(Outcome::Faults) };
    if args.diagram {
        terminal::print(draw::svg(&installation));
        return Ok(Outcome::Done);
    }
    for warning in &warnings {
        note!("warning: {warning}");
    }
    if args.check {
        say!(
            "{} states, {} transitions, {} locations, {} scenarios: no faults, {} warnings",
            installation.states.len(),
            installation.transitions.len(),
            installation.stock_locations.len(),
            installation.scenarios.len(),
            warnings.len()
        );
        return Ok(Outcome::Done);
    }
    let data = Data::open_and_migrate(settings).await?;
    let done = deploy(&data.pool, &installation, &args).await;
    data.close().await?;
    done
}

async fn deploy(pool: &PgPool, installation: &Installation, args: &Args) -> Result<Outcome> {
    if args.plan {
        let survey = Survey::make(&mut *pool.acquire().await?, installation).await?;
        return show_plan(&survey, args);
    }
    let by = args.by.clone().unwrap_or_else(audit::system_user);
    match apply::install(pool, installation, Applying { by: &by, force: args.force }).await? {
        apply::Outcome::Same => {
            say!("no difference");
            Ok(Outcome::Done)
        }
        apply::Outcome::Refused(survey) => {
            note_refusal(&survey.hazards);
            Ok(Outcome::Refused)
        }
        apply::Outcome::Applied(applied) => {
            terminal::print(print::short(&applied.survey.plan, &applied.survey.touched));
            let mut is_whole = true;
            for moving in &applied.moved {
                say!("{} packages moved from {} to {}", moving.moved, moving.from, moving.to);
                let (failed, reasons) = &moving.failed;
                is_whole &= *failed == 0;
                for reason in reasons {
                    note!("error: {reason}");
                }
                if *failed > 0 {
                    note!("error: {failed} packages are still in {}; the next oms install tries again", moving.from);
                }
            }
            say!("applied; it is number {} of oms installation list", applied.number);
            Ok(if is_whole { Outcome::Done } else { Outcome::Faults })
        }
    }
}

fn show_plan(survey: &Survey, args: &Args) -> Result<Outcome> {
    if args.json {
        table::json(&mut terminal::Output, &print::rows(&survey.plan, &survey.touched, &survey.moves))?;
        return Ok(judged(survey, args));
    }
    if survey.is_empty() {
        say!("no difference");
        return Ok(Outcome::Done);
    }
    terminal::print(print::long(&survey.plan, &survey.touched, &survey.moves));
    Ok(judged(survey, args))
}

/// What a plan comes to; what would hurt is printed.
fn judged(survey: &Survey, args: &Args) -> Outcome {
    if survey.is_empty() {
        return Outcome::Done;
    }
    if !survey.hazards.is_empty() && !args.force {
        note_refusal(&survey.hazards);
    }
    match (args.exit_code, survey.hazards.is_empty() || args.force) {
        (false, _) => Outcome::Done,
        (true, true) => Outcome::Different,
        (true, false) => Outcome::Refused,
    }
}

fn note_refusal(hazards: &[String]) {
    for hazard in hazards {
        note!("refused: {hazard}");
    }
    note!("Nothing is applied. If it is meant so: --force");
}

fn read_files(files: &[PathBuf]) -> Result<Vec<(String, String)>> {
    files.iter().map(|file| Ok((file.display().to_string(), read_file(file)?))).collect()
}

/// Checks; prints every problem.
fn load_or_report(files: &[(String, String)]) -> Option<(Installation, Vec<Problem>)> {
    match load(files) {
        Ok(loaded) => Some(loaded),
        Err(problems) => {
            for problem in &problems {
                note!("error: {problem}");
            }
            None
        }
    }
}

type Loaded = std::result::Result<(Installation, Vec<Problem>), Vec<Problem>>;

fn load(files: &[(String, String)]) -> Loaded {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    check::load(&files, commands::kinds())
}

/// Applies files to a database without an installation. The first problem is the error.
pub(super) async fn apply_files(pool: &PgPool, files: &[PathBuf]) -> Result<()> {
    let (installation, warnings) = load(&read_files(files)?).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Error::Fault(lines.join("; "))
    })?;
    for warning in &warnings {
        tracing::warn!(warning = warning.to_string(), "the installation may not be as it is meant");
    }
    match apply::install(pool, &installation, Applying { by: "oms serve", force: false }).await? {
        apply::Outcome::Refused(survey) => Err(Error::Fault(survey.hazards.join("; "))),
        apply::Outcome::Same | apply::Outcome::Applied(_) => Ok(()),
    }
}
