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
    catalog::Catalog,
    error::{Refusal, Result},
    openapi::Written,
    reading::values::integer,
    scope::Scope,
    stock::{Count, MOST_UNITS, count, list::StockLevel},
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
        "sku": {"type": "string"},
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
    let counts = list
        .iter()
        .enumerate()
        .map(|(index, value)| read_count(&catalog, &scope, value, (list.len() > 1).then_some(index + 1)))
        .collect::<Result<Vec<_>, _>>()?;
    count(&app.pool, &counts).await?;
    app.wake_signal.wake();
    Ok(axum::Json(Counted { updated: counts.len() }))
}

/// `place` is the count's number in a list, for the message.
fn read_count(catalog: &Catalog, scope: &Scope, value: &Value, place: Option<usize>) -> Result<Count, Refusal> {
    let refuse = |field: &str, message: &str| {
        let place = place.map(|number| format!("Count {number}: ")).unwrap_or_default();
        Refusal::field(field, format!("{place}{message}"))
    };
    let text = |field: &str| match value.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() && !text.contains('\0') => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        None | Some(Value::Null) => Err(refuse(field, "This field is required.")),
        Some(_) => Err(refuse(field, "Not a valid string.")),
    };
    let field = if value.get("stock_location").is_some() { "stock_location" } else { "erp_code" };
    let erp_code = text(field)?;
    let location = catalog.locations.values().find(|location| location.erp_code == erp_code);
    let location = location
        .filter(|location| scope.sees(location.id))
        .ok_or_else(|| refuse(field, &format!("There is no stock location {erp_code}.")))?;
    let quantity = value.get("quantity").ok_or_else(|| refuse("quantity", "This field is required."))?;
    let quantity = integer(quantity).ok_or_else(|| refuse("quantity", "A valid integer is required."))?;
    if !(0..=MOST_UNITS).contains(&quantity) {
        return Err(refuse("quantity", &format!("Ensure this value is between 0 and {MOST_UNITS}.")));
    }
    Ok(Count { stock_location_id: location.id, sku: text("sku")?, quantity })
}
