//! `/api/v1/oms/upstream/calls/{id}/`: a call is made again, or ended.

use axum::{Json, http::HeaderMap};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    api::{
        body::{OBJECT_BYTES, RequestBody},
        extract::{Id, Operators, Unlimited},
        resource::find,
    },
    error::Result,
    reading,
    upstream::{
        lists::CallView,
        over::{self, FailedCalls, Retried},
    },
    wire,
};

impl utoipa::PartialSchema for FailedCalls {
    fn schema() -> RefOr<Schema> {
        reading::with_sentences::<CallView>(reading::schema(|reader| {
            Self::read(reader);
        }))
    }
}

impl ToSchema for FailedCalls {}

/// Make the calls again that were given up
///
/// All that are `failed` and meant: by `kind`, `order`, `package`, and when they were created. At least one of these. The
/// same as retrying each, but for statuses where the upstream knows a later one of the same item: those are counted.
#[utoipa::path(post, path = "/api/v1/oms/upstream/calls/retry/", tag = "Upstream",
    operation_id = "retryFailedUpstreamCalls",
    request_body(content = FailedCalls, example = json!({ "kind": "status", "created_date__gte": "2026-11-27T00:00:00Z" })),
    responses((status = 200, description = "How many are made again", body = Retried)))]
pub(super) async fn retry_failed(
    door: Unlimited<Operators>,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<Retried>> {
    wire::check_media_type(&headers)?;
    let wanted = FailedCalls::of_body(&body)?;
    let mut connection = door.app.pool.acquire().await?;
    Ok(Json(over::retry_failed(&mut connection, &wanted).await?))
}

/// Make a call again now
///
/// Also one that was given up (`failed`): its time until the last attempt begins anew. Not one that was answered or ended,
/// nor a status where the upstream knows a later one of the same item.
#[utoipa::path(post, path = "/api/v1/oms/upstream/calls/{id}/retry/", tag = "Upstream",
    operation_id = "retryUpstreamCall",
    params(("id" = i64, Path, description = "The call's id.", example = 1)),
    responses((status = 200, description = "The call, waiting", body = CallView), (status = 406, description = "The call was answered or ended: `oms_upstream_2`")))]
pub(super) async fn retry(door: Unlimited<Operators>, Id(id): Id) -> Result<Json<impl Serialize>> {
    let mut connection = door.app.pool.acquire().await?;
    let _: CallView = find(&mut connection, &door.caller(), id).await?;
    over::retry(&mut connection, id).await?;
    Ok(Json(find::<CallView>(&mut connection, &door.caller(), id).await?))
}

/// End a call
///
/// It is not made again, and nobody else has to wait for it. Of an invoice call the credentials are deleted. A request that
/// is under way may still arrive; its answer is not recorded.
#[utoipa::path(post, path = "/api/v1/oms/upstream/calls/{id}/end/", tag = "Upstream",
    operation_id = "endUpstreamCall",
    params(("id" = i64, Path, description = "The call's id.", example = 1)),
    responses((status = 200, description = "The call, ended", body = CallView), (status = 406, description = "The call was answered: `oms_upstream_2`")))]
pub(super) async fn end(door: Unlimited<Operators>, Id(id): Id) -> Result<Json<impl Serialize>> {
    let mut connection = door.app.pool.acquire().await?;
    let _: CallView = find(&mut connection, &door.caller(), id).await?;
    over::end(&mut connection, id, door.user_id).await?;
    Ok(Json(find::<CallView>(&mut connection, &door.caller(), id).await?))
}
