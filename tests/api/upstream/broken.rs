//! An upstream whose list cannot be read whole: one order of it never stops the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use oms::upstream::UpstreamSettings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::house::{EAGER, order};
use crate::support::Shop;

/// More than is read of one answer.
const TOO_LONG: usize = 17 * 1024 * 1024;

/// An upstream with a list of texts, which need not be JSON, in the order of their change.
#[derive(Clone, Default)]
struct Texts {
    orders: Arc<Mutex<Vec<String>>>,
    /// The `limit` of each request.
    limits: Arc<Mutex<Vec<usize>>>,
}

impl Texts {
    async fn start(orders: Vec<String>) -> (Self, UpstreamSettings) {
        let texts = Self { orders: Arc::new(Mutex::new(orders)), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(list).with_state(texts.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = UpstreamSettings {
            url: Some(url),
            token: "t".parse().ok(),
            timeout_seconds: 20,
            ..UpstreamSettings::default()
        };
        (texts, settings)
    }

    fn put(&self, at: usize, order: String) {
        self.orders.lock().expect("no panic")[at] = order;
    }
}

/// The date of change in a text.
fn modified(text: &str) -> &str {
    let (_, after) = text.split_once("\"modified_date\":\"").expect("a date");
    after.split('"').next().expect("a date")
}

async fn list(State(texts): State<Texts>, Query(query): Query<HashMap<String, String>>) -> Response {
    let number = |key: &str| query[key].parse::<usize>().expect("a number");
    let (limit, page) = (number("limit"), number("page"));
    texts.limits.lock().expect("no panic").push(limit);
    let since = query.get("modified_date__gte").map(|since| since.trim_end_matches('Z').to_owned()).unwrap_or_default();
    let orders = texts.orders.lock().expect("no panic").clone();
    let found: Vec<String> = orders
        .into_iter()
        .filter(|text| modified(text).trim_end_matches('Z') >= since.trim_end_matches('0').trim_end_matches('.'))
        .collect();
    let first = (page - 1) * limit;
    if page > 1 && first >= found.len() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let next = if first + limit < found.len() { "\"http://next/\"" } else { "null" };
    let shown: Vec<String> = found.iter().skip(first).take(limit).cloned().collect();
    format!("{{\"count\": {}, \"next\": {next}, \"results\": [{}]}}", found.len(), shown.join(", ")).into_response()
}

fn text_of(number: i64) -> String {
    let mut order = order(number);
    order["modified_date"] = json!(format!("2026-01-01T00:{number:02}:00Z"));
    order["notes"] = json!("NOTES");
    order.to_string()
}

/// The order with other notes, which need not be JSON.
fn with_notes(number: i64, notes: &str) -> String {
    let text = text_of(number);
    let changed = text.replace("\"NOTES\"", notes);
    assert_ne!(changed, text);
    changed
}

async fn until_here(shop: &Shop, wanted: &[&str]) {
    let wanted: Vec<String> = wanted.iter().map(|number| (*number).to_owned()).collect();
    shop.until("the orders are here", || async {
        let numbers: Vec<(String,)> = shop.rows("select number from orders order by number").await;
        (numbers.into_iter().map(|(number,)| number).collect::<Vec<_>>() == wanted).then_some(())
    })
    .await;
}

async fn open_problems(shop: &Shop) -> Vec<Value> {
    let list = shop.get("/api/v1/oms/upstream/problems/?is_resolved=false&sort=id").await.ok();
    list["results"].as_array().expect("problems").clone()
}

#[tokio::test]
async fn an_order_that_is_no_json_is_kept_as_it_came_and_the_others_are_taken() {
    let nan = with_notes(2, "NaN");
    let orders = vec![text_of(1), nan.clone(), with_notes(3, "1e999"), with_notes(4, "\"cut \\ud83d\""), text_of(5)];
    let (texts, settings) = Texts::start(orders).await;
    let shop = Shop::following(&settings, EAGER).await;
    until_here(&shop, &["1", "4", "5"]).await;
    let notes: String = shop.value("select notes from orders where number = $1", "4").await;
    assert_eq!(notes, "cut \u{fffd}");
    let problems = open_problems(&shop).await;
    let references: Vec<&str> = problems.iter().map(|problem| problem["reference"].as_str().expect("text")).collect();
    assert_eq!(references, ["2", "3"]);
    let kept = shop.get(&format!("/api/v1/oms/upstream/problems/{}/", problems[0]["id"])).await.ok();
    assert_eq!(kept["payload"], nan);
    let reason = kept["reason"].as_str().expect("text");
    assert!(reason.starts_with("It cannot be read: ") && reason.contains("line 1 column"), "{reason}");
    assert!(problems[1]["reason"].as_str().expect("text").contains("number out of range"));
    // Tried again it is none the better, and stays one row.
    let path = format!("/api/v1/oms/upstream/problems/{}/retry/", problems[0]["id"]);
    assert_eq!(shop.post(&path, &json!({})).await.ok()["resolved_date"], Value::Null);
    // When it comes whole, it is taken, and the problem is over.
    texts.put(1, text_of(2));
    until_here(&shop, &["1", "2", "4", "5"]).await;
    shop.until("one problem is over", || async { (open_problems(&shop).await.len() == 1).then_some(()) }).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_pushed_body_that_cannot_be_read_is_kept() {
    let shop = Shop::open().await;
    let body = format!("{{\"event\": {{\"type\": \"order.created\"}}, \"payload\": {}}}", with_notes(7, "NaN"));
    let request = shop
        .request_as("admin", reqwest::Method::POST, "/api/v1/oms/orders-webhook/")
        .header("Content-Type", "application/json")
        .body(body);
    let refused = crate::support::send_loosely(request).await.json(400);
    assert!(refused["error"]["detail"].as_str().is_some_and(|why| why.starts_with("JSON parse error")));
    let problems = open_problems(&shop).await;
    assert_eq!((problems.len(), &problems[0]["reference"]), (1, &json!("7")));
    let request = shop
        .request_as("admin", reqwest::Method::POST, "/api/v1/oms/orders-webhook/")
        .header("Content-Type", "application/json")
        .body("{\"event\"");
    assert_eq!(crate::support::send_loosely(request).await.status, 400);
    assert_eq!(open_problems(&shop).await.len(), 2);
    shop.finish().await;
}

#[tokio::test]
async fn of_orders_that_are_too_much_at_once_fewer_are_asked_for() {
    let long = |number: i64, bytes: usize| with_notes(number, &format!("\"{}\"", "x".repeat(bytes)));
    let mut orders: Vec<String> = (1..8).map(|number| long(number, TOO_LONG / 4)).collect();
    // One is too long by itself, and another, the last.
    orders[3] = long(4, TOO_LONG);
    orders.push(long(8, TOO_LONG));
    let (texts, settings) = Texts::start(orders).await;
    let shop = Shop::following(&settings, EAGER).await;
    until_here(&shop, &["1", "2", "3", "5", "6", "7"]).await;
    shop.until("the list is read to its end", || async {
        let status = shop.get("/api/v1/oms/upstream/").await.ok();
        (status["last_error"].is_null() && !status["polled_date"].is_null()).then_some(())
    })
    .await;
    let problems = open_problems(&shop).await;
    let references: Vec<&str> = problems.iter().map(|one| one["reference"].as_str().expect("text")).collect();
    assert_eq!(references, ["4", "8"]);
    assert!(problems.iter().all(|one| one["reason"].as_str().is_some_and(|why| why.contains("longer than"))));
    let limits = texts.limits.lock().expect("no panic").clone();
    assert!(limits.starts_with(&[50, 25, 12, 6, 3]), "{limits:?}");
    shop.finish().await;
}
