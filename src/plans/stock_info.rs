//! The stock that each plan of an order saw.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::PgConnection,
    error::Result,
    orders::identity::Named,
    planning::{
        record::Facts,
        replay::{Content, plans},
    },
    scope::Scope,
    wire::Timestamp,
};

/// What a plan saw of an item's SKU at a location, keys as documented.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStockInfo)]
pub struct StockInfoView {
    /// When the plan was made.
    date: Timestamp,
    order_item: ItemView,
    stock_data: StockData,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
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

/// What the plans of an order saw, the latest first: a row an item and location. A location that had none of the SKU has
/// none.
///
/// # Errors
/// 400 when several orders are meant; when the database fails.
pub async fn load(
    connection: &mut PgConnection,
    order: &Named,
    erp_code: Option<&str>,
    scope: &Scope,
) -> Result<Vec<StockInfoView>> {
    let location_ids = sqlx::query_scalar!(
        "select id from stock_locations
          where ($1::text is null or erp_code = $1) and ($2::bigint[] is null or id = any($2))",
        erp_code,
        scope.location_ids()
    )
    .fetch_all(&mut *connection)
    .await?;
    // Of an order that the caller does not see, nothing is told.
    let Some(order_id) = order.find(&mut *connection, Some(scope), "order_number").await? else {
        return Ok(Vec::new());
    };
    let items = sqlx::query!("select id, omnitron_id from order_items where order_id = $1", order_id)
        .fetch_all(&mut *connection)
        .await?;
    let kept = plans(connection, &[order_id]).await?;
    let mut rows = Vec::new();
    for plan in kept.iter().rev() {
        let Content::Record(record) = &plan.content else { continue };
        for (item_id, column, ..) in &record.facts.lines {
            let item = items.iter().find(|item| item.id == *item_id);
            let item = ItemView {
                pk: *item_id,
                sku: record.facts.skus.get(*column).cloned().unwrap_or_default(),
                omnitron_id: item.and_then(|item| item.omnitron_id),
                order_number: order.number.clone(),
            };
            rows.extend(seen(&record.facts, *column, &location_ids, &item));
        }
    }
    Ok(rows)
}

/// What a plan saw of an item at these locations; `column` is that of its SKU.
fn seen(facts: &Facts, column: usize, location_ids: &[i64], item: &ItemView) -> Vec<StockInfoView> {
    let asked = facts.locations.iter().filter(|row| row.first().is_some_and(|id| location_ids.contains(id)));
    let stocks = asked.map(|row| [3, 4].map(|at| row.get(at + 2 * column).copied().unwrap_or(0)));
    let stocks = stocks.filter(|stock| *stock != [0, 0]);
    stocks
        .map(|[quantity, reserved]| StockInfoView {
            date: facts.time.into(),
            order_item: item.clone(),
            stock_data: StockData {
                quantity: decimal(quantity - reserved),
                unit_type: "quantity",
                stock_count: decimal(quantity),
                reservation_count: decimal(reserved),
            },
        })
        .collect()
}

fn decimal(units: i64) -> String {
    format!("{units}.00")
}
