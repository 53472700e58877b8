//! What a transferable rule brings together, and where from.

use serde_json::json;

use super::open;
use crate::support::{SHOP, STANDARD, Shop, TRANSFERS};

/// The same shop with other scenarios for the channel.
async fn with(shop: &Shop, from: &str, to: &str) {
    assert_eq!(TRANSFERS.matches(from).count(), 1, "{from:?} is there once");
    shop.install(&[STANDARD, SHOP, &TRANSFERS.replace(from, to)]).await;
}

#[tokio::test]
async fn what_a_location_lacks_is_fetched_and_its_package_waits_there() {
    let shop = open().await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2), ("NEAR", 3)]).await;
    let package = order.only_package();
    let number = package.number().await;
    assert_eq!(
        order.summary().await,
        [format!(
            "{number} waiting-for-transfer@KADIKOY: RED×1=waiting, FAR×2=waiting-for-transfer, \
             NEAR×3=waiting-for-transfer"
        )]
    );
    assert_eq!(
        order.transfers().await,
        [format!("{number}T1 waiting BESIKTAS->KADIKOY: NEAR×3"), format!("{number}T2 waiting GEBZE->KADIKOY: FAR×2")]
    );
    // Each unit is reserved where it is.
    assert_eq!(package.reservations().await, ["KADIKOY RED×1", "GEBZE FAR×2", "BESIKTAS NEAR×3"]);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 1));
    assert_eq!(shop.stock("GEBZE", "FAR").await, (10, 2));
    assert_eq!(shop.stock("BESIKTAS", "NEAR").await, (10, 3));
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (0, 0));
    // It occupies the place where it is to be packed, and no other.
    assert_eq!((shop.quota("KADIKOY").await, shop.quota("GEBZE").await), (1, 0));
    assert_eq!(package.log().await, ["created -> waiting-for-transfer@KADIKOY"]);
    assert_eq!(package.events().await, ["package.created"]);
    for transfer in package.transfers().await {
        assert_eq!(transfer.log().await, ["created -> waiting"]);
        assert_eq!(transfer.events().await, ["transfer.status.created"]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_is_all_at_hand_is_not_fetched() {
    let shop = open().await;
    let package = shop.fetched(&[("RED", 1), ("BLUE", 1)]).await.only_package();
    assert_eq!(package.place().await, "waiting@KADIKOY");
    assert!(package.transfers().await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn nothing_needs_to_be_at_hand_unless_the_rule_asks_for_stock() {
    let shop = open().await;
    assert_eq!(shop.fetched(&[("FAR", 1)]).await.only_package().place().await, "waiting-for-transfer@KADIKOY");
    with(&shop, r#"conditions = ["SELECT_BY_QUOTA"]"#, r#"conditions = ["SELECT_BY_QUOTA", "SELECT_BY_STOCK"]"#).await;
    assert_eq!(shop.fetched(&[("FAR", 1)]).await.only_package().place().await, "waiting@GEBZE");
    // And the location with most at hand is chosen.
    shop.count("GEBZE", "RED", 1).await;
    let order = shop.fetched(&[("FAR", 1), ("RED", 1), ("NEAR", 1)]).await;
    assert_eq!(order.only_package().place().await, "waiting-for-transfer@GEBZE");
    assert_eq!(order.transfers().await.len(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn the_location_needs_room_where_the_rule_asks_for_it() {
    let shop = open().await;
    shop.limit("KADIKOY", Some(0)).await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 1)]).await;
    assert_eq!(order.only_package().place().await, "waiting-for-transfer@BESIKTAS");
    assert_eq!(order.transfers().await.len(), 2);
    with(&shop, r#"conditions = ["SELECT_BY_QUOTA"]"#, "conditions = []").await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 1)]).await;
    assert_eq!(order.only_package().place().await, "waiting-for-transfer@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn the_location_is_the_one_where_most_can_be_brought_together() {
    let shop = open().await;
    // Refused by KADIKOY before, NEAR cannot be brought there; both can be at BESIKTAS.
    let order = shop.fetched(&[("NEAR", 1), ("FAR", 1)]).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    package.run("CANCEL_PACKAGE").await.ok();
    // One line that nobody has does not hinder the others.
    let order = shop.fetched(&[("NEAR", 1), ("NOWHERE", 1)]).await;
    let places: Vec<String> =
        order.summary().await.iter().map(|line| line.split_once(' ').expect("a number").1.to_owned()).collect();
    assert_eq!(
        places,
        ["waiting-for-transfer@KADIKOY: NEAR×1=waiting-for-transfer", "out-of-stock@HQ: NOWHERE×1=out-of-stock"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn sources_are_chosen_by_the_transfer_scenario() {
    let shop = open().await;
    shop.count("GEBZE", "NEAR", 10).await;
    let ends = |transfers: Vec<String>| -> Vec<String> {
        transfers.iter().map(|line| line.split(' ').nth(2).expect("the ends").to_owned()).collect()
    };
    // The nearest to the destination: Beşiktaş is across the water, Gebze an hour away.
    assert_eq!(ends(shop.fetched(&[("NEAR", 1)]).await.transfers().await), ["BESIKTAS->KADIKOY:"]);
    // As few sources as possible before the nearest.
    assert_eq!(ends(shop.fetched(&[("NEAR", 1), ("FAR", 1)]).await.transfers().await), ["GEBZE->KADIKOY:"]);
    // By another order another source.
    shop.execute("update stock_locations set priority = 5 where erp_code = 'GEBZE'").await;
    with(&shop, r#"order_by = ["distance"]"#, r#"order_by = ["priority"]"#).await;
    let texts = [STANDARD, &SHOP.replace("priority = 30", "priority = 15"), &TRANSFERS.replace("distance", "priority")];
    shop.install(&texts).await;
    assert_eq!(ends(shop.fetched(&[("NEAR", 1)]).await.transfers().await), ["GEBZE->KADIKOY:"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_source_has_all_units_of_a_line_whatever_the_scenario_asks() {
    let shop = open().await;
    with(&shop, r#"conditions = ["SELECT_BY_STOCK"]"#, "conditions = []").await;
    let order = shop.fetched(&[("NEAR", 10), ("RED", 1)]).await;
    assert_eq!(order.only_package().place().await, "waiting-for-transfer@KADIKOY");
    let order = shop.fetched(&[("NEAR", 1), ("RED", 1)]).await;
    assert_eq!(order.packages().len(), 2, "all ten NEAR are promised");
    assert!(order.transfers().await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn two_lines_of_one_product_share_what_there_is() {
    let shop = open().await;
    shop.count("KADIKOY", "NEAR", 5).await;
    let order = shop.fetched(&[("NEAR", 4), ("NEAR", 4)]).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert_eq!(package.reservations().await.len(), 2);
    assert_eq!(shop.stock("KADIKOY", "NEAR").await, (5, 4));
    assert_eq!(shop.stock("BESIKTAS", "NEAR").await, (10, 4));
    shop.finish().await;
}

#[tokio::test]
async fn without_a_transfer_scenario_a_transferable_rule_is_as_any_other() {
    let shop = Shop::open().await;
    let gather = TRANSFERS.split("[[scenarios]]\nname = \"Sources\"").next().expect("the first scenario");
    let by_stock = gather.replace(r#"["SELECT_BY_QUOTA"]"#, r#"["SELECT_BY_STOCK"]"#);
    shop.install(&[STANDARD, SHOP, &by_stock]).await;
    shop.count("GEBZE", "FAR", 10).await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 1)]).await;
    assert_eq!((order.packages().len(), order.transfers().await.len()), (2, 0));
    shop.finish().await;
}

#[tokio::test]
async fn other_channels_and_other_rules_are_split_as_ever() {
    let shop = open().await;
    let order = shop.order(&[("RED", 1), ("FAR", 1)]).await;
    assert_eq!((order.packages().len(), order.transfers().await.len()), (2, 0));
    shop.finish().await;
}

#[tokio::test]
async fn the_plan_says_what_is_fetched_from_where_and_why() {
    let shop = open().await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2)]).await;
    let trace = order.trace().await;
    let items: Vec<(i64,)> = shop.rows("select id from order_items order by id").await;
    let gathering = &trace["gatherings"][0];
    assert_eq!((&gathering["rule"], &gathering["at_hand"]), (&json!("Together at one"), &json!([items[0].0])));
    assert_eq!(gathering["stock_location_id"], shop.location_id("KADIKOY").await);
    let gebze = shop.location_id("GEBZE").await;
    assert_eq!(gathering["transfers"], json!([{ "source_location_id": gebze, "order_item_ids": [items[1].0] }]));
    assert_eq!(trace["rules"][0]["sources"][0]["rule"], "Nearest");
    let sources = trace["rules"][0]["sources"][0]["candidates"].as_array().expect("candidates");
    assert!(sources.iter().all(|candidate| candidate["erp_code"] != "KADIKOY"), "nobody sends to itself");
    let chosen = sources.iter().find(|candidate| candidate["verdict"] == "chosen").expect("one was chosen");
    assert_eq!(chosen["erp_code"], "GEBZE");
    assert!(chosen["distance_km"].as_f64().is_some_and(|km| (35.0..50.0).contains(&km)), "from there to KADIKOY");
    let kadikoy = &trace["rules"][0]["candidates"][0];
    assert_eq!((&kadikoy["verdict"], kadikoy["given"].as_array().map(Vec::len)), (&json!("chosen"), Some(2)));
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_is_planned_again_may_wait_for_transfers_too() {
    let shop = open().await;
    let order = shop.fetched(&[("LATE", 1), ("LATER", 1)]).await;
    let package = order.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.count("GEBZE", "LATE", 1).await;
    shop.count("KADIKOY", "LATER", 1).await;
    let said = shop.changes_nothing(package.dry_run("REPACK", &json!({}))).await.ok();
    let transfers = said["effects"]["transfers"].as_array().expect("transfers");
    assert_eq!((transfers.len(), &transfers[0]["source"]), (1, &json!(shop.location_id("GEBZE").await)));
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    let log = package.log().await;
    assert_eq!(log.last().map(String::as_str), Some("REPACK: out-of-stock -> waiting-for-transfer@KADIKOY"));
    assert_eq!(package.reservations().await, ["GEBZE LATE×1", "KADIKOY LATER×1"]);
    package.only_transfer().await.bring().await;
    assert_eq!(package.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn what_is_fetched_is_waited_for_whatever_state_a_split_order_begins_in() {
    let shop = open().await;
    let from = "initial_state_when_split = \"waiting\"";
    with(&shop, from, "initial_state_when_split = \"packed\"").await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2), ("NOBODY-HAS-IT", 1)]).await;
    let package = order.packages()[0];
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert_eq!(package.reservations().await, ["KADIKOY RED×1", "GEBZE FAR×2"]);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 1));
    package.only_transfer().await.bring().await;
    assert_eq!(package.place().await, "waiting@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn an_out_of_stock_packages_successors_may_wait_for_transfers() {
    let shop = open().await;
    let order = shop.fetched(&[("RED", 1), ("BLUE", 1)]).await;
    let package = order.only_package();
    // KADIKOY does not find its RED: both go to the next, who has neither.
    shop.count("GEBZE", "RED", 5).await;
    let input = json!({ "package_items": [package.item("RED").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "waiting-for-transfer@BESIKTAS");
    assert_eq!(successors[0].transfers().await.len(), 2);
    assert_eq!(successors[0].reservations().await, ["GEBZE RED×1", "KADIKOY BLUE×1"]);
    shop.finish().await;
}
