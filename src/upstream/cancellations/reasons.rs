//! The upstream's list of cancellation reasons.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    error::{Error, Result},
    upstream::Client,
};

/// The upstream's list.
const REASONS: &str = "api/v1/cancellation_reasons/";
/// Most pages that are read.
const MOST_PAGES: u32 = 50;
/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 255;

/// Pulls the reasons that the upstream lists.
///
/// # Errors
/// When the upstream or the database fails.
pub(crate) async fn pull(pool: &PgPool, client: &Client) -> Result<()> {
    let mut reasons = Vec::new();
    for page in 1..=MOST_PAGES {
        let query = [("limit", "100".to_owned()), ("page", page.to_string())];
        let answer = client.get(REASONS, &query).await.map_err(|failure| Error::Upstream(failure.why))?;
        reasons.extend(answer.body["results"].as_array().cloned().unwrap_or_default());
        if !answer.body["next"].is_string() {
            break;
        }
    }
    let mut transaction = pool.begin().await?;
    for reason in &reasons {
        store(&mut transaction, reason).await?;
    }
    transaction.commit().await?;
    tracing::info!(reasons = reasons.len(), "pulled cancellation reasons from the upstream");
    Ok(())
}

/// Stores a reason. One that cannot be read is skipped with a log line.
async fn store(connection: &mut PgConnection, reason: &Value) -> Result<()> {
    let kind = reason["cancellation_type"].as_str().filter(|kind| ["cancel", "refund"].contains(kind));
    let subject = reason["subject"].as_str().map(|subject| subject.replace('\0', "").trim().to_owned());
    let subject = subject.filter(|subject| !subject.is_empty() && subject.chars().count() <= LONGEST_SUBJECT);
    let (Some(pk), Some(kind), Some(subject)) = (reason["pk"].as_i64(), kind, subject) else {
        tracing::warn!(%reason, "a cancellation reason of the upstream was left out");
        return Ok(());
    };
    let position = reason["order"].as_i64().and_then(|order| i32::try_from(order).ok()).unwrap_or_default().max(0);
    // A reason that is known by its subject gets the upstream's key; later the key decides.
    sqlx::query!(
        "update cancellation_reasons set omnitron_id = $1
          where cancellation_type = $2 and subject = $3 and omnitron_id is distinct from $1
            and not exists (select from cancellation_reasons where omnitron_id = $1)",
        pk,
        kind,
        subject
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into cancellation_reasons as r (omnitron_id, cancellation_type, subject, position,
                                                extra_information_needed, is_active, installed)
         select $1, $2, $3, $4, $5, $6, false
          where not exists (select from cancellation_reasons o where o.cancellation_type = $2 and o.subject = $3
                                                                and o.omnitron_id is distinct from $1)
         on conflict (omnitron_id) do update
            set cancellation_type = excluded.cancellation_type, subject = excluded.subject,
                position = excluded.position, extra_information_needed = excluded.extra_information_needed,
                is_active = excluded.is_active,
                modified_date = case when (r.cancellation_type, r.subject, r.position, r.extra_information_needed,
                                           r.is_active)
                                is distinct from (excluded.cancellation_type, excluded.subject, excluded.position,
                                                  excluded.extra_information_needed, excluded.is_active)
                                then now() else r.modified_date end",
        pk,
        kind,
        subject,
        position,
        reason["extra_information_needed"].as_bool().unwrap_or_default(),
        reason["is_active"].as_bool().unwrap_or(true)
    )
    .execute(connection)
    .await?;
    Ok(())
}
