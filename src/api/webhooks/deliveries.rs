//! `/whisperer/hook_events/`: what was delivered, and delivering it again.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sqlx::{FromRow as _, Row as _, postgres::PgRow};
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
        lists::{DELIVERIES, QUEUE},
        view::{self, DeliveryView, Queued},
    },
};

/// The list of deliveries to come.
impl Resource for Queued {
    const LIST: List = QUEUE;

    fn visible(caller: &Caller) -> Visible {
        owned(caller)
    }

    async fn load(_: &App, _: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        Ok(rows.iter().map(Self::from_row).collect::<sqlx::Result<_>>()?)
    }
}

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
    /// How long it took, in seconds.
    response_time: Option<String>,
    delivered: bool,
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
        response_time: Some(seconds(outcome.took)),
        delivered,
    };
    (status, Json(answer)).into_response()
}

/// Seconds to the microsecond as Python prints them, for that is what clients of the original read: `0.25`, `5e-05`.
fn seconds(took: Duration) -> String {
    let seconds = Duration::from_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)).as_secs_f64();
    if seconds > 0.0 && seconds < 1e-4 { format!("{seconds:e}").replace("e-", "e-0") } else { format!("{seconds:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_as_python_writes_them() {
        for (microseconds, expected) in [
            (0, "0.0"),
            (1, "1e-06"),
            (53, "5.3e-05"),
            (100, "0.0001"),
            (12_345, "0.012345"),
            (2_000_000, "2.0"),
            (10_000_001, "10.000001"),
        ] {
            assert_eq!(seconds(Duration::from_micros(microseconds)), expected);
        }
    }
}
