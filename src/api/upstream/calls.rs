//! `/api/v1/oms/upstream/calls/{id}/`: a call is made again, or ended.

use axum::Json;
use serde::Serialize;

use crate::{
    api::{
        extract::{Id, Operators, Unlimited},
        resource::find,
    },
    error::Result,
    upstream::{lists::CallView, over},
};

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
