//! `/cancellation-reasons/`.

use axum::{Json, extract::State, response::Response};
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
    wire::Timestamp,
};

/// What cancellation reasons can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("is_active", Kind::Boolean, "r.is_active = {}", "Whether it is active."),
    filter("subject", Kind::Contains, "r.subject ilike {}", "Part of the subject, in any case."),
    filter("cancellation_type", Kind::Text, "r.cancellation_type = {}", "`cancel` or `refund`."),
    filter("omnitron_id", Kind::Integer, "r.omnitron_id = {}", "The upstream's own key."),
    filter("id__gt", Kind::Integer, "r.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "r.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "r.id = any({})", "Ids, separated by commas."),
];

/// The list of reasons. They belong to no location: every caller sees them.
pub(super) const LIST: List = List {
    from: " from cancellation_reasons r",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[
        ("id", "r.id"),
        ("order", "r.position"),
        ("subject", "r.subject"),
        ("created_date", "r.created_date"),
        ("modified_date", "r.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "r.id desc",
};

/// Why a customer cancels or sends back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CancellationReason {
    /// What `CANCEL_PACKAGE` sends as `cancellation_reason`.
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The upstream's own key.
    omnitron_id: Option<i64>,
    /// What the customer reads and picks.
    subject: String,
    /// `cancel` or `refund`.
    cancellation_type: String,
    /// Whether the customer is asked for more words.
    extra_information_needed: bool,
    /// Lower is shown first.
    order: i32,
    is_active: bool,
}

impl CancellationReason {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            created_date: Timestamp(row.try_get("created_date")?),
            modified_date: Timestamp(row.try_get("modified_date")?),
            omnitron_id: row.try_get("omnitron_id")?,
            subject: row.try_get("subject")?,
            cancellation_type: row.try_get("cancellation_type")?,
            extra_information_needed: row.try_get("extra_information_needed")?,
            order: row.try_get("position")?,
            is_active: row.try_get("is_active")?,
        })
    }
}

/// Cancellation reasons
///
/// They come from the installation, or are pulled from the upstream.
#[utoipa::path(
    get,
    path = "/api/v1/oms/cancellation-reasons/",
    tag = "Reasons",
    operation_id = "listCancellationReasons"
)]
pub(super) async fn list(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    let mut listing = LIST.open(&app.pool, page, None, "r.*").await?;
    listing.add_all(CancellationReason::from_row).await?;
    listing.respond().await
}

/// One cancellation reason
#[utoipa::path(get, path = "/api/v1/oms/cancellation-reasons/{id}/", tag = "Reasons",
    operation_id = "getCancellationReason",
    params(("id" = i64, Path, description = "The reason's id", example = 1)),
    responses((status = 200, description = "The reason", body = CancellationReason)))]
pub(super) async fn detail(State(app): State<App>, _: Authenticated, Id(id): Id) -> Result<Json<CancellationReason>> {
    let row =
        sqlx::query("select * from cancellation_reasons where id = $1").bind(id).fetch_optional(&app.pool).await?;
    Ok(Json(CancellationReason::from_row(&row.ok_or_else(Refusal::not_found)?)?))
}
