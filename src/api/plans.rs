//! `/api/v1/oms/orderexecutionplans/` and `/api/v1/oms/order-stock-info/`.

use axum::response::Response;
use serde_json::json;
use sqlx::postgres::PgRow;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    declare::paged,
    resource::{Read, Resource, Viewer, detail, list},
};
use crate::{
    api::extract::{Doors, Limited},
    app::App,
    db::PgConnection,
    error::{Refusal, Result},
    orders::identity::{Channel, Named},
    page::{List, Page, ids},
    plans::{
        self, ExecutionPlanView,
        stock_info::{self, StockInfoView},
    },
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Plans", operation, text };
    OpenApiRouter::new()
        .routes(list::<ExecutionPlanView>(&read(
            "/api/v1/oms/orderexecutionplans/",
            "listPlanningRecords",
            "Planning records\n\nOne an order: where its items went, and in `context` each time they were planned: every \
             candidate location in the rule's order, the values that were seen, and why it was chosen or not.",
        )))
        .routes(detail::<ExecutionPlanView>(
            &read("/api/v1/oms/orderexecutionplans/{id}/", "getPlanningRecord", "One planning record"),
            "the order",
        ))
        .routes(paged::<StockInfoView, _>(routes!(list_stock_info), []))
}

impl Resource for ExecutionPlanView {
    const LIST: List = plans::list::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        plans::load(connection, &ids(rows)?, &viewer.scope).await
    }
}

/// The stock an order was planned with
///
/// One row an item, location and plan, latest plan first; a location that had none of the SKU has no row. What the items'
/// own package held while it was planned again is not counted as reserved.
#[utoipa::path(get, path = "/api/v1/oms/order-stock-info/", tag = "Plans", operation_id = "listOrderStockInfo",
    params(("order_number" = String, Query, description = "Number of the order.", example = "536365"),
        ("channel" = Option<String>, Query, description = "Key or name of its channel, where several have an order of this number."),
        ("erp_code" = Option<String>, Query, description = "ERP code of the location; every location without one.")))]
async fn list_stock_info(Limited { app, scope, .. }: Limited, page: Page) -> Result<Response> {
    page.check_filters(&["order_number", "channel", "erp_code"])?;
    let number = page.name("order_number").ok_or_else(|| {
        Refusal::field("order_number", "This field is required: the stock is told of one order at a time.")
    })?;
    let channel = page.get("channel").map(|channel| Channel::of(&json!(channel)));
    let order = Named { number, channel, omnitron_id: None };
    let rows =
        stock_info::load(&mut *app.pool.acquire().await?, &order, page.name("erp_code").as_deref(), &scope).await?;
    page.respond_with(rows).await
}
