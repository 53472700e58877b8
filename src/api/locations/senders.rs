//! `/stocklocations-senderaddress/`: under which key a cargo company knows a location.

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
};

use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    api::{
        extract::{Id, Limited, Managers},
        resource::find,
    },
    db::PgConnection,
    error::{Refusal, Result},
    locations::senders::{self, NO_OBJECT, SenderAddress},
    reading::{self, Changed, New},
    record,
    scope::Scope,
    wire,
};

/// What a request for a new sender address holds.
pub(super) type NewSenderAddress = New<SenderAddress>;
/// What a request that changes a sender address holds.
pub(super) type ChangedSenderAddress = Changed<SenderAddress>;

/// Stores an address, and reads it again with its dates.
async fn save(connection: &mut PgConnection, scope: &Scope, address: &SenderAddress) -> Result<SenderAddress> {
    if !scope.sees(address.stock_location) {
        return Err(Refusal::field("stock_location", NO_OBJECT).into());
    }
    let id = record::save(connection, address).await?;
    Ok(senders::load(connection, id).await?.ok_or_else(Refusal::not_found)?)
}

/// Add a sender address
///
/// It stays when an installation is applied that does not know it.
#[utoipa::path(post, path = "/api/v1/oms/stocklocations-senderaddress/", tag = "Stock locations",
    operation_id = "createSenderAddress",
    request_body(content = NewSenderAddress, example = json!({
        "stock_location": 1, "cargo_company": 1, "origin_id": "LDS-0417" })),
    responses((status = 201, description = "The sender address", body = SenderAddress)))]
pub(super) async fn create(
    door: Limited<Managers>,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<(StatusCode, Json<SenderAddress>)> {
    wire::check_media_type(&headers)?;
    let address = reading::create(&body)?;
    let mut transaction = door.begin().await?;
    let saved = save(&mut transaction, &door.scope, &address).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(saved)))
}

/// Change a sender address
///
/// Only the keys that are sent are changed.
#[utoipa::path(patch, path = "/api/v1/oms/stocklocations-senderaddress/{id}/", tag = "Stock locations",
    operation_id = "updateSenderAddress",
    params(("id" = i64, Path, description = "The sender address' id.", example = 1)),
    request_body(content = ChangedSenderAddress, example = json!({ "origin_id": "LDS-0418" })),
    responses((status = 200, description = "The sender address", body = SenderAddress)))]
pub(super) async fn change(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<Json<SenderAddress>> {
    let mut transaction = door.begin().await?;
    let seen: SenderAddress = find(&mut transaction, &door.caller(), id).await?;
    door.require::<Managers>()?;
    wire::check_media_type(&headers)?;
    let stored = senders::lock(&mut transaction, seen.id).await?.ok_or_else(Refusal::not_found)?;
    let address = reading::change(&body, &stored)?;
    let saved = save(&mut transaction, &door.scope, &address).await?;
    transaction.commit().await?;
    Ok(Json(saved))
}

/// Delete a sender address
///
/// One that an installation's file holds is there again when the file is applied again.
#[utoipa::path(delete, path = "/api/v1/oms/stocklocations-senderaddress/{id}/", tag = "Stock locations",
    operation_id = "deleteSenderAddress",
    params(("id" = i64, Path, description = "The sender address' id.", example = 1)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(door: Limited, Id(id): Id) -> Result<StatusCode> {
    let mut transaction = door.begin().await?;
    let seen: SenderAddress = find(&mut transaction, &door.caller(), id).await?;
    door.require::<Managers>()?;
    if !senders::remove(&mut transaction, seen.id).await? {
        return Err(Refusal::not_found().into());
    }
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
