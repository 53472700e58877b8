//! Kits are packed as their parts, and what is without goods is not packed.

use serde_json::{Value, json};

use crate::support::{Order, Shop, order_json};

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
