//! `oms installation …`: what is installed, and what was.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    data::Data,
    outcome::Outcome,
    table::Printing,
    terminal::{self, say},
};
use crate::{
    config::DataSettings,
    db::PgPool,
    error::{Error, Result},
    installation::{
        apply, export,
        history::{self, Kept},
        installed::Installed,
        plan::Plan,
        print,
        touched::Touched,
    },
    logging,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print what is installed as a file: installing it makes no difference. It has the passwords of services, too.
    Export,
    /// Every installation that was applied: number, when, by whom, and what it changed.
    List(Printing),
    /// Print the files of an installation, as they were. They have the passwords of services, too.
    Show {
        /// Its number.
        number: i64,
    },
    /// Print the difference between two installations.
    Diff {
        /// The number of the one before.
        before: i64,
        /// The number of the one after.
        after: i64,
        #[command(flatten)]
        printing: Printing,
    },
    /// Print the table of transitions: the ids and slugs that integrators use.
    Transitions(Printing),
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let done = print_what_is_asked(&data.pool, command).await;
    data.close().await?;
    done.map(|()| Outcome::Done)
}

async fn print_what_is_asked(pool: &PgPool, command: Command) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let out = &mut terminal::Output;
    match command {
        Command::Export => terminal::print(export::toml(&Installed::load(&mut connection).await?.items)?),
        Command::List(printing) => {
            let kept = history::all(&mut connection).await?;
            let rows: Vec<Listed<'_>> = kept.iter().map(Listed::from).collect();
            printing.table(out, &rows, |out| rows.iter().try_for_each(|row| row.write(out)))?;
        }
        Command::Show { number } => print_files(&kept(pool, number).await?),
        Command::Diff { before, after, printing } => {
            let (before, after) = (read(&kept(pool, before).await?)?, read(&kept(pool, after).await?)?);
            let plan = Plan::between(&Installed::of_files(before), &after, None);
            let touched = Touched::default();
            printing.table(out, &print::rows(&plan, &touched, &[]), |out| {
                out.write_all(print::long(&plan, &touched, &[]).as_bytes())
            })?;
        }
        Command::Transitions(printing) => {
            let table = apply::table(pool).await?;
            printing.table(out, &table, |out| write_table(out, &table))?;
        }
    }
    Ok(())
}

/// The installation with a number.
pub(super) async fn kept(pool: &PgPool, number: i64) -> Result<Kept> {
    history::one(&mut *pool.acquire().await?, number).await?.ok_or_else(|| {
        Error::Fault(format!("there is no installation {number}; oms installation list shows those that there are"))
    })
}

fn read(kept: &Kept) -> Result<crate::installation::read::Installation> {
    kept.installation().ok_or_else(|| {
        Error::Fault(format!("this version cannot read the files of installation {} any more", kept.number))
    })
}

/// The files one after the other: together they are one file that says the same.
fn print_files(kept: &Kept) {
    for file in &kept.files {
        if kept.files.len() > 1 {
            say!("# ---- {}", file.name);
        }
        terminal::print(&file.text);
        if !file.text.ends_with('\n') {
            terminal::print("\n");
        }
    }
}

/// Writes the ids that integrators use.
fn write_table(out: &mut impl Write, table: &[apply::InstalledTransition]) -> io::Result<()> {
    let slug_width = table.iter().map(|row| row.slug.chars().count()).max().unwrap_or(4).max(4);
    writeln!(out, "{:>6}  {:<slug_width$}  label", "id", "slug")?;
    for row in table {
        writeln!(out, "{:>6}  {:<slug_width$}  {}", row.id, row.slug, row.label)?;
    }
    Ok(())
}

/// An installation that was applied.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    number: i64,
    applied_date: DateTime<Utc>,
    applied_by: &'a str,
    /// What it changed: a line for each section.
    summary: Vec<&'a str>,
}

impl<'a> From<&'a Kept> for Listed<'a> {
    fn from(kept: &'a Kept) -> Self {
        let summary = kept.summary.lines().collect();
        Self { number: kept.number, applied_date: kept.applied_date, applied_by: &kept.applied_by, summary }
    }
}

impl Listed<'_> {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let date = self.applied_date.format("%Y-%m-%d %H:%M:%S UTC");
        writeln!(out, "{:>4}  {date}  {}", self.number, logging::one_line(self.applied_by))?;
        self.summary.iter().try_for_each(|line| writeln!(out, "      {line}"))
    }
}
