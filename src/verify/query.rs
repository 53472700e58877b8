//! Queries whose texts are files or made of names of the catalog: their rows are texts.

use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use sqlx::{AssertSqlSafe, Either, Executor as _, Row as _, postgres::PgRow};

use crate::{
    db::PgConnection,
    error::{Error, Result},
};

/// The rows of a query, or of several, of as many columns of text. They come by the simple protocol: a query that runs once
/// is not prepared, and several take one round trip.
pub(super) fn stream<const N: usize>(
    connection: &mut PgConnection,
    statements: String,
) -> BoxStream<'_, Result<[String; N]>> {
    let answers = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(statements)));
    let rows = answers.try_filter_map(async |answer| match answer {
        Either::Right(row) => Ok(Some(row)),
        Either::Left(_) => Ok(None),
    });
    rows.map(|row| texts(&row?)).boxed()
}

/// All rows of a query.
pub(super) async fn rows<const N: usize>(
    connection: &mut PgConnection,
    statement: impl Into<String>,
) -> Result<Vec<[String; N]>> {
    stream(connection, statement.into()).try_collect().await
}

fn texts<const N: usize>(row: &PgRow) -> Result<[String; N]> {
    let mut texts = [const { String::new() }; N];
    for (at, text) in texts.iter_mut().enumerate() {
        let value: Option<String> = row.try_get(at)?;
        // A fault that says nothing would hide itself.
        *text = value.ok_or_else(|| Error::Fault(format!("a query of the proofs has nothing in column {at}")))?;
    }
    Ok(texts)
}
