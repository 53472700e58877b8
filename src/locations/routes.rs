//! `/api/v1/oms/stocklocations/`.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{LocationView, load, senders, simple};
use crate::{
    app::App,
    auth::{Authenticated, Caller, Role},
    db,
    error::{Error, OnConstraint, Refusal, Result},
    openapi,
    page::{Filter, Kind, List, Page, PageOf, PageQuery, filter},
    planning::hours::Hours,
    reading::{self, Reader},
    spelling::unsound,
    wire::{self, Timestamp},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(simple::list))
        .routes(routes!(detail, change))
        .routes(routes!(ledger))
        .routes(routes!(senders::list, senders::create))
        .routes(routes!(senders::detail, senders::change))
}

/// The filters of the list.
pub const FILTERS: &[Filter] = &[
    filter("erp_code", Kind::Text, "l.erp_code = {}"),
    filter("erp_code__in", Kind::Texts, "l.erp_code = any({})"),
    filter("name", Kind::Contains, "l.name ilike {}"),
    filter("stock_location_type", Kind::Text, "l.stock_location_type = {}"),
    filter("id__gt", Kind::Integer, "l.id > {}"),
    filter("id__lt", Kind::Integer, "l.id < {}"),
    filter("pk__in", Kind::Integers, "l.id = any({})"),
];

/// The list of locations.
pub(super) const LIST: List = List {
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
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/", tag = "Stock locations", params(PageQuery, openapi::Sort),
    responses((status = 200, description = "A page of locations", body = PageOf<LocationView>)))]
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
        listing.add(ids.iter().filter_map(|id| locations.get(id)).map(super::LocationRow::view).collect()).await?;
    }
    listing.respond().await
}

/// One stock location
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/{id}/", tag = "Stock locations",
    params(("id" = i64, Path, description = "The location's id")),
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

/// What can be set of a location. `quota` is the system's own.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct LocationInput {
    /// The ERP's word for it; required to create, unique.
    erp_code: Option<String>,
    /// Required to create.
    name: Option<String>,
    /// `store` or `warehouse`; required to create.
    stock_location_type: Option<String>,
    /// Lower is asked first; 0 without one.
    priority: Option<i32>,
    is_active: Option<bool>,
    /// Null: no limit. May be set below `quota`: that only stops new packages.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    max_quota: Option<Option<i64>>,
    /// Degrees; a number or a string of one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    latitude: Option<Option<Value>>,
    /// Degrees; a number or a string of one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    longitude: Option<Option<Value>>,
    /// Line, postcode, city, country.
    #[schema(value_type = Option<Object>)]
    address: Option<serde_json::Map<String, Value>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    daytime_phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Id of a cargo company; null: the first active one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>)]
    cargo_company: Option<Option<i64>>,
    /// The groups it is in, for scenarios.
    tags: Option<Vec<String>>,
    /// When it is open, replaced whole: `{"timezone": "Europe/Istanbul", "opening_hours": {"monday": ["09:00-18:00"]},
    /// "holidays": ["2026-01-01"]}`, each optional.
    #[schema(value_type = Option<Object>)]
    conf: Option<serde_json::Map<String, Value>>,
}

/// Tells null from a key that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The input's values after checks: each with whether it is to be set.
struct Checked {
    input: LocationInput,
    latitude: Option<Option<f64>>,
    longitude: Option<Option<f64>>,
    /// As it is stored.
    hours: Option<Value>,
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Checked, Refusal> {
    wire::check_media_type(headers)?;
    let input: LocationInput = wire::parse(body)?;
    let mut wrong: Vec<(String, Vec<String>)> = Vec::new();
    let mut refuse = |field: &str, message: &str| wrong.push((field.to_owned(), vec![message.to_owned()]));
    for (field, value) in [("erp_code", &input.erp_code), ("name", &input.name)] {
        if value.as_ref().is_some_and(|text| text.trim().is_empty()) {
            refuse(field, "This field may not be blank.");
        }
        if value.as_ref().is_some_and(|text| text.contains('\0')) {
            refuse(field, "Null characters are not allowed.");
        }
    }
    if input.stock_location_type.as_ref().is_some_and(|kind| kind != "store" && kind != "warehouse") {
        refuse("stock_location_type", "Choose store or warehouse.");
    }
    if input.max_quota.flatten().is_some_and(|most| most < 0) {
        refuse("max_quota", "Ensure this value is greater than or equal to 0.");
    }
    let mut degrees = |field: &str, value: &Option<Option<Value>>, most: f64| {
        value.as_ref().map(|value| {
            let number = value.as_ref().map(|value| match value {
                Value::String(text) => text.parse().ok(),
                number => number.as_f64(),
            });
            if number.is_some_and(|number: Option<f64>| !number.is_some_and(|number| number.abs() <= most)) {
                refuse(field, &format!("A number of degrees between -{most} and {most} is required."));
            }
            number.flatten()
        })
    };
    let latitude = degrees("latitude", &input.latitude, 90.0);
    let longitude = degrees("longitude", &input.longitude, 180.0);
    for tag in input.tags.iter().flatten() {
        if let Some((message, remedy)) = unsound(tag) {
            refuse("tags", &format!("`{tag}` {message} — {remedy}"));
        }
    }
    let hours = input.conf.as_ref().and_then(|conf| match reading::whole(conf, read_hours) {
        Ok(hours) => Some(Value::Object(hours.to_json())),
        Err(defects) => {
            wrong.push(("conf".to_owned(), defects.iter().map(ToString::to_string).collect()));
            None
        }
    });
    if wrong.is_empty() { Ok(Checked { input, latitude, longitude, hours }) } else { Err(Refusal::fields(wrong)) }
}

fn read_hours(reader: &mut Reader<'_>) -> Hours {
    let hours = Hours::read(reader);
    reader.finish();
    hours
}

fn taken(erp_code: &str) -> Refusal {
    Refusal::field("erp_code", format!("There is a stock location {erp_code} already."))
}

fn unknown_company() -> Refusal {
    Refusal::field("cargo_company", "Invalid pk - object does not exist.")
}

/// Add a stock location
#[utoipa::path(post, path = "/api/v1/oms/stocklocations/", tag = "Stock locations", request_body = LocationInput,
    responses((status = 201, description = "The location", body = LocationView)))]
async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    caller.require(&[Role::Operator, Role::Integrator])?;
    let Checked { input, latitude, longitude, hours } = read(&headers, &body)?;
    let required = [
        ("erp_code", input.erp_code.is_none()),
        ("name", input.name.is_none()),
        ("stock_location_type", input.stock_location_type.is_none()),
    ];
    let missing: Vec<_> = required
        .iter()
        .filter(|(_, missing)| *missing)
        .map(|(field, _)| ((*field).to_owned(), vec!["This field is required.".to_owned()]))
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::fields(missing).into());
    }
    let erp_code = input.erp_code.unwrap_or_default();
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let id = sqlx::query_scalar!(
        "insert into stock_locations (erp_code, name, stock_location_type, priority, is_active, max_quota, latitude,
                                      longitude, address, phone, email, cargo_company_id, tags, hours)
         values ($1, $2, $3, coalesce($4, 0), coalesce($5, true), $6, $7::float8::numeric, $8::float8::numeric,
                 coalesce($9, '{}'::jsonb), $10, $11, $12, coalesce($13::text[], '{}'), coalesce($14, '{}'::jsonb))
         returning id",
        erp_code,
        input.name,
        input.stock_location_type,
        input.priority,
        input.is_active,
        input.max_quota.flatten(),
        latitude.flatten(),
        longitude.flatten(),
        input.address.map(Value::Object),
        input.daytime_phone.flatten(),
        input.email.flatten(),
        input.cargo_company.flatten(),
        input.tags.as_deref(),
        hours
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
    params(("id" = i64, Path, description = "The location's id")), request_body = LocationInput,
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
    let Checked { input, latitude, longitude, hours } = read(&headers, &body)?;
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
        latitude.is_some(),
        latitude.flatten(),
        longitude.is_some(),
        longitude.flatten(),
        input.address.map(Value::Object),
        input.daytime_phone.is_some(),
        input.daytime_phone.flatten(),
        input.email.is_some(),
        input.email.flatten(),
        input.cargo_company.is_some(),
        input.cargo_company.flatten(),
        input.tags.as_deref(),
        hours
    )
    .execute(&mut *transaction)
    .await
    .on_constraint("stock_locations_erp_code_key", || taken(input.erp_code.as_deref().unwrap_or_default()))
    .or_else(on_unknown_company)?;
    let view = one(&mut transaction, id).await?;
    transaction.commit().await?;
    app.bell.nudge();
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
    #[schema(value_type = String, format = DateTime)]
    created_date: Timestamp,
}

/// A location's quota ledger
///
/// Every change of the location's quota, latest first. Their sum is `quota`.
#[utoipa::path(get, path = "/api/v1/oms/stocklocations/{id}/quota-ledger/", tag = "Stock locations",
    params(("id" = i64, Path, description = "The location's id"), PageQuery),
    responses((status = 200, description = "A page of the ledger", body = PageOf<LedgerRow>)))]
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
