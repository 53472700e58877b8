//! `/api/v1/oms/stocklocations/`, `/stocklocations-senderaddress/`.

mod senders;

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use sqlx::postgres::PgRow;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Doors, Id, Limited, Managers, Unlimited},
    resource::{Read, Resource, Viewer, detail, list, list_below},
};
use crate::{
    api::body::{OBJECT_BYTES, RequestBody},
    app::App,
    db::{self, PgConnection},
    error::{Refusal, Result},
    locations::{
        self, Location,
        lists::{LedgerEntry, LocationSummary},
        load,
        senders::SenderAddress,
    },
    page::{List, ids},
    reading::{self, Changed, New},
    record,
    scope::Scope,
    wire,
};

/// What a request for a new location holds.
type NewLocation = New<Location>;
/// What a request that changes a location holds.
type ChangedLocation = Changed<Location>;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Stock locations", operation, text };
    OpenApiRouter::new()
        .routes(list::<Location>(&read(
            "/api/v1/oms/stocklocations/",
            "listStockLocations",
            "Stock locations\n\nWith `max_quota` (most packages that may occupy the location), `quota` (those that do) \
             and `available_quota`.",
        )))
        .routes(routes!(create))
        .routes(list::<LocationSummary>(&read(
            "/api/v1/oms/stocklocations/list-simple/",
            "listStockLocationSummaries",
            "Stock locations, for reports\n\nOne flat row a location.",
        )))
        .routes(detail::<Location>(
            &read("/api/v1/oms/stocklocations/{id}/", "getStockLocation", "One stock location"),
            "the location",
        ))
        .routes(routes!(change))
        .routes(list_below::<Location, LedgerEntry>(
            &read(
                "/api/v1/oms/stocklocations/{id}/quota-ledger/",
                "listQuotaLedger",
                "A location's quota ledger\n\nEvery change of the location's quota, latest first. Their sum is `quota`.",
            ),
            "the location",
        ))
        .routes(list::<SenderAddress>(&read(
            "/api/v1/oms/stocklocations-senderaddress/",
            "listSenderAddresses",
            "Sender addresses",
        )))
        .routes(routes!(senders::create))
        .routes(detail::<SenderAddress>(
            &read(
                "/api/v1/oms/stocklocations-senderaddress/{id}/",
                "getSenderAddress",
                "One sender address",
            ),
            "the sender address",
        ))
        .routes(routes!(senders::change, senders::delete))
}

impl Resource for Location {
    const LIST: List = locations::lists::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        let ids = ids(rows)?;
        let mut locations = load(connection, &ids).await?;
        Ok(ids.iter().filter_map(|id| locations.remove(id)).collect())
    }
}

impl Resource for LocationSummary {
    const LIST: List = locations::lists::LIST;

    async fn load(app: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        Ok(Location::load(app, connection, rows, viewer).await?.iter().map(Self::of).collect())
    }
}

fn visible(scope: &Scope, id: i64) -> Result<i64, Refusal> {
    Some(id).filter(|id| scope.sees(*id)).ok_or_else(Refusal::not_found)
}

async fn one(connection: &mut PgConnection, id: i64) -> Result<Location> {
    Ok(load(connection, &[id]).await?.remove(&id).ok_or_else(Refusal::not_found)?)
}

/// Add a stock location
#[utoipa::path(post, path = "/api/v1/oms/stocklocations/", tag = "Stock locations",
    operation_id = "createStockLocation", request_body(content = NewLocation, example = json!({
        "erp_code": "S-YORK", "name": "York Store", "stock_location_type": "store", "priority": 70, "max_quota": 10,
        "address": { "line": "4 Coney Street", "postcode": "YO1 9NA", "city": "York", "country": "United Kingdom" },
        "latitude": 53.9591, "longitude": -1.0815,
        "conf": { "timezone": "Europe/London", "opening_hours": { "monday": ["09:00-18:00"] } } })),
    responses((status = 201, description = "The location", body = Location)))]
async fn create(door: Unlimited<Managers>, headers: HeaderMap, body: RequestBody<OBJECT_BYTES>) -> Result<Response> {
    wire::check_media_type(&headers)?;
    let location = reading::create::<Location>(&body)?;
    let mut transaction = door.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let id = record::save(&mut transaction, &location).await?;
    let saved = one(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(saved)).into_response())
}

/// Change a stock location
///
/// Only the keys that are sent are changed.
#[utoipa::path(patch, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    operation_id = "updateStockLocation",
    params(("id" = i64, Path, description = "The location's id.", example = 1)),
    request_body(content = ChangedLocation, example = json!({ "max_quota": 25, "tags": ["fridge"] })),
    responses((status = 200, description = "The location", body = Location)))]
async fn change(
    door: Limited,
    Id(id): Id,
    headers: HeaderMap,
    body: RequestBody<OBJECT_BYTES>,
) -> Result<axum::Json<Location>> {
    let id = visible(&door.scope, id)?;
    door.require::<Managers>()?;
    wire::check_media_type(&headers)?;
    let mut transaction = door.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let location = reading::change(&body, &one(&mut transaction, id).await?)?;
    record::save(&mut transaction, &location).await?;
    let saved = one(&mut transaction, id).await?;
    transaction.commit().await?;
    door.app.wake_signal.wake();
    Ok(axum::Json(saved))
}
