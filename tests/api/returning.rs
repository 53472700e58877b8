//! Goods that have left the shelf and are here again: packages cancelled after packing, and parcels that come back.

use serde_json::{Value, json};

use crate::support::{Package, SHOP, STANDARD, Shop};

const CANCEL: &str = "CANCEL_PACKED_PACKAGE";
const RETURN: &str = "RETURN_PACKAGE";

/// A packed package of two BIG, of ten at KADIKOY.
async fn packed(shop: &Shop) -> Package<'_> {
    shop.count("KADIKOY", "BIG", 10).await;
    let package = shop.order(&[("BIG", 2)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (8, 0));
    package
}

/// The same, on its way.
async fn shipped(shop: &Shop) -> Package<'_> {
    let package = packed(shop).await;
    package.run("SHIP_THE_PACKAGE").await.ok();
    package
}

/// The carrier did not deliver it.
async fn fail(package: Package<'_>) {
    let input = json!({ "package": package.id, "delivered_status": false });
    package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &input).await.done();
}

fn restock(restocks: bool) -> Value {
    json!({ "restock": restocks })
}

async fn state_of_item(package: Package<'_>) -> String {
    package.items().await[0].1.clone()
}

/// The commands that its list offers.
async fn offered(package: Package<'_>) -> Vec<String> {
    let commands = package.json().await["commands"].clone();
    commands.as_array().expect("commands").iter().map(|one| one["command"].as_str().expect("text").to_owned()).collect()
}

/// The moves of BIG by packages, the oldest first: the units, how many there were then, and the command.
async fn history(shop: &Shop) -> Vec<(i64, i64, String)> {
    let rows = shop.get("/api/v1/oms/stocks/history/?sku=BIG&kind=package&sort=created_date").await.ok();
    let row = |row: &Value| {
        let command = row["transition"]["command"].as_str().expect("a command").to_owned();
        (row["delta"].as_i64().expect("units"), row["quantity"].as_i64().expect("units"), command)
    };
    rows["results"].as_array().expect("rows").iter().map(row).collect()
}

async fn finish(shop: Shop) {
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_packed_package_is_cancelled_and_its_goods_can_be_sold_again() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    assert!(offered(package).await.contains(&CANCEL.to_owned()));
    let input = json!({ "restock": true, "cancellation_reason": "changed their mind" });
    package.run_with(CANCEL, &input).await.ok();
    assert_eq!(
        (package.state().await, state_of_item(package).await),
        ("packaging-canceled".into(), "packaging-canceled".into())
    );
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (10, 0));
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    let events = package.events().await;
    assert_eq!(
        events[events.len() - 3..],
        ["package.status.transitioned", "package.status.cancelled", "shipment.cancelled"]
    );
    let logs = shop.get(&format!("{}transition-logs/", package.path())).await.ok();
    assert!(logs.to_string().contains("changed their mind"), "{logs}");
    let moves = [(-2, 8, "COMPLETE_PACKING".to_owned()), (2, 10, CANCEL.to_owned())];
    assert_eq!(history(&shop).await, moves);
    finish(shop).await;
}

#[tokio::test]
async fn goods_that_are_lost_stay_gone_when_their_packed_package_is_cancelled() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    let said = shop.changes_nothing(package.dry_run(CANCEL, &restock(false))).await.ok();
    assert_eq!(said["effects"]["stock"], json!([]));
    package.run_with(CANCEL, &restock(false)).await.ok();
    assert_eq!(
        (package.state().await, state_of_item(package).await),
        ("packaging-canceled".into(), "not-restocked".into())
    );
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (8, 0));
    // To everybody else it is as cancelled as any: nothing leads out of it, and its shipment is over.
    assert_eq!(offered(package).await, [""; 0]);
    assert!(package.events().await.contains(&"package.status.cancelled".to_owned()));
    let events = package.events().await;
    assert_eq!(events.last().map(String::as_str), Some("shipment.cancelled"));
    let shown = package.json().await;
    assert_eq!(shown["packageitem_set"][0]["state"]["enum_value"], "1200");
    assert_eq!(shown["packageitem_set"][0]["state"]["translations"]["tr-tr"]["name"], "Rafa dönmedi");
    assert_eq!(history(&shop).await, [(-2, 8, "COMPLETE_PACKING".to_owned())]);
    // They turn up after all: whoever puts them back says so.
    let found = json!({ "stock_location": "KADIKOY", "sku": "BIG", "delta": 2, "reason": "were behind the shelf" });
    shop.post("/api/v1/oms/stocks/adjust/", &found).await.ok();
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (10, 0));
    shop.count("KADIKOY", "BIG", 7).await;
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (7, 0));
    finish(shop).await;
}

#[tokio::test]
async fn a_clerk_who_does_not_say_where_the_goods_are_is_asked() {
    let shop = Shop::open().await;
    let package = packed(&shop).await;
    for (input, message) in [
        (json!({}), "This field is required."),
        (json!({ "restock": null }), "This field may not be null."),
        (json!({ "restock": "some" }), "Must be a valid boolean."),
    ] {
        assert_eq!(shop.changes_nothing(package.run_with(CANCEL, &input)).await.wrong("restock"), [message]);
    }
    package.run("SHIP_THE_PACKAGE").await.ok();
    assert_eq!(shop.changes_nothing(package.run(RETURN)).await.wrong("restock"), ["This field is required."]);
    // What is on its way is not cancelled: it has to come back first.
    let reply = shop.changes_nothing(package.run_with(CANCEL, &restock(true))).await;
    assert_eq!(reply.json(406)["error"]["error_code"], "commands_100_1");
    finish(shop).await;
}

#[tokio::test]
async fn what_nobody_collects_or_has_no_label_yet_is_cancelled_like_what_is_packed() {
    for (restocks, left) in [(true, 10), (false, 8)] {
        let shop = Shop::open().await;
        let package = packed(&shop).await;
        package.run("READY_FOR_PICKUP").await.ok();
        package.run_with(CANCEL, &restock(restocks)).await.ok();
        assert_eq!(
            (package.state().await, shop.stock("KADIKOY", "BIG").await),
            ("packaging-canceled".into(), (left, 0))
        );
        finish(shop).await;
    }
}

#[tokio::test]
async fn a_parcel_that_was_not_delivered_comes_back_from_wherever_it_was() {
    for (failures, restocks) in [(0, true), (1, false), (2, true), (3, false)] {
        let shop = Shop::open().await;
        let package = shipped(&shop).await;
        for _ in 0..failures {
            fail(package).await;
        }
        let input = json!({ "restock": restocks, "reason": "nobody at home" });
        package.run_with(RETURN, &input).await.ok();
        let (left, item) = if restocks { (10, "returned") } else { (8, "not-restocked") };
        assert_eq!((package.place().await, state_of_item(package).await), ("returned@KADIKOY".into(), item.into()));
        assert_eq!(shop.stock("KADIKOY", "BIG").await, (left, 0));
        assert_eq!(package.events().await.last().map(String::as_str), Some("shipment.status.updated"));
        finish(shop).await;
    }
}

#[tokio::test]
async fn a_returned_parcel_whose_order_is_given_up_keeps_its_goods_where_they_are() {
    for (restocks, left, item) in [(true, 10, "packaging-canceled"), (false, 8, "not-restocked")] {
        let shop = Shop::open().await;
        let package = shipped(&shop).await;
        package.run_with(RETURN, &restock(restocks)).await.ok();
        assert_eq!(offered(package).await, ["CANCEL_PACKAGE", "ASSIGN_PACKAGE_ITEMS_MANUALLY"]);
        package.run("CANCEL_PACKAGE").await.ok();
        assert_eq!((package.state().await, state_of_item(package).await), ("packaging-canceled".into(), item.into()));
        assert_eq!(shop.stock("KADIKOY", "BIG").await, (left, 0));
        let mut moves = vec![(-2, 8, "COMPLETE_PACKING".to_owned())];
        moves.extend(restocks.then(|| (2, 10, RETURN.to_owned())));
        assert_eq!(history(&shop).await, moves);
        finish(shop).await;
    }
}

#[tokio::test]
async fn a_returned_parcel_is_sent_again_with_the_same_goods_or_with_others() {
    for (restocks, left) in [(true, 8), (false, 6)] {
        let shop = Shop::open().await;
        let package = shipped(&shop).await;
        package.run_with(RETURN, &restock(restocks)).await.ok();
        let groups = json!({ "assignment_groups": [
            { "stock_location": "KADIKOY", "package_items": package.item_ids().await }] });
        package.run_with("ASSIGN_PACKAGE_ITEMS_MANUALLY", &groups).await.ok();
        let again = package.successors().await[0];
        assert_eq!(again.place().await, "waiting@KADIKOY");
        assert_eq!(shop.stock("KADIKOY", "BIG").await, (left + 2, 2));
        again.run("COMPLETE_PACKING").await.ok();
        assert_eq!(shop.stock("KADIKOY", "BIG").await, (left, 0));
        // And what came back a second time may be gone as well.
        again.run_with(CANCEL, &restock(false)).await.ok();
        assert_eq!(shop.stock("KADIKOY", "BIG").await, (left, 0));
        finish(shop).await;
    }
}

#[tokio::test]
async fn what_is_back_on_the_shelf_goes_to_whoever_waits_for_it_and_what_is_lost_to_nobody() {
    let shop = Shop::watching().await;
    shop.count("KADIKOY", "BIG", 2).await;
    let first = shop.order(&[("BIG", 1)]).await.only_package();
    let second = shop.order(&[("BIG", 1)]).await.only_package();
    for package in [first, second] {
        package.run("COMPLETE_PACKING").await.ok();
    }
    let waiting = shop.order(&[("BIG", 1)]).await.only_package();
    assert_eq!(waiting.place().await, "out-of-stock@HQ");
    first.run_with(CANCEL, &restock(false)).await.ok();
    assert_eq!(waiting.place().await, "out-of-stock@HQ");
    second.run_with(CANCEL, &restock(true)).await.ok();
    shop.until("it has a place", || async { (waiting.place().await == "waiting@KADIKOY").then_some(()) }).await;
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (1, 1));
    finish(shop).await;
}

#[tokio::test]
async fn an_installation_without_these_commands_cancels_what_is_packed_as_before() {
    let (before, _) = STANDARD.split_once("# ── Cancelled after packing").expect("the section");
    let own = "[[transitions]]\nentity = \"package\"\ncommand = \"CANCEL_PACKAGE\"\nsource = \"packed\"\n\
               destination = \"packaging-canceled\"\nlabel = \"Cancel\"\n";
    let shop = Shop::installed(&[before, own, SHOP], false).await;
    let (first, second) = (packed(&shop).await, shop.order(&[("BIG", 3)]).await.only_package());
    second.run("COMPLETE_PACKING").await.ok();
    assert!(!offered(first).await.contains(&CANCEL.to_owned()));
    first.run("CANCEL_PACKAGE").await.ok();
    assert_eq!((first.state().await, shop.stock("KADIKOY", "BIG").await), ("packaging-canceled".into(), (7, 0)));
    // With the new rows the package that is packed already can be cancelled, too.
    shop.install(&[STANDARD, SHOP]).await;
    second.run_with(CANCEL, &restock(false)).await.ok();
    assert_eq!((second.state().await, shop.stock("KADIKOY", "BIG").await), ("packaging-canceled".into(), (7, 0)));
    finish(shop).await;
}
