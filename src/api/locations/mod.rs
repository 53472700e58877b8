//! `/api/v1/oms/stocklocations/`.

mod senders;
mod simple;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::listed,
    api::extract::{Authenticated, Id},
    app::App,
    auth::{Caller, Role},
    db,
    error::{Refusal, Result},
    locations::{self, Location, load},
    page::{Filter, Kind, List, Page, filter},
    reading::{self, Changed, New},
    wire::{self, Timestamp},
};

pub use senders::FILTERS as SENDER_FILTERS;

/// What a request for a new location holds.
type NewLocation = New<Location>;
/// What a request that changes a location holds.
type ChangedLocation = Changed<Location>;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<Location, _>(routes!(list, create), &LIST))
        .routes(listed::<simple::LocationSimple, _>(routes!(simple::list), &LIST))
        .routes(routes!(detail, change))
        .routes(listed::<LedgerRow, _>(routes!(ledger), &LEDGER))
        .routes(listed::<senders::SenderAddress, _>(routes!(senders::list, senders::create), &senders::LIST))
        .routes(routes!(senders::detail, senders::change, senders::delete))
}

/// The filters of the list.
pub const FILTERS: &[Filter] = &[
    filter("erp_code", Kind::Text, "l.erp_code = {}", "Its ERP code."),
    filter("omnitron_id", Kind::Integer, "l.omnitron_id = {}", "The upstream's own key."),
    filter("erp_code__in", Kind::Texts, "l.erp_code = any({})", "ERP codes, separated by commas."),
    filter("name", Kind::Contains, "l.name ilike {}", "Part of the name, in any case."),
    filter("stock_location_type", Kind::Text, "l.stock_location_type = {}", "`store` or `warehouse`."),
    filter("id__gt", Kind::Integer, "l.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "l.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "l.id = any({})", "Ids, separated by commas."),
];

/// The list of locations.
const LIST: List = List {
    from: " from stock_locations l",
    visible: "l.id = any({})",
    filters: FILTERS,
    sorts: &[
        ("id", "l.id"),
        ("priority", "l.priority"),
        ("erp_code", "l.erp_code"),
        ("created_date", "l.created_date"),
        ("modified_date", "l.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "l.id desc",
};

/// Stock locations
///
/// With `max_quota` (most packages that may occupy the location), `quota` (those that do) and `available_quota`.
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/", tag = "Stock locations", operation_id = "listStockLocations")]
async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "l.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let mut locations = load(connection, &ids).await?;
        listing.add(ids.iter().filter_map(|id| locations.remove(id)).collect()).await?;
    }
    listing.respond().await
}

/// One stock location
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    operation_id = "getStockLocation",
    params(("id" = i64, Path, description = "The location's id", example = 1)),
    responses((status = 200, description = "The location", body = Location)))]
async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<axum::Json<Location>> {
    let id = visible(&caller, id)?;
    let mut connection = app.pool.acquire().await?;
    Ok(axum::Json(one(&mut connection, id).await?))
}

fn visible(caller: &Caller, id: i64) -> Result<i64, Refusal> {
    Some(id).filter(|id| caller.sees(*id)).ok_or_else(Refusal::not_found)
}

async fn one(connection: &mut PgConnection, id: i64) -> Result<Location> {
    Ok(load(connection, &[id]).await?.remove(&id).ok_or_else(Refusal::not_found)?)
}

/// Add a stock location
#[utoipa::path(post, path = "/api/v1/oms/stocklocations/", tag = "Stock locations",
    operation_id = "createStockLocation", request_body = NewLocation,
    responses((status = 201, description = "The location", body = Location)))]
async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    caller.require(&[Role::Operator, Role::Integrator])?;
    wire::check_media_type(&headers)?;
    let location = reading::create::<Location>(&body)?;
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let id = locations::save(&mut transaction, &location).await?;
    let saved = one(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(saved)).into_response())
}

/// Change a stock location
///
/// Only the keys that are sent are changed.
#[utoipa::path(patch, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    operation_id = "updateStockLocation",
    params(("id" = i64, Path, description = "The location's id", example = 1)),
    request_body = ChangedLocation,
    responses((status = 200, description = "The location", body = Location)))]
async fn change(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Location>> {
    let id = visible(&caller, id)?;
    caller.require(&[Role::Operator, Role::Integrator])?;
    wire::check_media_type(&headers)?;
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let location = reading::change(&body, &one(&mut transaction, id).await?)?;
    locations::save(&mut transaction, &location).await?;
    let saved = one(&mut transaction, id).await?;
    transaction.commit().await?;
    app.wake_signal.wake();
    Ok(axum::Json(saved))
}

/// The ledger of one location.
const LEDGER: List = List {
    from: " from quota_ledger q join packages p on p.id = q.package_id",
    visible: "q.stock_location_id = any({})",
    filters: &[],
    sorts: &[("id", "q.id")],
    default_sort: "-id",
    tie_breaker: "q.id desc",
};

const LEDGER_COLUMNS: &str =
    "q.id, q.package_id, p.number, q.transition_log_id, q.installation_version, q.delta, q.created_date";

/// A row of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaLedgerEntry)]
struct LedgerRow {
    id: i64,
    /// The package whose change it is.
    package: i64,
    package_number: String,
    /// The log row that caused it; null where a change of the installation did.
    transition_log: Option<i64>,
    installation_version: Option<i64>,
    /// +1 or -1.
    delta: i16,
    created_date: Timestamp,
}

/// A location's quota ledger
///
/// Every change of the location's quota, latest first. Their sum is `quota`.
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/{id}/quota-ledger/", tag = "Stock locations",
    operation_id = "listQuotaLedger",
    params(("id" = i64, Path, description = "The location's id", example = 1)))]
async fn ledger(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    page: Page,
) -> Result<Response> {
    let id = visible(&caller, id)?;
    load(&mut *app.pool.acquire().await?, &[id]).await?.remove(&id).ok_or_else(Refusal::not_found)?;
    let mut listing = LEDGER.open(&app.pool, page, Some(&[id]), LEDGER_COLUMNS).await?;
    let read = |row: &PgRow| {
        Ok(LedgerRow {
            id: row.try_get(0)?,
            package: row.try_get(1)?,
            package_number: row.try_get(2)?,
            transition_log: row.try_get(3)?,
            installation_version: row.try_get(4)?,
            delta: row.try_get(5)?,
            created_date: Timestamp(row.try_get(6)?),
        })
    };
    listing.add_all(read).await?;
    listing.respond().await
}
