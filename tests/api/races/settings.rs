//! Settings and counts at the same time as an installation and orders: a deadlock never becomes an error of a setting.

use serde_json::json;

use super::{CLIENTS, ORDERS, Race, turmoil::assert_only};
use crate::support::{SHOP, STANDARD, join, order_json};

const STORES: [&str; 4] = ["KADIKOY", "BESIKTAS", "GEBZE", "HQ"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_set_while_an_installation_is_applied_fail_nobody() {
    let race = Race::with_servers(2).await;
    let shop = &race.shop;
    let mut paths = Vec::new();
    for store in STORES {
        paths.push(format!("/api/v1/oms/stocklocations/{}/", shop.location_id(store).await));
    }
    let setting = join((0..16).map(|n| {
        let (race, paths) = (&race, &paths);
        async move {
            let mut replies = Vec::new();
            for round in 0..12 {
                let path = race.address(&paths[(n + round) % paths.len()]);
                replies.push(shop.patch(&path, &json!({ "max_quota": n })).await);
            }
            replies
        }
    }));
    let applying = async {
        loop {
            shop.install(&[STANDARD, SHOP]).await;
        }
    };
    let replies = tokio::select! {
        replies = setting => replies,
        () = applying => unreachable!("it goes on for ever"),
    };
    assert_only(replies.iter().flatten(), &[200]);
    race.finish().await;
}

/// Orders are placed without stock, so that plans create the same rows as counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goods_counted_for_the_first_time_while_orders_reserve_them_fail_nobody() {
    let race = Race::with_servers(2).await;
    let shop = &race.shop;
    let anywhere = SHOP.replace("[\"SELECT_BY_STOCK\", \"SELECT_BY_QUOTA\"]", "[]");
    assert_ne!(anywhere, SHOP);
    shop.install(&[STANDARD, &anywhere]).await;
    for round in 0..3 {
        let sku = |n: usize| format!("NEW-{round}-{}", n % 24);
        let replies = join((0..CLIENTS).map(|n| {
            let race = &race;
            async move {
                if n.is_multiple_of(2) {
                    let skus = [sku(n), sku(n + 7), sku(n + 1), sku(n + 12)];
                    let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), 1)).collect();
                    return race.post(ORDERS, &order_json(&format!("F{round}-{n}"), &lines)).await;
                }
                let count = |at| json!({ "stock_location": "KADIKOY", "sku": sku(at), "quantity": 5 });
                let counts: Vec<_> = (n..n + 12).map(count).collect();
                shop.put(&race.address("/api/v1/oms/stocks/"), &json!(counts)).await
            }
        }))
        .await;
        assert_only(&replies, &[200, 201]);
    }
    race.finish().await;
}
