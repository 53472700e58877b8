//! `/api/v1/oms/orders-webhook/` and `/api/v1/oms/upstream/`.

mod calls;
mod cancellations;
mod envelope;
mod reasons;
mod stores;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::listed,
    api::extract::{Authenticated, Id},
    app::App,
    auth::Role,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, VISIBLE_TO_ALL, filter},
    upstream::{intake::Taken, problems},
    wire::Timestamp,
};

pub use calls::FILTERS as CALL_FILTERS;
pub use cancellations::FILTERS as PLAN_FILTERS;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(orders_webhook))
        // As the original spells it.
        .route("/api/v1/oms/orders-webhook", post(orders_webhook))
        .routes(routes!(stores::stores_webhook))
        .route("/api/v1/oms/stocklocations-webhook", post(stores::stores_webhook))
        .routes(listed::<cancellations::PlanView, _>(
            routes!(cancellations::list, cancellations::create),
            &cancellations::LIST,
        ))
        .routes(routes!(reasons::pull))
        .routes(listed::<calls::CallView, _>(routes!(calls::list), &calls::LIST))
        .routes(routes!(status))
        .routes(listed::<Problem, _>(routes!(problem_list), &PROBLEMS))
        .routes(routes!(problem_detail))
        .routes(routes!(problem_retry))
}

/// A webhook of the upstream.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what `envelope::authenticate` parses")]
struct Envelope {
    /// `{"type": "order.created", "uuid": "…"}`
    #[schema(value_type = Object)]
    event: Value,
    /// What it is about.
    #[schema(value_type = Object)]
    payload: Value,
}

/// What became of an order that was pushed.
#[derive(Debug, Serialize, ToSchema)]
struct OrderTaken {
    /// Its id here; null while it is left.
    order_id: Option<i64>,
    /// Whether it is here, since now or before.
    taken: bool,
    /// Why it is not.
    reason: Option<String>,
}

/// Take an order that the upstream pushes
///
/// The same as the upstream's list of orders brings, without waiting for the next look at it. An order is taken once it is
/// approved (status 400); a known number changes nothing. With `OMS_UPSTREAM_WEBHOOK_SECRET` the body must be signed
/// (`X-Whisperer-Signature: sha256=…`).
#[utoipa::path(post, path = "/api/v1/oms/orders-webhook/", tag = "Upstream", operation_id = "receiveOrder",
    request_body = Envelope,
    responses((status = 201, description = "The order is new", body = OrderTaken), (status = 200, description = "The order is known, or left until it is approved", body = OrderTaken)))]
async fn orders_webhook(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let webhook = envelope::authenticate(&app.upstream, &headers, &body, "order.")?;
    let taken = app.intake.take_or_record(&webhook.payload, Some(caller.user_id)).await??;
    let (status, order_id, reason) = match taken {
        Taken::New(id) => {
            app.metrics.upstream_orders("pushed", 1);
            (StatusCode::CREATED, Some(id), None)
        }
        Taken::Known(id) => (StatusCode::OK, Some(id), None),
        Taken::Left { status } => {
            let reason = format!("Its status is {status}; an order is taken once it is approved (400).");
            (StatusCode::OK, None, Some(reason))
        }
    };
    Ok((status, Json(OrderTaken { order_id, taken: order_id.is_some(), reason })).into_response())
}

/// How the upstream is followed.
#[derive(Debug, Serialize, ToSchema)]
struct UpstreamStatus {
    /// Whether this server has an upstream (`OMS_UPSTREAM_URL`).
    is_configured: bool,
    /// The upstream's date of change of the last order that was read.
    seen_date: Option<Timestamp>,
    /// When its list was read to the end.
    polled_date: Option<Timestamp>,
    /// When it is looked at next.
    next_poll_date: Timestamp,
    /// Looks that failed since the last that did not.
    failures: i32,
    /// Why the last one failed.
    last_error: Option<String>,
    /// Orders that could not be taken yet.
    open_problems: i64,
    /// Calls that are still to be made.
    open_calls: i64,
}

/// How the upstream is followed
#[utoipa::path(get, path = "/api/v1/oms/upstream/", tag = "Upstream", operation_id = "getUpstreamStatus",
    responses((status = 200, description = "How it stands", body = UpstreamStatus)))]
async fn status(State(app): State<App>, Authenticated(caller): Authenticated) -> Result<Json<impl Serialize>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let row = sqlx::query!(
        r#"select seen_date, polled_date, next_poll_date, failures, last_error,
                  (select count(*) from upstream_problems where resolved_date is null) as "open_problems!",
                  (select count(*) from upstream_calls where done_date is null) as "open_calls!"
             from upstream_cursor"#
    )
    .fetch_one(&app.pool)
    .await?;
    Ok(Json(UpstreamStatus {
        is_configured: app.upstream.client.is_some(),
        seen_date: row.seen_date.map(Timestamp),
        polled_date: row.polled_date.map(Timestamp),
        next_poll_date: Timestamp(row.next_poll_date),
        failures: row.failures,
        last_error: row.last_error,
        open_problems: row.open_problems,
        open_calls: row.open_calls,
    }))
}

/// What problems can be filtered by.
pub const PROBLEM_FILTERS: &[Filter] = &[
    filter(
        "reference",
        Kind::Text,
        "p.reference = {}",
        "Number of the order, or what the problem is known by instead.",
    ),
    filter(
        "is_resolved",
        Kind::Boolean,
        "(p.resolved_date is not null) = {}",
        "Whether the order was taken after all.",
    ),
    filter("created_date__gte", Kind::DateTime, "p.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "p.created_date <= {}", "Created at this moment or earlier."),
];

/// The list of problems. They belong to no location.
const PROBLEMS: List = List {
    from: " from upstream_problems p",
    visible: VISIBLE_TO_ALL,
    filters: PROBLEM_FILTERS,
    sorts: &[("id", "p.id"), ("created_date", "p.created_date"), ("modified_date", "p.modified_date")],
    default_sort: "-id",
    tie_breaker: "p.id desc",
};

/// An order of the upstream that could not be taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UpstreamProblem)]
struct Problem {
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The order's number; where it has none, another way to tell it from others.
    reference: String,
    /// What is wrong, as of the last attempt.
    reason: String,
    /// How often it was tried.
    attempts: i32,
    /// When it is tried again.
    next_attempt_date: Timestamp,
    /// When it was taken after all.
    resolved_date: Option<Timestamp>,
    /// The order as it came; of a single problem only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    payload: Option<Value>,
}

impl Problem {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            created_date: Timestamp(row.try_get("created_date")?),
            modified_date: Timestamp(row.try_get("modified_date")?),
            reference: row.try_get("reference")?,
            reason: row.try_get("reason")?,
            attempts: row.try_get("attempts")?,
            next_attempt_date: Timestamp(row.try_get("next_attempt_date")?),
            resolved_date: row.try_get::<Option<_>, _>("resolved_date")?.map(Timestamp),
            payload: None,
        })
    }
}

/// Orders of the upstream that could not be taken
///
/// Each is tried again by itself, after a minute, then after twice as long, up to six hours.
#[utoipa::path(get, path = "/api/v1/oms/upstream/problems/", tag = "Upstream", operation_id = "listUpstreamProblems")]
async fn problem_list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let mut listing = PROBLEMS.open(&app.pool, page, None, "p.*").await?;
    listing.add_all(Problem::from_row).await?;
    listing.respond().await
}

/// One of them, with the order as it came
#[utoipa::path(get, path = "/api/v1/oms/upstream/problems/{id}/", tag = "Upstream",
    operation_id = "getUpstreamProblem",
    params(("id" = i64, Path, description = "The problem's id", example = 1)),
    responses((status = 200, description = "The problem", body = Problem)))]
async fn problem_detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<Json<impl Serialize>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    read_problem(&app, id).await.map(Json)
}

async fn read_problem(app: &App, id: i64) -> Result<Problem> {
    let row = sqlx::query("select * from upstream_problems where id = $1").bind(id).fetch_optional(&app.pool).await?;
    let row = row.ok_or_else(Refusal::not_found)?;
    Ok(Problem { payload: row.try_get("payload")?, ..Problem::from_row(&row)? })
}

/// Try one of them again now
///
/// Answers the problem as it is then: with `resolved_date` if the order was taken.
#[utoipa::path(post, path = "/api/v1/oms/upstream/problems/{id}/retry/", tag = "Upstream",
    operation_id = "retryUpstreamProblem",
    params(("id" = i64, Path, description = "The problem's id", example = 1)),
    responses((status = 200, description = "The problem as it is now", body = Problem)))]
async fn problem_retry(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<Json<impl Serialize>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let problem = read_problem(&app, id).await?;
    if problem.resolved_date.is_none() {
        let payload = problem.payload.unwrap_or_default();
        if let Ok(Taken::Left { .. }) = app.intake.take_or_record(&payload, Some(caller.user_id)).await? {
            problems::close(&app.pool, problem.id).await?;
        }
    }
    read_problem(&app, id).await.map(Json)
}
