//! The parts of a request that many handlers take: each is read once, with its refusal.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    app::App,
    auth::{self, Caller},
    error::{Error, Result},
};

/// An extractor: a handler with this argument is for authenticated callers only.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Arc<Caller>);

impl FromRequestParts<App> for Authenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let key = auth::key(&parts.headers)?;
        Ok(Self(app.sessions.caller(&app.pool, key).await?))
    }
}
