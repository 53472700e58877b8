//! `/whisperer/hook_events/`: what was delivered, and delivering it again.

use std::time::Instant;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;

use super::owned;
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    api::{
        extract::{Id, Limited},
        resource::{Resource, Viewer, row},
    },
    app::App,
    auth::Caller,
    error::{Error, Refusal, Result},
    page::{List, ids},
    reading,
    scope::Visible,
    webhooks::{
        claim::{self, Claimed, LEASE_SECONDS, Prepared},
        client,
        lists::DELIVERIES,
        record::{self, Report},
        view::{self, DeliveryView},
        worker,
    },
    wire,
};

/// A delivery that was tried so often is out of the hands of the retries that follow each other.
const IN_RETRY_PROCESS: i32 = 11;

impl Resource for DeliveryView {
    const LIST: List = DELIVERIES;

    fn visible(caller: &Caller) -> Visible {
        owned(caller)
    }

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        view::deliveries(connection, &app.catalog_cache, &app.webhooks.addresses, &ids(rows)?).await
    }
}

/// A delivery that was tried, and whether it was delivered.
async fn visible(connection: &mut PgConnection, door: &Limited, id: i64) -> Result<(Claimed, bool)> {
    let id: i64 = row::<DeliveryView>(connection, &door.caller(), id).await?.try_get("id")?;
    let delivered = sqlx::query_scalar!("select delivered from hook_events where id = $1", id);
    let delivered = delivered.fetch_optional(&mut *connection).await?.ok_or_else(Refusal::not_found)?;
    let row = claim::peek(connection, &[id]).await?.pop().ok_or_else(Refusal::not_found)?;
    Ok((row, delivered))
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
    fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let force = reading::body(body, |reader| reader.flag("force"))?.unwrap_or_default();
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
    wire::check_media_type(&headers)?;
    let mut connection = door.app.pool.acquire().await?;
    let (row, delivered) = visible(&mut connection, &door, id).await?;
    let Retry { force } = Retry::of_body(&body)?;
    if delivered {
        return Err(refusal("event_100_3", "Event already delivered").into());
    }
    if !force && row.retry_count < IN_RETRY_PROCESS {
        return Err(refusal("event_100_6", "Event is still in retry process").into());
    }
    // Nobody else takes it on meanwhile.
    sqlx::query!(
        "update hook_events set next_attempt_date = now() + make_interval(secs => $2) where id = $1 and not delivered",
        row.id,
        LEASE_SECONDS
    )
    .execute(&mut *connection)
    .await?;
    let addresses = &door.app.webhooks.addresses;
    let prepared =
        claim::prepare(&mut connection, &door.app.catalog_cache, addresses, std::slice::from_ref(&row)).await?;
    drop(connection);
    let gone = || Error::Fault("a delivery that failed has no body".to_owned());
    let hook = prepared.hook(&row).ok_or_else(gone)?;
    let delivery = Prepared::delivery(&row, hook, prepared.body(&row, hook).ok_or_else(gone)?);
    let started = Instant::now();
    let outcome = door.app.webhooks.client.send(&delivery).await;
    door.app.metrics.webhooks.attempt(outcome.is_delivered(), outcome.took);
    let result = worker::attempt_result(hook, &row, &delivery.body, started, outcome.clone());
    let report = [Report { row, result, _slot: () }];
    record::write(&mut *door.app.pool.acquire().await?, &report, door.app.webhooks.settings.pause_after).await?;
    door.app.webhooks.due.notify_one();
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

/// 406 in the form of the original.
pub(super) fn refusal(code: &str, sentence: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_ACCEPTABLE, json!({ "code": code, "en": sentence }))
}
