//! Many clients at once: one gets what only one can have, the others get the documented refusal, and none gets a 5xx.
//!
//! Every race is run with all clients at one server, and with two servers that share the database.

mod settings;
mod turmoil;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, Order, Package, Reply, Server, Shop, join, order_json, send};

const CLIENTS: usize = 64;
const ORDERS: &str = "/api/v1/oms/orders/";

/// A shop with one or two servers; each request goes to the next of them.
struct Race {
    shop: Shop,
    second: Option<Server>,
    next: AtomicUsize,
}

impl Race {
    async fn with_servers(count: usize) -> Self {
        let shop = Shop::open().await;
        let second = if count > 1 { Some(shop.second_server().await) } else { None };
        Self { shop, second, next: AtomicUsize::new(0) }
    }

    /// The path's address at the next server.
    fn address(&self, path: &str) -> String {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let url = self.second.as_ref().filter(|_| turn % 2 == 1).map_or(self.shop.url(), |server| &server.url);
        format!("{url}{path}")
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.shop.post(&self.address(path), body).await
    }

    /// A command on a package, by one of several permitted users.
    async fn command(&self, package: Package<'_>, body: &Value) -> Reply {
        let user = ["admin", "erp", "ops"][self.next.load(Ordering::Relaxed) % 3];
        self.shop.post_as(user, &self.address(&package.command_path()), body).await
    }

    /// The same with a key, always by the same user.
    async fn keyed(&self, package: Package<'_>, key: &str, body: &Value) -> Reply {
        let request = self.shop.request_as("erp", Method::POST, &self.address(&package.command_path()));
        send(request.header("Idempotency-Key", key).json(body)).await
    }

    /// Takes as many orders as there are clients, at once.
    async fn orders(&self, prefix: &str, lines: &[(&str, i64)]) -> Vec<Order<'_>> {
        let orders: Vec<Value> = (0..CLIENTS).map(|n| order_json(&format!("{prefix}-{n}"), lines)).collect();
        let replies = join(orders.iter().map(|order| self.post(ORDERS, order))).await;
        replies.iter().map(|reply| Order { shop: &self.shop, json: reply.json(201) }).collect()
    }

    /// The same one after the other, where a race is not wanted.
    async fn packages(&self, count: usize) -> Vec<Package<'_>> {
        let mut packages = Vec::with_capacity(count);
        for _ in 0..count {
            packages.push(self.shop.package().await);
        }
        packages
    }

    /// Fails if the available stock is ever negative while `work` runs.
    async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        let watch = async {
            loop {
                let oversold: i64 =
                    self.shop.value("select count(*) from stocks where reserved > quantity + $1", 0_i64).await;
                assert_eq!(oversold, 0, "available stock is negative");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = watch => unreachable!("it watches for ever"),
            done = work => done,
        }
    }

    async fn finish(self) {
        if let Some(server) = self.second {
            server.stop().await;
        }
        self.shop.finish().await;
    }
}

/// The number of answers by status.
fn statuses<'r>(replies: impl IntoIterator<Item = &'r Reply>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for reply in replies {
        *counts.entry(reply.status).or_default() += 1;
    }
    counts
}

/// `state@location` of each order's only package, with its number.
async fn places(orders: &[Order<'_>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for order in orders {
        *counts.entry(order.only_package().place().await).or_default() += 1;
    }
    counts
}

fn one_of_all(one: &str, others: &str) -> BTreeMap<String, usize> {
    BTreeMap::from([(one.to_owned(), 1), (others.to_owned(), CLIENTS - 1)])
}

// ── One package ────────────────────────────────────────────────────────────────────────────────

async fn one_package_is_packed_once(servers: usize) {
    let race = Race::with_servers(servers).await;
    let shop = &race.shop;
    for _ in 0..4 {
        let package = shop.package().await;
        let quota = shop.quota("KADIKOY").await;
        let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
        let replies = join((0..CLIENTS).map(|_| race.command(package, &body))).await;
        assert_eq!(statuses(&replies), BTreeMap::from([(200, 1), (406, CLIENTS - 1)]));
        for refused in replies.iter().filter(|reply| reply.status == 406) {
            refused.refused(NOT_ALLOWED);
        }
        assert_eq!(package.log().await, ["created -> waiting@KADIKOY", "COMPLETE_PACKING: waiting -> packed@KADIKOY"]);
        assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
        assert_eq!(shop.quota("KADIKOY").await, quota - 1);
        let shipments: i64 = shop.value("select count(*) from shipments where package_id = $1", package.id).await;
        assert_eq!(shipments, 1);
    }
    race.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_packed_by_64_clients_is_packed_once() {
    one_package_is_packed_once(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_packed_by_64_clients_of_two_servers_is_packed_once() {
    one_package_is_packed_once(2).await;
}

async fn one_key_has_one_effect(servers: usize) {
    let race = Race::with_servers(servers).await;
    let shop = &race.shop;
    for round in 0..3 {
        let sku = format!("PINK{round}");
        let homeless = shop.order(&[(&sku, 1)]).await.only_package();
        shop.count("GEBZE", &sku, 1).await;
        for (package, command) in [(shop.package().await, "COMPLETE_PACKING"), (homeless, "REPACK")] {
            let body = json!({ "slug": package.slug(command).await });
            let key = format!("{command}-{round}");
            let replies = join((0..CLIENTS).map(|_| race.keyed(package, &key, &body))).await;
            for reply in &replies {
                reply.ok();
                assert_eq!(reply.body, replies[0].body);
            }
            assert_eq!(package.log().await.len(), 2, "created, and moved once");
        }
        assert_eq!(homeless.place().await, "waiting@GEBZE");
    }
    race.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sent_64_times_has_one_effect_and_one_answer() {
    one_key_has_one_effect(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sent_64_times_to_two_servers_has_one_effect_and_one_answer() {
    one_key_has_one_effect(2).await;
}

// ── The last one ───────────────────────────────────────────────────────────────────────────────

async fn last_unit_goes_to_one_order(servers: usize) {
    let race = Race::with_servers(servers).await;
    race.shop.count("KADIKOY", "RED", 1000).await;
    for round in 0..3 {
        let sku = format!("LAST{round}");
        race.shop.count("KADIKOY", &sku, 1).await;
        let orders = race.watched(race.orders(&format!("S{round}"), &[("RED", 1), (&sku, 1)])).await;
        let mut whole = 0;
        for order in &orders {
            // RED is there for all of them; who has no second unit is split.
            whole += usize::from(order.packages().len() == 1);
        }
        assert_eq!(whole, 1, "one order got the last {sku}");
        assert_eq!(race.shop.stock("KADIKOY", &sku).await, (1, 1));
    }
    race.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_one_of_64_orders() {
    last_unit_goes_to_one_order(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_one_of_64_orders_at_two_servers() {
    last_unit_goes_to_one_order(2).await;
}

async fn last_place_goes_to_one_order(servers: usize) {
    let race = Race::with_servers(servers).await;
    race.shop.limit("KADIKOY", Some(1)).await;
    for round in 0..3 {
        let orders = race.orders(&format!("Q{round}"), &[("RED", 1)]).await;
        assert_eq!(places(&orders).await, one_of_all("waiting@KADIKOY", "out-of-stock@HQ"));
        assert_eq!(race.shop.quota("KADIKOY").await, 1);
        for order in &orders {
            let package = order.only_package();
            // Those of the next round are not to queue behind these.
            let is_placed = package.state().await == "waiting";
            package.run(if is_placed { "COMPLETE_PACKING" } else { "CANCEL_PACKAGE" }).await.ok();
        }
        assert_eq!(race.shop.quota("KADIKOY").await, 0);
    }
    race.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_goes_to_one_of_64_orders() {
    last_place_goes_to_one_order(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_goes_to_one_of_64_orders_at_two_servers() {
    last_place_goes_to_one_order(2).await;
}

async fn last_unit_goes_to_one_repack(servers: usize) {
    let race = Race::with_servers(servers).await;
    for round in 0..2 {
        let sku = format!("PINK{round}");
        let orders = race.orders(&format!("H{round}"), &[(&sku, 1)]).await;
        race.shop.count("GEBZE", &sku, 1).await;
        let body = json!({ "slug": orders[0].only_package().slug("REPACK").await });
        let repacks = join(orders.iter().map(|order| race.command(order.only_package(), &body)));
        let replies = race.watched(repacks).await;
        assert_eq!(statuses(&replies), BTreeMap::from([(200, 1), (406, CLIENTS - 1)]));
        for refused in replies.iter().filter(|reply| reply.status == 406) {
            refused.refused_by("oms_planning_1");
        }
        assert_eq!(places(&orders).await, one_of_all("waiting@GEBZE", "out-of-stock@HQ"));
        assert_eq!(race.shop.stock("GEBZE", &sku).await, (1, 1));
    }
    race.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_one_of_64_repacks() {
    last_unit_goes_to_one_repack(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_goes_to_one_of_64_repacks_at_two_servers() {
    last_unit_goes_to_one_repack(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_sent_64_times_is_taken_once() {
    let race = Race::with_servers(2).await;
    for round in 0..3 {
        let order = order_json(&format!("T{round}"), &[("RED", 1), ("BLUE", 1)]);
        let replies = join((0..CLIENTS).map(|_| race.post(ORDERS, &order))).await;
        assert_eq!(statuses(&replies), BTreeMap::from([(200, CLIENTS - 1), (201, 1)]));
        let taken: Value = serde_json::from_slice(&replies[0].body).expect("JSON");
        for reply in &replies {
            let json: Value = serde_json::from_slice(&reply.body).expect("JSON");
            let ids = |order: &Value| (order["id"].clone(), order["packages"][0]["id"].clone());
            assert_eq!(ids(&json), ids(&taken));
        }
        assert_eq!(race.shop.stock("KADIKOY", "BLUE").await, (100, round + 1));
    }
    race.finish().await;
}

// ── Groups ─────────────────────────────────────────────────────────────────────────────────────

/// Commands that mostly fail, each in its own way, with their status.
async fn mixed_commands<'s>(packages: &[Package<'s>]) -> Vec<(Package<'s>, Value, u16)> {
    let mut commands = Vec::new();
    for (n, package) in packages.iter().enumerate() {
        let pack = "package__complete_packing__waiting__packed";
        let oos = package.slug("DETECTED_OUT_OF_STOCK_ITEM").await;
        let (body, status) = match n % 8 {
            0 | 1 | 5 => (json!({ "slug": pack }), 200),
            2 => (json!({ "slug": "package__ship_the_package__packed__shipped" }), 406),
            3 => (json!({ "slug": pack, "input_parameters": { "package": package.id + 1 } }), 400),
            4 => (json!({ "slug": oos, "input_parameters": { "package_items": [999_999_999] } }), 400),
            6 => (json!({ "input_parameters": {} }), 400),
            _ => (json!({ "slug": pack, "transition": 999_999_999 }), 406),
        };
        commands.push((*package, body, status));
    }
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_each_command_gets_its_own_answer_and_a_failure_harms_no_other() {
    let race = Race::with_servers(1).await;
    race.shop.count("KADIKOY", "RED", 1000).await;
    for _ in 0..3 {
        let packages = race.packages(CLIENTS).await;
        let commands = mixed_commands(&packages).await;
        // What each is refused with when it comes alone.
        let mut alone = Vec::new();
        for (package, body, status) in &commands {
            let refused = if *status == 200 { None } else { Some(package.post(body).await) };
            alone.push(refused.map(|reply| reply.text().to_owned()));
        }
        let replies = join(commands.iter().map(|(package, body, _)| package.post(body))).await;
        for (((package, _, status), reply), alone) in commands.iter().zip(&replies).zip(alone) {
            assert_eq!(reply.status, *status, "{}", reply.text());
            if let Some(alone) = alone {
                assert_eq!(reply.text(), alone);
                assert_eq!(package.log().await.len(), 1);
            } else {
                let number = package.number().await;
                let location = race.shop.location_id("KADIKOY").await;
                let expected = format!(
                    r#"{{"package_id":{},"package_number":"{number}","package_stock_location_id":{location},"package_stock_location_name":"Kadıköy Store","is_same_location":true}}"#,
                    package.id
                );
                assert_eq!(reply.text(), expected);
                assert_eq!(package.log().await.len(), 2);
            }
        }
    }
    race.finish().await;
}
