//! Omnitron's API, as far as an order management server calls it.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::simulator::{Simulator, world::Stored};

/// Rows on a page by default, as Omnitron documents it.
const DEFAULT_LIMIT: usize = 10;
/// Most rows on a page.
const LARGEST_LIMIT: usize = 100;

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/api/{version}/auth/login/", post(login))
        .route("/api/{version}/orders/", get(orders))
        .route("/api/{version}/orders/{pk}/", get(order).patch(change_order))
        .route("/api/{version}/orders/{pk}/bill_fulfillment/", post(bill))
        .route("/api/{version}/order_items/{pk}/", patch(change_item))
        .route("/api/{version}/order_items/{pk}/create_mapping/", post(create_mapping))
        .route("/api/{version}/cancellation_reasons/", get(reasons))
        .route("/api/{version}/cancellation_plans/", get(cancellation_plans))
        .route("/invoice/", post(invoice))
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail, "code": "error" }))).into_response()
}

fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "The given resource or object was not found or does not exist.")
}

async fn login(State(simulator): State<Simulator>, Json(body): Json<Value>) -> Response {
    let mut world = simulator.world();
    if body["username"] != world.username.as_str() || body["password"] != world.password.reveal() {
        return refuse(StatusCode::BAD_REQUEST, "Unable to log in with provided credentials.");
    }
    Json(json!({ "key": world.renew_token().reveal() })).into_response()
}

/// The query of a list.
struct Query(Vec<(String, String)>);

impl Query {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    fn moment(&self, name: &str) -> Option<DateTime<Utc>> {
        self.get(name)?.parse().ok()
    }

    fn fits(&self, order: &Stored) -> bool {
        let is_equal = |name: &str| self.get(name).is_none_or(|wanted| order.json[name] == wanted);
        is_equal("number")
            && is_equal("status")
            && self.moment("modified_date__gte").is_none_or(|from| order.modified >= from)
            && self.moment("modified_date__gt").is_none_or(|after| order.modified > after)
            && self.get("id__gt").is_none_or(|after| order.json["pk"].as_i64() > after.parse().ok())
    }

    /// The address of another page: the same parameters, in the order of their names.
    fn address(&self, headers: &HeaderMap, path: &str, page: usize) -> String {
        let mut pairs: Vec<_> = self.0.iter().filter(|(key, _)| key != "page").cloned().collect();
        pairs.push(("page".to_owned(), page.to_string()));
        pairs.sort();
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("http://{host}{path}?{query}")
    }
}

async fn orders(
    State(simulator): State<Simulator>,
    Path(version): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let question = Query(form_urlencoded::parse(query.as_bytes()).into_owned().collect());
    let world = simulator.world();
    let mut found: Vec<&Stored> = world.orders.iter().filter(|order| question.fits(order)).collect();
    match question.get("sort") {
        Some("modified_date") => found.sort_by_key(|order| order.modified),
        Some("-modified_date") => found.sort_by_key(|order| std::cmp::Reverse(order.modified)),
        Some("id" | "pk") => found.sort_by_key(|order| order.json["pk"].as_i64()),
        _ => found.sort_by_key(|order| std::cmp::Reverse(order.json["pk"].as_i64())),
    }
    let limit = question.number("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, LARGEST_LIMIT);
    let page = question.number("page").unwrap_or(1).max(1);
    let (count, first) = (found.len(), (page - 1) * limit);
    if page > 1 && first >= count {
        return refuse(StatusCode::NOT_FOUND, "Invalid page.");
    }
    let mut results: Vec<Value> = found.iter().skip(first).take(limit).map(|order| order.json.clone()).collect();
    if world.behaviour.repeat {
        let last_before = first.checked_sub(1).and_then(|index| found.get(index)).map(|order| order.json.clone());
        results =
            last_before.into_iter().chain(results.iter().flat_map(|order| [order.clone(), order.clone()])).collect();
    }
    if world.behaviour.reorder {
        results.reverse();
    }
    let path = format!("/api/{version}/orders/");
    Json(json!({
        "count": count,
        "next": (first + limit < count).then(|| question.address(&headers, &path, page + 1)),
        "previous": (page > 1).then(|| question.address(&headers, &path, page - 1)),
        "results": results,
    }))
    .into_response()
}

async fn order(State(simulator): State<Simulator>, Path((_, pk)): Path<(String, i64)>) -> Response {
    simulator.world().order(pk).map_or_else(not_found, |order| Json(order.json.clone()).into_response())
}

async fn change_order(
    State(simulator): State<Simulator>,
    Path((_, pk)): Path<(String, i64)>,
    Json(change): Json<Value>,
) -> Response {
    simulator.world().change_order(pk, &change).map_or_else(not_found, |order| Json(order).into_response())
}

async fn change_item(
    State(simulator): State<Simulator>,
    Path((_, pk)): Path<(String, i64)>,
    Json(change): Json<Value>,
) -> Response {
    simulator.world().change_item(pk, &change).map_or_else(not_found, |item| Json(item).into_response())
}

async fn create_mapping(
    State(simulator): State<Simulator>,
    Path((_, pk)): Path<(String, i64)>,
    Json(body): Json<Value>,
) -> Response {
    let mut world = simulator.world();
    let Some(code) = body["code"].as_str() else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "code": ["This field is required."] }))).into_response();
    };
    world.mappings += 1;
    let mapping =
        json!({ "pk": world.mappings, "object_id": pk, "code": code, "content_type": 3, "remote_date": null });
    (StatusCode::CREATED, Json(mapping)).into_response()
}

async fn bill(State(simulator): State<Simulator>, Path((_, pk)): Path<(String, i64)>) -> Response {
    if simulator.world().order(pk).is_none() {
        return not_found();
    }
    Json(json!({ "detail": "billed" })).into_response()
}

async fn invoice(State(simulator): State<Simulator>, headers: HeaderMap) -> Response {
    let mut world = simulator.world();
    world.invoices += 1;
    let number = format!("INV-{:06}", world.invoices);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    Json(json!({ "invoice_number": number, "invoice_url": format!("http://{host}/invoices/{number}.pdf") }))
        .into_response()
}

async fn reasons() -> Response {
    let reason = |pk: i64, kind: &str, subject: &str, order: i64| {
        json!({ "pk": pk, "cancellation_type": kind, "extra_information_needed": false, "order": order,
                "subject": subject, "is_active": true, "send_to_remote": true, "translations": {} })
    };
    let results = [
        reason(1, "cancel", "I ordered by mistake", 10),
        reason(2, "cancel", "It takes too long", 20),
        reason(3, "refund", "It is damaged", 10),
    ];
    Json(json!({ "count": results.len(), "next": null, "previous": null, "results": results })).into_response()
}

async fn cancellation_plans(State(simulator): State<Simulator>) -> Response {
    let plans = simulator.world().cancellation_plans.clone();
    Json(json!({ "count": plans.len(), "next": null, "previous": null, "results": plans })).into_response()
}
