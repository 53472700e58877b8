//! `/whisperer/hook_events/`: what was delivered, and delivering it again.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use super::owned;
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    api::{
        extract::{Id, Limited},
        form,
        resource::{Resource, Viewer, row},
    },
    app::App,
    auth::Caller,
    db::PgConnection,
    error::Result,
    page::{List, ids},
    scope::Visible,
    webhooks::{
        client,
        lists::DELIVERIES,
        view::{self, DeliveryView},
    },
};

impl Resource for DeliveryView {
    const LIST: List = DELIVERIES;

    fn visible(caller: &Caller) -> Visible {
        owned(caller)
    }

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        view::deliveries(connection, &app.catalog_cache, &app.webhooks.addresses, &ids(rows)?).await
    }
}

/// Whether to deliver what the server is still trying.
#[derive(Debug, Default, ToSchema)]
#[schema(as = WebhookDeliveryRetry)]
pub(super) struct Retry {
    /// False without one.
    #[schema(required = false)]
    force: bool,
}

impl Retry {
    /// Reads a body; an empty one says nothing.
    async fn of_body(headers: &HeaderMap, body: &RequestBody<OBJECT_BYTES>) -> Result<Self> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let force = form::read(headers, body, |reader| reader.flag("force")).await?.unwrap_or_default();
        Ok(Self { force })
    }
}

/// What came of delivering again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryResult)]
pub(super) struct RetryAnswer {
    detail: &'static str,
    response_status: u16,
    response_content: String,
    delivered: bool,
    response_time: Option<String>,
}

/// Deliver again, now
///
/// The same body under the same uuid, whether or not earlier events of the object wait. 406 where it was delivered
/// (`event_100_3`), where the server is still trying (`event_100_6`, unless `force`), and where it fails again.
#[utoipa::path(post, path = "/whisperer/hook_events/{id}/retry/", tag = "Webhooks", operation_id = "retryWebhookDelivery",
    request_body(content = Option<Retry>, example = json!({ "force": true })),
    params(("id" = i64, Path, description = "The delivery's id.", example = 1)),
    responses((status = 200, description = "Delivered", body = RetryAnswer), (status = 406, description = "Not delivered", body = RetryAnswer)))]
pub(super) async fn retry(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Response> {
    let mut connection = door.app.pool.acquire().await?;
    let id: i64 = row::<DeliveryView>(&mut connection, &door.caller(), id).await?.try_get("id")?;
    drop(connection);
    let Retry { force } = Retry::of_body(&headers, &body).await?;
    let app = &door.app;
    let outcome = app.webhooks.deliver_again(&app.pool, &app.catalog_cache, &app.metrics, id, force).await?;
    Ok(answer(outcome))
}

fn answer(outcome: client::Outcome) -> Response {
    let delivered = outcome.is_delivered();
    let status = if delivered { StatusCode::OK } else { StatusCode::NOT_ACCEPTABLE };
    let detail = if delivered { "Webhook event delivered successfully" } else { "Webhook event delivery failed" };
    let answer = RetryAnswer {
        detail,
        response_status: outcome.status,
        response_content: outcome.content,
        delivered,
        response_time: i64::try_from(outcome.took.as_micros()).ok().map(view::duration),
    };
    (status, Json(answer)).into_response()
}
