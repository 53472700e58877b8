//! Quota: which packages count, the ledger, and that only plans are bound by it.

use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop, join, order_json};

/// `quota-ledger` of a location, latest first.
async fn ledger(shop: &Shop, erp_code: &str) -> Value {
    let path = format!("/api/v1/oms/stocklocations/{}/quota-ledger/", shop.location_id(erp_code).await);
    shop.get(&path).await.ok()
}

async fn location(shop: &Shop, erp_code: &str) -> Value {
    shop.get(&format!("/api/v1/oms/stocklocations/{}/", shop.location_id(erp_code).await)).await.ok()
}

#[tokio::test]
async fn available_quota_is_what_is_left_and_null_without_a_limit() {
    let shop = Shop::open().await;
    shop.package().await;
    let unlimited = location(&shop, "KADIKOY").await;
    assert_eq!(
        (&unlimited["max_quota"], &unlimited["quota"], &unlimited["available_quota"]),
        (&Value::Null, &json!(1), &Value::Null)
    );
    shop.limit("KADIKOY", Some(5)).await;
    let limited = location(&shop, "KADIKOY").await;
    assert_eq!(
        (&limited["max_quota"], &limited["quota"], &limited["available_quota"]),
        (&json!(5), &json!(1), &json!(4))
    );
    shop.finish().await;
}

#[tokio::test]
async fn a_package_counts_until_it_is_picked_or_cancelled() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    assert_eq!(shop.quota("KADIKOY").await, 1);
    package.move_to("preparing").await;
    assert_eq!(shop.quota("KADIKOY").await, 1);
    package.move_to("ready-for-packaging").await;
    assert_eq!(shop.quota("KADIKOY").await, 0);
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.quota("KADIKOY").await, 0);
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    shop.finish().await;
}

#[tokio::test]
async fn the_ledger_names_package_location_cause_and_delta() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();

    let page = ledger(&shop, "KADIKOY").await;

    assert_eq!((&page["count"], &page["next"], &page["previous"]), (&json!(2), &Value::Null, &Value::Null));
    let rows = page["results"].as_array().expect("rows");
    let logs: Vec<(i64,)> = shop.rows("select id from transition_logs order by id").await;
    for (row, (delta, (log,))) in rows.iter().zip([-1, 1].into_iter().zip(logs.into_iter().rev())) {
        let mut row = row.as_object().expect("an object").clone();
        assert!(row.remove("id").is_some_and(|id| id.is_i64()));
        assert!(row.remove("created_date").is_some_and(|date| date.as_str().is_some_and(|date| date.ends_with('Z'))));
        let expected = json!({ "package": package.id, "package_number": "N1P1", "transition_log": log,
                               "installation_version": null, "delta": delta });
        assert_eq!(Value::Object(row), expected);
    }
    assert_eq!(ledger(&shop, "BESIKTAS").await["results"], json!([]));
    shop.finish().await;
}

#[tokio::test]
async fn the_ledger_has_pages() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        shop.package().await;
    }
    let path = format!("/api/v1/oms/stocklocations/{}/quota-ledger/", shop.location_id("KADIKOY").await);
    let page = shop.get(&format!("{path}?limit=2&page=2")).await.ok();
    assert_eq!((&page["count"], page["results"].as_array().map(Vec::len)), (&json!(3), Some(1)));
    assert_eq!(page["previous"], format!("{}{path}?limit=2", shop.url()));
    shop.finish().await;
}

#[tokio::test]
async fn a_full_location_gets_no_new_package() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 100).await;
    shop.limit("KADIKOY", Some(2)).await;
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(shop.package().await.place().await);
    }
    assert_eq!(places, ["waiting@KADIKOY", "waiting@KADIKOY", "waiting@BESIKTAS"]);
    shop.finish().await;
}

#[tokio::test]
async fn where_every_location_is_full_an_order_is_out_of_stock_at_the_default_location() {
    let shop = Shop::open().await;
    shop.limit("KADIKOY", Some(0)).await;
    let order = shop.order(&[("RED", 1)]).await;
    assert_eq!(order.summary().await, ["N1P1 out-of-stock@HQ: RED×1=out-of-stock"]);
    let candidates = &order.trace().await["rules"][0]["candidates"];
    assert_eq!((&candidates[0]["erp_code"], &candidates[0]["verdict"]), (&json!("KADIKOY"), &json!("no_quota")));
    shop.finish().await;
}

#[tokio::test]
async fn packing_makes_room_for_the_next_package() {
    let shop = Shop::open().await;
    shop.limit("KADIKOY", Some(1)).await;
    let first = shop.package().await;
    let second = shop.package().await;
    assert_eq!(second.place().await, "out-of-stock@HQ");
    first.run("COMPLETE_PACKING").await.ok();
    // The room is for whoever waits for it.
    let third = shop.package().await;
    assert_eq!(third.place().await, "out-of-stock@HQ");
    second.run("REPACK").await.ok();
    assert_eq!(second.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn without_select_by_quota_the_numbers_go_on_and_bound_nothing() {
    let shop = Shop::open().await;
    let unbound = SHOP.replace("\"SELECT_BY_STOCK\", \"SELECT_BY_QUOTA\"", "\"SELECT_BY_STOCK\"");
    assert_ne!(unbound, SHOP);
    shop.install(&[STANDARD, &unbound]).await;
    shop.limit("KADIKOY", Some(1)).await;
    for count in 1..=3 {
        assert_eq!(shop.package().await.place().await, "waiting@KADIKOY");
        assert_eq!(shop.quota("KADIKOY").await, count);
    }
    assert_eq!(location(&shop, "KADIKOY").await["available_quota"], json!(-2));
    shop.finish().await;
}

#[tokio::test]
async fn a_package_without_a_place_takes_no_room_from_the_one_that_was_planned() {
    let shop = Shop::open().await;
    let name = "slug = \"out-of-stock\"\nenum_value = \"920\"\n";
    let standard = STANDARD.replace(name, &format!("{name}occupies_quota = true\n"));
    let here = SHOP.replace("default_location = \"HQ\"", "default_location = \"KADIKOY\"");
    assert!(standard != STANDARD && here != SHOP);
    shop.install(&[&standard, &here]).await;
    shop.limit("KADIKOY", Some(1)).await;
    let order = shop.order(&[("RED", 1), ("YELLOW", 1)]).await;
    let packages = ["N1P1 waiting@KADIKOY: RED×1=waiting", "N1P2 out-of-stock@KADIKOY: YELLOW×1=out-of-stock"];
    assert_eq!(order.summary().await, packages);
    assert_eq!(shop.quota("KADIKOY").await, 2);
    shop.finish().await;
}

#[tokio::test]
async fn lowering_the_limit_below_the_quota_is_allowed_and_only_stops_new_packages() {
    let shop = Shop::open().await;
    let packages = [shop.package().await, shop.package().await, shop.package().await];
    shop.limit("KADIKOY", Some(1)).await;
    assert_eq!(location(&shop, "KADIKOY").await["available_quota"], json!(-2));
    let late = shop.package().await;
    assert_eq!(late.place().await, "out-of-stock@HQ");
    for package in packages {
        assert_eq!(package.state().await, "waiting");
        package.move_to("preparing").await;
        package.run("COMPLETE_PACKING").await.ok();
    }
    assert_eq!(location(&shop, "KADIKOY").await["available_quota"], json!(1));
    late.run("REPACK").await.ok();
    assert_eq!(late.place().await, "waiting@KADIKOY");
    shop.limit("KADIKOY", None).await;
    shop.finish().await;
}

#[tokio::test]
async fn no_command_fails_for_lack_of_quota() {
    let shop = Shop::open().await;
    // Turning a cancellation down puts a package back to work, whatever the limit.
    let moves = "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"packed\"\ndestination = \"waiting\"\nlabel = \"Unpack\"\n";
    shop.install(&[STANDARD, moves, SHOP]).await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    shop.limit("KADIKOY", Some(0)).await;
    package.move_to("waiting").await;
    assert_eq!(shop.quota("KADIKOY").await, 1);
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1", "KADIKOY +1"]);
    shop.finish().await;
}

#[tokio::test]
async fn two_orders_after_the_last_place_never_both_get_it() {
    let shop = Shop::open().await;
    shop.limit("KADIKOY", Some(5)).await;
    let orders: Vec<Value> = (0..12).map(|n| order_json(&format!("R{n}"), &[("RED", 1)])).collect();
    let replies = join(orders.iter().map(|order| shop.post("/api/v1/oms/orders/", order))).await;
    let mut waiting = 0;
    for reply in replies {
        waiting += usize::from(reply.json(201)["packages"][0]["state"]["enum_value"] == "100");
    }
    assert_eq!((waiting, shop.quota("KADIKOY").await), (5, 5));
    shop.finish().await;
}

#[tokio::test]
async fn two_orders_after_the_last_unit_never_both_get_it() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "RED", 5).await;
    let orders: Vec<Value> = (0..12).map(|n| order_json(&format!("R{n}"), &[("RED", 1)])).collect();
    let replies = join(orders.iter().map(|order| shop.post("/api/v1/oms/orders/", order))).await;
    let waiting = replies.iter().filter(|reply| reply.json(201)["packages"][0]["state"]["enum_value"] == "100").count();
    assert_eq!((waiting, shop.stock("KADIKOY", "RED").await), (5, (5, 5)));
    shop.finish().await;
}
