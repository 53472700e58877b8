//! Subscriptions as requests write them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{definition::Definition, refusal};
use crate::{
    db::PgConnection,
    error::{OnConstraint as _, Refusal, Result},
    secret::Secret,
    wire::Timestamp,
};

/// Adds a subscription of a user, and returns its id.
///
/// # Errors
/// 406 if the user has one of this event type and address; when the database fails.
pub(crate) async fn add(connection: &mut PgConnection, user_id: i64, sent: Definition) -> Result<i64> {
    sqlx::query_scalar!(
        "insert into webhooks (user_id, target_url, event_type, is_active, secret_key, callback, retry_countdown_config,
                               additional_headers, config)
         values ($1, $2, $3, $4, $5, $6, $7::text::json, coalesce($8::text::json, '{}'), coalesce($9::text::json, '{}'))
         returning id",
        user_id,
        sent.target_url,
        sent.event_type,
        sent.is_active.unwrap_or(true),
        sent.secret_key.as_ref().and_then(Option::as_ref).map(Secret::reveal),
        sent.callback.flatten(),
        text(sent.retry_countdown_config),
        secret_text(sent.additional_headers.as_ref()),
        secret_text(sent.config.as_ref())
    )
    .fetch_one(connection)
    .await
    .on_constraint("webhooks_user_url_type_key", already_registered)
}

/// Lets nobody else change a subscription until the end of the transaction. What is kept of it is what goes to the address
/// that is kept: nobody changes either meanwhile.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock(transaction: &mut PgConnection, id: i64) -> Result<()> {
    sqlx::query!("select from webhooks where id = $1 for no key update", id).execute(transaction).await?;
    Ok(())
}

/// Changes what is sent of a subscription.
///
/// # Errors
/// 406 if the user has another one of this event type and address; when the database fails.
pub(crate) async fn change(connection: &mut PgConnection, id: i64, sent: Definition) -> Result<()> {
    sqlx::query!(
        "update webhooks
            set target_url = coalesce($2, target_url), event_type = coalesce($3, event_type),
                is_active = coalesce($4, is_active), secret_key = case when $5 then $6 else secret_key end,
                callback = case when $7 then $8 else callback end,
                retry_countdown_config = coalesce($9::text::json, retry_countdown_config),
                additional_headers = coalesce($10::text::json, additional_headers),
                config = coalesce($11::text::json, config),
                modified_date = now()
          where id = $1",
        id,
        sent.target_url,
        sent.event_type,
        sent.is_active,
        sent.secret_key.is_some(),
        sent.secret_key.as_ref().and_then(Option::as_ref).map(Secret::reveal),
        sent.callback.is_some(),
        sent.callback.flatten(),
        text(sent.retry_countdown_config),
        secret_text(sent.additional_headers.as_ref()),
        secret_text(sent.config.as_ref())
    )
    .execute(connection)
    .await
    .on_constraint("webhooks_user_url_type_key", already_registered)?;
    Ok(())
}

/// Deactivates a subscription: what waits for it is kept.
///
/// # Errors
/// When the database fails.
pub(crate) async fn deactivate(connection: &mut PgConnection, id: i64) -> Result<()> {
    sqlx::query!("update webhooks set is_active = false, modified_date = now() where id = $1", id)
        .execute(connection)
        .await?;
    Ok(())
}

fn already_registered() -> Refusal {
    refusal("webhook_100_2", "Webhook already registered")
}

/// JSON as text: a value of its own type would be stored with its keys in another order.
fn text(value: Option<Value>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// The same of what is secret.
fn secret_text(value: Option<&Secret<Value>>) -> Option<String> {
    value.map(|value| value.reveal().to_string())
}

/// How a subscription fares.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookStatus)]
pub(crate) struct HookStatus {
    /// `active`, `paused` or `inactive`.
    state: String,
    paused_date: Option<Timestamp>,
    /// Why it is paused.
    pause_reason: Option<String>,
    /// The first failure since the last success.
    failing_since: Option<Timestamp>,
    last_delivered_date: Option<Timestamp>,
    /// Events that wait to be delivered; 10001 for more than ten thousand.
    pending: i64,
}

impl HookStatus {
    /// Reads it.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn load(connection: &mut PgConnection, id: i64) -> Result<Self> {
        let row = sqlx::query!(
            r#"select case when not is_active then 'inactive' when paused_date is null then 'active' else 'paused' end
                      as "state!", paused_date, pause_reason, failing_since, last_delivered_date,
                      (select count(*) from (select from hook_events h where h.webhook_id = w.id and not h.delivered
                                              limit 10001) as p) as "pending!"
                 from webhooks w where id = $1"#,
            id
        )
        .fetch_one(connection)
        .await?;
        Ok(Self {
            state: row.state,
            paused_date: row.paused_date.map(Timestamp),
            pause_reason: row.pause_reason,
            failing_since: row.failing_since.map(Timestamp),
            last_delivered_date: row.last_delivered_date.map(Timestamp),
            pending: row.pending,
        })
    }
}
