//! `/api/v1/oms/stocks/`.

use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::body::{LIST_BYTES, RequestBody},
    api::{
        declare::with_body,
        extract::{Doors, Limited, Managers},
        resource::{Read, list},
    },
    error::{Refusal, Result},
    openapi::Written,
    reading::{self, Defect},
    stock::{Count, count, list::StockLevel},
    wire,
};

/// Most counts in one request; more belong into `oms stock import`.
const MOST_COUNTS: usize = 10_000;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let example = json!([{ "stock_location": "W-LEEDS", "sku": "85123A", "quantity": 12 }]);
    let read = Read { path: "/api/v1/oms/stocks/", tag: "Stock", operation: "listStock", text: "Stock" };
    OpenApiRouter::new().routes(list::<StockLevel>(&read)).routes(with_body(
        routes!(put),
        &COUNT.one_or_many(),
        &example,
    ))
}

/// How many counts were set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockUpdate)]
struct Counted {
    updated: usize,
}

/// A count as it is sent.
pub const COUNT: Written = Written {
    name: "StockCount",
    schema: r#"{"type": "object", "description": "How many units of a SKU are on the shelf of a location now.",
        "required": ["sku", "quantity"], "properties": {
        "stock_location": {"type": "string", "description": "ERP code of the location."},
        "erp_code": {"type": "string", "description": "The same, where there is no `stock_location`."},
        "sku": {"type": "string", "maxLength": 255},
        "quantity": {"type": "integer", "minimum": 0, "maximum": 1000000000000,
                     "description": "Units, reserved ones included."}}}"#,
};

/// Set stock
///
/// One count or a list of them: `stock_location` (an `erp_code`), `sku`, `quantity`: the units on the shelf now, reserved
/// ones included. All are set, or none.
#[utoipa::path(put, path = "/api/v1/oms/stocks/", tag = "Stock", operation_id = "setStock", request_body = Value,
    responses((status = 200, description = "The number of counts", body = Counted)))]
async fn put(
    Limited { app, scope, .. }: Limited<Managers>,
    headers: HeaderMap,
    body: RequestBody<LIST_BYTES>,
) -> Result<axum::Json<Counted>> {
    wire::check_media_type(&headers)?;
    let value = body.json().await?;
    let list = match &value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.len() > MOST_COUNTS {
        return Err(Refusal::non_field(&format!("At most {MOST_COUNTS} counts a request.")).into());
    }
    // A location that was made a moment ago counts.
    let catalog = app.catalog_cache.up_to_date(&mut *app.pool.acquire().await?).await?;
    let find = |erp_code: &str| {
        let known = catalog.locations.values().find(|location| location.erp_code == erp_code);
        known.map(|location| location.id).filter(|id| scope.sees(*id))
    };
    let counts = list
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let count = reading::entry(value, |reader| Count::read(reader, find));
            count.map_err(|defects| refusal(defects, (list.len() > 1).then_some(index + 1)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    count(&app.pool, &counts).await?;
    app.wake_signal.wake();
    Ok(axum::Json(Counted { updated: counts.len() }))
}

/// Defects of a count as a 400; `number` is its place in a list.
fn refusal(mut defects: Vec<Defect>, number: Option<usize>) -> Refusal {
    for defect in &mut defects {
        if let Some(number) = number {
            defect.message.insert_str(0, &format!("Count {number}: "));
        }
    }
    Defect::field_errors(&defects)
}
