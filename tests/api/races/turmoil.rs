//! Different commands at once, on the same rows in different orders. Deadlocks and changes of the installation are
//! handled by the server; no client sees them.

use serde_json::{Value, json};

use super::{CLIENTS, ORDERS, Race};
use crate::support::{Package, Reply, SHOP, STANDARD, Shop, join, order_json};

/// The only expected answers.
#[track_caller]
pub(super) fn assert_only<'r>(replies: impl IntoIterator<Item = &'r Reply>, allowed: &[u16]) {
    let others: Vec<(u16, &str)> = replies
        .into_iter()
        .filter(|reply| !allowed.contains(&reply.status))
        .map(|reply| (reply.status, reply.text()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

// ── A changing installation ────────────────────────────────────────────────────────────────────

/// Packed packages count against the quota, and waiting ones do not: each change writes the quota of every location.
fn with_other_quota() -> String {
    let changed = STANDARD
        .replace("\"500\"\nname = \"Packed\"", "\"500\"\noccupies_quota = true\nname = \"Packed\"")
        .replace("\"100\"\nname = \"Waiting\"", "\"100\"\noccupies_quota = false\nname = \"Waiting\"");
    assert_eq!(changed.matches("occupies_quota = ").count(), STANDARD.matches("occupies_quota = ").count() + 2);
    changed
}

/// Shipping leads elsewhere, and what waits is not packed.
fn with_other_moves() -> String {
    let ship = "command = \"SHIP_THE_PACKAGE\"\nsource = \"packed\"\ndestination = \"";
    let pack = "command = \"COMPLETE_PACKING\"\nsource = \"waiting\"";
    let changed = STANDARD
        .replace(&format!("{ship}shipped\""), &format!("{ship}ready-for-pickup\""))
        .replace(pack, "command = \"COMPLETE_PACKING\"\nsource = \"waiting-cargo-label\"");
    assert!(!changed.contains(pack) && !changed.contains(&format!("{ship}shipped\"")));
    changed
}

/// Packs, ships and reports on a package repeatedly; returns every answer.
async fn push_along(race: &Race, package: Package<'_>) -> Vec<Reply> {
    let mut replies = Vec::new();
    for _ in 0..4 {
        for body in [
            json!({ "slug": "package__complete_packing__waiting__packed" }),
            json!({ "slug": "package__ship_the_package__packed__shipped" }),
            json!({ "slug": "package__update_package_shipment_status__shipped__delivered",
                    "input_parameters": { "package": package.id, "delivered_status": false } }),
        ] {
            replies.push(race.command(package, &body).await);
        }
    }
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_changes_while_commands_run_is_followed_by_each_whole() {
    let race = Race::with_servers(2).await;
    let shop = &race.shop;
    let packages = race.packages(CLIENTS).await;
    let variants = [with_other_quota(), with_other_moves(), STANDARD.to_owned()];
    let pushing = join(packages.iter().map(|package| push_along(&race, *package)));
    let changing = async {
        for variant in variants.iter().cycle() {
            shop.install(&[variant, SHOP]).await;
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
    };
    let replies = tokio::select! {
        replies = pushing => replies,
        () = changing => unreachable!("it goes on for ever"),
    };
    assert_only(replies.iter().flatten(), &[200, 204, 406]);
    shop.install(&[STANDARD, SHOP]).await;
    // With the standard back, every package can go its way to the end.
    for package in packages {
        if package.state().await == "waiting" {
            package.run("COMPLETE_PACKING").await.ok();
        }
    }
    race.finish().await;
}

// ── Overlapping goods ──────────────────────────────────────────────────────────────────────────

const SKUS: [&str; 4] = ["RED", "BLUE", "GREEN", "PINK"];
const STORES: [&str; 3] = ["KADIKOY", "BESIKTAS", "GEBZE"];

/// Three of the SKUs, in another order for each client.
fn lines(n: usize) -> Vec<(&'static str, i64)> {
    let mut lines: Vec<_> = (0..3).map(|k| (SKUS[(n + k) % 4], 1)).collect();
    if n.is_multiple_of(2) {
        lines.reverse();
    }
    lines
}

/// A client: takes an order, then packs, reports missing products, plans again and counts, in its own sequence.
async fn work(race: &Race, round: usize, n: usize) -> Vec<Reply> {
    let shop = &race.shop;
    let taken = race.post(ORDERS, &order_json(&format!("W{round}-{n}"), &lines(n))).await;
    let Ok(order) = serde_json::from_slice::<Value>(&taken.body) else { return vec![taken] };
    let ids: Vec<i64> =
        order["packages"].as_array().into_iter().flatten().filter_map(|package| package["id"].as_i64()).collect();
    let mut replies = vec![taken];
    for id in ids {
        let package = Package::new(shop, id);
        let items = package.item_ids().await;
        let not_found = json!({ "slug": "package__detected_out_of_stock_item__waiting__out-of-stock",
                                "input_parameters": { "package_items": items[..1] } });
        let pack = json!({ "slug": "package__complete_packing__waiting__packed" });
        let repack = json!({ "slug": "package__repack__out-of-stock__waiting" });
        match n % 3 {
            0 => replies.push(race.command(package, &pack).await),
            1 => replies.push(race.command(package, &not_found).await),
            _ => {
                let count = json!({ "stock_location": STORES[n % 3], "sku": SKUS[n % 4], "quantity": 20 });
                let path = race.address("/api/v1/oms/stocks/");
                replies.push(shop.put(&path, &count).await);
            }
        }
        replies.push(race.command(package, &repack).await);
        for successor in package.successors().await {
            replies.push(race.command(successor, &pack).await);
        }
    }
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packing_planning_and_counting_the_same_goods_at_once_fails_nobody() {
    let race = Race::with_servers(2).await;
    for store in STORES {
        for sku in SKUS {
            race.shop.count(store, sku, 12).await;
        }
        race.shop.limit(store, Some(25)).await;
    }
    for round in 0..2 {
        let replies = join((0..CLIENTS).map(|n| work(&race, round, n))).await;
        // A package that is planned again has no items left for the next command: 400 for a foreign one.
        assert_only(replies.iter().flatten(), &[200, 201, 204, 406]);
        assert_no_limit_broken(&race.shop).await;
    }
    race.finish().await;
}

async fn assert_no_limit_broken(shop: &Shop) {
    let over: Vec<(String, i64, Option<i64>)> =
        shop.rows("select erp_code, quota, max_quota from stock_locations where quota > max_quota").await;
    assert!(over.is_empty(), "{over:?}");
}
