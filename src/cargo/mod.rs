//! Cargo companies, the conditions by which clients choose one, and the labels made here.

pub mod label;
mod shipping_label;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{FromRow, types::Json};
use utoipa::ToSchema;

pub use label::Replaced;
pub use shipping_label::shipping_label;

use crate::{
    db::PgConnection,
    error::Result,
    page::{Kind, List, ListRow, VISIBLE_TO_ALL, filter},
    reading::{Form, Reader, set},
    record::Record,
    wire::Timestamp,
};

/// How shipments reach a carrier.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Integration {
    /// Labels are made here, the carrier is told by people.
    #[default]
    Manual,
    /// Through a carrier adaptor.
    Flow,
}

/// Who carries packages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema, FromRow)]
pub struct CargoCompany {
    /// What commands send as `cargo_company`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its word for machines.
    pub slug: String,
    /// `manual` (labels are made here) or `flow` (a carrier adaptor).
    pub integration: Integration,
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
        Self { id, name: slug.to_owned(), slug: slug.to_owned(), ..Self::blank() }
    }
}

impl Form for CargoCompany {
    const REQUIRED: &'static [&'static str] = &["slug", "name", "integration"];

    fn blank() -> Self {
        Self { is_active: true, ..Self::default() }
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.slug, reader.slug("slug"));
        set(&mut self.name, reader.text("name"));
        set(&mut self.integration, reader.choice("integration"));
    }
}

impl Record for CargoCompany {
    const TABLE: &'static str = "cargo_companies";
    const PLURAL: &'static str = "cargo companies";
    const REQUIRED_IN_FILES: &'static [&'static str] = Self::REQUIRED;
    const UNIQUE: &'static [&'static str] = &["slug"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] =
        &[("cargo_companies_slug_key", "slug", "There is a cargo company with this slug already.")];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "slug": self.slug,
            "name": self.name,
            "integration": self.integration,
            "is_active": self.is_active,
        })
    }
}

impl ListRow for CargoCompany {
    const LIST: List = List {
        from: " from cargo_companies c",
        columns: "c.*",
        visible: VISIBLE_TO_ALL,
        filters: &[
            filter("slug", Kind::Text, "c.slug = {}", "Its slug."),
            filter(
                "name",
                Kind::Contains,
                "has_part(c.name, {})",
                "Part of the name, in any case and with any accents.",
            ),
            filter("is_active", Kind::Boolean, "c.is_active = {}", "Whether it is active."),
            filter("pk__in", Kind::Integers, "c.id = any({})", "Ids, separated by commas."),
        ],
        sorts: &[("id", "c.id"), ("name", "c.name"), ("slug", "c.slug")],
        default_sort: "id",
        tie_breaker: "c.id",
    };
}

/// Reads every cargo company, by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection) -> Result<Vec<CargoCompany>> {
    Ok(sqlx::query_as("select * from cargo_companies order by id").fetch_all(connection).await?)
}

/// Reads them as they were kept for a version of the installation, by id.
///
/// # Errors
/// When the database fails, or holds a record that this version does not understand.
pub async fn load_kept(connection: &mut PgConnection, kept_version: i64) -> Result<Vec<CargoCompany>> {
    let kept = sqlx::query_scalar!(
        r#"select cargo_companies as "companies: Json<Vec<CargoCompany>>" from installation_words
            where installation_version = $1"#,
        kept_version
    )
    .fetch_optional(connection)
    .await?;
    Ok(kept.map(|companies| companies.0).unwrap_or_default())
}

/// By which rules a cargo company is chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema, FromRow)]
pub struct CargoCompanyCondition {
    /// Its id.
    pub id: i64,
    /// `{"rules": [...]}`, as installed. This server does not judge by them: a location's cargo company carries.
    #[schema(value_type = HashMap<String, Value>)]
    pub rules_configuration: Json<Map<String, Value>>,
    /// The cargo company's id.
    #[sqlx(rename = "cargo_company_id")]
    pub cargo_company: i64,
}

impl Form for CargoCompanyCondition {
    const REQUIRED: &'static [&'static str] = &["cargo_company", "rules_configuration"];

    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.rules_configuration.0, reader.json("rules_configuration"));
    }
}

impl Record for CargoCompanyCondition {
    const TABLE: &'static str = "cargo_company_conditions";
    const PLURAL: &'static str = "conditions";
    const REQUIRED_IN_FILES: &'static [&'static str] = Self::REQUIRED;
    const REFERENCES: &'static [&'static str] = &["cargo_company"];
    const UNIQUE: &'static [&'static str] = &["cargo_company_id"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] = &[(
        "cargo_company_conditions_cargo_company_id_key",
        "cargo_company",
        "The cargo company has conditions already.",
    )];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "cargo_company_id": self.cargo_company,
            "rules_configuration": self.rules_configuration,
        })
    }
}

impl ListRow for CargoCompanyCondition {
    const LIST: List = List {
        from: " from cargo_company_conditions c",
        columns: "c.*",
        visible: VISIBLE_TO_ALL,
        filters: &[
            filter("cargo_company", Kind::Integer, "c.cargo_company_id = {}", "Id of the cargo company."),
            filter(
                "cargo_company__in",
                Kind::Integers,
                "c.cargo_company_id = any({})",
                "Ids of cargo companies, separated by commas.",
            ),
            filter("id__gt", Kind::Integer, "c.id > {}", "Ids greater than this one."),
            filter("id__lt", Kind::Integer, "c.id < {}", "Ids smaller than this one."),
            filter("pk__in", Kind::Integers, "c.id = any({})", "Ids, separated by commas."),
        ],
        sorts: &[
            ("id", "c.id"),
            ("cargo_company", "c.cargo_company_id"),
            ("created_date", "c.created_date"),
            ("modified_date", "c.modified_date"),
        ],
        default_sort: "-id",
        tie_breaker: "c.id desc",
    };
}
