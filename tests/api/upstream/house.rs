//! A simulated upstream, and a shop that follows it.

use std::time::Duration;

use chrono::DateTime;
use oms::{
    simulator::{Received, Settings, Simulator},
    upstream::{Pace, UpstreamSettings},
};
use reqwest::header;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{Shop, client, order_json};

/// As eager as a test is.
pub const EAGER: Pace = Pace {
    poll_every: Duration::from_millis(30),
    first_pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(100),
    lease: Duration::from_secs(1),
    call_lease: Duration::from_secs(10),
    give_up_after: Duration::from_mins(10),
};

/// The token of nobody but the tests.
const TOKEN: &str = "a token nobody was given";

/// A running simulator.
pub struct Upstream {
    pub url: String,
    simulator: Simulator,
    stop: CancellationToken,
    http: reqwest::Client,
}

impl Upstream {
    pub async fn start(orders: Vec<Value>) -> Self {
        let settings = Settings {
            orders,
            orders_per_minute: None,
            begins: DateTime::from_timestamp(1_700_000_000, 0).expect("a moment"),
            username: "oms".to_owned(),
            password: "secret".into(),
            token: TOKEN.into(),
            push_to: None,
        };
        let simulator = Simulator::new(settings).expect("a simulator");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        tokio::spawn(simulator.clone().serve(listener, stop.clone()));
        Self { url, simulator, stop, http: client().build().expect("a client") }
    }

    /// What a server is told of it.
    pub fn settings(&self) -> UpstreamSettings {
        UpstreamSettings {
            url: Some(self.url.clone()),
            username: Some("oms".to_owned()),
            password: "secret".parse().ok(),
            timeout_seconds: 1,
            ..UpstreamSettings::default()
        }
    }

    /// A shop that follows it.
    pub async fn shop(&self) -> Shop {
        Shop::following(&self.settings(), EAGER).await
    }

    /// Sets its mood; what was answered.
    pub async fn control(&self, mood: &Value) -> Value {
        let reply = self.http.post(format!("{}/_control/", self.url)).json(mood).send().await.expect("an answer");
        assert_eq!(reply.status(), 200);
        reply.json().await.expect("JSON")
    }

    /// Its orders, as it lists them.
    pub async fn listed(&self) -> Vec<Value> {
        let request = self.http.get(format!("{}/api/v1/orders/", self.url));
        let request = request.header(header::AUTHORIZATION, format!("Token {TOKEN}"));
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["results"].as_array().expect("orders").clone()
    }

    /// Lets orders arrive.
    pub async fn bring(&self, orders: Vec<Value>) {
        self.control(&json!({ "orders": orders })).await;
    }

    /// Pushes something to an address of a shop.
    pub async fn push(&self, shop: &Shop, path: &str, kind: &str, payload: &Value) -> Value {
        let to = json!({ "url": format!("{}{path}", shop.url()), "token": Shop::token("erp") });
        self.push_to(&to, kind, payload).await
    }

    pub async fn push_to(&self, to: &Value, kind: &str, payload: &Value) -> Value {
        let answer = self.control(&json!({ "push": { "to": to, "type": kind, "payload": payload } })).await;
        answer["pushed"][0].clone()
    }

    pub fn received(&self) -> Vec<Received> {
        self.simulator.received()
    }

    /// How many requests it has received of that path, with that status.
    pub fn count(&self, path: &str, status: u16) -> usize {
        self.received().iter().filter(|one| one.path == path && one.status == status).count()
    }

    pub fn stop(self) {
        self.stop.cancel();
    }
}

/// An order of the upstream, of one RED.
pub fn order(number: i64) -> Value {
    order_of(number, &[("RED", 1)])
}

/// An order of the upstream: its pk is its number, its items' are that with two digits more.
pub fn order_of(number: i64, lines: &[(&str, i64)]) -> Value {
    let mut order = order_json(&number.to_string(), lines);
    order["pk"] = json!(number);
    for (index, item) in order["orderitem_set"].as_array_mut().expect("items").iter_mut().enumerate() {
        item["pk"] = json!(number * 100 + i64::try_from(index).expect("few") + 1);
    }
    order
}

pub fn orders(numbers: std::ops::Range<i64>) -> Vec<Value> {
    numbers.map(order).collect()
}

/// The shop's order numbers, in order.
pub async fn numbers(shop: &Shop) -> Vec<i64> {
    shop.rows::<(i64,)>("select number::bigint from orders order by 1").await.into_iter().map(|row| row.0).collect()
}

/// Waits until the shop has exactly these orders.
pub async fn until_taken(shop: &Shop, expected: std::ops::Range<i64>) {
    let expected: Vec<i64> = expected.collect();
    shop.until("the orders", || async { (numbers(shop).await == expected).then_some(()) }).await;
}
