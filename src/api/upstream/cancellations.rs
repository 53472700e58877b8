//! `/api/v1/oms/cancellation_plan/`: the plans of the upstream and what was decided.

use axum::{Json, body::Bytes, extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;

use super::{Envelope, envelope};
use crate::{
    api::extract::Authenticated,
    app::App,
    auth::Role,
    error::Result,
    page::{Filter, Kind, List, Page, filter},
    upstream::cancellations::{self, Canceller},
    wire::Timestamp,
};

/// What plans can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("remote_id", Kind::Integer, "c.remote_id = {}", "The upstream's key of the plan."),
    filter("plan_type", Kind::Text, "c.plan_type = {}", "`cancel` or `refund`."),
    filter("decision", Kind::Text, "c.decision = {}", "`cancelled`, `waiting`, `refused`, `partly` or `recorded`."),
    filter("order", Kind::Integer, "c.order_id = {}", "Id of the order."),
    filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
    filter("created_date__gte", Kind::DateTime, "c.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "c.created_date <= {}", "Created at this moment or earlier."),
];

/// The list of plans. A caller with locations of their own sees those of orders that have a package there.
pub(super) const LIST: List = List {
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
#[schema(as = CancellationPlan)]
pub(super) struct PlanView {
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
    decided_date: Option<Timestamp>,
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
#[utoipa::path(get, path = "/api/v1/oms/cancellation_plan/", tag = "Upstream", operation_id = "listCancellationPlans")]
pub(super) async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
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
#[utoipa::path(post, path = "/api/v1/oms/cancellation_plan/", tag = "Upstream",
    operation_id = "decideCancellationPlan", request_body = Envelope,
    responses((status = 200, description = "What was decided", body = PlanView), (status = 404, description = "There is no such order here yet")))]
pub(super) async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<impl Serialize>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    let webhook = envelope::authenticate(&app.upstream, &headers, &body, "cancellation_plan.")?;
    let canceller = Canceller { pool: &app.pool, catalog_cache: &app.catalog_cache, dispatcher: &app.dispatcher };
    let plan_id = cancellations::take(canceller, &caller, &webhook.payload).await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("select {COLUMNS}{} where c.id = $1", LIST.from)));
    Ok(Json(PlanView::from_row(&row.bind(plan_id).fetch_one(&app.pool).await?)?))
}
