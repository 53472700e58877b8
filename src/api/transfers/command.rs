//! `POST /transfer_orders/{id}/command/`.

use axum::http::{HeaderMap, Uri};

use crate::{
    api::body::{COMMAND_BYTES, RequestBody},
    api::{
        extract::{Id, Limited},
        packages::command::request,
    },
    commands::{
        idempotency::IdempotencyKey,
        outcome::{Reply, TransferAnswer},
    },
    error::Result,
};

/// Run a command on a transfer
///
/// `transition` or `slug` says which of the transfer's `commands` to run; where both are given they must agree. With an
/// `Idempotency-Key`, a repeat within 24 hours gets the same answer byte for byte and runs nothing again. With
/// `?dry_run=true` nothing is written: the answer says what would be. `transfer` among the `input_parameters` may be left
/// out; it is the transfer's id. With `If-Match`, it runs only if the transfer is still at the version of that `ETag`.
#[utoipa::path(post, path = "/api/v1/oms/transfer_orders/{id}/command/", tag = "Transfers",
    operation_id = "runTransferCommand", request_body = serde_json::Value,
    params(("id" = i64, Path, description = "The transfer's id.", example = 1), ("dry_run" = Option<bool>, Query, description = "Only say what the command would do."), ("Idempotency-Key" = Option<String>, Header, description = "Names this request, at most 255 characters."), ("If-Match" = Option<String>, Header, description = "The `ETag` of the transfer that the command is for.")),
    responses( (status = 200, description = "Done; or, for a dry run, what would be done", body = TransferAnswer), (status = 412, description = "It has changed since the version of `If-Match`"), (status = 422, description = "The Idempotency-Key was used with another request")))]
pub(super) async fn run_command(
    door: Limited,
    Id(transfer_id): Id,
    headers: HeaderMap,
    uri: Uri,
    body: RequestBody<COMMAND_BYTES>,
) -> Result<Reply> {
    let request = request(&door, transfer_id, (&headers, &uri, &body), IdempotencyKey::for_transfer)?;
    Ok(door.app.dispatcher.run_on_transfer(request).await?.reply())
}
