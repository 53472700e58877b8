//! `/packages/package_denial_reason/`, the older `/package-denial-reason/`, and `/cancellation-reasons/`.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Doors, Managers, Unlimited},
    resource::{Read, detail, list},
};
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    db,
    error::Result,
    reading::{self, New},
    reasons::{CancellationReason, DenialReason, DenialReasonSummary},
    record::{self, Record as _},
    wire,
};

/// What a request for a new denial reason holds.
type NewDenialReason = New<DenialReason>;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Reasons", operation, text };
    OpenApiRouter::new()
        .routes(list::<DenialReason>(&read(
            "/api/v1/oms/packages/package_denial_reason/",
            "listDenialReasons",
            "Denial reasons",
        )))
        .routes(routes!(create))
        .routes(detail::<DenialReason>(
            &read("/api/v1/oms/packages/package_denial_reason/{id}/", "getDenialReason", "One denial reason"),
            "the reason",
        ))
        .routes(list::<DenialReason>(&read(
            "/api/v1/oms/package-denial-reason/",
            "listDenialReasonsAtOlderAddress",
            "Denial reasons, at their older address",
        )))
        .routes(list::<DenialReasonSummary>(&read(
            "/api/v1/oms/package-denial-reason/list-simple/",
            "listDenialReasonSummaries",
            "Denial reasons, for reports",
        )))
        .routes(list::<CancellationReason>(&read(
            "/api/v1/oms/cancellation-reasons/",
            "listCancellationReasons",
            "Cancellation reasons\n\nThey come from the installation, or are pulled from the upstream.",
        )))
        .routes(detail::<CancellationReason>(
            &read("/api/v1/oms/cancellation-reasons/{id}/", "getCancellationReason", "One cancellation reason"),
            "the reason",
        ))
}

/// Add a denial reason
///
/// It stays when an installation is applied that does not know it.
#[utoipa::path(post, path = "/api/v1/oms/packages/package_denial_reason/", tag = "Reasons",
    operation_id = "createDenialReason",
    request_body(content = NewDenialReason, example = json!({ "title": "The label printer is broken", "priority": 6 })),
    responses((status = 201, description = "The reason", body = DenialReason)))]
async fn create(
    door: Unlimited<Managers>,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<(StatusCode, Json<DenialReason>)> {
    wire::check_media_type(&headers)?;
    let mut reason = reading::create::<DenialReason>(&body)?;
    let mut transaction = door.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    reason.set_id(record::save(&mut transaction, &reason).await?);
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(reason)))
}
