//! A subscription as it is stored, for those who deliver.

use std::collections::HashMap;

use axum::http::{HeaderName, HeaderValue};
use serde_json::Value;
use sqlx::PgConnection;

use super::{
    countdown::Countdown,
    definition::{self, TargetAuth},
    headers,
};
use crate::error::Result;

/// What is needed to deliver to it.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its id.
    pub id: i64,
    /// Where to.
    pub target_url: String,
    /// What.
    pub event_type: String,
    /// Signs it.
    pub secret_key: Option<String>,
    /// When to try again.
    pub countdown: Countdown,
    /// Additional headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How to log in.
    pub auth: Option<TargetAuth>,
}

/// Some subscriptions, by id.
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
        secret_key: row.secret_key,
        countdown: definition::countdown(&row.countdown),
        headers: row.headers.as_object().and_then(|object| headers::parse(object).ok()).unwrap_or_default(),
        auth: row.config.get("auth").and_then(|auth| serde_json::from_value(auth.clone()).ok()),
    });
    Ok(hooks.map(|hook| (hook.id, hook)).collect())
}
