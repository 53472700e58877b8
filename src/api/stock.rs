//! `/api/v1/oms/stocks/`.

use axum::{body::Bytes, extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Row as _, postgres::PgRow};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::declare::{listed, with_body},
    api::extract::Authenticated,
    app::App,
    auth::{Caller, Role},
    catalog::Catalog,
    error::{Refusal, Result},
    openapi::Written,
    page::{Filter, Kind, List, Page, filter},
    reading::values::integer,
    stock::{Count, MOST_UNITS, count},
    wire::{self, Timestamp},
};

/// Most counts in one request; more belong into `oms stock import`.
const MOST_COUNTS: usize = 10_000;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<App> {
    let example = json!([{ "stock_location": "W-LEEDS", "sku": "85123A", "quantity": 12 }]);
    OpenApiRouter::new().routes(with_body(
        listed::<StockLevel, _>(routes!(list, put), &LIST),
        &COUNT.one_or_many(),
        &example,
    ))
}

/// What stock can be filtered by.
pub const FILTERS: &[Filter] = &[
    filter("sku", Kind::Text, "s.sku = {}", "SKU of the product."),
    filter("sku__in", Kind::Texts, "s.sku = any({})", "SKUs, separated by commas."),
    filter("stock_location", Kind::Integer, "s.stock_location_id = {}", "Id of the stock location."),
    filter("stock_location__erp_code", Kind::Text, "l.erp_code = {}", "ERP code of the stock location."),
];

/// The stock of a SKU at a location.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StockLevel {
    /// Id of the location.
    stock_location: i64,
    /// The ERP's word for the location.
    erp_code: String,
    sku: String,
    /// Units on the shelf.
    quantity: i64,
    /// Units of them held for packages.
    reserved: i64,
    /// `quantity - reserved`: what can still be promised.
    available: i64,
    modified_date: Timestamp,
}

/// The list of stock.
const LIST: List = List {
    from: " from stocks s join stock_locations l on l.id = s.stock_location_id",
    visible: "s.stock_location_id = any({})",
    filters: FILTERS,
    sorts: &[("sku", "s.sku"), ("quantity", "s.quantity"), ("modified_date", "s.modified_date")],
    default_sort: "sku",
    tie_breaker: "s.sku, s.stock_location_id",
};

/// Stock
#[utoipa::path(get, path = "/api/v1/oms/stocks/", tag = "Stock", operation_id = "listStock")]
async fn list(State(app): State<App>, Authenticated(caller): Authenticated, page: Page) -> Result<Response> {
    let columns = "s.stock_location_id, l.erp_code, s.sku, s.quantity, s.reserved, s.modified_date";
    let visible = caller.visible_location_ids();
    let mut listing = LIST.open(&app.pool, page, visible.as_deref(), columns).await?;
    let read = |row: &PgRow| {
        let (quantity, reserved): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
        Ok(StockLevel {
            stock_location: row.try_get(0)?,
            erp_code: row.try_get(1)?,
            sku: row.try_get(2)?,
            quantity,
            reserved,
            available: quantity - reserved,
            modified_date: Timestamp(row.try_get(5)?),
        })
    };
    listing.add_all(read).await?;
    listing.respond().await
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
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Counted>> {
    caller.require(&[Role::Integrator, Role::Operator])?;
    wire::check_media_type(&headers)?;
    let value: Value = wire::parse(&body)?;
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
        .map(|(index, value)| read_count(&catalog, &caller, value, (list.len() > 1).then_some(index + 1)))
        .collect::<Result<Vec<_>, _>>()?;
    count(&app.pool, &counts).await?;
    app.wake_signal.wake();
    Ok(axum::Json(Counted { updated: counts.len() }))
}

/// `place` is the count's number in a list, for the message.
fn read_count(catalog: &Catalog, caller: &Caller, value: &Value, place: Option<usize>) -> Result<Count, Refusal> {
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
        .filter(|location| caller.sees(location.id))
        .ok_or_else(|| refuse(field, &format!("There is no stock location {erp_code}.")))?;
    let quantity = value.get("quantity").ok_or_else(|| refuse("quantity", "This field is required."))?;
    let quantity = integer(quantity).ok_or_else(|| refuse("quantity", "A valid integer is required."))?;
    if !(0..=MOST_UNITS).contains(&quantity) {
        return Err(refuse("quantity", &format!("Ensure this value is between 0 and {MOST_UNITS}.")));
    }
    Ok(Count { stock_location_id: location.id, sku: text("sku")?, quantity })
}
