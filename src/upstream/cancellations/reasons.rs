//! The upstream's list of cancellation reasons.

use serde_json::Value;

use crate::{
    audit::{self, Actor},
    db::{PgConnection, PgPool},
    error::{Error, Result},
    reading::{self, Form as _},
    reasons::CancellationReason,
    record,
    upstream::Client,
};

/// The upstream's list.
const REASONS: &str = "api/v1/cancellation_reasons/";
/// Most pages that are read.
const MOST_PAGES: u32 = 50;

/// Pulls the reasons that the upstream lists, for somebody who asks.
///
/// # Errors
/// When the upstream or the database fails.
pub(crate) async fn pull(pool: &PgPool, client: &Client, actor: &Actor) -> Result<()> {
    let mut reasons = Vec::new();
    for page in 1..=MOST_PAGES {
        let query = [("limit", "100".to_owned()), ("page", page.to_string())];
        let answer = client.get(REASONS, &query).await.map_err(|failure| Error::Upstream(failure.why))?;
        reasons.extend(answer.body["results"].as_array().cloned().unwrap_or_default());
        if !answer.body["next"].is_string() {
            break;
        }
    }
    let mut transaction = audit::begin(pool, actor).await?;
    for reason in &reasons {
        store(&mut transaction, reason).await?;
    }
    transaction.commit().await?;
    tracing::info!(reasons = reasons.len(), "pulled cancellation reasons from the upstream");
    Ok(())
}

/// Stores a reason. It is known by the upstream's key, or else by its type and subject. One that cannot be read, or whose
/// subject another one has, is left out.
async fn store(connection: &mut PgConnection, reason: &Value) -> Result<()> {
    let Some(mut read) = read_reason(reason) else {
        tracing::warn!(reason = reason.to_string(), "a cancellation reason of the upstream was left out");
        return Ok(());
    };
    let stored: Vec<CancellationReason> = sqlx::query_as(
        "select * from cancellation_reasons where omnitron_id = $1 or (cancellation_type = $2 and subject = $3)",
    )
    .bind(read.omnitron_id)
    .bind(read.cancellation_type)
    .bind(&read.subject)
    .fetch_all(&mut *connection)
    .await?;
    match stored.as_slice() {
        [] => {}
        [one] => {
            read.id = one.id;
            read.installed = one.installed;
        }
        _ => return Ok(()),
    }
    record::save(connection, &read).await?;
    Ok(())
}

/// What the upstream leaves open (null) is as in a blank.
fn read_reason(reason: &Value) -> Option<CancellationReason> {
    let mut object = reason.as_object()?.clone();
    object.retain(|_, value| !value.is_null());
    let mut read = reading::request(&object, |reader| {
        reader.require(CancellationReason::REQUIRED);
        let mut form = CancellationReason::blank();
        form.read(reader);
        form
    })
    .ok()?;
    read.omnitron_id = Some(reason["pk"].as_i64()?);
    Some(read)
}
