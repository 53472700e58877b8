//! What the shelf said counts: units that were not found are promised to nobody until the SKU is counted anew.

use serde_json::json;

use crate::support::{Package, Shop};

const MISSING: &str = "DETECTED_OUT_OF_STOCK_ITEM";

/// A shop with two BIG at GEBZE, of which one was not found. The package that missed it waits.
async fn open() -> Shop {
    let shop = Shop::open().await;
    shop.count("GEBZE", "BIG", 2).await;
    let package = shop.order(&[("BIG", 1)]).await.only_package();
    package.run_with(MISSING, &json!({ "package_items": [package.item("BIG").await] })).await.ok();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop
}

async fn stock(shop: &Shop) -> [i64; 4] {
    let row = shop.get("/api/v1/oms/stocks/?sku=BIG&stock_location__erp_code=GEBZE").await.ok()["results"][0].clone();
    ["quantity", "reserved", "missing", "available"].map(|key| row[key].as_i64().expect("units"))
}

#[tokio::test]
async fn three_orders_in_a_row_do_not_get_one_unit_that_is_not_there() {
    let shop = open().await;
    assert_eq!(stock(&shop).await, [2, 0, 1, 1]);
    // The other unit is there, and is promised once.
    let second = shop.order(&[("BIG", 1)]).await.only_package();
    assert_eq!(second.place().await, "waiting@GEBZE");
    for _ in 0..3 {
        assert_eq!(shop.order(&[("BIG", 1)]).await.only_package().place().await, "out-of-stock@HQ");
    }
    // It is sold, and what was not found stays so.
    second.run("COMPLETE_PACKING").await.ok();
    assert_eq!(stock(&shop).await, [1, 0, 1, 0]);
    shop.finish().await;
}

#[tokio::test]
async fn an_unchanged_number_is_no_news_by_any_door_and_another_one_is() {
    let shop = open().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "erp_code,sku,quantity\nGEBZE,BIG,2\n").expect("written");
    shop.count("GEBZE", "BIG", 2).await;
    shop.oms(&["stock", "import", file.path().to_str().expect("UTF-8")]).await;
    assert_eq!(stock(&shop).await, [2, 0, 1, 1]);
    let excluded = async || -> i64 { shop.value("select count(*) from item_exclusions where $1", true).await };
    assert_eq!(excluded().await, 1);
    shop.count("GEBZE", "BIG", 3).await;
    assert_eq!((stock(&shop).await, excluded().await), ([3, 0, 0, 3], 0));
    shop.finish().await;
}

#[tokio::test]
async fn units_that_are_taken_away_by_hand_are_those_that_were_not_found() {
    let shop = open().await;
    let adjust = async |delta: i64| {
        let adjustment = json!({ "stock_location": "GEBZE", "sku": "BIG", "delta": delta, "reason": "looked again" });
        shop.post("/api/v1/oms/stocks/adjust/", &adjustment).await.ok();
    };
    adjust(-1).await;
    assert_eq!(stock(&shop).await, [1, 0, 0, 1]);
    // Others that come do not find them.
    adjust(2).await;
    adjust(-1).await;
    assert_eq!(stock(&shop).await, [2, 0, 0, 2]);
    shop.finish().await;
}

#[tokio::test]
async fn a_store_cannot_be_given_what_it_has_not_found_by_hand_or_as_another_product() {
    let shop = open().await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    let replace = json!({ "replacements": [{ "package_item": package.item("RED").await, "sku": "BIG" }] });
    // It is at KADIKOY, which has none of it.
    let reply = shop.changes_nothing(package.run_with("REPLACE_PRODUCT", &replace)).await;
    assert_eq!(reply.json(406)["error"]["error_code"], "oms_planning_2");
    // The one that misses it is not to have these first.
    Package::new(&shop, 1).run("CANCEL_PACKAGE").await.ok();
    shop.count("KADIKOY", "BIG", 2).await;
    let first = shop.order(&[("BIG", 2)]).await.only_package();
    assert_eq!(first.place().await, "waiting@KADIKOY");
    let groups = json!({ "assignment_groups": [
        { "stock_location": "GEBZE", "package_items": [first.item("BIG").await] }] });
    let reply = shop.changes_nothing(first.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups)).await;
    let error = reply.json(406)["error"].clone();
    assert_eq!(error["non_field_errors"], "Gebze Warehouse has 1 of BIG available, 2 are needed.");
    first.run_with(MISSING, &json!({ "package_items": [first.item("BIG").await] })).await.ok();
    let reply = shop.changes_nothing(package.run_with("REPLACE_PRODUCT", &replace)).await;
    assert_eq!(reply.json(406)["error"]["non_field_errors"], "Kadıköy Store has 0 of BIG available, 2 are needed.");
    shop.finish().await;
}
