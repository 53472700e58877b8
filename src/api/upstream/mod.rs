//! `/api/v1/oms/orders-webhook/` and `/api/v1/oms/upstream/`.

mod calls;
mod cancellations;
mod envelope;
mod reasons;
mod stores;

use axum::{
    Json,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use sqlx::{FromRow as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::envelope::Sender;
use crate::{
    api::body::{LIST_BYTES, RequestBody},
    api::{
        declare::with_body,
        extract::{Doors, Id, Managers, Unlimited},
        resource::{Read, Resource, Viewer, detail, find, list},
    },
    app::App,
    auth::Caller,
    db::PgConnection,
    error::Result,
    orders::{
        compare::Differing,
        input::{ORDER, example},
    },
    page::List,
    upstream::{
        cancellations::PLAN,
        intake::Taken,
        lists::{CallView, PlanView, Problem},
        problems,
        status::UpstreamStatus,
        stores::STORE,
    },
    wire::pieces::{self, Unread},
};

/// Where the upstream pushes to. A test compares them with the document.
pub const PUSHED_TO: [&str; 3] =
    ["/api/v1/oms/orders-webhook/", "/api/v1/oms/stocklocations-webhook/", "/api/v1/oms/cancellation_plan/"];

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Upstream", operation, text };
    let order = envelope::schema(&["order.created", "order.updated"], &ORDER);
    let store = envelope::schema(&["retail_store.created", "retail_store.updated"], &STORE);
    let plan = envelope::schema(&["cancellation_plan.created"], &PLAN);
    OpenApiRouter::new()
        .routes(with_body(routes!(orders_webhook), &order, &envelope::example("order.created", &example())))
        // As the original spells it.
        .route("/api/v1/oms/orders-webhook", post(orders_webhook))
        .routes(with_body(routes!(stores::stores_webhook), &store, &stores::example()))
        .route("/api/v1/oms/stocklocations-webhook", post(stores::stores_webhook))
        .routes(list::<PlanView>(&read(
            "/api/v1/oms/cancellation_plan/",
            "listCancellationPlans",
            "Cancellation plans and what was decided",
        )))
        .routes(with_body(routes!(cancellations::create), &plan, &cancellations::example()))
        .routes(routes!(reasons::pull))
        .routes(list::<CallView>(&read(
            "/api/v1/oms/upstream/calls/",
            "listUpstreamCalls",
            "Calls to the upstream and to invoice services\n\nThose of an order to the upstream are made one after the \
             other, invoice calls by themselves; each again until it is taken. One that fails for `OMS_CALL_RETRY_HOURS` \
             is given up. `state=waiting` lists what is still to be told, `state=failed` what was given up.",
        )))
        .routes(detail::<CallView>(
            &read("/api/v1/oms/upstream/calls/{id}/", "getUpstreamCall", "One of these calls"),
            "the call",
        ))
        .routes(routes!(calls::retry_failed))
        .routes(routes!(calls::retry))
        .routes(routes!(calls::end))
        .routes(routes!(status))
        .routes(list::<Problem>(&read(
            "/api/v1/oms/upstream/problems/",
            "listUpstreamProblems",
            "Orders that were sent and could not be taken, or that were sent again and differ\n\nWhat could not be taken is \
             tried again by itself, after a minute, then after twice as long, up to six hours. What differs and cannot be \
             done any more stays until the order is sent as it is here.",
        )))
        .routes(routes!(problem_detail))
        .routes(routes!(problem_retry))
}

impl Resource for PlanView {
    const LIST: List = Self::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        let mut plans = rows.iter().map(Self::from_row).collect::<sqlx::Result<Vec<_>>>()?;
        Self::restrict(connection, &mut plans, &viewer.scope).await?;
        Ok(plans)
    }
}

/// What became of an order that was pushed.
#[derive(Debug, Serialize, ToSchema)]
struct OrderTaken {
    /// Its id here; null while it is left.
    order_id: Option<i64>,
    /// Whether it is here as it was sent, since now or before.
    taken: bool,
    /// Why it is not.
    reason: Option<String>,
    /// What it says otherwise than the order that was here, and whether that was changed.
    differs: Vec<Differing>,
}

/// Take an order that the upstream pushes
///
/// The same as the upstream's list of orders brings, without waiting for the next look at it. An order is taken once it is
/// approved (status 400). Sent again, it is compared with the one that is here: what differs is told and kept as a problem.
/// While nothing of it is packed, a cancellation of it or of a line, and who it is for and where it goes, are carried out. With `OMS_UPSTREAM_WEBHOOK_SECRET` the body must be signed
/// (`X-Whisperer-Signature: sha256=…`).
#[utoipa::path(post, path = "/api/v1/oms/orders-webhook/", tag = "Upstream", operation_id = "receiveOrder",
    request_body = Value, security(("token" = []), ("basic" = [])),
    responses((status = 201, description = "The order is new", body = OrderTaken), (status = 200, description = "The order is known, or left until it is approved", body = OrderTaken)))]
async fn orders_webhook(Sender(door): Sender, headers: HeaderMap, body: RequestBody<LIST_BYTES>) -> Result<Response> {
    let (app, caller) = (&door.app, door.caller());
    envelope::authenticate(&app.upstream, &headers, body.sent())?;
    let sent = match body.json().await {
        Ok(sent) => sent,
        Err(error) if body.trim_ascii().is_empty() => return Err(error),
        Err(error) => {
            // Whoever sends it may give up; here it stays.
            let payload = pieces::member(&body, "payload").map_or(&*body, |payload| payload.text);
            problems::record_unread(&app.pool, &Unread::of_body(payload, error.to_string())).await?;
            return Err(error);
        }
    };
    let webhook = envelope::payload(sent, "order.")?;
    let taken = app.intake.take_or_record(&webhook.payload, Some(&caller)).await??;
    let (status, order_id, reason, differs) = match taken {
        Taken::New(id) => {
            app.metrics.upstream_orders("pushed", 1);
            (StatusCode::CREATED, Some(id), None, Vec::new())
        }
        Taken::Known { order_id, differs } => {
            let reason = (!differs.is_empty()).then(|| "It differs from the order that was here.".to_owned());
            (StatusCode::OK, Some(order_id), reason, differs)
        }
        Taken::Left { status } => {
            let reason = format!("Its status is {status}; an order is taken once it is approved (400).");
            (StatusCode::OK, None, Some(reason), Vec::new())
        }
        Taken::Overtaken => {
            let reason = "A later message of it was heard; what this one says is not acted on.".to_owned();
            (StatusCode::OK, None, Some(reason), Vec::new())
        }
    };
    let taken = order_id.is_some() && differs.is_empty();
    Ok((status, Json(OrderTaken { order_id, taken, reason, differs })).into_response())
}

/// How the upstream is followed
#[utoipa::path(get, path = "/api/v1/oms/upstream/", tag = "Upstream", operation_id = "getUpstreamStatus",
    responses((status = 200, description = "How it stands", body = UpstreamStatus)))]
async fn status(Unlimited { app, .. }: Unlimited<Managers>) -> Result<Json<impl Serialize>> {
    app.upstream.status(&app.pool).await.map(Json)
}

/// One of them, with the order as it came
#[utoipa::path(get, path = "/api/v1/oms/upstream/problems/{id}/", tag = "Upstream",
    operation_id = "getUpstreamProblem",
    params(("id" = i64, Path, description = "The problem's id.", example = 1)),
    responses((status = 200, description = "The problem", body = Problem)))]
async fn problem_detail(door: Unlimited<Managers>, Id(id): Id) -> Result<Json<impl Serialize>> {
    read_problem(&door.app, &door.caller(), id).await.map(Json)
}

/// A problem, with the order as it came.
async fn read_problem(app: &App, caller: &Caller, id: i64) -> Result<Problem> {
    let mut problem: Problem = find(&mut *app.pool.acquire().await?, caller, id).await?;
    problem.payload = Some(problems::payload(&app.pool, problem.id).await?);
    Ok(problem)
}

/// Try one of them again now
///
/// Answers the problem as it is then: with `resolved_date` if the order was taken.
#[utoipa::path(post, path = "/api/v1/oms/upstream/problems/{id}/retry/", tag = "Upstream",
    operation_id = "retryUpstreamProblem",
    params(("id" = i64, Path, description = "The problem's id.", example = 1)),
    responses((status = 200, description = "The problem as it is now", body = Problem)))]
async fn problem_retry(door: Unlimited<Managers>, Id(id): Id) -> Result<Json<impl Serialize>> {
    let problem = read_problem(&door.app, &door.caller(), id).await?;
    if problem.resolved_date.is_none() {
        let payload = problem.payload.unwrap_or_default();
        if let Ok(Taken::Left { .. } | Taken::Overtaken) =
            door.app.intake.take_or_record(&payload, Some(&door.caller())).await?
        {
            problems::close(&door.app.pool, problem.id).await?;
        }
    }
    read_problem(&door.app, &door.caller(), id).await.map(Json)
}
