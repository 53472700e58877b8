//! Applying an installation: a deployment that stops nobody.
//!
//! 1. What is installed is read and compared with the files ([`super::plan`]), what that touches is counted, and what
//!    would hurt is refused ([`super::hazards`]). All this takes no lock, for it is work that grows with the shop.
//! 2. The differences are written alone (no command runs meanwhile), in one transaction that does not grow with the
//!    shop. The comparison is made again first, so what was planned is what is applied. The lock is waited for only so
//!    long that no command notices, and again later.
//! 3. What follows for each package (rows of the quota ledger, packages that are moved) is done afterwards, in steps;
//!    after a crash the next `oms install` continues.
//!
//! An entry is the same as one installed before if its id is the same, or else its slug (ERP code, name, title). What the
//! files no longer hold is retired or passive: it may still be named by logs and packages. What was made over HTTP stays.

mod moves;
mod quota;
mod resources;
mod services;
mod states;
mod transitions;
mod write;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use serde_json::Value;

pub use self::quota::settle;
use super::{
    hazards::hazards,
    history,
    installed::Installed,
    items::Section,
    moving::Moving,
    plan::Plan,
    read::{Installation, Translations},
    touched::Touched,
};
use crate::{
    db::{self, PgConnection, PgPool},
    error::{Error, Refusal, Result},
};

/// How long to try: commands have the way first.
const PATIENCE: Duration = Duration::from_mins(1);

/// A line of the table of ids and slugs: what integrators are told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InstalledTransition {
    /// The transition's id.
    pub id: i64,
    /// Its slug.
    pub slug: String,
    /// Its command.
    pub command: String,
    /// Its label.
    pub label: String,
}

/// Who applies an installation, and how.
#[derive(Debug, Clone, Copy)]
pub struct Applying<'a> {
    /// Who, for the list of installations and the audit: at the command line.
    pub by: &'a str,
    /// Whether it is applied in spite of its hazards.
    pub force: bool,
}

/// What applying came to.
#[derive(Debug)]
pub enum Outcome {
    /// There was no difference.
    Same,
    /// It was applied.
    Applied(Applied),
    /// It has hazards and was not forced; nothing is changed.
    Refused(Survey),
}

/// What was applied.
#[derive(Debug)]
pub struct Applied {
    /// What was compared.
    pub survey: Survey,
    /// Its number in the list of installations.
    pub number: i64,
    /// What became of the packages that were to move.
    pub moved: Vec<Moving>,
}

/// The comparison of what is installed with the files.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The difference.
    pub plan: Plan,
    /// What it touches.
    pub touched: Touched,
    /// What would hurt.
    pub hazards: Vec<String>,
    /// Packages that are to move.
    pub moves: Vec<Moving>,
    /// The number of the installation that was applied last.
    last: i64,
}

impl Survey {
    /// Compares, and counts what is different. Nothing is locked and nothing is changed.
    ///
    /// # Errors
    /// A refusal when the files contradict what is there. When the database fails.
    pub async fn make(connection: &mut PgConnection, wanted: &Installation) -> Result<Self> {
        let last = history::last(connection).await?;
        let installed = Installed::load(connection).await?;
        let base = last.as_ref().and_then(history::Kept::installation);
        let plan = Plan::between(&installed, wanted, base.as_ref());
        if let Some((section, id, at)) = plan.shared {
            return Err(shared(section.as_str(), id, write::line_of(wanted, section, at)));
        }
        states::refuse_other_codes(connection, wanted, &plan).await?;
        let moves = moves::find(connection, wanted).await?;
        let touched = Touched::count(connection, &plan, !moves.is_empty()).await?;
        let hazards = hazards(&plan, &installed, wanted, &touched);
        Ok(Self { plan, touched, hazards, moves, last: last.map_or(0, |kept| kept.number) })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.moves.is_empty()
    }
}

/// Applies an installation in spite of its hazards, and returns the table of transitions. The future is boxed: a crate
/// that awaits it does not compile all this work once more.
///
/// # Errors
/// As [`install`].
#[must_use]
pub fn apply<'a>(pool: &'a PgPool, installation: &'a Installation) -> BoxFuture<'a, Result<Vec<InstalledTransition>>> {
    Box::pin(async move {
        install(pool, installation, Applying { by: "oms", force: true }).await?;
        table(pool).await
    })
}

/// Applies an installation.
///
/// # Errors
/// A refusal when it contradicts what is there (a state in use would change its code, ids collide); nothing is changed
/// then. When commands do not let it come in for a minute. When the database fails.
#[must_use]
pub fn install<'a>(
    pool: &'a PgPool,
    installation: &'a Installation,
    applying: Applying<'a>,
) -> BoxFuture<'a, Result<Outcome>> {
    Box::pin(install_all(pool, installation, applying))
}

/// The table of ids and slugs.
///
/// # Errors
/// When the database fails.
pub async fn table(pool: &PgPool) -> Result<Vec<InstalledTransition>> {
    let table = sqlx::query_as!(
        InstalledTransition,
        "select id, slug, command, label from transitions where retired_date is null order by id"
    );
    Ok(table.fetch_all(pool).await?)
}

/// Whether an installation was ever applied.
///
/// # Errors
/// When the database fails.
pub async fn is_applied(pool: &PgPool) -> Result<bool> {
    let applied = sqlx::query_scalar!("select applied_date from installation").fetch_one(pool).await?;
    Ok(applied.is_some())
}

async fn install_all(pool: &PgPool, wanted: &Installation, applying: Applying<'_>) -> Result<Outcome> {
    settle(pool).await?;
    let mut connection = db::for_long_work(pool).await?;
    moves::retire_done(&mut connection, applying).await?;
    let began = Instant::now();
    let (survey, number) = loop {
        let survey = Survey::make(&mut connection, wanted).await?;
        if !applying.force && !survey.hazards.is_empty() {
            return Ok(Outcome::Refused(survey));
        }
        if survey.is_empty() && !survey.plan.adopts() {
            history::keep_files(&mut connection, wanted, applying.by).await?;
            return Ok(Outcome::Same);
        }
        if let Some(number) = write_patiently(&mut connection, &survey, wanted, applying, began).await? {
            break (survey, number);
        }
    };
    if survey.is_empty() {
        return Ok(Outcome::Same);
    }
    settle(pool).await?;
    let moved = moves::run(pool, &mut connection, wanted, applying).await?;
    Ok(Outcome::Applied(Applied { survey, number, moved }))
}

/// Tries to write what a survey found until it is let in: what grows is not looked at again for that. None if somebody
/// changed the installation meanwhile.
async fn write_patiently(
    connection: &mut PgConnection,
    survey: &Survey,
    wanted: &Installation,
    applying: Applying<'_>,
    began: Instant,
) -> Result<Option<i64>> {
    loop {
        let number = match write::write(connection, survey, wanted, applying).await {
            Err(error) if error.is_lock_timeout() => None,
            Ok(None) if began.elapsed() <= PATIENCE => return Ok(None),
            done => done?,
        };
        if number.is_some() {
            return Ok(number);
        }
        if began.elapsed() > PATIENCE {
            return Err(kept_out());
        }
        tokio::time::sleep(write::PAUSE).await;
    }
}

fn kept_out() -> Error {
    Error::Fault(
        "commands or other changes of the installation kept it from being applied for a minute; try again".to_owned(),
    )
}

/// Ids by (entity, slug).
type StateIds = HashMap<(String, String), i64>;

fn translations(texts: &Translations) -> Option<Value> {
    if texts.is_empty() { None } else { serde_json::to_value(texts).ok() }
}

fn refuse(what: &str, message: String) -> Error {
    Refusal::field(what, message).into()
}

fn taken(section: &str, value: &str, line: usize) -> Refusal {
    Refusal::field(
        section,
        format!("line {line}: {value} is installed already under another id; use that id or leave it out"),
    )
}

/// An entry is given the id that another one, without an id in the files, was installed under.
fn shared(section: &str, id: i64, line: usize) -> Error {
    refuse(section, format!("line {line}: id {id} is another entry's already; use another id or leave it out"))
}

fn on_taken<T>(error: Error, constraint: &str, section: &str, value: &str, line: usize) -> Result<T> {
    use crate::error::OnConstraint as _;
    match error {
        Error::Database(error) => Err(error).on_constraint(constraint, || taken(section, value, line)),
        other => Err(other),
    }
}

/// Ids that the files fix, now or before, are not given to other entries of this table.
async fn reserve_ids(connection: &mut PgConnection, section: Section, largest: Option<i64>) -> Result<()> {
    let Some(largest) = largest.filter(|id| *id > 0) else { return Ok(()) };
    sqlx::query!(
        "select setval(pg_get_serial_sequence($1, 'id'),
                       greatest($2::bigint + 1, nextval(pg_get_serial_sequence($1, 'id'))), false) as next",
        section.as_str(),
        largest
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}
