//! `/api/v1/oms/cancellation-reasons/pull_from_omnitron/`: why customers cancel, as the upstream lists it.

use axum::http::StatusCode;

use crate::{
    api::extract::{Managers, Unlimited},
    error::{NO_UPSTREAM, Refusal, Result},
    upstream::cancellations::reasons,
};

/// Pull cancellation reasons from the upstream
///
/// They are known by the upstream's key, or else by their kind and subject. What the upstream no longer lists stays.
#[utoipa::path(get, path = "/api/v1/oms/cancellation-reasons/pull_from_omnitron/", tag = "Reasons",
    operation_id = "pullCancellationReasons",
    responses((status = 200, description = "They are pulled; no body"), (status = 406, description = "This server has no upstream")))]
pub(super) async fn pull(door: Unlimited<Managers>) -> Result<StatusCode> {
    let Some(client) = &door.app.upstream.client else {
        let sentence = "This server has no upstream; start it with OMS_UPSTREAM_URL.";
        return Err(Refusal::rule(NO_UPSTREAM, sentence).into());
    };
    reasons::pull(&door.app.pool, client, &door.actor()).await?;
    Ok(StatusCode::OK)
}
