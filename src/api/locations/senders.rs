//! `/stocklocations-senderaddress/`: under which number a cargo company knows a location.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    api::extract::{Authenticated, Id},
    app::App,
    auth::{Caller, Role},
    error::{Error, OnConstraint, Refusal, Result},
    page::{Filter, Kind, List, Page, filter},
    reading,
    wire::{self, Timestamp},
};

/// What sender addresses can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("origin_id", Kind::Text, "a.origin_id = {}", "The cargo company's key of the address."),
    filter("stock_location", Kind::Integer, "a.stock_location_id = {}", "Id of the stock location."),
    filter(
        "stock_location__erp_code",
        Kind::Text,
        "a.stock_location_id in (select id from stock_locations where erp_code = {})",
        "ERP code of the stock location.",
    ),
    filter("cargo_company", Kind::Integer, "a.cargo_company_id = {}", "Id of the cargo company."),
    filter("id__gt", Kind::Integer, "a.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "a.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "a.id = any({})", "Ids, separated by commas."),
];

/// The list of sender addresses.
pub(super) const LIST: List = List {
    from: " from sender_addresses a",
    visible: "a.stock_location_id = any({})",
    filters: FILTERS,
    sorts: &[
        ("id", "a.id"),
        ("stock_location", "a.stock_location_id"),
        ("created_date", "a.created_date"),
        ("modified_date", "a.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "a.id desc",
};

const COLUMNS: &str = "a.id, a.created_date, a.modified_date, a.origin_id, a.stock_location_id, a.cargo_company_id";

/// Ties a location to a cargo company's own address of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SenderAddress {
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The cargo company's key of the address.
    origin_id: String,
    /// Id of the location.
    stock_location: i64,
    /// Id of the cargo company. A location has one sender address with each.
    cargo_company: i64,
}

impl SenderAddress {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            created_date: Timestamp(row.try_get("created_date")?),
            modified_date: Timestamp(row.try_get("modified_date")?),
            origin_id: row.try_get("origin_id")?,
            stock_location: row.try_get("stock_location_id")?,
            cargo_company: row.try_get("cargo_company_id")?,
        })
    }
}

/// What can be set of a sender address.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what `Given::read` reads")]
struct SenderAddressInput {
    /// The cargo company's key of the address; required to create.
    #[schema(max_length = 255)]
    origin_id: Option<String>,
    /// Id of the location; required to create.
    stock_location: Option<i64>,
    /// Id of the cargo company; required to create.
    cargo_company: Option<i64>,
}

/// The same after checks.
struct Given {
    origin_id: Option<String>,
    stock_location: Option<i64>,
    cargo_company: Option<i64>,
}

impl Given {
    fn read(caller: &Caller, headers: &HeaderMap, body: &[u8], required: &[&str]) -> Result<Self, Refusal> {
        wire::check_media_type(headers)?;
        reading::body(body, |reader| {
            reader.require(required);
            let given = Self {
                origin_id: reader.text("origin_id"),
                stock_location: reader.id("stock_location"),
                cargo_company: reader.id("cargo_company"),
            };
            if given.stock_location.is_some_and(|id| !caller.sees(id)) {
                reader.wrong("stock_location", NO_OBJECT);
            }
            given
        })
    }
}

const NO_OBJECT: &str = "Invalid pk - object does not exist.";

/// Violated constraints as the field that is wrong.
fn on_constraints<T>(done: sqlx::Result<T>) -> Result<T> {
    let taken =
        || Refusal::field("cargo_company", "The location has a sender address with this cargo company already.");
    let mut done = done.on_constraint("sender_addresses_location_company_key", taken);
    for (constraint, field) in [
        ("sender_addresses_stock_location_id_fkey", "stock_location"),
        ("sender_addresses_cargo_company_id_fkey", "cargo_company"),
    ] {
        done = match done {
            Err(Error::Database(error)) => Err(error).on_constraint(constraint, || Refusal::field(field, NO_OBJECT)),
            other => other,
        };
    }
    done
}

/// Sender addresses
#[utoipa::path(
    get,
    path = "/api/v1/oms/stocklocations-senderaddress/",
    tag = "Stock locations",
    operation_id = "listSenderAddresses"
)]
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), COLUMNS).await?;
    listing.add_all(SenderAddress::from_row).await?;
    listing.respond().await
}

async fn one(connection: &mut PgConnection, caller: &Caller, id: i64) -> Result<SenderAddress> {
    let row = sqlx::query("select * from sender_addresses where id = $1").bind(id).fetch_optional(connection).await?;
    let address = row.as_ref().map(SenderAddress::from_row).transpose()?;
    Ok(address.filter(|address| caller.sees(address.stock_location)).ok_or_else(Refusal::not_found)?)
}

/// One sender address
#[utoipa::path(get, path = "/api/v1/oms/stocklocations-senderaddress/{id}/", tag = "Stock locations",
    operation_id = "getSenderAddress",
    params(("id" = i64, Path, description = "The sender address' id", example = 1)),
    responses((status = 200, description = "The sender address", body = SenderAddress)))]
pub(super) async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<Json<SenderAddress>> {
    Ok(Json(one(&mut *app.pool.acquire().await?, &caller, id).await?))
}

/// Add a sender address
///
/// It stays when an installation is applied that does not know it.
#[utoipa::path(post, path = "/api/v1/oms/stocklocations-senderaddress/", tag = "Stock locations",
    operation_id = "createSenderAddress", request_body = SenderAddressInput,
    responses((status = 201, description = "The sender address", body = SenderAddress)))]
pub(super) async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<SenderAddress>)> {
    caller.require(&[Role::Operator, Role::Integrator])?;
    let given = Given::read(&caller, &headers, &body, &["origin_id", "stock_location", "cargo_company"])?;
    let created = sqlx::query(
        "insert into sender_addresses (origin_id, stock_location_id, cargo_company_id, installed)
         values ($1, $2, $3, false) returning *",
    )
    .bind(given.origin_id)
    .bind(given.stock_location)
    .bind(given.cargo_company)
    .fetch_one(&app.pool)
    .await;
    Ok((StatusCode::CREATED, Json(SenderAddress::from_row(&on_constraints(created)?)?)))
}

/// Change a sender address
///
/// Only the keys that are sent are changed.
#[utoipa::path(patch, path = "/api/v1/oms/stocklocations-senderaddress/{id}/", tag = "Stock locations",
    operation_id = "updateSenderAddress",
    params(("id" = i64, Path, description = "The sender address' id", example = 1)),
    request_body = SenderAddressInput,
    responses((status = 200, description = "The sender address", body = SenderAddress)))]
pub(super) async fn change(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<SenderAddress>> {
    let mut connection = app.pool.acquire().await?;
    let before = one(&mut connection, &caller, id).await?;
    caller.require(&[Role::Operator, Role::Integrator])?;
    let given = Given::read(&caller, &headers, &body, &[])?;
    let changed = sqlx::query(
        "update sender_addresses
            set origin_id = coalesce($2, origin_id), stock_location_id = coalesce($3, stock_location_id),
                cargo_company_id = coalesce($4, cargo_company_id), modified_date = now()
          where id = $1 returning *",
    )
    .bind(before.id)
    .bind(given.origin_id)
    .bind(given.stock_location)
    .bind(given.cargo_company)
    .fetch_optional(&mut *connection)
    .await;
    let changed = on_constraints(changed)?.ok_or_else(Refusal::not_found)?;
    Ok(Json(SenderAddress::from_row(&changed)?))
}

/// Delete a sender address
///
/// One that an installation's file holds is there again when the file is applied again.
#[utoipa::path(delete, path = "/api/v1/oms/stocklocations-senderaddress/{id}/", tag = "Stock locations",
    operation_id = "deleteSenderAddress",
    params(("id" = i64, Path, description = "The sender address' id", example = 1)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<StatusCode> {
    let mut connection = app.pool.acquire().await?;
    let kept = one(&mut connection, &caller, id).await?;
    caller.require(&[Role::Operator, Role::Integrator])?;
    let gone = sqlx::query!("delete from sender_addresses where id = $1", kept.id).execute(&mut *connection).await?;
    if gone.rows_affected() == 0 {
        return Err(Refusal::not_found().into());
    }
    Ok(StatusCode::NO_CONTENT)
}
