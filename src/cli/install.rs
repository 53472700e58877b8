//! `oms install FILE…`.

use std::path::PathBuf;

use super::{
    data::Data,
    outcome::{Outcome, read_file},
};
use crate::{
    commands,
    config::DataSettings,
    db::PgPool,
    error::{Error, Result},
    installation::{
        apply::{self, InstalledTransition},
        check, draw,
        read::{Installation, Problem},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Installation files (TOML); together they are one installation.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Only check; nothing is applied.
    #[arg(long, conflicts_with = "diagram")]
    check: bool,

    /// Draw the graph of states and transitions as SVG on standard output; nothing is applied.
    #[arg(long)]
    diagram: bool,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let Some((installation, warnings)) = load_or_report(&args.files)? else { return Ok(Outcome::Faults) };
    if args.diagram {
        print!("{}", draw::svg(&installation));
        return Ok(Outcome::Done);
    }
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if args.check {
        println!(
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
    let applied = apply::apply(&data.pool, &installation).await;
    data.close().await?;
    print_table(&applied?);
    Ok(Outcome::Done)
}

/// Reads and checks; prints every problem.
fn load_or_report(files: &[PathBuf]) -> Result<Option<(Installation, Vec<Problem>)>> {
    match load(files)? {
        Ok(loaded) => Ok(Some(loaded)),
        Err(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            Ok(None)
        }
    }
}

type Loaded = std::result::Result<(Installation, Vec<Problem>), Vec<Problem>>;

fn load(files: &[PathBuf]) -> Result<Loaded> {
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        texts.push((file.display().to_string(), read_file(file)?));
    }
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Ok(check::load(&texts, commands::kinds()))
}

/// Applies files. The first problem is the error.
pub(super) async fn apply_files(pool: &PgPool, files: &[PathBuf]) -> Result<Vec<InstalledTransition>> {
    let (installation, warnings) = load(files)?.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Error::Fault(lines.join("; "))
    })?;
    for warning in &warnings {
        tracing::warn!(warning = warning.to_string(), "the installation may not be as it is meant");
    }
    apply::apply(pool, &installation).await
}

/// Prints the ids that integrators use.
fn print_table(table: &[InstalledTransition]) {
    let slug_width = table.iter().map(|row| row.slug.chars().count()).max().unwrap_or(4).max(4);
    println!("{:>6}  {:<slug_width$}  label", "id", "slug");
    for row in table {
        println!("{:>6}  {:<slug_width$}  {}", row.id, row.slug, row.label);
    }
}
