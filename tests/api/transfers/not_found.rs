//! What is not where it was to come from: planned again in the same transaction.

use serde_json::json;

use super::open;

const NOT_FOUND: &str = "TRANSFER_ITEM_NOT_FOUND";

#[tokio::test]
async fn it_comes_from_another_source_and_the_first_is_left_out() {
    let shop = open().await;
    shop.count("BESIKTAS", "FAR", 5).await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2)]).await;
    let package = order.only_package();
    let first = package.only_transfer().await;
    let reply = first.run(NOT_FOUND).await.ok();
    assert_eq!(reply["state"], "cancelled");
    let number = package.number().await;
    assert_eq!(
        order.transfers().await,
        [format!("{number}T1 cancelled BESIKTAS->KADIKOY: FAR×2"), format!("{number}T2 waiting GEBZE->KADIKOY: FAR×2")]
    );
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert_eq!(package.reservations().await, ["KADIKOY RED×1", "GEBZE FAR×2"]);
    assert_eq!(shop.stock("BESIKTAS", "FAR").await, (5, 0));
    assert_eq!(first.log().await, ["created -> waiting", "TRANSFER_ITEM_NOT_FOUND: waiting -> cancelled"]);
    assert_eq!(
        first.events().await,
        ["transfer.status.created", "transfer.status.transitioned", "transfer.status.cancelled"]
    );
    let excluded: Vec<(String,)> = shop
        .rows("select l.erp_code from item_exclusions e join stock_locations l on l.id = e.stock_location_id")
        .await;
    assert_eq!(excluded, [("BESIKTAS".to_owned(),)]);
    assert_eq!(order.trace().await["gatherings"][0]["transfers"].as_array().map(Vec::len), Some(1));
    package.transfers().await[1].bring().await;
    assert_eq!(package.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn what_nobody_else_has_waits_in_an_out_of_stock_package_and_the_rest_goes_on() {
    let shop = open().await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2)]).await;
    let package = order.only_package();
    let transfer = package.only_transfer().await;
    transfer.run(NOT_FOUND).await.ok();
    // Nothing is left to wait for.
    assert_eq!(package.place().await, "waiting@KADIKOY");
    assert_eq!(package.items().await, [("RED".to_owned(), "waiting".to_owned())]);
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "out-of-stock@HQ");
    assert_eq!(successors[0].items().await, [("FAR".to_owned(), "out-of-stock".to_owned())]);
    assert_eq!(shop.stock("GEBZE", "FAR").await, (10, 0));
    let log = package.log().await;
    assert_eq!(
        log.last().map(String::as_str),
        Some("TRANSFER_ITEM_NOT_FOUND: waiting-for-transfer -> waiting@KADIKOY")
    );
    // GEBZE is not asked for it again until it has counted.
    shop.changes_nothing(successors[0].run("REPACK")).await.refused_by("oms_planning_1");
    shop.count("GEBZE", "FAR", 9).await;
    successors[0].run("REPACK").await.ok();
    assert_eq!(successors[0].place().await, "waiting-for-transfer@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn with_nothing_left_the_package_itself_is_out_of_stock() {
    let shop = open().await;
    let order = shop.fetched(&[("FAR", 2)]).await;
    let package = order.only_package();
    package.only_transfer().await.run(NOT_FOUND).await.ok();
    assert_eq!(order.packages().len(), 1);
    assert_eq!(package.place().await, "out-of-stock@HQ");
    assert_eq!(package.items().await, [("FAR".to_owned(), "out-of-stock".to_owned())]);
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    assert_eq!(shop.quota("KADIKOY").await, 0);
    shop.finish().await;
}

#[tokio::test]
async fn it_waits_on_while_another_transfer_is_to_come() {
    let shop = open().await;
    let order = shop.fetched(&[("NEAR", 1), ("FAR", 2)]).await;
    let package = order.only_package();
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    far.run(NOT_FOUND).await.ok();
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert_eq!(package.items().await, [("NEAR".to_owned(), "waiting-for-transfer".to_owned())]);
    near.bring().await;
    assert_eq!(package.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn the_last_transfer_may_end_by_not_being_found_too() {
    let shop = open().await;
    let package = shop.fetched(&[("NEAR", 1), ("FAR", 2)]).await.only_package();
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    near.bring().await;
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    far.run(NOT_FOUND).await.ok();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    assert_eq!(package.items().await, [("NEAR".to_owned(), "waiting".to_owned())]);
    shop.finish().await;
}

#[tokio::test]
async fn only_the_items_named_leave_their_source_out() {
    let shop = open().await;
    shop.count("GEBZE", "OTHER", 5).await;
    shop.count("HQ", "FAR", 5).await;
    let order = shop.fetched(&[("FAR", 1), ("OTHER", 1)]).await;
    let package = order.only_package();
    let transfer = package.only_transfer().await;
    let items = transfer.item_ids().await;
    transfer.run_with(NOT_FOUND, &json!({ "transfer_items": [items[0]] })).await.ok();
    let number = package.number().await;
    let mut transfers = order.transfers().await;
    transfers[1..].sort_by_key(|line| line.split(' ').nth(2).map(str::to_owned));
    assert_eq!(transfers[0], format!("{number}T1 cancelled GEBZE->KADIKOY: FAR×1, OTHER×1"));
    assert!(transfers[1].ends_with("waiting GEBZE->KADIKOY: OTHER×1"), "{transfers:?}");
    assert!(transfers[2].ends_with("waiting HQ->KADIKOY: FAR×1"), "{transfers:?}");
    assert_eq!(package.reservations().await, ["HQ FAR×1", "GEBZE OTHER×1"]);
    shop.finish().await;
}

#[tokio::test]
async fn what_has_come_to_its_destination_by_now_is_at_hand() {
    let shop = open().await;
    let order = shop.fetched(&[("FAR", 2)]).await;
    let package = order.only_package();
    shop.count("KADIKOY", "FAR", 2).await;
    package.only_transfer().await.run(NOT_FOUND).await.ok();
    assert_eq!(order.transfers().await.len(), 1);
    assert_eq!(package.place().await, "waiting@KADIKOY");
    assert_eq!(package.reservations().await, ["KADIKOY FAR×2"]);
    shop.finish().await;
}

#[tokio::test]
async fn the_items_must_be_this_transfers() {
    let shop = open().await;
    let transfer = shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    let other = shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    for (input, message) in [
        (json!({ "transfer_items": other.item_ids().await }), "does not belong to this transfer."),
        (json!({ "transfer_items": [] }), "may not be empty"),
        (json!({ "transfer_items": ["x"] }), "A list of valid integers is required."),
        (json!({ "transfer_items": 1 }), "Expected a list"),
    ] {
        let messages = shop.changes_nothing(transfer.run_with(NOT_FOUND, &input)).await.wrong("transfer_items");
        assert!(messages[0].contains(message), "{messages:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn after_ready_it_is_too_late() {
    let shop = open().await;
    let transfer = shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    let input = json!({ "tracking_number": "T1", "cargo_company": 1 });
    transfer.run_with("TRANSFER_ORDER_ADVANCED", &input).await.ok();
    for step in ["", "TRANSFER_DISPATCH", "TRANSFER_DELIVERED"] {
        if !step.is_empty() {
            transfer.run(step).await.ok();
        }
        shop.changes_nothing(transfer.run(NOT_FOUND)).await.refused(crate::support::NOT_ALLOWED);
    }
    shop.finish().await;
}

#[tokio::test]
async fn without_a_transfer_scenario_any_more_it_is_out_of_stock() {
    let shop = open().await;
    shop.count("BESIKTAS", "FAR", 5).await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    shop.install(&[crate::support::STANDARD, crate::support::SHOP]).await;
    transfer.run(NOT_FOUND).await.ok();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.finish().await;
}
