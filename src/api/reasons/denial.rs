//! `/packages/package_denial_reason/` and the older `/package-denial-reason/`.

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
    auth::Role,
    db,
    error::{OnConstraint, Refusal, Result},
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
    reading,
    wire::{self, Timestamp},
};

/// Longest `remote_id`, in characters.
const LONGEST_REMOTE_ID: usize = 100;

/// Filters of the list of denial reasons.
pub const FILTERS: &[Filter] = &[
    filter("is_active", Kind::Boolean, "r.is_active = {}", "Whether it is active."),
    filter("title", Kind::Contains, "r.title ilike {}", "Part of the title, in any case."),
    filter("priority", Kind::Integer, "r.priority = {}", "Its priority."),
    filter("remote_id", Kind::Text, "r.remote_id = {}", "Another system's own key."),
    filter("id__gt", Kind::Integer, "r.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "r.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "r.id = any({})", "Ids, separated by commas."),
];

/// The list of reasons. They belong to no location: every caller sees them.
pub(super) const LIST: List = List {
    from: " from denial_reasons r",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[
        ("id", "r.id"),
        ("title", "r.title"),
        ("priority", "r.priority"),
        ("created_date", "r.created_date"),
        ("modified_date", "r.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "r.id desc",
};

const COLUMNS: &str = "r.id, r.title, r.remote_id, r.priority, r.is_active, r.created_date, r.modified_date";

/// Why a store refuses a package.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DenialReason {
    /// What commands send as `denial_reason`.
    id: i64,
    /// What the store reads and picks; unique.
    title: String,
    /// Another system's own key.
    remote_id: Option<String>,
    /// For clients to sort by.
    priority: Option<i32>,
    /// Whether stores may still pick it.
    is_active: bool,
}

impl DenialReason {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            title: row.try_get("title")?,
            remote_id: row.try_get("remote_id")?,
            priority: row.try_get("priority")?,
            is_active: row.try_get("is_active")?,
        })
    }
}

/// The same with its dates, for reports.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DenialReasonWithDates)]
pub(super) struct DenialReasonSimple {
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    title: String,
    remote_id: Option<String>,
    priority: Option<i32>,
    is_active: bool,
}

/// What can be set of a denial reason.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what `create` reads")]
struct DenialReasonInput {
    /// Required; unique.
    #[schema(max_length = 255)]
    title: String,
    #[schema(max_length = 100)]
    remote_id: Option<String>,
    #[schema(minimum = 0)]
    priority: Option<i32>,
    /// True without one.
    is_active: Option<bool>,
}

async fn answer(app: &App, page: Page) -> Result<Response> {
    let mut listing = LIST.open(&app.pool, page, None, COLUMNS).await?;
    listing.add_all(DenialReason::from_row).await?;
    listing.respond().await
}

/// Denial reasons
#[utoipa::path(
    get,
    path = "/api/v1/oms/packages/package_denial_reason/",
    tag = "Reasons",
    operation_id = "listDenialReasons"
)]
pub(super) async fn list(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    answer(&app, page).await
}

/// Denial reasons, at their older address
#[utoipa::path(
    get,
    path = "/api/v1/oms/package-denial-reason/",
    tag = "Reasons",
    operation_id = "listDenialReasonsAtOlderAddress"
)]
pub(super) async fn list_older(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    answer(&app, page).await
}

/// Denial reasons, for reports
#[utoipa::path(
    get,
    path = "/api/v1/oms/package-denial-reason/list-simple/",
    tag = "Reasons",
    operation_id = "listDenialReasonsWithDates"
)]
pub(super) async fn list_simple(State(app): State<App>, _: Authenticated, page: Page) -> Result<Response> {
    let mut listing = LIST.open(&app.pool, page, None, COLUMNS).await?;
    let read = |row: &PgRow| {
        let DenialReason { id, title, remote_id, priority, is_active } = DenialReason::from_row(row)?;
        let (created_date, modified_date) =
            (Timestamp(row.try_get("created_date")?), Timestamp(row.try_get("modified_date")?));
        Ok(DenialReasonSimple { id, created_date, modified_date, title, remote_id, priority, is_active })
    };
    listing.add_all(read).await?;
    listing.respond().await
}

async fn one(connection: &mut PgConnection, id: i64) -> Result<DenialReason> {
    let reason = sqlx::query_as!(
        DenialReason,
        "select id, title, remote_id, priority, is_active from denial_reasons where id = $1",
        id
    );
    Ok(reason.fetch_optional(connection).await?.ok_or_else(Refusal::not_found)?)
}

/// One denial reason
#[utoipa::path(get, path = "/api/v1/oms/packages/package_denial_reason/{id}/", tag = "Reasons",
    operation_id = "getDenialReason",
    params(("id" = i64, Path, description = "The reason's id", example = 1)),
    responses((status = 200, description = "The reason", body = DenialReason)))]
pub(super) async fn detail(State(app): State<App>, _: Authenticated, Id(id): Id) -> Result<Json<DenialReason>> {
    Ok(Json(one(&mut *app.pool.acquire().await?, id).await?))
}

/// Add a denial reason
///
/// It stays when an installation is applied that does not know it.
#[utoipa::path(post, path = "/api/v1/oms/packages/package_denial_reason/", tag = "Reasons",
    operation_id = "createDenialReason", request_body = DenialReasonInput,
    responses((status = 201, description = "The reason", body = DenialReason)))]
pub(super) async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<DenialReason>)> {
    caller.require(&[Role::Operator, Role::Integrator])?;
    wire::check_media_type(&headers)?;
    let (title, remote_id, priority, is_active) = reading::body(&body, |reader| {
        reader.require(&["title"]);
        (
            reader.text("title"),
            reader.nullable_text("remote_id", LONGEST_REMOTE_ID).flatten(),
            reader.nullable_count("priority").flatten(),
            reader.flag("is_active").unwrap_or(true),
        )
    })?;
    let mut transaction = app.pool.begin().await?;
    // First, as when an installation is applied: else the two could wait for each other.
    db::announce(&mut transaction).await?;
    let reason = sqlx::query_as!(
        DenialReason,
        "insert into denial_reasons (title, remote_id, priority, is_active, installed) values ($1, $2, $3, $4, false)
         returning id, title, remote_id, priority, is_active",
        title,
        remote_id,
        priority,
        is_active
    )
    .fetch_one(&mut *transaction)
    .await
    .on_constraint("denial_reasons_title_key", || {
        Refusal::field("title", "There is a denial reason with this title already.")
    })?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(reason)))
}
