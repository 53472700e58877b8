//! `/api/v1/oms/stocklocations/`.

mod senders;
mod simple;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::listed,
    api::extract::Authenticated,
    app::App,
    auth::{Caller, Role},
    db,
    error::{Error, OnConstraint, Refusal, Result},
    locations::{
        LocationRow, LocationView,
        input::{Given, LocationInput},
        load,
    },
    page::{Filter, Kind, List, Page, filter},
    wire::Timestamp,
};

pub use senders::FILTERS as SENDER_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<LocationView, _>(routes!(list, create), &LIST))
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
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let page = Page::parse(&uri, &headers)?;
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "l.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let locations = load(connection, &ids).await?;
        listing.add(ids.iter().filter_map(|id| locations.get(id)).map(LocationRow::view).collect()).await?;
    }
    listing.respond().await
}

/// One stock location
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    operation_id = "getStockLocation",
    params(("id" = i64, Path, description = "The location's id", example = 1)),
    responses((status = 200, description = "The location", body = LocationView)))]
async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
) -> Result<axum::Json<LocationView>> {
    let id = visible(&caller, &id)?;
    let mut connection = app.pool.acquire().await?;
    one(&mut connection, id).await
}

fn visible(caller: &Caller, id: &str) -> Result<i64, Refusal> {
    id.parse().ok().filter(|id| caller.sees(*id)).ok_or_else(Refusal::not_found)
}

async fn one(connection: &mut PgConnection, id: i64) -> Result<axum::Json<LocationView>> {
    let locations = load(connection, &[id]).await?;
    Ok(axum::Json(locations.get(&id).ok_or_else(Refusal::not_found)?.view()))
}

fn taken(erp_code: &str) -> Refusal {
    Refusal::field("erp_code", format!("There is a stock location {erp_code} already."))
}

fn unknown_company() -> Refusal {
    Refusal::field("cargo_company", "Invalid pk - object does not exist.")
}

/// Add a stock location
#[utoipa::path(post, path = "/api/v1/oms/stocklocations/", tag = "Stock locations",
    operation_id = "createStockLocation", request_body = LocationInput,
    responses((status = 201, description = "The location", body = LocationView)))]
async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    caller.require(&[Role::Operator, Role::Integrator])?;
    let input = Given::read(&headers, &body, &["erp_code", "name", "stock_location_type"])?;
    let erp_code = input.erp_code.unwrap_or_default();
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let id = sqlx::query_scalar!(
        "insert into stock_locations (erp_code, name, stock_location_type, priority, is_active, max_quota, latitude,
                                      longitude, address, phone, email, cargo_company_id, tags, hours,
                                      fax_number, evening_phone, is_fulfillment_center, is_pickup_location,
                                      is_delivery_location, is_return_available, is_fast_delivery_available)
         values ($1, $2, $3, coalesce($4, 0), coalesce($5, true), $6, $7::float8::numeric, $8::float8::numeric,
                 coalesce($9, '{}'::jsonb), $10, $11, $12, coalesce($13::text[], '{}'), coalesce($14, '{}'::jsonb),
                 $15, $16, coalesce($17, true), coalesce($18, false), coalesce($19, false), coalesce($20, false),
                 coalesce($21, false))
         returning id",
        erp_code,
        input.name,
        input.stock_location_type,
        input.priority,
        input.is_active,
        input.max_quota.flatten(),
        input.latitude.flatten(),
        input.longitude.flatten(),
        input.address,
        input.daytime_phone.flatten(),
        input.email.flatten(),
        input.cargo_company.flatten(),
        input.tags.as_deref(),
        input.hours,
        input.fax_number.flatten(),
        input.evening_phone.flatten(),
        input.is_fulfillment_center,
        input.is_pickup_location,
        input.is_delivery_location,
        input.is_return_available,
        input.is_fast_delivery_available
    )
    .fetch_one(&mut *transaction)
    .await
    .on_constraint("stock_locations_erp_code_key", || taken(&erp_code))
    .or_else(on_unknown_company)?;
    let view = one(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, view).into_response())
}

fn on_unknown_company<T>(error: Error) -> Result<T> {
    match error {
        Error::Database(error) => Err(error).on_constraint("stock_locations_cargo_company_id_fkey", unknown_company),
        other => Err(other),
    }
}

/// Change a stock location
///
/// Only the keys that are sent are changed.
#[utoipa::path(patch, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    operation_id = "updateStockLocation",
    params(("id" = i64, Path, description = "The location's id", example = 1)),
    request_body = LocationInput,
    responses((status = 200, description = "The location", body = LocationView)))]
async fn change(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<LocationView>> {
    let id = visible(&caller, &id)?;
    caller.require(&[Role::Operator, Role::Integrator])?;
    let input = Given::read(&headers, &body, &[])?;
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    sqlx::query!(
        "update stock_locations
            set erp_code = coalesce($2, erp_code), name = coalesce($3, name),
                stock_location_type = coalesce($4, stock_location_type), priority = coalesce($5, priority),
                is_active = coalesce($6, is_active),
                max_quota = case when $7 then $8 else max_quota end,
                latitude = case when $9 then $10::float8::numeric else latitude end,
                longitude = case when $11 then $12::float8::numeric else longitude end,
                address = coalesce($13, address),
                phone = case when $14 then $15 else phone end,
                email = case when $16 then $17 else email end,
                cargo_company_id = case when $18 then $19 else cargo_company_id end,
                tags = coalesce($20::text[], tags), hours = coalesce($21, hours),
                fax_number = case when $22 then $23 else fax_number end,
                evening_phone = case when $24 then $25 else evening_phone end,
                is_fulfillment_center = coalesce($26, is_fulfillment_center),
                is_pickup_location = coalesce($27, is_pickup_location),
                is_delivery_location = coalesce($28, is_delivery_location),
                is_return_available = coalesce($29, is_return_available),
                is_fast_delivery_available = coalesce($30, is_fast_delivery_available),
                modified_date = now()
          where id = $1",
        id,
        input.erp_code,
        input.name,
        input.stock_location_type,
        input.priority,
        input.is_active,
        input.max_quota.is_some(),
        input.max_quota.flatten(),
        input.latitude.is_some(),
        input.latitude.flatten(),
        input.longitude.is_some(),
        input.longitude.flatten(),
        input.address,
        input.daytime_phone.is_some(),
        input.daytime_phone.flatten(),
        input.email.is_some(),
        input.email.flatten(),
        input.cargo_company.is_some(),
        input.cargo_company.flatten(),
        input.tags.as_deref(),
        input.hours,
        input.fax_number.is_some(),
        input.fax_number.flatten(),
        input.evening_phone.is_some(),
        input.evening_phone.flatten(),
        input.is_fulfillment_center,
        input.is_pickup_location,
        input.is_delivery_location,
        input.is_return_available,
        input.is_fast_delivery_available
    )
    .execute(&mut *transaction)
    .await
    .on_constraint("stock_locations_erp_code_key", || taken(input.erp_code.as_deref().unwrap_or_default()))
    .or_else(on_unknown_company)?;
    let view = one(&mut transaction, id).await?;
    transaction.commit().await?;
    app.wake_signal.wake();
    Ok(view)
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
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let id = visible(&caller, &id)?;
    let page = Page::parse(&uri, &headers)?;
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
