//! `/packages/{id}/transition-logs/` and `/transfer_orders/{id}/transition-logs/`: every move, with who, when, by which
//! transition, and what the command recorded.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow as _, PgPool, postgres::PgRow, types::Json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::listed,
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, filter},
    wire::Timestamp,
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<PackageMove, _>(routes!(of_package), &PACKAGES))
        .routes(listed::<Move, _>(routes!(of_transfer), &TRANSFERS))
}

/// The filters of both logs.
pub const FILTERS: &[Filter] = &[
    filter("transition", Kind::Integer, "g.transition_id = {}", "Id of the transition."),
    filter("command", Kind::Text, "n.command = {}", "The command, as `COMPLETE_PACKING`."),
    filter("user", Kind::Text, "u.username = {}", "Name of the user."),
    filter("created_date__gte", Kind::DateTime, "g.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "g.created_date <= {}", "Created at this moment or earlier."),
];

/// What can be sorted by.
const SORTS: &[(&str, &str)] = &[("id", "g.id"), ("created_date", "g.created_date")];

/// The log of one package: its id stands where other lists have the locations of the caller.
const PACKAGES: List = List {
    from: " from transition_logs g left join transitions n on n.id = g.transition_id \
           left join states s on s.id = g.source_state_id join states d on d.id = g.destination_state_id \
           left join users u on u.id = g.user_id join stock_locations l on l.id = g.stock_location_id \
           left join transition_records r on r.transition_log_id = g.id \
           left join denial_reasons w on w.id = (r.parameters ->> 'denial_reason')::bigint",
    visible: "g.package_id = any({})",
    filters: FILTERS,
    sorts: SORTS,
    default_sort: "-id",
    tie_breaker: "g.id desc",
};

/// The same of one transfer.
const TRANSFERS: List = List {
    from: " from transfer_logs g left join transitions n on n.id = g.transition_id \
           left join states s on s.id = g.source_state_id join states d on d.id = g.destination_state_id \
           left join users u on u.id = g.user_id",
    visible: "g.transfer_id = any({})",
    ..PACKAGES
};

/// What both have.
macro_rules! move_columns {
    () => {
        "g.id, g.created_date, u.username, \
         case when n.id is not null then json_build_object('id', n.id, 'slug', n.slug, 'label', n.label, \
                                                           'command', n.command) end as transition, \
         case when s.id is not null then json_build_object('id', s.id, 'name', s.name, \
                                                           'enum_value', s.enum_value) end as source_state, \
         json_build_object('id', d.id, 'name', d.name, 'enum_value', d.enum_value) as destination_state"
    };
}

/// `invoice_call` is not among them: it holds secrets. Two recorded parameters have keys of their own.
const PACKAGE_COLUMNS: &str = concat!(
    move_columns!(),
    ", json_build_object('id', l.id, 'erp_code', l.erp_code, 'name', l.name) as stock_location, \
     r.parameters ->> 'cancellation_reason' as cancellation_reason, \
     case when w.id is not null then json_build_object('id', w.id, 'title', w.title) end as denial_reason, \
     coalesce(r.parameters - array['cancellation_reason', 'denial_reason'], '{}') as parameters, \
     coalesce(r.replacements, '[]') as replacements, r.reservations"
);
const TRANSFER_COLUMNS: &str = move_columns!();

/// A transition as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct MoveTransition {
    id: i64,
    slug: String,
    label: String,
    /// The command that carries it out.
    command: String,
}

/// A state as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct MoveState {
    id: i64,
    name: String,
    /// The stable code.
    enum_value: String,
}

/// A location as a log names it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct MoveLocation {
    id: i64,
    erp_code: String,
    name: String,
}

/// Why a location refused a package.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct MoveReason {
    id: i64,
    title: String,
}

/// A product that was replaced by another; its keys in the order in which Postgres keeps them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Replacement {
    /// SKU of the product since.
    to: String,
    /// SKU of the product before.
    from: String,
    /// Id of the package item.
    package_item: i64,
}

/// A move of a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transition)]
struct Move {
    id: i64,
    created_date: Timestamp,
    /// Who; null for what the server did without anybody.
    user: Option<String>,
    /// By which transition; null for the creation.
    transition: Option<MoveTransition>,
    /// Null for the creation.
    source_state: Option<MoveState>,
    destination_state: MoveState,
}

/// A move of a package, with what its command recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageTransition)]
struct PackageMove {
    #[serde(flatten)]
    plain: Move,
    /// Where the package was after it.
    stock_location: MoveLocation,
    cancellation_reason: Option<String>,
    denial_reason: Option<MoveReason>,
    /// Common parameters that differ from their documented defaults, and those of its own that the command keeps.
    parameters: BTreeMap<String, Value>,
    /// Products that were replaced.
    replacements: Vec<Replacement>,
    /// `released`: the package gave its reservations up; `renewed`: it holds them again.
    reservations: Option<String>,
}

#[derive(sqlx::FromRow)]
struct MoveRow {
    id: i64,
    created_date: DateTime<Utc>,
    username: Option<String>,
    transition: Option<Json<MoveTransition>>,
    source_state: Option<Json<MoveState>>,
    destination_state: Json<MoveState>,
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    stock_location: Json<MoveLocation>,
    cancellation_reason: Option<String>,
    denial_reason: Option<Json<MoveReason>>,
    parameters: Json<BTreeMap<String, Value>>,
    replacements: Json<Vec<Replacement>>,
    reservations: Option<String>,
}

impl Move {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let row = MoveRow::from_row(row)?;
        Ok(Self {
            id: row.id,
            created_date: row.created_date.into(),
            user: row.username,
            transition: row.transition.map(|json| json.0),
            source_state: row.source_state.map(|json| json.0),
            destination_state: row.destination_state.0,
        })
    }
}

impl PackageMove {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let record = RecordRow::from_row(row)?;
        Ok(Self {
            plain: Move::from_row(row)?,
            stock_location: record.stock_location.0,
            cancellation_reason: record.cancellation_reason,
            denial_reason: record.denial_reason.map(|json| json.0),
            parameters: record.parameters.0,
            replacements: record.replacements.0,
            reservations: record.reservations,
        })
    }
}

/// The id of an address whose object is at one of the caller's locations.
async fn visible(pool: &PgPool, id: i64, locations: &'static str, seen: Option<&[i64]>) -> Result<i64> {
    let places: Option<Vec<i64>> = sqlx::query_scalar(locations).bind(id).fetch_optional(pool).await?;
    let places = places.ok_or_else(Refusal::not_found)?;
    if seen.is_some_and(|seen| places.iter().all(|place| !seen.contains(place))) {
        return Err(Refusal::not_found().into());
    }
    Ok(id)
}

/// A package's transition log
///
/// Every move of the package, latest first: when, by whom, by which transition, from and to which state, where, and what
/// the command recorded.
#[utoipa::path(get, path = "/api/v1/oms/packages/{id}/transition-logs/", tag = "Packages",
    operation_id = "listPackageTransitions",
    params(("id" = i64, Path, description = "The package's id", example = 1)))]
async fn of_package(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    page: Page,
) -> Result<Response> {
    let places = "select array[stock_location_id] from packages where id = $1";
    let id = visible(&app.pool, id, places, caller.visible_location_ids().as_deref()).await?;
    let mut listing = PACKAGES.open(&app.pool, page, Some(&[id]), PACKAGE_COLUMNS).await?;
    listing.add_all(PackageMove::from_row).await?;
    listing.respond().await
}

/// A transfer's transition log
///
/// Every move of the transfer, latest first. The transition is the transfer's own, or that of the package whose end ended
/// it.
#[utoipa::path(get, path = "/api/v1/oms/transfer_orders/{id}/transition-logs/", tag = "Transfers",
    operation_id = "listTransferTransitions",
    params(("id" = i64, Path, description = "The transfer's id", example = 1)))]
async fn of_transfer(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
    page: Page,
) -> Result<Response> {
    let places = "select array[source_location_id, destination_location_id] from transfers where id = $1";
    let id = visible(&app.pool, id, places, caller.visible_location_ids().as_deref()).await?;
    let mut listing = TRANSFERS.open(&app.pool, page, Some(&[id]), TRANSFER_COLUMNS).await?;
    listing.add_all(Move::from_row).await?;
    listing.respond().await
}
