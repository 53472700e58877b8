//! `POST /transfer_orders/{id}/command/`.

use axum::{
    body::Bytes,
    http::{HeaderMap, Uri},
};

use crate::{
    api::{
        extract::{Id, Limited},
        packages::command::{idempotency_key, read_body},
    },
    commands::{
        dispatch::Request,
        idempotency::IdempotencyKey,
        outcome::{Reply, TransferAnswer},
    },
    error::Result,
    wire,
};

/// Run a command on a transfer
///
/// `transition` or `slug` says which of the transfer's `commands` to run; where both are given they must agree. With an
/// `Idempotency-Key`, a repeat within 24 hours gets the same answer byte for byte and runs nothing again. With
/// `?dry_run=true` nothing is written: the answer says what would be. `transfer` among the `input_parameters` may be left
/// out; it is the transfer's id.
#[utoipa::path(post, path = "/api/v1/oms/transfer_orders/{id}/command/", tag = "Transfers",
    operation_id = "runTransferCommand", request_body = serde_json::Value,
    params(("id" = i64, Path, description = "The transfer's id", example = 1), ("dry_run" = Option<bool>, Query, description = "Only say what the command would do"), ("Idempotency-Key" = Option<String>, Header, description = "Names this request, at most 255 characters")),
    responses( (status = 200, description = "Done; or, for a dry run, what would be done", body = TransferAnswer), (status = 422, description = "The Idempotency-Key was used with another request")))]
pub(super) async fn run(
    door: Limited,
    Id(transfer_id): Id,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Result<Reply> {
    wire::check_media_type(&headers)?;
    let command = read_body(&body)?;
    let dry_run = wire::dry_run(&uri)?;
    let key = if dry_run { None } else { idempotency_key(&headers)? };
    let request = Request {
        id: transfer_id,
        transition: command.transition,
        slug: command.slug,
        input: command.input,
        key: key.map(|key| IdempotencyKey::for_transfer(door.user_id, key, transfer_id, &body)),
        caller: door.caller(),
        dry_run,
    };
    Ok(door.app.dispatcher.run_on_transfer(request).await?.reply())
}
