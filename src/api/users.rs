//! `/api/v1/auth/users/`: for admins.

use std::collections::BTreeSet;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Admins, Doors, Id, Unlimited},
    resource::{Read, detail, find, list},
};
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    auth::{
        Role, passwords,
        users::{self, Change, LONGEST_NAME, NewUser, UserView},
    },
    db::PgConnection,
    error::{Refusal, Result},
    reading::{self, Reader},
    secret::Secret,
    wire,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Users", operation, text };
    OpenApiRouter::new()
        .routes(list::<UserView>(&read(
            "/api/v1/auth/users/",
            "listUsers",
            "Users\n\nFor admins, as everything about users. Removed ones are not listed.",
        )))
        .routes(routes!(create))
        .routes(detail::<UserView>(&read("/api/v1/auth/users/{id}/", "getUser", "One user"), "the user"))
        .routes(routes!(change, remove))
}

/// What a request says of a user.
struct Sent {
    username: Option<String>,
    role: Option<Role>,
    is_active: Option<bool>,
    location_ids: Option<BTreeSet<i64>>,
    password: Option<Option<Secret>>,
}

impl Sent {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            role: reader.choice("role"),
            is_active: reader.flag("is_active"),
            location_ids: reader.ids("stock_locations").map(BTreeSet::from_iter),
            password: reader.password("password"),
            username: None,
        }
    }

    fn read_new(reader: &mut Reader<'_>) -> Self {
        reader.require(&["username", "role"]);
        let username = reader.text_within("username", LONGEST_NAME);
        Self { username, ..Self::read(reader) }
    }
}

/// A user as it is sent.
struct NewUserSent;
/// What is changed of a user.
struct UserChange;

/// The schema of what is read; `password` is in no answer, so its sentence stands here.
fn schema_of(read: impl FnOnce(&mut Reader<'_>)) -> RefOr<Schema> {
    let mut keys = reading::schema(read);
    let roles = [Role::Integrator, Role::Store, Role::Operator, Role::Admin].map(Role::as_str);
    keys["properties"]["role"] = serde_json::json!({ "type": "string", "enum": roles });
    keys["properties"]["password"]["description"] = serde_json::json!(
        "For logging in: at least 10 characters, none of the common ones and not the name. Null: no login by a password. \
         Tokens that logins made end with the old one."
    );
    reading::with_sentences::<UserView>(keys)
}

impl utoipa::PartialSchema for NewUserSent {
    fn schema() -> RefOr<Schema> {
        schema_of(|reader| drop(Sent::read_new(reader)))
    }
}

impl ToSchema for NewUserSent {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewUser".into()
    }
}

impl utoipa::PartialSchema for UserChange {
    fn schema() -> RefOr<Schema> {
        schema_of(|reader| drop(Sent::read(reader)))
    }
}

impl ToSchema for UserChange {}

/// The hash of a password, if one was sent.
async fn hashed(username: &str, password: Option<Option<Secret>>) -> Result<Option<Option<Secret>>> {
    Ok(match password {
        None => None,
        Some(None) => Some(None),
        Some(Some(password)) => Some(Some(passwords::hash_new("password", username, password).await?)),
    })
}

async fn one(connection: &mut PgConnection, door: &Unlimited<Admins>, id: i64) -> Result<UserView> {
    find(connection, &door.caller(), id).await
}

/// Add a user
///
/// A name is given once: also that of a user who was removed stays in the history.
#[utoipa::path(post, path = "/api/v1/auth/users/", tag = "Users", operation_id = "createUser",
    request_body(content = NewUserSent, example = json!({
        "username": "grace", "role": "store", "stock_locations": [1], "password": "seven grey herons wade" })),
    responses((status = 201, description = "The user", body = UserView)))]
async fn create(
    door: Unlimited<Admins>,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<(StatusCode, Json<UserView>)> {
    wire::check_media_type(&headers)?;
    let sent = reading::body_as_shown::<UserView, _>(&body, Sent::read_new)?;
    let (username, role) = sent.username.zip(sent.role).ok_or_else(|| Refusal::non_field("No user was sent."))?;
    let password_hash = hashed(&username, sent.password).await?.flatten();
    let user = NewUser { username, password_hash, role, location_ids: sent.location_ids.unwrap_or_default() };
    let mut transaction = door.begin().await?;
    let id = users::add(&mut transaction, &user).await?;
    if sent.is_active == Some(false) {
        users::change(&mut transaction, id, &Change { is_active: Some(false), ..Change::default() }).await?;
    }
    let view = one(&mut transaction, &door, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Change a user
///
/// Only the keys that are sent are changed. It counts at once, also for streams of events. There is always an active admin
/// of every location: the last one stays so.
#[utoipa::path(patch, path = "/api/v1/auth/users/{id}/", tag = "Users", operation_id = "updateUser",
    params(("id" = i64, Path, description = "The user's id.", example = 5)),
    request_body(content = UserChange, example = json!({ "is_active": true })),
    responses((status = 200, description = "The user", body = UserView)))]
async fn change(
    door: Unlimited<Admins>,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<UserView>> {
    wire::check_media_type(&headers)?;
    let known = one(&mut *door.app.pool.acquire().await?, &door, id).await?;
    let sent = reading::body_as_shown::<UserView, _>(&body, Sent::read)?;
    let change = Change {
        role: sent.role,
        is_active: sent.is_active,
        location_ids: sent.location_ids,
        password_hash: hashed(&known.username, sent.password).await?,
        but_for: door.caller().token.map(|token| token.id),
    };
    let mut transaction = door.begin().await?;
    users::change(&mut transaction, known.id, &change).await?;
    let view = one(&mut transaction, &door, id).await?;
    transaction.commit().await?;
    Ok(Json(view))
}

/// Remove a user
///
/// Tokens end, webhooks are deactivated. What the user did stays under the name, which nobody else is given.
#[utoipa::path(delete, path = "/api/v1/auth/users/{id}/", tag = "Users", operation_id = "removeUser",
    params(("id" = i64, Path, description = "The user's id.", example = 5)),
    responses((status = 204, description = "Removed")))]
async fn remove(door: Unlimited<Admins>, Id(id): Id) -> Result<StatusCode> {
    let mut transaction = door.begin().await?;
    users::remove(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
