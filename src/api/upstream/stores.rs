//! `/api/v1/oms/stocklocations-webhook/`: locations that the upstream pushes.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::envelope::{self, Sender};
use crate::{
    api::body::{LIST_BYTES, RequestBody},
    error::Result,
    upstream::stores::{self, StoreTaken},
};

/// A store as the upstream sends it, as an example.
pub(super) fn example() -> Value {
    let store = json!({ "pk": 41, "erp_code": "S-YORK", "name": "York", "stock_location_type": "store",
                        "latitude": "53.96", "longitude": "-1.08", "is_active": true,
                        "modified_date": "2026-01-31T12:00:00Z" });
    envelope::example("retail_store.created", &store)
}

/// Take a location that the upstream pushes
///
/// `retail_store.created` and `retail_store.updated`: the location of that upstream key, else of that ERP code, gets its
/// name, place, telephone, email and whether it is active; a new one is asked last, until somebody sets its priority.
/// What was changed earlier than what was heard already changes nothing.
#[utoipa::path(post, path = "/api/v1/oms/stocklocations-webhook/", tag = "Upstream", operation_id = "receiveStore",
    request_body = Value, security(("token" = []), ("basic" = [])),
    responses((status = 201, description = "The location is new", body = StoreTaken), (status = 200, description = "The location is known", body = StoreTaken)))]
pub(super) async fn stores_webhook(
    Sender(door): Sender,
    headers: HeaderMap,
    body: RequestBody<LIST_BYTES>,
) -> Result<Response> {
    envelope::authenticate(&door.app.upstream, &headers, body.sent())?;
    let webhook = envelope::payload(body.json().await?, "retail_store.")?;
    let (is_new, taken) = stores::take(&door.app.pool, &door.app.wake_signal, &webhook.payload, &door.actor()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(taken)).into_response())
}
