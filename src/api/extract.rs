//! The parts of a request that many handlers take: each is read once, with its refusal.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{
    app::App,
    auth::{self, Caller},
    error::{Error, Refusal, Result},
    page::Page,
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

/// The `{id}` of an address. 404 for a text that is no id.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        named(parts, state).await.map(Self)
    }
}

/// The `{key}` of an address. 404 for a text that is no UUID.
#[derive(Debug, Clone, Copy)]
pub struct Key(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        named(parts, state).await.map(Self)
    }
}

/// The only parameter of a path.
async fn named<T: DeserializeOwned + Send, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, Refusal> {
    let found = Path::from_request_parts(parts, state).await;
    found.map(|Path(value)| value).map_err(|_| Refusal::not_found())
}

/// The page that a list is asked for, with its filters: 404 and 400 as [`Page::parse`] refuses.
impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Self::parse(&parts.uri, &parts.headers)
    }
}
