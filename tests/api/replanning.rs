//! Out of stock, planned by hand, cancelled: where items go, and the stock and quota afterwards.

use serde_json::json;

use crate::support::{Order, Package, Shop};

/// The items of a package by their SKUs.
async fn items(package: Package<'_>, skus: &[&str]) -> serde_json::Value {
    let mut ids = Vec::new();
    for sku in skus {
        ids.push(package.item(sku).await);
    }
    json!({ "package_items": ids })
}

async fn not_found(package: Package<'_>, skus: &[&str]) -> serde_json::Value {
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &items(package, skus).await).await.ok()
}

/// (quota of KADIKOY, BESIKTAS, GEBZE, HQ).
async fn quotas(shop: &Shop) -> [i64; 4] {
    [shop.quota("KADIKOY").await, shop.quota("BESIKTAS").await, shop.quota("GEBZE").await, shop.quota("HQ").await]
}

async fn summary(order: &Order<'_>) -> Vec<String> {
    order.summary().await
}

// ── DETECTED_OUT_OF_STOCK_ITEM ─────────────────────────────────────────────────────────────────

#[tokio::test]
async fn every_item_finds_a_place_so_the_package_is_cancelled_and_a_successor_waits_there() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    shop.count("BESIKTAS", "BLUE", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();

    let answer = not_found(package, &["RED", "BLUE"]).await;

    assert_eq!(answer["is_same_location"], false);
    assert_eq!(
        summary(&order).await,
        [
            "N1P1 packaging-canceled@KADIKOY: RED×1=oms-not-found, BLUE×2=oms-not-found",
            "N1P2 waiting@BESIKTAS: RED×1=waiting, BLUE×2=waiting"
        ]
    );
    let successor = package.successors().await[0];
    assert_eq!(quotas(&shop).await, [0, 1, 0, 0]);
    assert_eq!(
        (package.ledger().await, successor.ledger().await),
        (vec!["KADIKOY +1".to_owned(), "KADIKOY -1".to_owned()], vec!["BESIKTAS +1".to_owned()])
    );
    assert!(package.reservations().await.is_empty());
    assert_eq!(successor.reservations().await, ["BESIKTAS RED×1", "BESIKTAS BLUE×2"]);
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.stock("BESIKTAS", "BLUE").await), ((100, 0), (5, 2)));
    assert_eq!(package.log().await[1..], ["DETECTED_OUT_OF_STOCK_ITEM: waiting -> packaging-canceled@KADIKOY"]);
    assert_eq!(successor.log().await, ["created -> waiting@BESIKTAS"]);
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned", "package.status.cancelled"]);
    assert_eq!(successor.events().await, ["package.created"]);
    shop.finish().await;
}

#[tokio::test]
async fn all_items_are_planned_again_also_those_that_are_here() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    shop.count("BESIKTAS", "BLUE", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;

    not_found(order.only_package(), &["RED"]).await;

    // One package at BESIKTAS is fewer than RED there and BLUE here.
    assert_eq!(
        summary(&order).await,
        [
            "N1P1 packaging-canceled@KADIKOY: RED×1=oms-not-found, BLUE×1=packaging-canceled",
            "N1P2 waiting@BESIKTAS: RED×1=waiting, BLUE×1=waiting"
        ]
    );
    shop.finish().await;
}

#[tokio::test]
async fn what_is_here_stays_here_in_a_successor_when_nobody_else_has_it() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1), ("GREEN", 1)]).await;

    let answer = not_found(order.only_package(), &["RED"]).await;

    assert_eq!(answer["is_same_location"], true, "two of three items are packed here");
    assert_eq!(
        summary(&order).await,
        [
            "N1P1 packaging-canceled@KADIKOY: RED×1=oms-not-found, BLUE×1=packaging-canceled, GREEN×1=packaging-canceled",
            "N1P2 waiting@KADIKOY: BLUE×1=waiting, GREEN×1=waiting",
            "N1P3 waiting@BESIKTAS: RED×1=waiting"
        ]
    );
    assert_eq!(quotas(&shop).await, [1, 1, 0, 0]);
    shop.finish().await;
}

#[tokio::test]
async fn what_has_no_place_stays_in_the_package_at_the_default_location() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();

    let answer = not_found(package, &["RED"]).await;

    // BLUE is found, and is packed here; that is where the answer points.
    assert_eq!(answer["package_stock_location_id"], shop.location_id("KADIKOY").await);
    assert_eq!(
        summary(&order).await,
        ["N1P1 out-of-stock@HQ: RED×1=oms-not-found", "N1P2 waiting@KADIKOY: BLUE×1=waiting"]
    );
    assert_eq!(quotas(&shop).await, [1, 0, 0, 0]);
    assert_eq!(package.json().await["replaced_by"].as_array().map(Vec::len), Some(1));
    shop.finish().await;
}

#[tokio::test]
async fn nothing_has_a_place_so_the_whole_package_waits_at_the_default_location() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();

    let answer = not_found(package, &["RED", "BLUE"]).await;

    assert_eq!(
        answer,
        json!({ "package_id": package.id, "package_number": "N1P1",
                "package_stock_location_id": shop.location_id("HQ").await,
                "package_stock_location_name": "Head office", "is_same_location": false })
    );
    assert_eq!(summary(&order).await, ["N1P1 out-of-stock@HQ: RED×1=oms-not-found, BLUE×1=oms-not-found"]);
    assert_eq!(quotas(&shop).await, [0, 0, 0, 0]);
    assert_eq!(package.json().await["replaced_by"], json!([]));
    assert!(package.reservations().await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn a_location_is_not_asked_again_for_an_item_until_its_stock_is_counted_anew() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1)]).await;
    let package = order.only_package();
    not_found(package, &["RED"]).await;
    assert_eq!(package.place().await, "out-of-stock@HQ");

    // It has 100 by the books, and is left out for this item.
    shop.changes_nothing(package.run("REPACK")).await.refused_by("oms_planning_1");
    // Another order's RED is asked for there as before.
    assert_eq!(shop.package().await.place().await, "waiting@KADIKOY");
    // Another SKU's count changes nothing.
    shop.count("KADIKOY", "BLUE", 100).await;
    shop.changes_nothing(package.run("REPACK")).await.refused_by("oms_planning_1");

    // Nor does its own where it is the number that the shelf had when it was not found.
    shop.count("KADIKOY", "RED", 100).await;
    shop.changes_nothing(package.run("REPACK")).await.refused_by("oms_planning_1");
    shop.count("KADIKOY", "RED", 99).await;
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn a_package_is_handed_on_from_location_to_location_and_never_back() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 1).await;
    shop.count("GEBZE", "RED", 1).await;
    let order = shop.order(&[("RED", 1)]).await;
    let mut package = order.only_package();
    for place in ["waiting@KADIKOY", "waiting@BESIKTAS", "waiting@GEBZE"] {
        assert_eq!(package.place().await, place);
        not_found(package, &["RED"]).await;
        package = package.successors().await.first().copied().unwrap_or(package);
    }
    assert_eq!(
        summary(&order).await,
        [
            "N1P1 packaging-canceled@KADIKOY: RED×1=oms-not-found",
            "N1P2 packaging-canceled@BESIKTAS: RED×1=oms-not-found",
            "N1P3 out-of-stock@HQ: RED×1=oms-not-found"
        ]
    );
    shop.finish().await;
}

#[tokio::test]
async fn an_item_named_twice_counts_once() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let item = package.item("RED").await;
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [item, item] })).await.ok();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.finish().await;
}

#[tokio::test]
async fn the_plan_that_was_made_is_stored_with_its_reasons() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 1).await;
    let order = shop.order(&[("RED", 1)]).await;
    let package = order.only_package();
    not_found(package, &["RED"]).await;

    let plans: Vec<(Option<i64>, String)> = shop
        .rows("select p.package_id, s.name from order_plans p join scenarios s on s.id = p.scenario_id order by p.id")
        .await;
    assert_eq!(plans, [(None, "Standard".to_owned()), (Some(package.id), "Standard".to_owned())]);
    let candidates = order.trace().await["rules"][0]["candidates"].clone();
    let verdict = |erp_code: &str| {
        let mut all = candidates.as_array().expect("candidates").iter();
        all.find(|candidate| candidate["erp_code"] == erp_code).expect("considered")["verdict"].clone()
    };
    assert_eq!((verdict("KADIKOY"), verdict("BESIKTAS")), (json!("left_out_before"), json!("chosen")));
    shop.finish().await;
}

// ── ASSIGN_PACKAGE_ITEMS_MANUALLY ──────────────────────────────────────────────────────────────

#[tokio::test]
async fn by_hand_each_group_becomes_a_package_where_the_operator_says() {
    let shop = Shop::open().await;
    for sku in ["RED", "BLUE", "GREEN"] {
        shop.count("BESIKTAS", sku, 5).await;
    }
    shop.count("HQ", "BLUE", 5).await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2), ("GREEN", 1)]).await;
    let package = order.only_package();
    let (red, blue, green) = (package.item("RED").await, package.item("BLUE").await, package.item("GREEN").await);
    let groups = json!({ "assignment_groups": [
        { "stock_location": "HQ", "package_items": [blue] },
        { "stock_location": "BESIKTAS", "package_items": [red, green] },
    ] });

    let answer = package.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups).await.ok();

    assert_eq!(
        (&answer["package_stock_location_name"], &answer["is_same_location"]),
        (&json!("Beşiktaş Store"), &json!(false))
    );
    assert_eq!(
        summary(&order).await,
        [
            "N1P1 packaging-canceled@KADIKOY: RED×1=packaging-canceled, BLUE×2=packaging-canceled, GREEN×1=packaging-canceled",
            "N1P2 waiting@HQ: BLUE×2=waiting",
            "N1P3 waiting@BESIKTAS: RED×1=waiting, GREEN×1=waiting"
        ]
    );
    assert_eq!(quotas(&shop).await, [0, 1, 0, 1]);
    assert_eq!((shop.stock("KADIKOY", "BLUE").await, shop.stock("HQ", "BLUE").await), ((100, 0), (5, 2)));
    assert!(package.reservations().await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn by_hand_the_same_location_may_be_chosen_with_what_the_package_itself_holds() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "RED", 1).await;
    let package = shop.package().await;
    let groups =
        json!({ "assignment_groups": [{ "stock_location": "KADIKOY", "package_items": package.item_ids().await }] });
    let answer = package.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups).await.ok();
    assert_eq!(answer["is_same_location"], true);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (1, 1));
    assert_eq!(quotas(&shop).await, [1, 0, 0, 0]);
    shop.finish().await;
}

#[tokio::test]
async fn by_hand_a_location_without_enough_stock_is_refused() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "RED", 1).await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    let groups =
        json!({ "assignment_groups": [{ "stock_location": "GEBZE", "package_items": package.item_ids().await }] });
    let reply = shop.changes_nothing(package.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups)).await;
    assert_eq!(reply.refused_by("oms_planning_2"), "Gebze Warehouse has 1 of RED available, 2 are needed.");
    shop.finish().await;
}

#[tokio::test]
async fn by_hand_a_full_location_may_be_chosen_for_no_command_fails_for_lack_of_quota() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "RED", 1).await;
    shop.limit("GEBZE", Some(0)).await;
    let package = shop.package().await;
    let groups =
        json!({ "assignment_groups": [{ "stock_location": "GEBZE", "package_items": package.item_ids().await }] });
    package.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups).await.ok();
    assert_eq!(quotas(&shop).await, [0, 0, 1, 0]);
    shop.finish().await;
}

// ── CANCEL_PACKAGE, numbers ────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_cancelled_package_frees_its_stock_and_its_place_in_the_quota() {
    let shop = Shop::open().await;
    for reason in [
        json!({}),
        json!({ "cancellation_reason": null }),
        json!({ "cancellation_reason": 5 }),
        json!({ "cancellation_reason": "müşteri vazgeçti" }),
    ] {
        let package = shop.order(&[("RED", 3)]).await.only_package();
        assert_eq!((shop.stock("KADIKOY", "RED").await, quotas(&shop).await[0]), ((100, 3), 1));
        package.run_with("CANCEL_PACKAGE", &reason).await.ok();
        assert_eq!((shop.stock("KADIKOY", "RED").await, quotas(&shop).await[0]), ((100, 0), 0));
        assert_eq!(package.items().await, [("RED".to_owned(), "packaging-canceled".to_owned())]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn successors_are_numbered_on_from_their_orders_latest_package() {
    let shop = Shop::open().await;
    for sku in ["A", "B"] {
        for erp_code in ["BESIKTAS", "GEBZE"] {
            shop.count(erp_code, sku, 9).await;
        }
    }
    shop.count("KADIKOY", "A", 9).await;
    shop.count("BESIKTAS", "A", 0).await;
    shop.count("GEBZE", "A", 0).await;
    let order = shop.order(&[("A", 1), ("B", 1)]).await;
    let [a, b] = order.packages()[..] else { panic!("two packages") };
    assert_eq!((a.number().await, b.number().await), ("N1P1".to_owned(), "N1P2".to_owned()));
    not_found(b, &["B"]).await;
    let successor = b.successors().await[0];
    assert_eq!(successor.number().await, "N1P3");
    not_found(successor, &["B"]).await;
    assert_eq!(successor.place().await, "out-of-stock@HQ");
    shop.finish().await;
}
