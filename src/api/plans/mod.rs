//! `/api/v1/oms/orderexecutionplans/`.

mod stock_info;

use axum::{extract::State, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::{listed, paged},
    api::extract::{Authenticated, Id},
    app::App,
    error::{Refusal, Result},
    page::{Filter, Kind, List, Page, filter},
    plans::{ExecutionPlanView, load},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(listed::<ExecutionPlanView, _>(routes!(list), &LIST))
        .routes(routes!(detail))
        .routes(paged::<stock_info::StockInfoView, _>(routes!(stock_info::list), []))
}

/// The filters of the list.
pub const FILTERS: &[Filter] = &[
    filter("order", Kind::Integer, "o.id = {}", "Id of the order."),
    filter("order__number", Kind::Text, "o.number = {}", "Number of the order."),
    filter("order__number__in", Kind::Texts, "o.number = any({})", "Numbers of orders, separated by commas."),
    filter(
        "scenario",
        Kind::Integer,
        "exists (select from order_plans p where p.order_id = o.id and p.scenario_id = {})",
        "Id of a scenario that planned the order.",
    ),
    filter("date_placed__gte", Kind::DateTime, "o.date_placed >= {}", "Placed at this moment or later."),
    filter("date_placed__lte", Kind::DateTime, "o.date_placed <= {}", "Placed at this moment or earlier."),
    filter("created_date__gte", Kind::DateTime, "o.created_date >= {}", "Created at this moment or later."),
    filter("created_date__lte", Kind::DateTime, "o.created_date <= {}", "Created at this moment or earlier."),
    filter("id__gt", Kind::Integer, "o.id > {}", "Ids greater than this one."),
    filter("id__lt", Kind::Integer, "o.id < {}", "Ids smaller than this one."),
    filter("pk__in", Kind::Integers, "o.id = any({})", "Ids, separated by commas."),
];

/// The list of planning records: one an order that was planned. A caller with locations of their own sees those of
/// orders that have a package there.
const LIST: List = List {
    from: " from (select * from orders o
                   where exists (select from order_plans p where p.order_id = o.id)) o",
    visible: "exists (select from packages p where p.order_id = o.id and p.stock_location_id = any({}))",
    filters: FILTERS,
    sorts: &[("id", "o.id"), ("date_placed", "o.date_placed"), ("created_date", "o.created_date")],
    default_sort: "-id",
    tie_breaker: "o.id desc",
};

/// Planning records
///
/// One an order: where its items went, and in `context` each time they were planned: every candidate location in the
/// rule's order, the values that were seen, and why it was chosen or not.
#[utoipa::path(get, path = "/api/v1/oms/orderexecutionplans/", tag = "Plans", operation_id = "listPlanningRecords")]
async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), "o.id").await?;
    while let Some((connection, ids)) = listing.ids()? {
        let views = load(connection, &ids, visible.as_deref()).await?;
        listing.add(views).await?;
    }
    listing.respond().await
}

/// One planning record
#[utoipa::path(get, path = "/api/v1/oms/orderexecutionplans/{id}/", tag = "Plans",
    operation_id = "getPlanningRecord",
    params(("id" = i64, Path, description = "The order's id", example = 1)),
    responses((status = 200, description = "The planning record", body = ExecutionPlanView)))]
async fn detail(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Id(id): Id,
) -> Result<axum::Json<ExecutionPlanView>> {
    let visible = caller.visible_location_ids();
    let mut connection = app.pool.acquire().await?;
    let planned = sqlx::query_scalar!(
        r#"select exists (select from order_plans where order_id = $1)
                  and ($2::bigint[] is null
                       or exists (select from packages where order_id = $1 and stock_location_id = any($2))) as "planned!""#,
        id,
        visible.as_deref()
    )
    .fetch_one(&mut *connection)
    .await?;
    if !planned {
        return Err(Refusal::not_found().into());
    }
    let view = load(&mut connection, &[id], visible.as_deref()).await?.pop();
    Ok(axum::Json(view.ok_or_else(Refusal::not_found)?))
}
