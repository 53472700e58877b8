//! Cargo companies, and the labels made here.

pub mod label;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::{error::Result, wire::Timestamp};

/// Who carries packages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CargoCompany {
    /// What commands send as `cargo_company`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its word for machines.
    pub slug: String,
    /// `manual` (labels are made here) or `flow` (a carrier adaptor).
    pub integration: String,
    /// Whether packages may be given to it.
    pub is_active: bool,
    /// When it was installed.
    pub created_date: Timestamp,
    /// When it was changed last.
    pub modified_date: Timestamp,
}

#[cfg(test)]
impl CargoCompany {
    pub(crate) fn for_tests(id: i64, slug: &str) -> Self {
        let never = Timestamp(DateTime::UNIX_EPOCH);
        Self {
            id,
            name: slug.to_owned(),
            slug: slug.to_owned(),
            integration: "manual".to_owned(),
            is_active: true,
            created_date: never,
            modified_date: never,
        }
    }
}

/// A row of `cargo_companies`.
struct CompanyRow {
    id: i64,
    name: String,
    slug: String,
    integration: String,
    is_active: bool,
    created_date: DateTime<Utc>,
    modified_date: DateTime<Utc>,
}

impl From<CompanyRow> for CargoCompany {
    fn from(row: CompanyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            slug: row.slug,
            integration: row.integration,
            is_active: row.is_active,
            created_date: row.created_date.into(),
            modified_date: row.modified_date.into(),
        }
    }
}

/// Reads every cargo company, by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection) -> Result<Vec<CargoCompany>> {
    let rows = sqlx::query_as!(
        CompanyRow,
        "select id, name, slug, integration, is_active, created_date, modified_date from cargo_companies order by id"
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Reads them as they were kept for a version of the installation, by id.
///
/// # Errors
/// When the database fails.
pub async fn load_kept(connection: &mut PgConnection, kept_version: i64) -> Result<Vec<CargoCompany>> {
    let rows = sqlx::query_as!(
        CompanyRow,
        r#"select c.id as "id!", c.name as "name!", c.slug as "slug!", c.integration as "integration!",
                  c.is_active as "is_active!", c.created_date as "created_date!", c.modified_date as "modified_date!"
             from installation_words w, jsonb_populate_recordset(null::cargo_companies, w.cargo_companies) c
            where w.installation_version = $1
            order by c.id"#,
        kept_version
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}
