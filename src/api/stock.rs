//! `/api/v1/oms/stocks/`.

use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::packages::command::idempotency_key;
use crate::{
    api::body::{LIST_BYTES, RequestBody},
    api::{
        declare::with_body,
        extract::{Doors, Limited, Managers},
        resource::{Read, list},
    },
    commands::{
        idempotency::{self, IdempotencyKey},
        outcome::Reply,
    },
    error::{Error, Refusal, Result},
    openapi::Written,
    reading::{self, Defect, Reader},
    stock::{
        self, Count, Door, MOST_ATTEMPTS, Origin,
        adjust::{Adjusted, Adjustment},
        count, first_unkept,
        history::StockChange,
        list::StockLevel,
    },
    wire::{self, pieces::Unread},
};

/// Most counts in one request; more belong into `oms stock import`.
const MOST_COUNTS: usize = 10_000;

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let example = json!([{ "stock_location": "W-LEEDS", "sku": "85123A", "quantity": 12 }]);
    let read = Read { path: "/api/v1/oms/stocks/", tag: "Stock", operation: "listStock", text: "Stock" };
    let adjustment =
        json!([{ "stock_location": "W-LEEDS", "sku": "85123A", "delta": 2, "reason": "found behind a shelf" }]);
    let history = Read {
        path: "/api/v1/oms/stocks/history/",
        tag: "Stock",
        operation: "listStockHistory",
        text: "History of a SKU\n\nEvery change of the stock of a SKU, with who, when, why and where it came in: counts, \
               adjustments, what packages and transfers moved, and what was looked for and not found.",
    };
    OpenApiRouter::new()
        .routes(list::<StockLevel>(&read))
        .routes(with_body(routes!(put), &COUNT.one_or_many(), &example))
        .routes(with_body(routes!(adjust), &ADJUSTMENT.one_or_many(), &adjustment))
        .routes(list::<StockChange>(&history))
}

/// How many counts were set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockUpdate)]
struct Counted {
    updated: usize,
}

/// The stocks after adjustments, in the order in which they were sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockAdjusted)]
struct AdjustedStocks {
    updated: usize,
    stocks: Vec<Adjusted>,
}

/// A count as it is sent.
pub const COUNT: Written = Written {
    name: "StockCount",
    schema: r#"{"type": "object", "description": "How many units of a SKU are on the shelf of a location now.",
        "required": ["sku", "quantity"], "properties": {
        "stock_location": {"type": "string", "description": "ERP code of the location."},
        "erp_code": {"type": "string", "description": "The same, where there is no `stock_location`."},
        "sku": {"type": "string", "maxLength": 255},
        "quantity": {"type": ["number", "string"], "maximum": 1000000000000,
                     "description": "Units, reserved ones included. Part of a unit is none, and less than none is 0: neither promises goods that are not there."},
        "counted_at": {"type": "string", "description": "When the count was taken; now, where it is not said or is still to come. What was packed and what arrived since is applied to it, and a count that was taken before the newest one is passed over."}}}"#,
};

/// An adjustment as it is sent.
pub const ADJUSTMENT: Written = Written {
    name: "StockAdjustment",
    schema: r#"{"type": "object", "description": "How many units of a SKU came to the shelf of a location, or went.",
        "required": ["sku", "delta", "reason"], "properties": {
        "stock_location": {"type": "string", "description": "ERP code of the location."},
        "erp_code": {"type": "string", "description": "The same, where there is no `stock_location`."},
        "sku": {"type": "string", "maxLength": 255},
        "delta": {"type": "integer", "minimum": -1000000000000, "maximum": 1000000000000,
                  "description": "Units that are added, or taken where it is negative; not 0."},
        "reason": {"type": "string", "minLength": 1, "maxLength": 500, "description": "Why; the history shows it."}}}"#,
};

/// Set stock
///
/// One count or a list of them: `stock_location` (an `erp_code`), `sku`, `quantity`: the units on the shelf now, reserved
/// ones included; or, with `counted_at`, on the shelf then. All are set, or none.
#[utoipa::path(put, path = "/api/v1/oms/stocks/", tag = "Stock", operation_id = "setStock", request_body = Value,
    responses((status = 200, description = "The number of counts", body = Counted)))]
async fn put(
    door: Limited<Managers>,
    headers: HeaderMap,
    body: RequestBody<LIST_BYTES>,
) -> Result<axum::Json<Counted>> {
    wire::check_media_type(&headers)?;
    let counts = read_list(&door, &body.entries().await?, "Count", |reader, find| Count::read(reader, find)).await?;
    if let Err(error) = count(&door.app.pool, &counts, &origin(&door)).await {
        return Err(unkept(&door, &counts, error).await);
    }
    door.app.wake_signal.wake();
    Ok(axum::Json(Counted { updated: counts.len() }))
}

/// What a caller is told of counts that could not be set: which of them the database cannot keep, if it is that.
async fn unkept(door: &Limited<Managers>, counts: &[Count], error: Error) -> Error {
    let Some(why) = error.of_unkept_data() else { return error };
    let at = match first_unkept(&door.app.pool, counts, &origin(door)).await {
        Ok(at) => at,
        Err(error) => return error,
    };
    tracing::error!(count = at + 1, why, "a count has a value that the database cannot keep");
    let message = "It has a value that the database cannot keep; the log of the server says which.";
    let defect = Defect { path: Vec::new(), message: message.to_owned(), remedy: String::new() };
    Defect::field_errors(&numbered(vec![defect], "Count", (counts.len() > 1).then_some(at + 1))).into()
}

/// Adjust stock
///
/// One adjustment or a list of them: `stock_location` (an `erp_code`), `sku`, `delta`: units that are added, or taken
/// where it is negative, and a `reason`. So it is right whatever is packed at the same time. All are made, or none: no
/// stock goes below 0. With an `Idempotency-Key`, a repeat within 24 hours gets the same answer byte for byte and adjusts
/// nothing again.
#[utoipa::path(post, path = "/api/v1/oms/stocks/adjust/", tag = "Stock", operation_id = "adjustStock",
    request_body = Value,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request, at most 255 characters.")),
    responses((status = 200, description = "The stocks after it", body = AdjustedStocks), (status = 422, description = "The Idempotency-Key was used with another request")))]
async fn adjust(door: Limited<Managers>, headers: HeaderMap, body: RequestBody<LIST_BYTES>) -> Result<Reply> {
    wire::check_media_type(&headers)?;
    let value = body.entries().await?;
    let key = idempotency_key(&headers)?.map(|key| IdempotencyKey::for_adjustments(door.user_id, key, &body));
    let adjustments = read_list(&door, &value, "Adjustment", |reader, find| Adjustment::read(reader, find)).await?;
    let mut attempt = 1;
    let reply = loop {
        match try_adjust(&door, &adjustments, key.as_ref()).await {
            Ok(Some(reply)) => break reply,
            Ok(None) if attempt < MOST_ATTEMPTS => attempt += 1,
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => attempt += 1,
            Ok(None) => return Err(Error::Overloaded),
            Err(error) => return Err(error),
        }
    };
    door.app.wake_signal.wake();
    Ok(reply)
}

/// One transaction. None if the same request was answered meanwhile: then its answer is there for the next attempt.
async fn try_adjust(
    door: &Limited<Managers>,
    adjustments: &[Adjustment],
    key: Option<&IdempotencyKey>,
) -> Result<Option<Reply>> {
    let mut change = door.begin().await?;
    if let Some(key) = key
        && let Some(told) =
            idempotency::read_answers(&mut change, &[key]).await?.remove(&(key.user_id, key.key.clone()))
    {
        return if told.request_hash == key.request_hash {
            Ok(Some(told.reply))
        } else {
            Err(Refusal::key_reused().into())
        };
    }
    let stocks = match stock::adjust::adjust(&mut change, adjustments, &origin(door)).await? {
        Ok(stocks) => stocks,
        Err(wrong) => {
            let is_list = adjustments.len() > 1;
            let named = wrong
                .into_iter()
                .flat_map(|(index, defect)| numbered(vec![defect], "Adjustment", is_list.then_some(index + 1)));
            return Err(Defect::field_errors(&named.collect::<Vec<_>>()).into());
        }
    };
    let answer = AdjustedStocks { updated: stocks.len(), stocks };
    let body = serde_json::to_vec(&answer).map_err(|error| Error::Fault(format!("an answer: {error}")))?;
    let reply = Reply { status: StatusCode::OK, body: body.into() };
    if let Some(key) = key
        && !idempotency::write(&mut change, &[(key, reply.clone())]).await?
    {
        return Ok(None);
    }
    change.commit().await?;
    Ok(Some(reply))
}

fn origin(door: &Limited<Managers>) -> Origin {
    Origin { actor: door.actor(), door: Door::Request }
}

/// Reads one object or a list of them. `noun`: what one is called, with its number, in errors of a list.
async fn read_list<T>(
    door: &Limited<Managers>,
    value: &wire::Body,
    noun: &str,
    read: impl Fn(&mut Reader<'_>, &dyn Fn(&str) -> Option<i64>) -> T,
) -> Result<Vec<T>> {
    let list: Vec<Result<&Value, &Unread>> = match value {
        wire::Body::List(list) => list.iter().map(Result::as_ref).collect(),
        wire::Body::One(one) => vec![Ok(one)],
    };
    if list.len() > MOST_COUNTS {
        let message = format!("At most {MOST_COUNTS} {}s a request.", noun.to_lowercase());
        return Err(Refusal::non_field(&message).into());
    }
    let (app, scope) = (&door.app, &door.scope);
    // A location that was made a moment ago counts.
    let catalog = app.catalog_cache.up_to_date(&mut *app.pool.acquire().await?).await?;
    let find = |erp_code: &str| {
        let known = catalog.locations.values().find(|location| location.erp_code == erp_code);
        known.map(|location| location.id).filter(|id| scope.sees(*id))
    };
    let read = list.iter().enumerate().map(|(index, value)| {
        let value = value.map_err(|unread| Refusal::parse(format_args!("{noun} {}: {}", index + 1, unread.why)))?;
        let one = reading::entry(value, |reader| read(reader, &find));
        one.map_err(|defects| {
            Defect::field_errors(&numbered(defects, noun, (list.len() > 1).then_some(index + 1))).into()
        })
    });
    read.collect()
}

/// Defects of an object; `number` is its place in a list.
fn numbered(mut defects: Vec<Defect>, noun: &str, number: Option<usize>) -> Vec<Defect> {
    for defect in &mut defects {
        if let Some(number) = number {
            defect.message.insert_str(0, &format!("{noun} {number}: "));
        }
    }
    defects
}
