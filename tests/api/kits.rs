//! Kits are packed as their parts, and what is without goods is not packed.

use serde_json::{Value, json};

use crate::support::{Order, Package, SHOP, STANDARD, Shop, TRANSFERS, order_json};

const ORDERS: &str = "/api/v1/oms/orders/";

/// An order of a KIT, whose key is 1, of these parts, and of other lines.
fn of_kit(number: &str, parts: &[(&str, i64)], others: &[(&str, i64)]) -> Value {
    let lines: Vec<(&str, i64)> = [("KIT", 1)].iter().chain(parts).chain(others).copied().collect();
    let mut order = order_json(number, &lines);
    for (at, key) in (0..lines.len()).zip(1..) {
        order["orderitem_set"][at]["pk"] = json!(key);
        if (1..=parts.len()).contains(&at) {
            order["orderitem_set"][at]["parent"] = if at % 2 == 1 { json!(1) } else { json!({ "pk": 1 }) };
        }
    }
    order
}

/// Lets the shop's scenarios split orders in this way.
async fn split(shop: &Shop, splitting: &Value) {
    let scenarios = shop.get("/api/v1/oms/scenarios/?kind=distribution").await.ok();
    for scenario in scenarios["results"].as_array().expect("scenarios") {
        let change = json!({ "splitting": splitting });
        shop.patch(&format!("/api/v1/oms/scenarios/{}/", scenario["id"]), &change).await.ok();
    }
}

/// Packages without their numbers.
async fn places(order: &Order<'_>) -> Vec<String> {
    let summary = order.summary().await;
    summary.iter().map(|line| line.split_once(' ').expect("a number").1.to_owned()).collect()
}

/// What a rehearsal says of an order's packages: places and SKUs.
async fn rehearsed(shop: &Shop, order: &Value) -> Value {
    let said = shop.changes_nothing(shop.post(&format!("{ORDERS}?dry_run=true"), order)).await.ok();
    let packages = said["order"]["packages"].as_array().expect("packages").iter();
    packages
        .map(|package| {
            let skus: Vec<&Value> =
                package["items"].as_array().expect("items").iter().map(|item| &item["sku"]).collect();
            json!([package["stock_location_erp_code"], skus])
        })
        .collect()
}

#[tokio::test]
async fn a_kit_is_packed_as_its_parts_and_needs_no_stock_itself() {
    let shop = Shop::open().await;
    let order = of_kit("K1", &[("RED", 2), ("BLUE", 1)], &[("GREEN", 1)]);
    assert_eq!(rehearsed(&shop, &order).await, json!([["KADIKOY", ["RED", "BLUE", "GREEN"]]]));
    let order = shop.order_of(&order).await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: RED×2=waiting, BLUE×1=waiting, GREEN×1=waiting"]);
    let lines = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok()["orderitem_set"].clone();
    assert_eq!((&lines[0]["product"]["sku"], &lines[1]["parent"]), (&json!("KIT"), &json!(1)));
    order.only_package().run("COMPLETE_PACKING").await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn parts_of_a_kit_are_placed_like_any_other_lines_where_the_scenario_does_not_say_otherwise() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    shop.count("BESIKTAS", "GREY", 1).await;
    let order = shop.order_of(&of_kit("K1", &[("PINK", 1), ("GREY", 1)], &[])).await;
    assert_eq!(places(&order).await, ["waiting@BESIKTAS: GREY×1=waiting", "waiting@GEBZE: PINK×1=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_line_without_goods_needs_no_place_and_does_not_hold_the_order_up() {
    let shop = Shop::open().await;
    for (number, line) in [
        ("G1", json!({ "product": { "sku": "CARD", "requires_shipping": false } })),
        ("G2", json!({ "product": { "sku": "CARD", "attributes": { "product_type": "gift-card" } } })),
        ("G3", json!({ "product": { "sku": "SETUP", "extra_attributes": { "is_virtual": "true" } } })),
        ("G4", json!({ "product": { "sku": "SETUP" }, "requires_shipping": false })),
        ("G5", json!({ "product": { "sku": "SETUP" }, "extra_field": { "is_shippable": false } })),
    ] {
        let mut order = order_json(number, &[("RED", 1)]);
        order["orderitem_set"].as_array_mut().expect("lines").push(line);
        let order = shop.order_of(&order).await;
        assert_eq!(places(&order).await, ["waiting@KADIKOY: RED×1=waiting"], "{number}");
        let lines = &order.json["orderitem_set"];
        assert_eq!((&lines[0]["not_packed"], &lines[1]["not_packed"]), (&Value::Null, &json!("without_goods")));
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_order_of_lines_without_goods_alone_is_taken_and_has_no_packages() {
    let shop = Shop::open().await;
    let mut order = order_json("G1", &[("CARD", 1)]);
    order["orderitem_set"][0]["product"]["product_type"] = json!("gift_card");
    assert_eq!(rehearsed(&shop, &order).await, json!([]));
    let taken = shop.order_of(&order).await;
    assert_eq!(taken.json["packages"], json!([]));
    // Sent again it is known; cancelled, there is nothing to do.
    shop.post(ORDERS, &order).await.json(200);
    order["status"] = json!("100");
    shop.post(ORDERS, &order).await.json(200);
    shop.finish().await;
}

#[tokio::test]
async fn a_product_with_a_warranty_is_packed_and_a_kit_in_a_kit_is_not() {
    let shop = Shop::open().await;
    let mut order = order_json("W1", &[("RED", 1), ("WARRANTY", 1), ("SET", 1), ("KIT", 1), ("BLUE", 3)]);
    for (at, parent) in [None, Some(1), None, Some(3), Some(4)].into_iter().enumerate() {
        let line = &mut order["orderitem_set"][at];
        line["pk"] = json!(at + 1);
        line["parent"] = json!(parent);
    }
    order["orderitem_set"][1]["product"]["product_type"] = json!("service");
    let order = shop.order_of(&order).await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: RED×1=waiting, BLUE×3=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn of_a_kit_that_is_cancelled_when_it_comes_no_part_is_packed() {
    let shop = Shop::open().await;
    let mut order = of_kit("K1", &[("RED", 1), ("BLUE", 1)], &[("GREEN", 1)]);
    order["orderitem_set"][0]["status"] = json!("100");
    let order = shop.order_of(&order).await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: GREEN×1=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_kit_that_is_sent_again_as_cancelled_is_cancelled_with_its_parts() {
    let shop = Shop::open().await;
    let mut sent = of_kit("K1", &[("RED", 1), ("BLUE", 1)], &[("GREEN", 1)]);
    let order = shop.order_of(&sent).await;
    sent["orderitem_set"][0]["status"] = json!("100");
    shop.post(ORDERS, &sent).await.json(200);
    assert_eq!(places(&order).await[1..], ["waiting@KADIKOY: GREEN×1=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn lines_that_are_parts_of_each_other_are_refused() {
    let shop = Shop::open().await;
    let mut order = of_kit("K1", &[("RED", 1)], &[]);
    order["orderitem_set"][0]["parent"] = json!(2);
    let wrong = shop.changes_nothing(shop.post(ORDERS, &order)).await.wrong("orderitem_set");
    assert_eq!(wrong, ["Item 1: parent: It is a part of one of its own parts."]);
    // A line that names itself, or one that is not there, is a line like others.
    order["orderitem_set"][0]["parent"] = json!(1);
    order["orderitem_set"][1]["parent"] = json!(9);
    order["orderitem_set"][0]["product"]["sku"] = json!("BLUE");
    let order = shop.order_of(&order).await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: BLUE×1=waiting, RED×1=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn where_the_scenario_says_so_the_parts_of_a_kit_leave_together_or_wait_together() {
    let shop = Shop::open().await;
    split(&shop, &json!({ "kits_together": true })).await;
    shop.count("BESIKTAS", "PINK", 3).await;
    shop.count("GEBZE", "GREY", 1).await;
    let sent = of_kit("K1", &[("PINK", 2), ("GREY", 1)], &[("RED", 1)]);
    assert_eq!(rehearsed(&shop, &sent).await, json!([["KADIKOY", ["RED"]], ["HQ", ["PINK", "GREY"]]]));
    let order = shop.order_of(&sent).await;
    assert_eq!(
        places(&order).await,
        ["waiting@KADIKOY: RED×1=waiting", "out-of-stock@HQ: PINK×2=out-of-stock, GREY×1=out-of-stock"]
    );
    let trace = order.trace().await;
    let candidates = trace["rules"][0]["candidates"].as_array().expect("candidates");
    let gebze = candidates.iter().find(|candidate| candidate["erp_code"] == "GEBZE").expect("GEBZE");
    assert_eq!((&gebze["verdict"], &gebze["apart"]["count"]), (&json!("not_whole_kit"), &json!(1)));
    // One of two PINK is too little, wherever the others are.
    let waiting = &order.packages()[1];
    shop.count("GEBZE", "PINK", 1).await;
    waiting.run("REPACK").await.refused_by("oms_planning_1");
    shop.count("GEBZE", "PINK", 2).await;
    waiting.run("REPACK").await.ok();
    assert_eq!(places(&order).await.last().expect("a package"), "waiting@GEBZE: PINK×2=waiting, GREY×1=waiting");
    order.trace().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_kit_that_is_together_is_not_divided_where_lines_are() {
    let shop = Shop::open().await;
    split(&shop, &json!({ "lines": true, "kits_together": true })).await;
    for (location, pink, grey) in [("BESIKTAS", 6, 3), ("GEBZE", 4, 9)] {
        shop.count(location, "PINK", pink).await;
        shop.count(location, "GREY", grey).await;
    }
    // Ten GREY of two places go apart, ten PINK of a kit do not.
    let order = shop.order_of(&of_kit("K1", &[("PINK", 10)], &[("GREY", 10)])).await;
    assert_eq!(
        places(&order).await,
        ["waiting@BESIKTAS: GREY×1=waiting", "waiting@GEBZE: GREY×9=waiting", "out-of-stock@HQ: PINK×10=out-of-stock"]
    );
    order.trace().await;
    shop.finish().await;
}

#[tokio::test]
async fn two_kits_that_want_the_same_find_the_places_where_both_are_whole() {
    let shop = Shop::open().await;
    split(&shop, &json!({ "kits_together": true })).await;
    // The first kit could be at either place, the second at BESIKTAS alone.
    for (location, pink, grey, big) in [("BESIKTAS", 1, 1, 1), ("GEBZE", 1, 0, 1)] {
        shop.count(location, "PINK", pink).await;
        shop.count(location, "GREY", grey).await;
        shop.count(location, "BIG", big).await;
    }
    let mut sent = order_json("K1", &[("KIT", 1), ("PINK", 1), ("BIG", 1), ("SET", 1), ("PINK", 1), ("GREY", 1)]);
    for (at, parent) in [None, Some(1), Some(1), None, Some(4), Some(4)].into_iter().enumerate() {
        let line = &mut sent["orderitem_set"][at];
        line["pk"] = json!(at + 1);
        line["parent"] = json!(parent);
    }
    let order = shop.order_of(&sent).await;
    assert_eq!(
        places(&order).await,
        ["waiting@BESIKTAS: PINK×1=waiting, GREY×1=waiting", "waiting@GEBZE: PINK×1=waiting, BIG×1=waiting"]
    );
    assert_eq!(order.trace().await["rules"][0]["exact"], true);
    shop.finish().await;
}

#[tokio::test]
async fn a_part_that_is_not_found_takes_the_whole_kit_elsewhere() {
    let shop = Shop::open().await;
    split(&shop, &json!({ "kits_together": true })).await;
    for location in ["BESIKTAS", "GEBZE"] {
        shop.count(location, "PINK", 1).await;
        shop.count(location, "GREY", 1).await;
    }
    let order = shop.order_of(&of_kit("K1", &[("PINK", 1), ("GREY", 1)], &[])).await;
    let package: Package<'_> = order.only_package();
    assert_eq!(package.place().await, "waiting@BESIKTAS");
    let missing = json!({ "package_items": [package.item("PINK").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &missing).await.ok();
    assert_eq!(places(&order).await[1..], ["waiting@GEBZE: PINK×1=waiting, GREY×1=waiting"]);
    order.trace().await;
    shop.finish().await;
}

/// A kit of two PINK and a GREY with a RED, in a package at BESIKTAS; what of it is elsewhere says the caller.
async fn package_of_a_kit<'s>(shop: &'s Shop, number: &str, elsewhere: &[(&str, i64)]) -> (Order<'s>, Package<'s>) {
    split(shop, &json!({ "kits_together": true })).await;
    for (sku, units) in [("PINK", 2), ("GREY", 1), ("RED", 1)] {
        shop.count("BESIKTAS", sku, units).await;
    }
    let order = shop.order_of(&of_kit(number, &[("PINK", 2), ("GREY", 1)], &[("RED", 1)])).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "waiting@BESIKTAS");
    for (sku, units) in elsewhere {
        shop.count("GEBZE", sku, *units).await;
    }
    (order, package)
}

#[tokio::test]
async fn what_leaves_a_package_takes_the_other_parts_of_its_kit_along_and_the_rest_stays() {
    for (number, command) in [("K1", "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED"), ("K2", "PREPARE_PACKAGE")] {
        let shop = Shop::open().await;
        shop.forget_stock("sku = 'RED'").await;
        let (order, package) = package_of_a_kit(&shop, number, &[("PINK", 2), ("GREY", 1)]).await;
        // One of two units is not there: the kit is not whole any more.
        let pink = json!([{ "id": package.item("PINK").await, "quantity": 1 }]);
        let input = match command {
            "PREPARE_PACKAGE" => json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": pink }),
            _ => json!({ "package_items": pink }),
        };
        package.run_with(command, &input).await.ok();
        let now = places(&order).await;
        assert_eq!(now[1..], ["waiting@GEBZE: PINK×2=waiting, GREY×1=waiting"], "{command}");
        assert!(now[0].ends_with("@BESIKTAS: RED×1=waiting") || now[0].contains("RED×1"), "{command}: {now:?}");
        assert!(!now[0].contains("GREY"), "{command}: {now:?}");
        // Of GREY nothing is missing: it is there for the next one.
        let stock = shop.get("/api/v1/oms/stocks/?sku=GREY&stock_location__erp_code=BESIKTAS").await.ok();
        let row = &stock["results"][0];
        assert_eq!((&row["missing"], &row["available"]), (&json!(0), &json!(1)), "{command}");
        shop.finish().await;
    }
}

#[tokio::test]
async fn a_kit_that_is_nowhere_whole_any_more_waits_together() {
    let shop = Shop::open().await;
    shop.forget_stock("sku = 'RED'").await;
    let (order, package) = package_of_a_kit(&shop, "K1", &[("PINK", 2)]).await;
    let missing = json!({ "package_items": [package.item("PINK").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM_ADVANCED", &missing).await.ok();
    assert_eq!(places(&order).await[1..], ["out-of-stock@HQ: PINK×2=out-of-stock, GREY×1=out-of-stock"]);
    shop.finish().await;
}

#[tokio::test]
async fn when_the_kit_is_all_that_there_is_the_package_ends() {
    let shop = Shop::open().await;
    split(&shop, &json!({ "kits_together": true })).await;
    for location in ["BESIKTAS", "GEBZE"] {
        shop.count(location, "PINK", 1).await;
        shop.count(location, "GREY", 1).await;
    }
    let order = shop.order_of(&of_kit("K1", &[("PINK", 1), ("GREY", 1)], &[])).await;
    let package = order.only_package();
    let pink = package.item("PINK").await;
    let prepared = json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [pink] });
    let refused = shop.changes_nothing(package.run_with("PREPARE_PACKAGE", &prepared)).await;
    assert!(refused.wrong("out_of_stock_items")[0].contains("takes the other parts of its kits along"));
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM_ADVANCED", &json!({ "package_items": [pink] })).await.ok();
    assert_eq!(
        places(&order).await,
        [
            "packaging-canceled@BESIKTAS: PINK×1=oms-not-found, GREY×1=packaging-canceled",
            "waiting@GEBZE: PINK×1=waiting, GREY×1=waiting"
        ]
    );
    shop.finish().await;
}

#[tokio::test]
async fn what_is_missing_of_a_kit_is_fetched_and_a_kit_that_is_nowhere_whole_waits() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    split(&shop, &json!({ "kits_together": true })).await;
    shop.count("GEBZE", "PINK", 1).await;
    let gathered = |number: &str, parts: &[(&str, i64)]| {
        let mut order = of_kit(number, parts, &[("GREEN", 1)]);
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        order
    };
    let order = shop.order_of(&gathered("F1", &[("RED", 1), ("PINK", 1)])).await;
    assert_eq!(order.summary().await.len(), 1);
    assert_eq!(order.transfers().await.len(), 1);
    order.trace().await;
    let order = shop.order_of(&gathered("F2", &[("RED", 1), ("GREY", 1)])).await;
    assert_eq!(
        places(&order).await,
        ["waiting@KADIKOY: GREEN×1=waiting", "out-of-stock@HQ: RED×1=out-of-stock, GREY×1=out-of-stock"]
    );
    order.trace().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_scenario_that_splits_nothing_says_nothing_of_kits() {
    let shop = Shop::open().await;
    let id = shop.get("/api/v1/oms/scenarios/").await.json(200)["results"][0]["id"].clone();
    let change = json!({ "splitting": { "allowed": false, "kits_together": true } });
    let reply = shop.changes_nothing(shop.patch(&format!("/api/v1/oms/scenarios/{id}/"), &change)).await;
    assert!(reply.wrong("splitting")[0].contains("splitting.kits_together: says how to split"), "{}", reply.text());
    shop.finish().await;
}
