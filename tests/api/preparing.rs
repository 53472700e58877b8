//! Preparing a package in one step, and replacing products.

use serde_json::{Value, json};

use crate::support::{Shop, join, order_json};

#[tokio::test]
async fn what_is_missing_leaves_what_is_replaced_changes_and_the_rest_is_prepared() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2), ("GREEN", 1)]).await;
    let package = order.only_package();
    let (red, blue, green) = (package.item("RED").await, package.item("BLUE").await, package.item("GREEN").await);
    let input = json!({
        "select_items_by_omnitron_id": false, "out_of_stock_items": [red],
        "replacements": [{ "package_item": blue, "sku": "GREEN" }],
        "barcodes": [{ "package_item": green, "barcode": "8690009" }]
    });

    let answer = package.run_with("PREPARE_PACKAGE", &input).await.ok();

    assert_eq!(answer["is_same_location"], true);
    assert_eq!(
        order.summary().await,
        ["N1P1 preparing@KADIKOY: GREEN×2=preparing, GREEN×1=preparing", "N1P2 waiting@BESIKTAS: RED×1=waiting"]
    );
    assert_eq!(package.reservations().await, ["KADIKOY GREEN×2", "KADIKOY GREEN×1"]);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));
    assert_eq!((shop.stock("KADIKOY", "BLUE").await, shop.stock("KADIKOY", "GREEN").await), ((100, 0), (100, 3)));
    assert_eq!(package.ledger().await, ["KADIKOY +1"]);
    assert_eq!(package.log().await[1..], ["PREPARE_PACKAGE: waiting -> preparing@KADIKOY"]);
    let items = package.json().await["packageitem_set"].clone();
    assert_eq!(
        (&items[0]["order_item"]["sku"], &items[0]["order_item"]["product"]["sku"]),
        (&json!("GREEN"), &json!("GREEN"))
    );
    assert_eq!(items[1]["order_item"]["product"]["barcode"], "8690009");
    let replaced: Value =
        shop.value("select replacements from transition_records where replacements is not null and $1", true).await;
    assert_eq!(replaced, json!([{ "package_item": blue, "from": "BLUE", "to": "GREEN" }]));
    shop.finish().await;
}

#[tokio::test]
async fn items_may_be_named_by_the_upstreams_keys() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "BLUE", 5).await;
    let mut order = order_json("U1", &[("RED", 1), ("BLUE", 1)]);
    for (line, key) in order["orderitem_set"].as_array_mut().expect("lines").iter_mut().zip([7001, 7002]) {
        line["pk"] = json!(key);
    }
    let order = shop.order_of(&order).await;
    let package = order.only_package();
    let key: i64 =
        shop.value("select omnitron_id from order_items where sku = 'BLUE' and order_id = $1", order.id()).await;
    let input = json!({ "select_items_by_omnitron_id": true, "out_of_stock_items": [key] });
    package.run_with("PREPARE_PACKAGE", &input).await.ok();
    assert_eq!(
        order.summary().await,
        ["U1P1 preparing@KADIKOY: RED×1=preparing", "U1P2 waiting@GEBZE: BLUE×1=waiting"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn missing_items_without_a_place_leave_out_of_stock() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();
    let input = json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [package.item("RED").await] });
    package.run_with("PREPARE_PACKAGE", &input).await.ok();
    assert_eq!(
        order.summary().await,
        ["N1P1 preparing@KADIKOY: BLUE×1=preparing", "N1P2 out-of-stock@HQ: RED×1=out-of-stock"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn a_preparation_that_is_wrong_names_the_field_and_changes_nothing() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 1), ("BLUE", 1)]).await.only_package();
    let (red, items) = (package.item("RED").await, package.item_ids().await);
    for (input, field) in [
        (json!({}), "select_items_by_omnitron_id"),
        (json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": items }), "out_of_stock_items"),
        (json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [999_999] }), "out_of_stock_items"),
        (json!({ "select_items_by_omnitron_id": true, "out_of_stock_items": [red] }), "out_of_stock_items"),
        (json!({ "select_items_by_omnitron_id": false, "replacements": [{ "package_item": red }] }), "replacements"),
        (
            json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [red],
                    "replacements": [{ "package_item": red, "sku": "GREEN" }] }),
            "replacements",
        ),
        (json!({ "select_items_by_omnitron_id": false, "barcodes": {} }), "barcodes"),
    ] {
        let reply = shop.changes_nothing(package.run_with("PREPARE_PACKAGE", &input)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{input}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_barcode_of_another_line_is_told_and_nothing_is_prepared() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 1), ("BLUE", 1)]).await.only_package();
    let (red, blue) = (package.item("RED").await, package.item("BLUE").await);
    let scan = |item: i64, code: &str| json!({ "select_items_by_omnitron_id": false, "barcodes": [{ "package_item": item, "barcode": code }] });
    for (item, code, other) in [(red, "869BLUE", format!("{blue} (BLUE)")), (blue, "869RED", format!("{red} (RED)"))] {
        let reply = shop.changes_nothing(package.run_with("PREPARE_PACKAGE", &scan(item, code))).await;
        let message = format!("{code} is the barcode of item {other}, not of item {item}.");
        assert_eq!(reply.wrong("barcodes"), [message]);
    }
    package.run_with("PREPARE_PACKAGE", &scan(red, "869RED")).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_product_that_no_order_knows_keeps_the_name_and_the_price_of_what_it_replaces() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "NEW", 5).await;
    let package = shop.order(&[("RED", 1)]).await.only_package();
    let before = package.json().await["packageitem_set"][0]["order_item"].clone();
    let input = json!({ "replacements": [{ "package_item": package.item("RED").await, "sku": "NEW" }] });
    package.run_with("REPLACE_PRODUCT", &input).await.ok();
    let after = package.json().await["packageitem_set"][0]["order_item"].clone();
    assert_eq!(after["product"], json!({ "sku": "NEW", "name": before["product"]["name"] }));
    assert_eq!((&after["sku"], &after["price"]), (&json!("NEW"), &before["price"]));
    shop.finish().await;
}

#[tokio::test]
async fn a_product_of_which_there_is_not_enough_takes_no_others_place() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    shop.count("KADIKOY", "PINK", 1).await;
    for (sku, message) in [
        ("PINK", "Kadıköy Store has 1 of PINK available, 2 are needed."),
        ("NEVER-SEEN", "Kadıköy Store has 0 of NEVER-SEEN available, 2 are needed."),
    ] {
        let input = json!({ "replacements": [{ "package_item": package.item("RED").await, "sku": sku }] });
        let reply = shop.changes_nothing(package.run_with("REPLACE_PRODUCT", &input)).await;
        assert_eq!(reply.refused_by("oms_planning_2"), message);
    }
    shop.finish().await;
}

#[tokio::test]
async fn of_two_that_want_the_last_unit_in_place_of_another_one_is_refused() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "PINK", 1).await;
    let mut packages = Vec::new();
    for _ in 0..6 {
        packages.push(shop.package().await);
    }
    let mut items = Vec::new();
    for package in &packages {
        items.push(json!({ "replacements": [{ "package_item": package.item("RED").await, "sku": "PINK" }] }));
    }
    let requests = packages.iter().zip(&items).map(|(package, input)| package.run_with("REPLACE_PRODUCT", input));
    let replies = join(requests).await;
    let done = replies.iter().filter(|reply| reply.status == 200).count();
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.refused_by("oms_planning_2");
    }
    assert_eq!((done, shop.stock("KADIKOY", "PINK").await), (1, (1, 1)));
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 5));
    shop.finish().await;
}
