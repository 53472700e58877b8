//! `POST /api/v1/auth/login/`, and the same at `/api/i1/auth/login/`, where the upstream's clients expect it.

use std::time::Instant;

use axum::{Json, http::HeaderMap};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{LOGIN_BYTES, RequestBody},
    api::extract::{Doors, Peer, Public},
    app::App,
    auth,
    error::{Error, Refusal, Result},
    openapi::errors::TooManyRequests,
    wire,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(login_i1))
}

/// A name and its password.
#[derive(ToSchema)]
struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        let value: Value = wire::parse(body)?;
        let text = |field: &str| match value.get(field) {
            None => Err(Refusal::field(field, "This field is required.")),
            Some(Value::String(text)) if text.is_empty() => Err(Refusal::field(field, "This field may not be blank.")),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(Refusal::field(field, "Null characters are not allowed."))
            }
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Refusal::field(field, "Not a valid string.")),
        };
        Ok(Self { username: text("username")?, password: text("password")? })
    }
}

/// What somebody logs in with, as an example.
fn credentials() -> Value {
    json!({ "username": "ada", "password": "correct horse battery staple" })
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
struct Key {
    /// Send it as `Authorization: Token <key>`.
    key: String,
}

/// Log in
#[utoipa::path(post, path = "/api/v1/auth/login/", tag = "Users", operation_id = "login", security(()),
    request_body(content = Credentials, example = credentials),
    responses((status = 200, description = "A token", body = Key), (status = 400, description = "They do not fit"),
        (status = 429, response = TooManyRequests)))]
async fn login(
    Public { app }: Public,
    peer: Peer,
    headers: HeaderMap,
    body: RequestBody<LOGIN_BYTES>,
) -> Result<Json<Key>> {
    log_in(&app, peer, &headers, &body).await
}

/// Log in, as clients of the upstream do
#[utoipa::path(post, path = "/api/i1/auth/login/", tag = "Users", operation_id = "loginAtUpstreamAddress",
    security(()), request_body(content = Credentials, example = credentials),
    responses((status = 200, description = "A token", body = Key), (status = 400, description = "They do not fit"),
        (status = 429, response = TooManyRequests)))]
async fn login_i1(
    Public { app }: Public,
    peer: Peer,
    headers: HeaderMap,
    body: RequestBody<LOGIN_BYTES>,
) -> Result<Json<Key>> {
    log_in(&app, peer, &headers, &body).await
}

async fn log_in(app: &App, Peer(peer): Peer, headers: &HeaderMap, body: &[u8]) -> Result<Json<Key>> {
    wire::check_media_type(headers)?;
    let Credentials { username, password } = Credentials::of_body(body)?;
    app.login_attempts.begin(&username, peer, Instant::now())?;
    let logged_in = auth::login(&app.pool, &username, &password).await;
    match &logged_in {
        Ok(_) => app.login_attempts.succeeded(&username, peer),
        Err(Error::Refused(_)) => {}
        Err(_) => app.login_attempts.take_back(&username, peer),
    }
    Ok(Json(Key { key: logged_in? }))
}
