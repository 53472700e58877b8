//! Records that both requests and the installation's files write: one form each, and one statement that stores all of
//! them.

use serde::Serialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    db::PgConnection,
    error::{Error, Refusal, Result},
    reading::Form,
};

/// A record with a table of its own. Its dates need no care: what is stored as it was is no change.
pub trait Record: Form + Serialize + Send + Sync {
    /// Its table, and the key of its entries in files.
    const TABLE: &'static str;
    /// Several of them, in messages about files.
    const PLURAL: &'static str;
    /// The keys that an entry of a file must have.
    const REQUIRED_IN_FILES: &'static [&'static str];
    /// Whether a file may fix the id that clients send.
    const HAS_FIXED_IDS: bool = true;
    /// The keys under which a file names other records, and a request has their ids.
    const REFERENCES: &'static [&'static str] = &[];
    /// The columns that make it unique, besides its id.
    const UNIQUE: &'static [&'static str];
    /// Constraints of the table, each with the field that is wrong and the message; `{}` stands for the field's value.
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)];

    /// Its id; 0 before it is stored.
    fn id(&self) -> i64;

    /// Gives it an id.
    fn set_id(&mut self, id: i64);

    /// An object of what is stored, by column; without the id and the dates.
    fn columns(&self) -> Value;
}

/// The id of the stored record that is the same thing, by what makes it unique.
///
/// # Errors
/// When the database fails.
pub async fn stored_id<R: Record>(connection: &mut PgConnection, record: &R) -> sqlx::Result<Option<i64>> {
    let statement = format!(
        "select stored.id from {table} stored join jsonb_populate_record(null::{table}, $1) given on ({}) = ({})",
        of("stored", R::UNIQUE.iter().copied()),
        of("given", R::UNIQUE.iter().copied()),
        table = R::TABLE
    );
    sqlx::query_scalar(AssertSqlSafe(statement)).bind(record.columns()).fetch_optional(connection).await
}

/// Stores a record, and returns its id; one with id 0 is new.
///
/// # Errors
/// When the table does not allow it, or the database fails.
pub async fn store<R: Record>(connection: &mut PgConnection, record: &R) -> sqlx::Result<i64> {
    let ids = store_all(connection, std::slice::from_ref(record)).await?;
    ids.first().copied().ok_or(sqlx::Error::RowNotFound)
}

/// Stores records by one statement: whoever waits for it waits for one. Their ids, in their order.
///
/// # Errors
/// When the table does not allow one of them, or the database fails; then none is stored.
pub async fn store_all<R: Record>(connection: &mut PgConnection, records: &[R]) -> sqlx::Result<Vec<i64>> {
    let rows: Vec<(i64, Value)> = records.iter().map(|record| (record.id(), record.columns())).collect();
    let Some((_, first)) = rows.first() else { return Ok(Vec::new()) };
    let names: Vec<&str> =
        first.as_object().into_iter().flat_map(|columns| columns.keys().map(String::as_str)).collect();
    let statement = format!(
        "insert into {table} (id, {})
         select coalesce(nullif(r.id, 0), nextval(pg_get_serial_sequence('{table}', 'id'))), {}
           from unnest($1::bigint[], $2::jsonb[]) with ordinality as r(id, columns, n)
          cross join lateral jsonb_populate_record(null::{table}, r.columns) given
          order by r.n
         on conflict (id) do update set ({}) = row({})
         returning id",
        names.join(", "),
        of("given", names.iter().copied()),
        names.join(", "),
        of("excluded", names.iter().copied()),
        table = R::TABLE
    );
    let (ids, columns): (Vec<i64>, Vec<Value>) = rows.iter().cloned().unzip();
    sqlx::query_scalar(AssertSqlSafe(statement)).bind(ids).bind(columns).fetch_all(connection).await
}

/// The columns of a row.
fn of<'a>(row: &str, columns: impl Iterator<Item = &'a str>) -> String {
    columns.map(|column| format!("{row}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Stores a record that a request gives, and returns its id.
///
/// # Errors
/// 400 for what the table does not allow; when the database fails.
pub async fn save<R: Record>(connection: &mut PgConnection, record: &R) -> Result<i64> {
    store(connection, record).await.map_err(|error| match violated::<R>(&error) {
        Some((field, message)) => Refusal::field(field, message.replace("{}", &value(record, field))).into(),
        None => Error::from(error),
    })
}

/// The field and the message of a constraint that was violated.
pub(crate) fn violated<R: Record>(error: &sqlx::Error) -> Option<(&'static str, &'static str)> {
    let name = error.as_database_error()?.constraint()?;
    R::CONSTRAINTS.iter().find(|(constraint, ..)| *constraint == name).map(|(_, field, message)| (*field, *message))
}

/// A field as a text.
pub(crate) fn value<R: Record>(record: &R, field: &str) -> String {
    match &serde_json::to_value(record).unwrap_or_default()[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
