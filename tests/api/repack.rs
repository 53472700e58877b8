//! REPACK: a package without a place moves if a place is found.

use serde_json::json;

use crate::support::{SHOP, STANDARD, Shop};

#[tokio::test]
async fn repack_moves_the_package_itself_to_the_location_that_was_found() {
    let shop = Shop::open().await;
    let order = shop.order(&[("PINK", 2)]).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.count("GEBZE", "PINK", 2).await;

    let answer = package.run("REPACK").await.ok();

    assert_eq!(
        answer,
        json!({ "package_id": package.id, "package_number": "N1P1",
                "package_stock_location_id": shop.location_id("GEBZE").await,
                "package_stock_location_name": "Gebze Warehouse", "is_same_location": false })
    );
    assert_eq!(order.summary().await, ["N1P1 waiting@GEBZE: PINK×2=waiting"]);
    assert_eq!(package.log().await, ["created -> out-of-stock@HQ", "REPACK: out-of-stock -> waiting@GEBZE"]);
    assert_eq!(package.ledger().await, ["GEBZE +1"]);
    assert_eq!(package.reservations().await, ["GEBZE PINK×2"]);
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned"]);
    shop.finish().await;
}

#[tokio::test]
async fn repack_keeps_most_items_sends_on_those_elsewhere_and_leaves_those_without_a_place_out_of_stock() {
    let shop = Shop::open().await;
    let order = shop.order(&[("A", 1), ("B", 1), ("C", 1), ("D", 1)]).await;
    let package = order.only_package();
    shop.count("BESIKTAS", "A", 1).await;
    shop.count("GEBZE", "B", 1).await;
    shop.count("GEBZE", "C", 1).await;

    let answer = package.run("REPACK").await.ok();

    assert_eq!(answer["package_stock_location_name"], "Gebze Warehouse");
    assert_eq!(
        order.summary().await,
        [
            "N1P1 waiting@GEBZE: B×1=waiting, C×1=waiting",
            "N1P2 waiting@BESIKTAS: A×1=waiting",
            "N1P3 out-of-stock@HQ: D×1=out-of-stock"
        ]
    );
    assert_eq!((shop.quota("BESIKTAS").await, shop.quota("GEBZE").await, shop.quota("HQ").await), (1, 1, 0));
    let successors: Vec<i64> = package.successors().await.iter().map(|successor| successor.id).collect();
    assert_eq!(package.json().await["replaced_by"], json!(successors));
    assert_eq!(successors.len(), 2);
    shop.finish().await;
}

#[tokio::test]
async fn repack_without_a_place_for_any_item_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let package = shop.order(&[("PINK", 1), ("GREY", 1)]).await.only_package();
    let sentence = shop.changes_nothing(package.run("REPACK")).await.refused_by("oms_planning_1");
    assert_eq!(sentence, "No location can serve any of the items of package N1P1 now.");
    shop.finish().await;
}

#[tokio::test]
async fn repack_respects_the_quota_where_the_rule_asks_for_it() {
    let shop = Shop::open().await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    shop.count("GEBZE", "PINK", 1).await;
    shop.limit("GEBZE", Some(0)).await;
    shop.changes_nothing(package.run("REPACK")).await.refused_by("oms_planning_1");
    shop.limit("GEBZE", Some(1)).await;
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_occupies_and_moves_leaves_one_location_and_enters_the_other() {
    let shop = Shop::open().await;
    let blocked = "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"waiting\"\n\
                   destination = \"blocked\"\nlabel = \"Block\"\n\
                   [[transitions]]\nentity = \"package\"\ncommand = \"REPACK\"\nsource = \"blocked\"\n\
                   destination = \"waiting\"\nlabel = \"Plan again\"\n";
    shop.install(&[STANDARD, blocked, SHOP]).await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    package.move_to("blocked").await;
    shop.count("GEBZE", "RED", 2).await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    shop.patch(&path, &json!({ "is_active": false })).await.ok();

    let said = package.dry_run("REPACK", &json!({})).await.ok();
    let answer = package.run("REPACK").await.ok();

    assert_eq!(answer["is_same_location"], false);
    assert_eq!(package.place().await, "waiting@GEBZE");
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1", "GEBZE +1"]);
    assert_eq!((shop.quota("KADIKOY").await, shop.quota("GEBZE").await), (0, 1));
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.stock("GEBZE", "RED").await), ((100, 0), (2, 2)));
    assert_eq!(package.reservations().await, ["GEBZE RED×2"]);
    let (from, to) = (shop.location_id("KADIKOY").await, shop.location_id("GEBZE").await);
    assert_eq!(
        said["effects"]["quota"],
        json!([{ "stock_location": from, "delta": -1 }, { "stock_location": to, "delta": 1 }])
    );
    shop.finish().await;
}
