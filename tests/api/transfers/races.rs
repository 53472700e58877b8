//! Many at once: a package moves once, and nothing is promised twice.

use reqwest::Method;
use serde_json::{Value, json};

use super::open;
use crate::support::{NOT_ALLOWED, Package, Reply, Server, Shop, Transfer, join, order_json, send};

/// A request to a transfer at one of two servers.
async fn post(shop: &Shop, second: &Server, turn: usize, path: &str, body: &Value) -> Reply {
    let url = if turn.is_multiple_of(2) { shop.url() } else { &second.url };
    send(shop.request_as("admin", Method::POST, &format!("{url}{path}")).json(body)).await
}

async fn in_transit(shop: &Shop) -> (Package<'_>, Vec<Transfer<'_>>) {
    let package = shop.fetched(&[("RED", 1), ("FAR", 1), ("NEAR", 1)]).await.only_package();
    let transfers = package.transfers().await;
    assert_eq!(transfers.len(), 2);
    for transfer in &transfers {
        transfer.run("TRANSFER_DISPATCH").await.ok();
    }
    (package, transfers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_last_deliveries_at_once_exactly_one_moves_the_package() {
    let shop = open().await;
    let second = shop.second_server().await;
    let delivered = json!({ "slug": "transfer__transfer_delivered__in_transit__transferred" });
    for _ in 0..10 {
        let (package, transfers) = in_transit(&shop).await;
        let paths: Vec<String> = transfers.iter().map(|transfer| transfer.command_path()).collect();
        let replies =
            join(paths.iter().enumerate().map(|(turn, path)| post(&shop, &second, turn, path, &delivered))).await;
        for reply in &replies {
            assert_eq!(reply.ok()["state"], "transferred");
        }
        assert_eq!(
            package.log().await[1..],
            [
                "TRANSFER_DELIVERED: waiting-for-transfer -> waiting-for-transfer@KADIKOY",
                "TRANSFER_DELIVERED: waiting-for-transfer -> waiting@KADIKOY"
            ]
        );
        assert_eq!(package.events().await, ["package.created", "package.status.transitioned"]);
        package.run("CANCEL_PACKAGE").await.ok();
        shop.count("GEBZE", "FAR", 10).await;
        shop.count("BESIKTAS", "NEAR", 10).await;
        shop.count("KADIKOY", "FAR", 0).await;
        shop.count("KADIKOY", "NEAR", 0).await;
    }
    second.stop().await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_sent_many_times_arrives_once() {
    let shop = open().await;
    let second = shop.second_server().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    transfer.run("TRANSFER_DISPATCH").await.ok();
    let body = json!({ "slug": transfer.slug("TRANSFER_DELIVERED").await });
    let path = transfer.command_path();
    let replies = join((0..24).map(|turn| post(&shop, &second, turn, &path, &body))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        refused.refused(NOT_ALLOWED);
    }
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (2, 2));
    second.stop().await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_unit_is_fetched_for_one_order() {
    let shop = open().await;
    let second = shop.second_server().await;
    for round in 0..3 {
        let sku = format!("LAST{round}");
        shop.count("GEBZE", &sku, 1).await;
        let orders: Vec<Value> = (0..16)
            .map(|n| {
                let mut order = order_json(&format!("L{round}-{n}"), &[(&sku, 1)]);
                order["channel"] = json!({ "pk": 3, "name": "gather" });
                order
            })
            .collect();
        let path = "/api/v1/oms/orders/";
        let replies =
            join(orders.iter().enumerate().map(|(turn, order)| post(&shop, &second, turn, path, order))).await;
        let mut fetched = 0;
        for reply in &replies {
            let state = reply.json(201)["packages"][0]["state"]["enum_value"].clone();
            assert!(state == "120" || state == "920", "{state}");
            fetched += usize::from(state == "120");
        }
        assert_eq!(fetched, 1);
        assert_eq!(shop.stock("GEBZE", &sku).await, (1, 1));
    }
    second.stop().await;
    shop.finish().await;
}

/// Cancelling against delivering, dispatching and not finding: whatever comes first, the numbers are right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_is_cancelled_while_its_transfers_move_ends_in_order() {
    let shop = open().await;
    let second = shop.second_server().await;
    for (sku, units) in [("FAR", 10_000), ("NEAR", 10_000)] {
        for place in ["GEBZE", "BESIKTAS", "HQ"] {
            shop.count(place, sku, units).await;
        }
    }
    for round in 0..12_usize {
        let package = shop.fetched(&[("RED", 1), ("FAR", 1), ("NEAR", 1)]).await.only_package();
        let transfers = package.transfers().await;
        let mut requests: Vec<(String, Value)> = Vec::new();
        for transfer in &transfers {
            let command = ["TRANSFER_DISPATCH", "TRANSFER_ITEM_NOT_FOUND", "TRANSFER_DELIVERED"][round % 3];
            if command == "TRANSFER_DELIVERED" {
                transfer.run("TRANSFER_DISPATCH").await.ok();
            }
            requests.push((transfer.command_path(), json!({ "slug": transfer.slug(command).await })));
        }
        requests.insert(round % 2, (package.command_path(), json!({ "slug": package.slug("CANCEL_PACKAGE").await })));
        let replies =
            join(requests.iter().enumerate().map(|(turn, (path, body))| post(&shop, &second, turn, path, body))).await;
        for reply in &replies {
            assert!(matches!(reply.status, 200 | 406), "{}", reply.text());
        }
        if package.state().await == "packaging-canceled" {
            assert!(package.reservations().await.is_empty());
            for transfer in package.transfers().await {
                assert!(matches!(
                    transfer.state().await.as_str(),
                    "transferred" | "cancelled" | "cancelled_in_transit"
                ));
            }
        }
    }
    second.stop().await;
    // `finish` proves the rest: reservations, logs, events, and that only waiting packages have open transfers.
    shop.finish().await;
}
