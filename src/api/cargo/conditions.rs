//! `/cargo-company-conditions/`.

use axum::{Json, extract::State, response::Response};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
};

/// What conditions can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("cargo_company", Kind::Integer, "c.cargo_company_id = {}", "Id of the cargo company."),
    filter(
        "cargo_company__in",
        Kind::Integers,
        "c.cargo_company_id = any({})",
        "Ids of cargo companies, separated by commas.",
    ),
    filter("id__gt", Kind::Integer, "c.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "c.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "c.id = any({})", "Ids, separated by commas."),
];

/// The list of conditions. They belong to no location: every caller sees them.
pub(super) const LIST: List = List {
    from: " from cargo_company_conditions c",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[
        ("id", "c.id"),
        ("cargo_company", "c.cargo_company_id"),
        ("created_date", "c.created_date"),
        ("modified_date", "c.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "c.id desc",
};

const COLUMNS: &str = "c.id, c.rules_configuration, c.cargo_company_id";

/// By which rules a cargo company is chosen.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CargoCompanyCondition)]
pub(super) struct Condition {
    id: i64,
    /// `{"rules": [...]}`, as installed. This server does not judge by them: a location's cargo company carries.
    #[schema(value_type = Object)]
    rules_configuration: Value,
    /// The cargo company's id.
    cargo_company: i64,
}

impl Condition {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            rules_configuration: row.try_get("rules_configuration")?,
            cargo_company: row.try_get("cargo_company_id")?,
        })
    }
}

/// Conditions of cargo companies
///
/// They come from the installation, and are kept for the clients that choose by them.
#[utoipa::path(
    get,
    path = "/api/v1/oms/cargo-company-conditions/",
    tag = "Cargo companies",
    operation_id = "listCargoCompanyConditions"
)]
pub(super) async fn list(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    let mut listing = LIST.open(&app.pool, page, None, COLUMNS).await?;
    listing.add_all(Condition::from_row).await?;
    listing.respond().await
}

/// The conditions of one cargo company
#[utoipa::path(get, path = "/api/v1/oms/cargo-company-conditions/{id}/", tag = "Cargo companies",
    operation_id = "getCargoCompanyCondition",
    params(("id" = i64, Path, description = "The id of the conditions", example = 1)),
    responses((status = 200, description = "The conditions", body = Condition)))]
pub(super) async fn detail(State(app): State<App>, _: Authenticated, Id(id): Id) -> Result<Json<Condition>> {
    let row =
        sqlx::query("select * from cargo_company_conditions where id = $1").bind(id).fetch_optional(&app.pool).await?;
    Ok(Json(Condition::from_row(&row.ok_or_else(Refusal::not_found)?)?))
}
