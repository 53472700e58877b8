//! Persistent clients: each sends a request with its key until it is answered.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::house::House;
use crate::support::order_json;

pub(super) const PACK: &str = "package__complete_packing__waiting__packed";
pub(super) const SHIP: &str = "package__ship_the_package__packed__shipped";
/// Plans the package's items again: a successor waits elsewhere.
pub(super) const NOT_FOUND: &str = "package__detected_out_of_stock_item__waiting__out-of-stock";
/// How long a client tries.
const PATIENCE: Duration = Duration::from_mins(1);
pub(super) const ORDERS: &str = "/api/v1/oms/orders/";

/// The result of a request.
pub(super) enum Outcome {
    /// A whole answer: status and body.
    Answer(u16, String),
    /// No answer: it may or may not have been carried out.
    Nothing,
    /// The answer broke off.
    Broken(String),
}

/// A command that was answered.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    pub(super) package_id: i64,
    pub(super) slug: &'static str,
    pub(super) request: Value,
    pub(super) key: String,
    pub(super) status: u16,
    pub(super) body: String,
}

/// The answers that a client got.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// (number, id of the order, id of its package).
    pub(super) orders: Vec<(String, i64, i64)>,
    pub(super) commands: Vec<Acknowledged>,
    /// 5xx other than 503: they say "our fault", although a repeat helps.
    pub(super) faults: Vec<String>,
}

/// A client with a connection of its own.
pub(super) struct Client<'h> {
    house: &'h House,
    http: reqwest::Client,
    name: String,
    /// The number of repeated requests of all clients.
    repeats: &'h AtomicUsize,
    told: Told,
}

impl<'h> Client<'h> {
    pub(super) fn new(house: &'h House, name: String, repeats: &'h AtomicUsize) -> Self {
        let http = crate::support::client().timeout(Duration::from_secs(10)).build().expect("a client");
        Self { house, http, name, repeats, told: Told::default() }
    }

    /// Sends a request once.
    pub(super) async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Outcome {
        self.send(self.http.post(format!("{}{path}", self.house.url())).json(body), key).await
    }

    /// Reads once.
    pub(super) async fn get(&self, path: &str) -> Outcome {
        self.send(self.http.get(format!("{}{path}", self.house.url())), None).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, key: Option<&str>) -> Outcome {
        let request = request.header("Authorization", format!("Token {}", self.house.token));
        let request = if let Some(key) = key { request.header("Idempotency-Key", key) } else { request };
        let Ok(response) = request.send().await else { return Outcome::Nothing };
        let status = response.status().as_u16();
        match response.text().await {
            Ok(body) => Outcome::Answer(status, body),
            Err(error) => Outcome::Broken(format!("{error:?}")),
        }
    }

    /// Sends a request until its answer is not a 5xx.
    async fn insist(&mut self, path: &str, key: Option<&str>, body: &Value) -> (u16, String) {
        let began = Instant::now();
        loop {
            match self.post(path, key, body).await {
                Outcome::Answer(status, body) if status < 500 => return (status, body),
                Outcome::Answer(503, _) | Outcome::Nothing | Outcome::Broken(_) => {}
                Outcome::Answer(status, body) => self.told.faults.push(format!("{status} {body}")),
            }
            self.again(began).await;
        }
    }

    async fn again(&self, began: Instant) {
        assert!(began.elapsed() < PATIENCE, "{} got no answer", self.name);
        self.repeats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(15)).await;
    }

    /// Ids of a package's items.
    async fn items(&self, package_id: i64) -> Vec<i64> {
        let began = Instant::now();
        loop {
            if let Outcome::Answer(200, body) = self.get(&format!("/api/v1/oms/packages/{package_id}/")).await {
                let package: Value = serde_json::from_str(&body).expect("JSON");
                let items = package["packageitem_set"].as_array().expect("items");
                return items.iter().map(|item| item["id"].as_i64().expect("an id")).collect();
            }
            self.again(began).await;
        }
    }

    /// Takes an order; returns its package.
    pub(super) async fn order(&mut self, n: usize) -> i64 {
        let number = format!("{}-{n}", self.name);
        let (status, body) = self.insist(ORDERS, None, &order_json(&number, &[("RED", 1)])).await;
        assert!(status == 200 || status == 201, "{status} {body}");
        let order: Value = serde_json::from_str(&body).expect("JSON");
        let (id, package_id) = ids(&order);
        self.told.orders.push((number, id, package_id));
        package_id
    }

    /// Runs a command without parameters; returns its status.
    pub(super) async fn command(&mut self, package_id: i64, slug: &'static str, key: String) -> u16 {
        self.command_with(package_id, slug, key, json!({})).await
    }

    async fn command_with(&mut self, package_id: i64, slug: &'static str, key: String, input: Value) -> u16 {
        let request = json!({ "slug": slug, "input_parameters": input });
        let (status, body) = self.insist(&command_path(package_id), Some(&key), &request).await;
        self.told.commands.push(Acknowledged { package_id, slug, request, key, status, body });
        status
    }

    /// Takes orders; packs and ships them, some against a rival, or reports missing products, until it is stopped.
    pub(super) async fn work(mut self, stop: &AtomicBool) -> Told {
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            let package_id = self.order(n).await;
            match n % 4 {
                1 => self.pack_against_a_rival(package_id, n).await,
                3 => {
                    let input = json!({ "package_items": self.items(package_id).await });
                    let key = format!("{}-not-found-{n}", self.name);
                    assert_eq!(self.command_with(package_id, NOT_FOUND, key, input).await, 200);
                }
                _ => {
                    let key = format!("{}-pack-{n}", self.name);
                    assert_eq!(self.command(package_id, PACK, key).await, 200);
                }
            }
            if n % 4 != 3 {
                let key = format!("{}-ship-{n}", self.name);
                assert_eq!(self.command(package_id, SHIP, key).await, 200);
            }
            n += 1;
        }
        self.told
    }

    pub(super) async fn pack_against_a_rival(&mut self, package_id: i64, n: usize) {
        let mut rival = Client::new(self.house, format!("{}-rival", self.name), self.repeats);
        let (key, rivals_key) = (format!("{}-pack-{n}", self.name), format!("{}-pack-{n}", rival.name));
        let (mine, other) =
            tokio::join!(self.command(package_id, PACK, key), rival.command(package_id, PACK, rivals_key));
        assert_eq!((mine.min(other), mine.max(other)), (200, 406), "one of two packed it");
        self.told.commands.append(&mut rival.told.commands);
        self.told.faults.append(&mut rival.told.faults);
    }

    /// A client without key and repeat, until a request gets no answer. Returns answered and unanswered commands, and
    /// broken answers.
    pub(super) async fn work_once(self, working: &Notify) -> Once {
        let mut once = Once::default();
        for n in 0.. {
            let number = format!("{}-{n}", self.name);
            let order = match self.post(ORDERS, None, &order_json(&number, &[("RED", 1)])).await {
                Outcome::Answer(201, body) => serde_json::from_str(&body).expect("JSON"),
                other => return once.ended(other),
            };
            once.orders.insert(number);
            let package_id = ids(&order).1;
            for slug in [PACK, SHIP] {
                match self.post(&command_path(package_id), None, &json!({ "slug": slug })).await {
                    Outcome::Answer(200, _) => once.commands.insert((package_id, slug.to_owned())),
                    other => return once.ended(other),
                };
                working.notify_one();
            }
        }
        once
    }
}

/// The results of a client that does not repeat.
#[derive(Debug, Default)]
pub(super) struct Once {
    pub(super) orders: HashSet<String>,
    pub(super) commands: HashSet<(i64, String)>,
    /// Anything that is neither an answer it hoped for nor silence.
    pub(super) wrong: Vec<String>,
}

impl Once {
    fn ended(mut self, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Answer(status, body) => self.wrong.push(format!("{status} {body}")),
            Outcome::Broken(error) => self.wrong.push(error),
        }
        self
    }
}

/// Ids of an order and of its only package.
fn ids(order: &Value) -> (i64, i64) {
    let packages = order["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), 1, "{order}");
    (order["id"].as_i64().expect("an id"), packages[0]["id"].as_i64().expect("an id"))
}

pub(super) fn command_path(package_id: i64) -> String {
    format!("/api/v1/oms/packages/{package_id}/command/")
}
