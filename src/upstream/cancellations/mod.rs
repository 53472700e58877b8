//! `/api/v1/oms/cancellation_plan/`: the upstream plans a cancellation or a refund, and hears what can be done.
//!
//! A plan is known by the upstream's key: sent again it is answered as it was decided. It is decided by looking at the
//! packages as they are, so a server that falls over halfway leaves nothing that the plan, sent again, would not finish.

mod decide;
mod plan;
mod reasons;

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{routes::Envelope, webhooks};
use crate::{
    app::App,
    auth::{Authenticated, Caller, Role},
    error::{Refusal, Result},
    openapi,
    page::{Filter, Kind, List, Page, PageOf, PageQuery, filter},
    wire::Timestamp,
};
use decide::Outcome;
use plan::{Plan, PlanType};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(reasons::pull))
}

/// What plans can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("remote_id", Kind::Integer, "c.remote_id = {}"),
    filter("plan_type", Kind::Text, "c.plan_type = {}"),
    filter("decision", Kind::Text, "c.decision = {}"),
    filter("order", Kind::Integer, "c.order_id = {}"),
    filter("order__number", Kind::Text, "o.number = {}"),
    filter("created_date__gte", Kind::DateTime, "c.created_date >= {}"),
    filter("created_date__lte", Kind::DateTime, "c.created_date <= {}"),
];

/// The list of plans. A caller with locations of their own sees those of orders that have a package there.
const LIST: List = List {
    from: " from cancellation_plans c join orders o on o.id = c.order_id",
    visible: "exists (select from packages p where p.order_id = c.order_id and p.stock_location_id = any({}))",
    filters: FILTERS,
    sorts: &[("id", "c.id"), ("remote_id", "c.remote_id"), ("created_date", "c.created_date")],
    default_sort: "-id",
    tie_breaker: "c.id desc",
};

/// The columns of a [`PlanView`].
const COLUMNS: &str = "c.id, c.remote_id, c.plan_type, c.order_id, o.number, c.order_item_ids, c.decision, c.reason, \
                       c.decided_date, c.created_date, \
                       array(select p.package_id from cancellation_plan_packages p where p.plan_id = c.id \
                              order by p.package_id) as packages";

/// A plan and what was decided.
#[derive(Debug, Serialize, ToSchema)]
struct PlanView {
    id: i64,
    /// The upstream's key of it.
    remote_id: i64,
    /// `cancel` or `refund`.
    plan_type: String,
    /// The order's id here.
    order: i64,
    order_number: String,
    /// Ids here of the order's lines that it is about; null: all.
    order_items: Option<Vec<i64>>,
    /// `cancelled`; `waiting`: somebody has to decide; `refused`: a package cannot be cancelled any more, and none was;
    /// `partly`: one moved on while the others were cancelled; `recorded`: a refund, for which nothing is to be done here.
    decision: Option<String>,
    /// Why it was refused.
    reason: Option<String>,
    /// Ids of the packages it is about.
    packages: Vec<i64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_date: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_date: Timestamp,
}

impl PlanView {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            remote_id: row.try_get("remote_id")?,
            plan_type: row.try_get("plan_type")?,
            order: row.try_get("order_id")?,
            order_number: row.try_get("number")?,
            order_items: row.try_get("order_item_ids")?,
            decision: row.try_get("decision")?,
            reason: row.try_get("reason")?,
            packages: row.try_get("packages")?,
            decided_date: row.try_get::<Option<DateTime<Utc>>, _>("decided_date")?.map(Timestamp),
            created_date: Timestamp(row.try_get("created_date")?),
        })
    }
}

/// Cancellation plans and what was decided
#[utoipa::path(get, path = "/api/v1/oms/cancellation_plan/", tag = "Upstream", params(PageQuery, openapi::Sort),
    responses((status = 200, description = "A page of plans", body = PageOf<PlanView>)))]
async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response> {
    let page = Page::parse(&uri, &headers)?;
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), COLUMNS).await?;
    listing.add_all(PlanView::from_row).await?;
    listing.respond().await
}

/// Decide a cancellation plan
///
/// The body is the upstream's `cancellation_plan.created`. Packages that are not packed yet are cancelled, by the
/// installation's `CANCEL_PACKAGE`, or led to cancellation-waiting where the installation has a transition that leads there;
/// what else was in them is planned anew. If one of them cannot be cancelled any more, none is. A refund is recorded. The
/// answer says what was decided; the same plan, sent again, is answered the same.
#[utoipa::path(post, path = "/api/v1/oms/cancellation_plan/", tag = "Upstream", request_body = Envelope,
    responses((status = 200, description = "What was decided", body = PlanView),
              (status = 404, description = "There is no such order here yet", body = openapi::Refused)))]
async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<impl Serialize>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let webhook = webhooks::authenticate(&app.upstream, &headers, &body, "cancellation_plan.")?;
    let plan = Plan::read(&webhook.payload)?;
    let (order_id, order_item_ids) = find(&app, &plan).await?;
    let (plan_id, is_decided) = begin(&app, &plan, order_id, order_item_ids.as_deref()).await?;
    if !is_decided {
        decide(&app, &caller, &plan, plan_id, order_id, order_item_ids.as_deref()).await?;
    }
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("select {COLUMNS}{} where c.id = $1", LIST.from)));
    Ok(Json(PlanView::from_row(&row.bind(plan_id).fetch_one(&app.pool).await?)?))
}

/// The order and the lines that a plan is about.
async fn find(app: &App, plan: &Plan) -> Result<(i64, Option<Vec<i64>>)> {
    let number = &plan.order_number;
    let order_id = sqlx::query_scalar!("select id from orders where number = $1", number);
    let Some(order_id) = order_id.fetch_optional(&app.pool).await? else {
        let detail = format!("There is no order {number} here; send the plan again once there is.");
        return Err(Refusal::detail(StatusCode::NOT_FOUND, detail).into());
    };
    let Some(wanted) = &plan.order_items else { return Ok((order_id, None)) };
    let rows = sqlx::query!(
        r#"select id, omnitron_id as "omnitron_id!" from order_items where order_id = $1 and omnitron_id = any($2)"#,
        order_id,
        wanted
    )
    .fetch_all(&app.pool)
    .await?;
    if let Some(stranger) = wanted.iter().find(|key| !rows.iter().any(|row| row.omnitron_id == **key)) {
        let message = format!("{stranger} is no item of order {number}.");
        return Err(Refusal::field("order_items", message).into());
    }
    Ok((order_id, Some(rows.into_iter().map(|row| row.id).collect())))
}

/// Records a plan; its id, and whether it was decided before.
async fn begin(app: &App, plan: &Plan, order_id: i64, order_item_ids: Option<&[i64]>) -> Result<(i64, bool)> {
    sqlx::query!(
        "insert into cancellation_plans (remote_id, plan_type, order_id, order_item_ids) values ($1, $2, $3, $4)
         on conflict (remote_id) do nothing",
        plan.pk,
        plan.kind.as_str(),
        order_id,
        order_item_ids
    )
    .execute(&app.pool)
    .await?;
    let row = sqlx::query!("select id, decision from cancellation_plans where remote_id = $1", plan.pk);
    let row = row.fetch_one(&app.pool).await?;
    Ok((row.id, row.decision.is_some()))
}

async fn decide(
    app: &App,
    caller: &Arc<Caller>,
    plan: &Plan,
    plan_id: i64,
    order_id: i64,
    order_item_ids: Option<&[i64]>,
) -> Result<()> {
    let reason = format!("Cancellation plan {}", plan.pk);
    let (decision, outcomes) = match plan.kind {
        PlanType::Refund => ("recorded", Vec::new()),
        PlanType::Cancel => {
            let outcomes = decide::cancel(app, caller, order_id, order_item_ids, &reason).await?;
            (decision(&outcomes), outcomes)
        }
    };
    let mut transaction = app.pool.begin().await?;
    let refused = outcomes.iter().find(|outcome| outcome.word == "refused");
    let decided = sqlx::query!(
        "update cancellation_plans set decision = $2, reason = $3, decided_date = now()
          where id = $1 and decision is null",
        plan_id,
        decision,
        refused.and_then(|outcome| outcome.reason.clone())
    )
    .execute(&mut *transaction)
    .await?;
    if decided.rows_affected() == 0 {
        // Somebody else was given the same plan and was faster.
        return Ok(());
    }
    for outcome in &outcomes {
        sqlx::query!(
            "insert into cancellation_plan_packages (plan_id, package_id, package_item_ids, outcome, reason)
             values ($1, $2, $3, $4, $5) on conflict do nothing",
            plan_id,
            outcome.package_id,
            &outcome.package_item_ids,
            outcome.word,
            outcome.reason
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    tracing::info!(plan = plan.pk, order = plan.order_number, decision, "decided a cancellation plan");
    Ok(())
}

/// What the packages come to. Where nothing is left to cancel, it is cancelled.
fn decision(outcomes: &[Outcome]) -> &'static str {
    let some = |word: &str| outcomes.iter().any(|outcome| outcome.word == word);
    match (some("refused"), some("cancelled") || some("waiting"), some("waiting")) {
        (true, true, _) => "partly",
        (true, false, _) => "refused",
        (false, _, true) => "waiting",
        (false, _, false) => "cancelled",
    }
}
