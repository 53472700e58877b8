//! What the upstream was told, is still to be told, and could not tell us; and the cancellations it plans.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::Result,
    page::{Kind, List, ListRow, VISIBLE_TO_NONE, filter},
    role::Role,
    scope::Scope,
    wire::Timestamp,
};

/// A call to the upstream, or to the service that makes invoices.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = UpstreamCall)]
pub struct CallView {
    id: i64,
    created_date: Timestamp,
    /// `status`, `mapping` (the release of its stock reservation), `bill` or `invoice`.
    kind: String,
    #[sqlx(rename = "order_id")]
    order: i64,
    #[sqlx(rename = "number")]
    order_number: String,
    #[sqlx(rename = "package_id")]
    package: i64,
    /// What is sent; of an invoice call only where to: a service, or an address without its query.
    payload: Value,
    /// How often it was tried, since a person last asked for it.
    attempts: i32,
    /// When it is tried again.
    next_attempt_date: Timestamp,
    /// The status of the last answer.
    answered_status: Option<i16>,
    /// Its body, where it was short; never that of an invoice service.
    #[schema(required = true)]
    answer: Option<Value>,
    /// Why it failed last.
    last_error: Option<String>,
    /// `waiting`, `done`, `failed` (given up after its last attempt) or `ended` (by a person).
    state: String,
    /// When it was taken.
    done_date: Option<Timestamp>,
    /// When it was given up or ended.
    given_up_date: Option<Timestamp>,
    /// Who ended it.
    #[sqlx(rename = "ended_by_name")]
    ended_by: Option<String>,
    /// Id of the request that caused it; null for what the server did by itself.
    request_id: Option<String>,
}

/// The state of a call, from its row `c`.
macro_rules! call_state {
    () => {
        "case when c.done_date is not null then 'done' when c.ended_by is not null then 'ended' \
              when c.given_up_date is not null then 'failed' else 'waiting' end"
    };
}

impl ListRow for CallView {
    /// The list of calls. They belong to no location.
    const LIST: List = List {
        from: " from upstream_calls c join orders o on o.id = c.order_id left join users u on u.id = c.ended_by",
        columns: concat!("c.*, o.number, u.username as ended_by_name, ", call_state!(), " as state"),
        visible: VISIBLE_TO_NONE,
        filters: &[
            filter("kind", Kind::Text, "c.kind = {}", "What is told: the kind of the call."),
            filter("state", Kind::Text, concat!(call_state!(), " = {}"), "`waiting`, `done`, `failed` or `ended`."),
            filter("is_done", Kind::Boolean, "(c.done_date is not null) = {}", "Whether the call was answered."),
            filter("order", Kind::Integer, "c.order_id = {}", "Id of the order."),
            filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
            filter("package", Kind::Integer, "c.package_id = {}", "Id of the package."),
            filter("request_id", Kind::Text, "c.request_id = {}", "Id of the request that caused it."),
            filter("created_date__gte", Kind::DateTime, "c.created_date >= {}", "Created at this moment or later."),
            filter("created_date__lte", Kind::DateTime, "c.created_date <= {}", "Created at this moment or earlier."),
        ],
        sorts: &[("id", "c.id"), ("created_date", "c.created_date"), ("next_attempt_date", "c.next_attempt_date")],
        default_sort: "-id",
        tie_breaker: "c.id desc",
    };
    const ROLES: &'static [Role] = &[Role::Integrator, Role::Operator];
}

/// An order that was sent and could not be taken, or that was sent again and differs.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = UpstreamProblem)]
pub struct Problem {
    /// Its id.
    pub id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    /// The order's number; where it has none, another way to tell it from others.
    reference: String,
    /// `not_taken`: it is not here. `differs`: it is, and was sent again otherwise.
    kind: String,
    /// Id of the order that is here and differs.
    #[sqlx(rename = "order_id")]
    order: Option<i64>,
    /// What is wrong, as of the last attempt.
    reason: String,
    /// How often it was tried, or sent.
    attempts: i32,
    /// When it is tried again; null of what differs, which the next message settles.
    next_attempt_date: Option<Timestamp>,
    /// When it was taken after all, or what differed was changed.
    pub resolved_date: Option<Timestamp>,
    /// The order as it came; of a single problem only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    #[sqlx(skip)]
    pub payload: Option<Value>,
}

impl ListRow for Problem {
    /// The list of problems. They belong to no location.
    const LIST: List = List {
        from: " from upstream_problems p",
        columns: "p.*",
        visible: VISIBLE_TO_NONE,
        filters: &[
            filter(
                "reference",
                Kind::Text,
                "p.reference = {}",
                "Number of the order, or what the problem is known by instead.",
            ),
            filter("kind", Kind::Text, "p.kind = {}", "`not_taken` or `differs`."),
            filter("order", Kind::Integer, "p.order_id = {}", "Id of the order that differs."),
            filter(
                "is_resolved",
                Kind::Boolean,
                "(p.resolved_date is not null) = {}",
                "Whether the order was taken after all.",
            ),
            filter("created_date__gte", Kind::DateTime, "p.created_date >= {}", "Created at this moment or later."),
            filter("created_date__lte", Kind::DateTime, "p.created_date <= {}", "Created at this moment or earlier."),
        ],
        sorts: &[("id", "p.id"), ("created_date", "p.created_date"), ("modified_date", "p.modified_date")],
        default_sort: "-id",
        tie_breaker: "p.id desc",
    };
    const ROLES: &'static [Role] = &[Role::Integrator, Role::Operator];
}

/// A plan and what was decided.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = CancellationPlan)]
pub struct PlanView {
    id: i64,
    /// The upstream's key of it.
    remote_id: i64,
    /// `cancel` or `refund`.
    plan_type: String,
    /// The order's id here.
    #[sqlx(rename = "order_id")]
    order: i64,
    #[sqlx(rename = "number")]
    order_number: String,
    /// Ids here of the order's lines that it is about; null: all.
    #[sqlx(rename = "order_item_ids")]
    order_items: Option<Vec<i64>>,
    /// How many units of each of these are cancelled, null: all of it; null: all of each.
    quantities: Option<Vec<Option<i64>>>,
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
    /// The list of plans. A caller with locations of their own sees those of orders that have a package there.
    pub const LIST: List = List {
        from: " from cancellation_plans c join orders o on o.id = c.order_id",
        columns: "c.id, c.remote_id, c.plan_type, c.order_id, o.number, c.order_item_ids, c.quantities, c.decision, \
                      c.reason, \
                      c.decided_date, c.created_date, \
                      array(select p.package_id from cancellation_plan_packages p where p.plan_id = c.id \
                      order by p.package_id) as packages",
        visible: "exists (select from packages p where p.order_id = c.order_id and p.stock_location_id = any({}))",
        filters: &[
            filter("remote_id", Kind::Integer, "c.remote_id = {}", "The upstream's key of the plan."),
            filter("plan_type", Kind::Text, "c.plan_type = {}", "`cancel` or `refund`."),
            filter(
                "decision",
                Kind::Text,
                "c.decision = {}",
                "`cancelled`, `waiting`, `refused`, `partly` or `recorded`.",
            ),
            filter("order", Kind::Integer, "c.order_id = {}", "Id of the order."),
            filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
            filter("created_date__gte", Kind::DateTime, "c.created_date >= {}", "Created at this moment or later."),
            filter("created_date__lte", Kind::DateTime, "c.created_date <= {}", "Created at this moment or earlier."),
        ],
        sorts: &[("id", "c.id"), ("remote_id", "c.remote_id"), ("created_date", "c.created_date")],
        default_sort: "-id",
        tie_breaker: "c.id desc",
    };

    /// Leaves out the packages that a scope does not see, and a reason that may be about one of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn restrict(connection: &mut PgConnection, plans: &mut [Self], scope: &Scope) -> Result<()> {
        let Some(location_ids) = scope.location_ids() else { return Ok(()) };
        let package_ids: Vec<i64> = plans.iter().flat_map(|plan| plan.packages.iter().copied()).collect();
        let seen = sqlx::query_scalar!(
            "select id from packages where id = any($1) and stock_location_id = any($2)",
            &package_ids,
            location_ids
        );
        let seen: HashSet<i64> = seen.fetch_all(connection).await?.into_iter().collect();
        for plan in plans {
            let count = plan.packages.len();
            plan.packages.retain(|id| seen.contains(id));
            plan.reason = plan.reason.take().filter(|_| plan.packages.len() == count);
        }
        Ok(())
    }
}
