//! `oms installation …`: what is installed, and what was.

use super::{
    data::Data,
    outcome::Outcome,
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
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print what is installed as a file: installing it makes no difference. It has the passwords of services, too.
    Export,
    /// Every installation that was applied: number, when, by whom, and what it changed.
    List,
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
    },
    /// Print the table of transitions: the ids and slugs that integrators use.
    Transitions,
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let done = print_what_is_asked(&data.pool, command).await;
    data.close().await?;
    done.map(|()| Outcome::Done)
}

async fn print_what_is_asked(pool: &PgPool, command: Command) -> Result<()> {
    let mut connection = pool.acquire().await?;
    match command {
        Command::Export => terminal::print(export::toml(&Installed::load(&mut connection).await?.items)?),
        Command::List => {
            for kept in history::all(&mut connection).await? {
                let date = kept.applied_date.format("%Y-%m-%d %H:%M:%S UTC");
                say!("{:>4}  {date}  {}", kept.number, kept.applied_by);
                for line in kept.summary.lines() {
                    say!("      {line}");
                }
            }
        }
        Command::Show { number } => print_files(&kept(pool, number).await?),
        Command::Diff { before, after } => {
            let (before, after) = (read(&kept(pool, before).await?)?, read(&kept(pool, after).await?)?);
            let plan = Plan::between(&Installed::of_files(before), &after, None);
            terminal::print(print::long(&plan, &Touched::default()));
        }
        Command::Transitions => print_table(&apply::table(pool).await?),
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

/// Prints the ids that integrators use.
fn print_table(table: &[apply::InstalledTransition]) {
    let slug_width = table.iter().map(|row| row.slug.chars().count()).max().unwrap_or(4).max(4);
    say!("{:>6}  {:<slug_width$}  label", "id", "slug");
    for row in table {
        say!("{:>6}  {:<slug_width$}  {}", row.id, row.slug, row.label);
    }
}
