//! A subscription as it is stored, for the workers.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{
    countdown::Countdown,
    definition::{self, TargetAuth},
    headers,
};
use crate::{db::PgConnection, error::Result, secret::Secret};

/// The data that is needed to deliver to a subscription.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its id.
    pub id: i64,
    /// The receiver's address.
    pub target_url: String,
    /// The event type.
    pub event_type: String,
    /// The key that signs the body.
    pub secret_key: Option<Secret>,
    /// When a failed delivery is tried again.
    pub countdown: Countdown,
    /// Additional headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How to log in at the receiver.
    pub auth: Option<TargetAuth>,
}

/// Reads subscriptions, by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Hook>> {
    let rows = sqlx::query!(
        r#"select id, target_url, event_type, secret_key, retry_countdown_config as "countdown: Value",
                  additional_headers as "headers: Value", config as "config: Value"
             from webhooks where id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let hooks = rows.into_iter().map(|row| Hook {
        id: row.id,
        target_url: row.target_url,
        event_type: row.event_type,
        secret_key: row.secret_key.map(Secret::from),
        countdown: definition::countdown(&row.countdown),
        headers: row.headers.as_object().and_then(|object| headers::parse(object).ok()).unwrap_or_default(),
        auth: row.config.get("auth").and_then(|auth| serde_json::from_value(auth.clone()).ok()),
    });
    Ok(hooks.map(|hook| (hook.id, hook)).collect())
}
