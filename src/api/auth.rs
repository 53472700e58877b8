//! `POST /api/v1/auth/login/`, and the same at `/api/i1/auth/login/`, where the upstream's clients expect it; and
//! `/api/v1/auth/password/change/`, as dj-rest-auth has it.

use std::{net::IpAddr, time::Instant};

use axum::{Json, http::HeaderMap};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{LOGIN_BYTES, RequestBody},
    api::{
        declare::also_as_form,
        extract::{Doors, Limited, Peer, Public},
        form,
    },
    app::App,
    auth,
    error::{Error, Refusal, Result},
    openapi::errors::TooManyRequests,
    reading::Reader,
    secret::Secret,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new()
        .routes(also_as_form(routes!(login)))
        .routes(also_as_form(routes!(login_i1)))
        .routes(also_as_form(routes!(change_password)))
}

/// A name and its password.
#[derive(ToSchema)]
struct Credentials {
    username: String,
    #[schema(value_type = String)]
    password: Secret,
}

impl Credentials {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.require(&["username", "password"]);
        let (username, password) = (reader.text("username"), reader.given_password("password"));
        Some(Self { username: username?, password: password? })
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

async fn log_in(
    app: &App,
    Peer(peer): Peer,
    headers: &HeaderMap,
    body: &RequestBody<LOGIN_BYTES>,
) -> Result<Json<Key>> {
    let sent = form::read(headers, body, Credentials::read).await?;
    let Credentials { username, password } = sent.ok_or_else(|| Refusal::non_field("No password was sent."))?;
    let login = auth::login(&app.pool, &username, password.reveal(), app.token_quota);
    let key = attempt(app, &username, peer, login, |_| true).await?;
    Ok(Json(Key { key }))
}

/// Does what needs a password, as often as one may try.
async fn attempt<T>(
    app: &App,
    username: &str,
    peer: IpAddr,
    trying: impl Future<Output = Result<T>>,
    is_wrong: impl Fn(&Refusal) -> bool,
) -> Result<T> {
    let begun = app.login_attempts.begin(username, peer, Instant::now());
    begun.inspect_err(|_| app.login_attempts.tell(username, peer, true))?;
    let tried = trying.await;
    match &tried {
        Ok(_) => app.login_attempts.succeeded(username, peer),
        Err(Error::Refused(refusal)) if is_wrong(refusal) => app.login_attempts.tell(username, peer, false),
        Err(_) => app.login_attempts.take_back(username, peer),
    }
    tried
}

/// A user's own new password.
#[derive(ToSchema)]
struct NewPassword {
    /// The password until now.
    #[schema(value_type = String)]
    old_password: Secret,
    /// The new one: at least 10 characters, none of the common ones and not the name.
    #[schema(value_type = String)]
    new_password1: Secret,
    /// The new one again.
    #[schema(value_type = String, rename = "new_password2")]
    _new_password2: Secret,
}

impl NewPassword {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.require(&["old_password", "new_password1", "new_password2"]);
        let [old, new, again] =
            ["old_password", "new_password1", "new_password2"].map(|key| reader.given_password(key));
        if new.is_some() && again.is_some() && new != again {
            reader.wrong("new_password2", "The two password fields didn't match.");
        }
        Some(Self { old_password: old?, new_password1: new?, _new_password2: again? })
    }
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
struct Done {
    /// In a sentence.
    detail: &'static str,
}

/// Change your own password
///
/// Tokens that logins made end with the old password, but for the one of this request. Tokens that were given out for
/// programs stay.
#[utoipa::path(post, path = "/api/v1/auth/password/change/", tag = "Users", operation_id = "changePassword",
    request_body(content = NewPassword, example = json!({
        "old_password": "correct horse battery staple", "new_password1": "nine blue kettles sing",
        "new_password2": "nine blue kettles sing" })),
    responses((status = 200, description = "It is changed", body = Done), (status = 429, response = TooManyRequests)))]
async fn change_password(
    door: Limited,
    Peer(peer): Peer,
    headers: HeaderMap,
    body: RequestBody<LOGIN_BYTES>,
) -> Result<Json<Done>> {
    let sent = form::read(&headers, &body, NewPassword::read)
        .await?
        .ok_or_else(|| Refusal::non_field("No password was sent."))?;
    let caller = door.caller();
    let changing = auth::own_password::change(&door.app.pool, &caller, sent.old_password, sent.new_password1);
    attempt(&door.app, &caller.username, peer, changing, |refusal| refusal.error.get("old_password").is_some()).await?;
    // The logins that it ended are gone when this is answered.
    door.app.catch_up().await;
    Ok(Json(Done { detail: "New password has been saved." }))
}
