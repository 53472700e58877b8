//! `/api/v1/auth/tokens/`: a user's own, and for admins everybody's.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{FromRow as _, postgres::PgRow};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Doors, Id, Limited},
    resource::{Read, Resource, Viewer, detail, list, row},
    webhooks::owned,
};
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    app::App,
    auth::{
        self, Caller, NewToken,
        tokens::{self, LONGEST_NAME, TOKENS, TokenView},
    },
    db::PgConnection,
    error::{Refusal, Result},
    page::List,
    reading::{self, Reader},
    scope::Visible,
    wire::{self, Timestamp},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Users", operation, text };
    OpenApiRouter::new()
        .routes(list::<TokenView>(&read(
            "/api/v1/auth/tokens/",
            "listTokens",
            "Tokens\n\nYour own; an admin of every location sees everybody's. No key is shown.",
        )))
        .routes(routes!(create))
        .routes(detail::<TokenView>(&read("/api/v1/auth/tokens/{id}/", "getToken", "One token"), "the token"))
        .routes(routes!(end))
}

impl Resource for TokenView {
    const LIST: List = TOKENS;

    fn visible(caller: &Caller) -> Visible {
        owned(caller)
    }

    async fn load(_: &App, _: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        Ok(rows.iter().map(Self::from_row).collect::<sqlx::Result<_>>()?)
    }
}

/// A token, with its key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IssuedToken)]
struct IssuedView {
    /// Send it as `Authorization: Token <key>`. It is shown this once.
    key: String,
    #[serde(flatten)]
    token: TokenView,
}

/// A token as it is asked for.
struct Sent {
    name: Option<String>,
    user: Option<String>,
    expires_date: Option<Timestamp>,
}

impl Sent {
    fn read(reader: &mut Reader<'_>) -> Self {
        reader.require(&["name"]);
        let name = reader.text_within("name", LONGEST_NAME);
        let user = reader.text("user");
        let is_null = reader.all().get("expires_date").is_some_and(Value::is_null);
        let expires_date = if is_null { None } else { reader.date_time("expires_date").map(Timestamp) };
        Self { name, user, expires_date }
    }
}

/// For the document.
struct NewTokenSent;

impl utoipa::PartialSchema for NewTokenSent {
    fn schema() -> RefOr<Schema> {
        let mut keys = reading::schema(|reader| drop(Sent::read(reader)));
        keys["properties"]["expires_date"] = json!({ "type": ["string", "null"], "format": "date-time" });
        reading::with_sentences::<TokenView>(keys)
    }
}

impl ToSchema for NewTokenSent {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewToken".into()
    }
}

/// Make a token
///
/// For yourself; an admin of every location may name another `user`. The answer shows the key; no other does. With a token
/// that ends, none can be made that ends later. A user has at most `OMS_MAX_TOKENS_PER_USER` of them.
#[utoipa::path(post, path = "/api/v1/auth/tokens/", tag = "Users", operation_id = "createToken",
    request_body(content = NewTokenSent, example = json!({ "name": "nightly export", "expires_date": "2099-01-31T12:00:00Z" })),
    responses((status = 201, description = "The token", body = IssuedView)))]
async fn create(
    door: Limited,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<(StatusCode, Json<IssuedView>)> {
    wire::check_media_type(&headers)?;
    let sent = reading::body_as_shown::<IssuedView, _>(&body, Sent::read)?;
    let caller = door.caller();
    let user = sent.user.unwrap_or_else(|| caller.username.clone());
    if user != caller.username && owned(&caller).ids().is_some() {
        return Err(Refusal::forbidden().into());
    }
    let expires_date = sent.expires_date.map(|date| date.0);
    let most = caller.token.and_then(|token| token.expires_date);
    if let Some(most) = most
        && expires_date.is_none_or(|date| date > most)
    {
        let message = format!("The token of this request ends at {}; choose no later moment.", Timestamp(most));
        return Err(Refusal::field("expires_date", message).into());
    }
    let name = sent.name.unwrap_or_default();
    let mut transaction = door.begin().await?;
    let wanted = NewToken { name: &name, expires_date, is_login: false };
    let issued = tokens::issue(&mut transaction, &user, &wanted).await?;
    door.app.token_quota.check(&mut transaction, &user).await?;
    // Once more, now that the user is locked: whoever ends the user's tokens from here on waits, and ends this one as well.
    auth::require_unchanged(&mut transaction, &caller).await?;
    let token = TokenView::from_row(&row::<TokenView>(&mut transaction, &caller, issued.id).await?)?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(IssuedView { key: issued.key, token })))
}

/// End a token
///
/// At once, on every server, also for streams of events.
#[utoipa::path(delete, path = "/api/v1/auth/tokens/{id}/", tag = "Users", operation_id = "endToken",
    params(("id" = i64, Path, description = "The token's id.", example = 2)),
    responses((status = 204, description = "It has ended")))]
async fn end(door: Limited, Id(id): Id) -> Result<StatusCode> {
    let mut transaction = door.begin().await?;
    let known = TokenView::from_row(&row::<TokenView>(&mut transaction, &door.caller(), id).await?)?;
    if !tokens::revoke(&mut transaction, known.id).await? {
        return Err(Refusal::not_found().into());
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
