//! A subscription as it is stored, for the workers.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{
    countdown::Countdown,
    definition::{self, TargetAuth},
    headers,
};
use crate::{db::PgConnection, error::Result, events::Hearing, role::Role, scope::Scope, secret::Secret};

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
    /// Whose it is.
    pub owner: Owner,
}

/// The user of a subscription, with the rights of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Whether the user is let in.
    pub is_active: bool,
    /// What the user may hear of.
    pub hearing: Hearing,
}

/// What the owner of a subscription may hear of, from the owner's row and locations.
///
/// # Errors
/// When the role is none that this version knows.
pub(super) fn hearing(user_id: i64, role: &str, location_ids: Vec<i64>) -> Result<Hearing> {
    let role: Role = role.parse()?;
    Ok(Hearing::of(user_id, role, &Scope::of(role, location_ids)))
}

/// Reads subscriptions, by id.
///
/// # Errors
/// When the database fails.
pub async fn load(connection: &mut PgConnection, ids: &[i64]) -> Result<HashMap<i64, Hook>> {
    let rows = sqlx::query!(
        r#"select w.id, target_url, event_type, secret_key, retry_countdown_config as "countdown: Value",
                  additional_headers as "headers: Value", config as "config: Value",
                  u.is_active, w.user_id, u.role,
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id) as "location_ids!"
             from webhooks w join users u on u.id = w.user_id where w.id = any($1)"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let hooks = rows.into_iter().map(|row| {
        let hook = Hook {
            id: row.id,
            target_url: row.target_url,
            event_type: row.event_type,
            secret_key: row.secret_key.map(Secret::from),
            countdown: definition::countdown(&row.countdown),
            headers: row.headers.as_object().and_then(|object| headers::parse(object).ok()).unwrap_or_default(),
            auth: row.config.get("auth").and_then(|auth| serde_json::from_value(auth.clone()).ok()),
            owner: Owner { is_active: row.is_active, hearing: hearing(row.user_id, &row.role, row.location_ids)? },
        };
        Ok((hook.id, hook))
    });
    hooks.collect()
}
