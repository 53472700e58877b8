//! `/whisperer/hooks/`: subscriptions.

mod deliveries;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use sqlx::{FromRow as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    api::{
        declare::{also_as_form, with_schema},
        extract::{Doors, Id, Limited},
        resource::{Read, Resource, Viewer, detail, list, row},
    },
    app::App,
    auth::{Caller, Role},
    db::PgConnection,
    error::Result,
    events,
    page::{List, base_url},
    scope::Visible,
    webhooks::{
        definition::{Definition, Purpose, TargetAuth},
        lists::HOOKS,
        pause,
        replay::{self, ReplayRange, Replayed},
        subscription::{self, HookStatus},
        view::{DeliveryView, HookView, Queued, StoredHook},
    },
    wire,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Webhooks", operation, text };
    OpenApiRouter::new()
        .routes(routes!(root))
        .routes(list::<HookView>(&read("/whisperer/hooks/", "listWebhooks", "Subscriptions")))
        .routes(routes!(create))
        .routes(routes!(registry))
        .routes(detail::<HookView>(
            &read("/whisperer/hooks/{id}/", "getWebhook", "One subscription"),
            "the subscription",
        ))
        .routes(with_schema::<TargetAuth, _>(routes!(replace, change, delete)))
        .routes(routes!(status))
        .routes(routes!(resume))
        .routes(routes!(replay_events))
        .routes(list::<DeliveryView>(&read(
            "/whisperer/hook_events/",
            "listWebhookDeliveries",
            "Deliveries\n\nWhat was sent to your subscriptions (an admin: to all), successfully or not.",
        )))
        .routes(detail::<DeliveryView>(
            &read("/whisperer/hook_events/{id}/", "getWebhookDelivery", "One delivery"),
            "the delivery",
        ))
        .routes(also_as_form(routes!(deliveries::retry)))
        .routes(list::<Queued>(&read(
            "/whisperer/event_queues/",
            "listQueuedWebhookDeliveries",
            "Deliveries to come\n\nWhat is to be sent to your subscriptions (an admin: to all) and was not tried yet.",
        )))
}

/// Whose subscriptions a caller sees: an admin of every location sees everybody's.
pub(super) fn owned(caller: &Caller) -> Visible {
    let sees_all = caller.role == Role::Admin && !caller.scope.is_limited();
    if sees_all { Visible::from(&caller.scope) } else { Visible::of_user(caller.user_id) }
}

impl Resource for HookView {
    const LIST: List = HOOKS;

    fn visible(caller: &Caller) -> Visible {
        owned(caller)
    }

    async fn load(_: &App, _: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        let hooks = rows.iter().map(|row| StoredHook::from_row(row).map(|hook| hook.masked()));
        Ok(hooks.collect::<sqlx::Result<_>>()?)
    }
}

/// Where the lists of this area are.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookRoot)]
struct Root {
    hooks: String,
    hook_events: String,
    event_queues: String,
}

/// The lists of this area
///
/// Their addresses, by name.
#[utoipa::path(get, path = "/whisperer/", tag = "Webhooks", operation_id = "getWebhookRoot",
    responses((status = 200, description = "The addresses", body = Root)))]
async fn root(_: Limited, headers: HeaderMap) -> Json<Root> {
    let base = base_url(&headers);
    let list = |name: &str| format!("{base}/whisperer/{name}/");
    Json(Root { hooks: list("hooks"), hook_events: list("hook_events"), event_queues: list("event_queues") })
}

/// A subscription with its secrets, if the caller may see it.
async fn one(connection: &mut PgConnection, door: &Limited, id: i64) -> Result<StoredHook> {
    Ok(StoredHook::from_row(&row::<HookView>(connection, &door.caller(), id).await?)?)
}

/// Subscribe
///
/// The answer shows the secrets that were sent; no other does. One subscription for each event type and address, and no
/// more than `OMS_MAX_WEBHOOKS_PER_USER`, deactivated ones included.
#[utoipa::path(post, path = "/whisperer/hooks/", tag = "Webhooks", operation_id = "createWebhook",
    request_body(content = Definition, example = json!({
        "target_url": "https://erp.example/oms", "event_type": "package.status.packed",
        "secret_key": "a long random text",
        "retry_countdown_config": { "choice": "exponential", "kwargs": { "base": 2, "factor": 3, "limit": 600 } } })),
    responses((status = 201, description = "The subscription", body = HookView), (status = 406, description = "There is one already: `webhook_100_2`")))]
async fn create(
    door: Limited,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<(StatusCode, Json<HookView>)> {
    wire::check_media_type(&headers)?;
    let sent = Definition::of_body(&body, Purpose::Create, door.app.webhooks.client.guard(), None)?;
    let mut transaction = door.begin().await?;
    let id = subscription::add(&mut transaction, door.user_id, sent).await?;
    door.app.webhooks.settings.quota.check(&mut transaction, door.user_id).await?;
    let view = one(&mut transaction, &door, id).await?.as_made();
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Event types
///
/// What can be subscribed to.
#[utoipa::path(get, path = "/whisperer/hooks/registry/", tag = "Webhooks", operation_id = "listWebhookEventTypes",
    responses((status = 200, description = "The types", body = Vec<String>)))]
async fn registry(_: Limited) -> Json<&'static [&'static str]> {
    Json(&events::TYPES)
}

/// Replace a subscription
///
/// What is left out and need not be sent stays as it is. With another `target_url` no secret stays: send them again.
#[utoipa::path(put, path = "/whisperer/hooks/{id}/", tag = "Webhooks", operation_id = "replaceWebhook",
    request_body(content = Definition, example = json!({
        "target_url": "https://erp.example/oms", "event_type": "package.status.shipped",
        "secret_key": "another long random text",
        "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } })),
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 200, description = "The subscription", body = HookView), (status = 406, description = "There is another like it: `webhook_100_2`")))]
async fn replace(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<HookView>> {
    wire::check_media_type(&headers)?;
    update(&door, id, &body, Purpose::Replace).await
}

/// Change a subscription
///
/// Only the keys that are sent are changed. With another `target_url` no secret stays: send them again.
#[utoipa::path(patch, path = "/whisperer/hooks/{id}/", tag = "Webhooks", operation_id = "updateWebhook",
    request_body(content = Definition, example = json!({ "is_active": true })),
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 200, description = "The subscription", body = HookView), (status = 406, description = "There is another like it: `webhook_100_2`")))]
async fn change(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<HookView>> {
    wire::check_media_type(&headers)?;
    update(&door, id, &body, Purpose::Change).await
}

async fn update(door: &Limited, id: i64, body: &[u8], purpose: Purpose) -> Result<Json<HookView>> {
    let app = &door.app;
    let mut transaction = door.begin().await?;
    let known_id = one(&mut transaction, door, id).await?.id;
    subscription::lock(&mut transaction, known_id).await?;
    let known = one(&mut transaction, door, known_id).await?.kept();
    let sent = Definition::of_body(body, purpose, app.webhooks.client.guard(), Some(&known))?;
    let resumes = sent.is_active == Some(true);
    subscription::change(&mut transaction, known_id, sent).await?;
    let resumed = resumes && pause::resume(&mut transaction, known_id).await?;
    let view = one(&mut transaction, door, id).await?.masked();
    transaction.commit().await?;
    if resumed {
        wake(app, known_id).await?;
    }
    app.webhooks.due.notify_one();
    Ok(Json(view))
}

/// Makes what waits due, and says that there is news.
async fn wake(app: &App, id: i64) -> Result<()> {
    app.event_notifier.notify();
    pause::wake(&mut *app.pool.acquire().await?, id).await?;
    app.webhooks.due.notify_one();
    Ok(())
}

/// Unsubscribe
///
/// The subscription stays, inactive: what waits is kept, and sent if it is made active again.
#[utoipa::path(delete, path = "/whisperer/hooks/{id}/", tag = "Webhooks", operation_id = "deactivateWebhook",
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 204, description = "Inactive")))]
async fn delete(door: Limited, Id(id): Id) -> Result<StatusCode> {
    let mut transaction = door.begin().await?;
    let known = one(&mut transaction, &door, id).await?;
    subscription::deactivate(&mut transaction, known.id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a subscription fares
///
/// Whether it is paused, and why; since when it fails; what waits.
#[utoipa::path(get, path = "/whisperer/hooks/{id}/status/", tag = "Webhooks", operation_id = "getWebhookStatus",
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 200, description = "Its state", body = HookStatus)))]
async fn status(door: Limited, Id(id): Id) -> Result<Json<HookStatus>> {
    let mut connection = door.app.pool.acquire().await?;
    let known = one(&mut connection, &door, id).await?;
    HookStatus::load(&mut connection, known.id).await.map(Json)
}

/// Resume a subscription
///
/// One that is paused goes on where it stopped, as when `is_active` is set to true; any other stays as it is.
#[utoipa::path(post, path = "/whisperer/hooks/{id}/resume/", tag = "Webhooks", operation_id = "resumeWebhook",
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 200, description = "The subscription", body = HookView)))]
async fn resume(door: Limited, Id(id): Id) -> Result<Json<HookView>> {
    let mut transaction = door.begin().await?;
    let known = one(&mut transaction, &door, id).await?;
    let resumed = pause::resume(&mut transaction, known.id).await?;
    let view = one(&mut transaction, &door, id).await?.masked();
    transaction.commit().await?;
    if resumed {
        wake(&door.app, known.id).await?;
    }
    Ok(Json(view))
}

/// Deliver again what was delivered before
///
/// Each event under the uuid it had; those of before the subscription was made too, as far as they are kept. At least
/// one of the parameters.
#[utoipa::path(post, path = "/whisperer/hooks/{id}/replay/", tag = "Webhooks", operation_id = "replayWebhook",
    request_body(content = ReplayRange, example = json!({ "entity": "package", "object_id": 1 })),
    params(("id" = i64, Path, description = "The subscription's id.", example = 1)),
    responses((status = 200, description = "What will be delivered", body = Replayed)))]
async fn replay_events(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<Replayed>> {
    wire::check_media_type(&headers)?;
    let mut connection = door.app.pool.acquire().await?;
    let known = one(&mut connection, &door, id).await?;
    let range = ReplayRange::of_body(&body)?;
    let replayed = replay::replay(&mut connection, known.id, &range).await?;
    door.app.webhooks.due.notify_one();
    Ok(Json(replayed))
}
