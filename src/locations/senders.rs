//! Sender addresses: under which key a cargo company knows a location.

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    page::{Kind, List, ListRow, filter},
    reading::{Form, Reader, set},
    record::Record,
    wire::Timestamp,
};

/// What is said of an object that does not exist, or that the caller may not see.
pub const NO_OBJECT: &str = "Invalid pk - object does not exist.";

/// Ties a location to a cargo company's own address of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema, FromRow)]
pub struct SenderAddress {
    /// Its id.
    pub id: i64,
    /// When it was added.
    pub created_date: Timestamp,
    /// When it was changed last.
    pub modified_date: Timestamp,
    /// The cargo company's key of the address.
    pub origin_id: String,
    /// Id of the location.
    #[sqlx(rename = "stock_location_id")]
    pub stock_location: i64,
    /// Id of the cargo company. A location has one sender address with each.
    #[sqlx(rename = "cargo_company_id")]
    pub cargo_company: i64,
    /// Whether the installation's files hold it.
    #[serde(skip)]
    pub installed: bool,
}

impl Form for SenderAddress {
    const REQUIRED: &'static [&'static str] = &["origin_id", "stock_location", "cargo_company"];

    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.origin_id, reader.lines("origin_id"));
        if reader.is_request() {
            set(&mut self.stock_location, reader.id("stock_location"));
            set(&mut self.cargo_company, reader.id("cargo_company"));
        } else {
            self.installed = true;
        }
    }
}

impl Record for SenderAddress {
    const TABLE: &'static str = "sender_addresses";
    const PLURAL: &'static str = "sender addresses";
    const REQUIRED_IN_FILES: &'static [&'static str] = Self::REQUIRED;
    const REFERENCES: &'static [&'static str] = &["stock_location", "cargo_company"];
    const UNIQUE: &'static [&'static str] = &["stock_location_id", "cargo_company_id"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] = &[
        (
            "sender_addresses_location_company_key",
            "cargo_company",
            "The location has a sender address with this cargo company already.",
        ),
        ("sender_addresses_stock_location_id_fkey", "stock_location", NO_OBJECT),
        ("sender_addresses_cargo_company_id_fkey", "cargo_company", NO_OBJECT),
    ];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "stock_location_id": self.stock_location,
            "cargo_company_id": self.cargo_company,
            "origin_id": self.origin_id,
            "installed": self.installed,
        })
    }
}

/// An address with its dates.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, id: i64) -> sqlx::Result<Option<SenderAddress>> {
    sqlx::query_as("select * from sender_addresses where id = $1").bind(id).fetch_optional(connection).await
}

/// An address that is to be changed: whoever else changes it waits, so that what one does not send stays as the other
/// left it.
///
/// # Errors
/// When the database fails.
pub async fn lock(connection: &mut PgConnection, id: i64) -> sqlx::Result<Option<SenderAddress>> {
    sqlx::query_as("select * from sender_addresses where id = $1 for update").bind(id).fetch_optional(connection).await
}

/// Deletes an address; false if it was not there.
///
/// # Errors
/// When the database fails.
pub async fn remove(connection: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    let gone = sqlx::query!("delete from sender_addresses where id = $1", id).execute(connection).await?;
    Ok(gone.rows_affected() > 0)
}

impl ListRow for SenderAddress {
    const LIST: List = List {
        from: " from sender_addresses a",
        columns: "a.*",
        visible: "a.stock_location_id = any({})",
        filters: &[
            filter("origin_id", Kind::Text, "a.origin_id = {}", "The cargo company's key of the address."),
            filter("stock_location", Kind::Integer, "a.stock_location_id = {}", "Id of the stock location."),
            filter(
                "stock_location__erp_code",
                Kind::Text,
                "a.stock_location_id in (select id from stock_locations where erp_code = {})",
                "ERP code of the stock location.",
            ),
            filter("cargo_company", Kind::Integer, "a.cargo_company_id = {}", "Id of the cargo company."),
            filter("id__gt", Kind::Integer, "a.id > {}", "Ids greater than this one."),
            filter("id__lt", Kind::Integer, "a.id < {}", "Ids smaller than this one."),
            filter("pk__in", Kind::Integers, "a.id = any({})", "Ids, separated by commas."),
        ],
        sorts: &[
            ("id", "a.id"),
            ("stock_location", "a.stock_location_id"),
            ("created_date", "a.created_date"),
            ("modified_date", "a.modified_date"),
        ],
        default_sort: "-id",
        tie_breaker: "a.id desc",
    };
}
