//! The installations that were applied: who, when, and the files as they were.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::{
    check,
    read::{Installation, SourceFile},
};
use crate::{commands, db::PgConnection, error::Result};

/// An installation that was applied.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its number, from 1 on.
    pub number: i64,
    /// The version from which on it held.
    pub version: i64,
    /// When it was applied.
    pub applied_date: DateTime<Utc>,
    /// Who applied it.
    pub applied_by: String,
    /// Its files.
    pub files: Vec<SourceFile>,
    /// The difference to the one before, for people.
    pub summary: String,
}

impl Kept {
    /// What its files say; none if this version cannot read them any more.
    #[must_use]
    pub fn installation(&self) -> Option<Installation> {
        let files: Vec<(&str, &str)> = self.files.iter().map(|file| (&*file.name, &*file.text)).collect();
        let mut installation = Installation::parse_files(&files).ok()?;
        check::resolve_aliases(&mut installation, commands::kinds());
        Some(installation)
    }
}

/// The one that was applied last.
///
/// # Errors
/// When the database fails.
pub async fn last(connection: &mut PgConnection) -> Result<Option<Kept>> {
    let kept = sqlx::query_as!(
        Row,
        r#"select number, installation_version, applied_date, applied_by, files as "files: Json<Vec<SourceFile>>", summary
             from installations order by number desc limit 1"#
    );
    Ok(kept.fetch_optional(connection).await?.map(Kept::from))
}

/// One of them.
///
/// # Errors
/// When the database fails.
pub async fn one(connection: &mut PgConnection, number: i64) -> Result<Option<Kept>> {
    let kept = sqlx::query_as!(
        Row,
        r#"select number, installation_version, applied_date, applied_by, files as "files: Json<Vec<SourceFile>>", summary
             from installations where number = $1"#,
        number
    );
    Ok(kept.fetch_optional(connection).await?.map(Kept::from))
}

/// All of them, the first one first.
///
/// # Errors
/// When the database fails.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Kept>> {
    let kept = sqlx::query_as!(
        Row,
        r#"select number, installation_version, applied_date, applied_by, files as "files: Json<Vec<SourceFile>>", summary
             from installations order by number"#
    );
    Ok(kept.fetch_all(connection).await?.into_iter().map(Kept::from).collect())
}

struct Row {
    number: i64,
    installation_version: i64,
    applied_date: DateTime<Utc>,
    applied_by: String,
    files: Json<Vec<SourceFile>>,
    summary: String,
}

impl From<Row> for Kept {
    fn from(row: Row) -> Self {
        Self {
            number: row.number,
            version: row.installation_version,
            applied_date: row.applied_date,
            applied_by: row.applied_by,
            files: row.files.0,
            summary: row.summary,
        }
    }
}

/// Keeps an installation, in the transaction that applies it. Returns its number.
pub(super) async fn keep(
    connection: &mut PgConnection,
    installation: &Installation,
    by: &str,
    version: i64,
    summary: &str,
) -> Result<i64> {
    // The installation's row is locked: nobody else takes this number.
    let number = sqlx::query_scalar!(
        "insert into installations (number, installation_version, applied_by, files, summary)
         select coalesce(max(number), 0) + 1, $1, $2, $3, $4 from installations
         returning number",
        version,
        by,
        Json(&installation.files) as _,
        summary
    );
    Ok(number.fetch_one(connection).await?)
}

/// Keeps the files of an installation that changed nothing, unless they are those that were applied last.
pub(super) async fn keep_files(connection: &mut PgConnection, installation: &Installation, by: &str) -> Result<()> {
    if last(connection).await?.is_some_and(|last| last.files == installation.files) {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    let version = sqlx::query_scalar!("select version from installation for no key update");
    let version = version.fetch_one(&mut *transaction).await?;
    keep(&mut transaction, installation, by, version, "no difference").await?;
    transaction.commit().await?;
    Ok(())
}
