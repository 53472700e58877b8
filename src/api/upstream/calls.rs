//! `/api/v1/oms/upstream/calls/`: what the upstream was told, and what it is still to be told.

use axum::{extract::State, response::Response};
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
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
    wire::Timestamp,
};

/// What calls can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("kind", Kind::Text, "c.kind = {}", "What is told: the kind of the call."),
    filter("is_done", Kind::Boolean, "(c.done_date is not null) = {}", "Whether the call was answered."),
    filter("order", Kind::Integer, "c.order_id = {}", "Id of the order."),
    filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
    filter("package", Kind::Integer, "c.package_id = {}", "Id of the package."),
    filter("created_date__gte", Kind::DateTime, "c.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "c.created_date <= {}", "Created at this moment or earlier."),
];

/// The list of calls. They belong to no location.
pub(super) const LIST: List = List {
    from: " from upstream_calls c join orders o on o.id = c.order_id",
    visible: VISIBLE_TO_ALL,
    filters: FILTERS,
    sorts: &[("id", "c.id"), ("created_date", "c.created_date"), ("next_attempt_date", "c.next_attempt_date")],
    default_sort: "-id",
    tie_breaker: "c.id desc",
};

/// A call to the upstream, or to the service that makes invoices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UpstreamCall)]
pub(super) struct CallView {
    id: i64,
    created_date: Timestamp,
    /// `status`, `mapping` (the release of its stock reservation), `bill` or `invoice`.
    kind: String,
    order: i64,
    order_number: String,
    package: i64,
    /// What is sent.
    payload: Value,
    /// How often it was tried.
    attempts: i32,
    /// When it is tried again.
    next_attempt_date: Timestamp,
    /// The status of the last answer.
    answered_status: Option<i16>,
    /// Its body, where it was short.
    answer: Option<Value>,
    /// Why it failed last.
    last_error: Option<String>,
    /// When it was taken.
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
#[utoipa::path(get, path = "/api/v1/oms/upstream/calls/", tag = "Upstream", operation_id = "listUpstreamCalls")]
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let mut listing = LIST.open(&app.pool, page, None, "c.*, o.number").await?;
    listing.add_all(CallView::from_row).await?;
    listing.respond().await
}
