//! `/api/v1/oms/upstream/calls/`: what the upstream was told, and what it is still to be told.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    api::extract::Authenticated,
    app::App,
    auth::Role,
    error::Result,
    openapi,
    page::{Filter, Kind, List, Page, PageOf, PageQuery, VISIBLE_TO_ALL, filter},
    wire::Timestamp,
};

/// What calls can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("kind", Kind::Text, "c.kind = {}"),
    filter("is_done", Kind::Boolean, "(c.done_date is not null) = {}"),
    filter("order", Kind::Integer, "c.order_id = {}"),
    filter("order__number", Kind::Text, "o.number = {}"),
    filter("package", Kind::Integer, "c.package_id = {}"),
    filter("created_date__gte", Kind::DateTime, "c.created_date >= {}"),
    filter("created_date__lte", Kind::DateTime, "c.created_date <= {}"),
];

/// The list of calls. They belong to no location.
const LIST: List = List {
    from: " from upstream_calls c join orders o on o.id = c.order_id",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[("id", "c.id"), ("created_date", "c.created_date"), ("next_attempt_date", "c.next_attempt_date")],
    default_sort: "-id",
    tie_breaker: "c.id desc",
};

/// A call to the upstream, or to the service that makes invoices.
#[derive(Debug, Serialize, ToSchema)]
struct CallView {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    created_date: Timestamp,
    /// `status`, `mapping` (the release of its stock reservation), `bill` or `invoice`.
    kind: String,
    order: i64,
    order_number: String,
    package: i64,
    /// What is sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// How often it was tried.
    attempts: i32,
    /// When it is tried again.
    #[schema(value_type = String, format = DateTime)]
    next_attempt_date: Timestamp,
    /// The status of the last answer.
    answered_status: Option<i16>,
    /// Its body, where it was short.
    #[schema(value_type = Option<Object>)]
    answer: Option<Value>,
    /// Why it failed last.
    last_error: Option<String>,
    /// When it was taken.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_date: Option<Timestamp>,
}

impl CallView {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            created_date: Timestamp(row.try_get("created_date")?),
            kind: row.try_get("kind")?,
            order: row.try_get("order_id")?,
            order_number: row.try_get("number")?,
            package: row.try_get("package_id")?,
            payload: row.try_get("payload")?,
            attempts: row.try_get("attempts")?,
            next_attempt_date: Timestamp(row.try_get("next_attempt_date")?),
            answered_status: row.try_get("answered_status")?,
            answer: row.try_get("answer")?,
            last_error: row.try_get("last_error")?,
            done_date: row.try_get::<Option<DateTime<Utc>>, _>("done_date")?.map(Timestamp),
        })
    }
}

/// Calls to the upstream
///
/// Those of an order are made one after the other, each again until it is taken. `is_done=false` lists what is still to be
/// told.
#[utoipa::path(get, path = "/api/v1/oms/upstream/calls/", tag = "Upstream", params(PageQuery, openapi::Sort),
    responses((status = 200, description = "A page of calls", body = PageOf<CallView>)))]
pub(super) async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let page = Page::parse(&uri, &headers)?;
    let mut listing = LIST.open(&app.pool, page, None, "c.*, o.number").await?;
    listing.add_all(CallView::from_row).await?;
    listing.respond().await
}
