//! `/api/v1/oms/order-stock-info/`: the stock that each plan of an order saw.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::extract::Limited,
    error::{Refusal, Result},
    page::Page,
    planning::replay::{Content, plans},
    wire::Timestamp,
};

/// What a plan saw of an item's SKU at a location, keys as documented.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStockInfo)]
pub(super) struct StockInfoView {
    /// When the plan was made.
    date: Timestamp,
    order_item: ItemView,
    stock_data: StockData,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStockItem)]
struct ItemView {
    pk: i64,
    sku: String,
    omnitron_id: Option<i64>,
    order_number: String,
}

/// Decimals with two places.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStockData)]
struct StockData {
    /// `stock_count - reservation_count`.
    quantity: String,
    unit_type: &'static str,
    stock_count: String,
    reservation_count: String,
}

/// The stock an order was planned with
///
/// One row an item, location and plan, latest plan first; a location that had none of the SKU has no row. What the items'
/// own package held while it was planned again is not counted as reserved.
#[utoipa::path(get, path = "/api/v1/oms/order-stock-info/", tag = "Plans", operation_id = "listOrderStockInfo",
    params(("order_number" = String, Query, description = "Number of the order. Required."), ("erp_code" = Option<String>, Query, description = "ERP code of the location; every location without one.")))]
pub(super) async fn list(Limited { app, scope, .. }: Limited, page: Page) -> Result<Response> {
    let number = page.get("order_number").ok_or_else(|| {
        Refusal::field("order_number", "This field is required: the stock is told of one order at a time.")
    })?;
    let mut connection = app.pool.acquire().await?;
    let location_ids = sqlx::query_scalar!(
        "select id from stock_locations
          where ($1::text is null or erp_code = $1) and ($2::bigint[] is null or id = any($2))",
        page.get("erp_code"),
        scope.location_ids()
    )
    .fetch_all(&mut *connection)
    .await?;
    // An order that the caller does not see has no items.
    let items = sqlx::query!(
        "select oi.id, oi.order_id, oi.sku, oi.omnitron_id from order_items oi join orders o on o.id = oi.order_id
          where o.number = $1
            and ($2::bigint[] is null
                 or exists (select from packages p where p.order_id = o.id and p.stock_location_id = any($2)))",
        number,
        scope.location_ids()
    )
    .fetch_all(&mut *connection)
    .await?;
    let order_ids: Vec<i64> = items.first().map(|item| item.order_id).into_iter().collect();
    let kept = plans(&mut connection, &order_ids).await?;
    let mut rows = Vec::new();
    for plan in kept.iter().rev() {
        let Content::Record(record) = &plan.content else { continue };
        let facts = &record.facts;
        for (item_id, column, _, _) in &facts.lines {
            let item = items.iter().find(|item| item.id == *item_id);
            for row in facts.locations.iter().filter(|row| row.first().is_some_and(|id| location_ids.contains(id))) {
                let column_at = |at: usize| row.get(at).copied().unwrap_or(0);
                let (quantity, reserved) = (column_at(3 + 2 * column), column_at(4 + 2 * column));
                if (quantity, reserved) == (0, 0) {
                    continue;
                }
                rows.push(StockInfoView {
                    date: facts.time.into(),
                    order_item: ItemView {
                        pk: *item_id,
                        sku: facts.skus.get(*column).cloned().unwrap_or_default(),
                        omnitron_id: item.and_then(|item| item.omnitron_id),
                        order_number: number.to_owned(),
                    },
                    stock_data: StockData {
                        quantity: decimal(quantity - reserved),
                        unit_type: "quantity",
                        stock_count: decimal(quantity),
                        reservation_count: decimal(reserved),
                    },
                });
            }
        }
    }
    page.respond_with(rows).await
}

fn decimal(units: i64) -> String {
    format!("{units}.00")
}
