//! The commands on transfers, and what follows from them.

use serde_json::{Value, json};

use super::open;
use crate::support::Transfer;

async fn answer(transfer: Transfer<'_>, state: &str) -> Value {
    let number: String = transfer.shop.value("select number from transfers where id = $1", transfer.id).await;
    json!({ "transfer_id": transfer.id, "transfer_number": number, "state": state })
}

#[tokio::test]
async fn ready_records_the_carrier_and_its_number() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    assert_eq!(transfer.json().await["shipment"], Value::Null);
    for company in [json!("manual"), json!(1), json!("1")] {
        let input = json!({ "tracking_number": "T1", "cargo_company": company });
        let said = shop.changes_nothing(transfer.dry_run("TRANSFER_ORDER_ADVANCED", &input)).await.ok();
        assert_eq!((&said["reply"]["state"], &said["effects"]["stock"]), (&json!("ready_to_shipment"), &json!([])));
    }
    let input = json!({ "tracking_number": "T1", "cargo_company": "manual", "transfer": transfer.id });
    let reply = transfer.run_with("TRANSFER_ORDER_ADVANCED", &input).await;
    assert_eq!(reply.ok(), answer(transfer, "ready_to_shipment").await);
    assert_eq!(transfer.state().await, "ready_to_shipment");
    let shown = transfer.json().await;
    assert_eq!(shown["shipment"]["tracking_number"], "T1");
    assert_eq!(shown["shipment"]["cargo_company"]["slug"], "manual");
    // Its units stand ready, still reserved; the package waits.
    assert_eq!(shop.stock("GEBZE", "FAR").await, (10, 2));
    assert_eq!(package.log().await.len(), 1);
    assert_eq!(transfer.log().await, ["created -> waiting", "TRANSFER_ORDER_ADVANCED: waiting -> ready_to_shipment"]);
    assert_eq!(
        transfer.events().await,
        ["transfer.status.created", "transfer.status.transitioned", "transfer.status.ready_to_shipment"]
    );
    shop.finish().await;
}

#[tokio::test]
async fn ready_needs_a_carrier_that_is_there_and_a_number() {
    let shop = open().await;
    let transfer = shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    let slug = transfer.slug("TRANSFER_ORDER_ADVANCED").await;
    let run = |input: Value| {
        let body = json!({ "slug": slug, "input_parameters": input });
        async move { transfer.shop.changes_nothing(transfer.post(&body)).await }
    };
    let missing = run(json!({})).await.json(400);
    assert_eq!(
        missing["error"],
        json!({ "tracking_number": ["This field is required."], "cargo_company": ["This field is required."] })
    );
    run(json!({ "tracking_number": "", "cargo_company": 1 })).await.wrong("tracking_number");
    run(json!({ "tracking_number": "x".repeat(257), "cargo_company": 1 })).await.wrong("tracking_number");
    run(json!({ "tracking_number": "T", "cargo_company": [] })).await.wrong("cargo_company");
    run(json!({ "tracking_number": "T", "cargo_company": "nobody" })).await.refused_by("oms_cargo_1");
    run(json!({ "tracking_number": "T", "cargo_company": 1, "transfer": transfer.id + 1 })).await.wrong("transfer");
    run(json!({ "tracking_number": "T", "cargo_company": 1, "transfer": "x" })).await.wrong("transfer");
    shop.finish().await;
}

#[tokio::test]
async fn dispatched_units_have_left_their_source() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    assert_eq!(transfer.run("TRANSFER_DISPATCH").await.ok(), answer(transfer, "in_transit").await);
    assert_eq!(shop.stock("GEBZE", "FAR").await, (8, 0));
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (0, 0));
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert!(package.reservations().await.is_empty());
    assert_eq!(transfer.events().await[1..], ["transfer.status.transitioned", "transfer.status.in_transit"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_count_in_between_is_what_is_on_the_shelf_and_nothing_is_counted_twice() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    // Before dispatch the units are among those counted, and stay reserved.
    shop.count("GEBZE", "FAR", 7).await;
    assert_eq!(shop.stock("GEBZE", "FAR").await, (7, 2));
    transfer.run("TRANSFER_DISPATCH").await.ok();
    // On their way they are on no shelf.
    shop.count("GEBZE", "FAR", 5).await;
    shop.count("KADIKOY", "FAR", 1).await;
    assert_eq!((shop.stock("GEBZE", "FAR").await, shop.stock("KADIKOY", "FAR").await), ((5, 0), (1, 0)));
    transfer.run("TRANSFER_DELIVERED").await.ok();
    // There they are on the shelf, for this package: what can be promised to others is the same.
    assert_eq!((shop.stock("GEBZE", "FAR").await, shop.stock("KADIKOY", "FAR").await), ((5, 0), (3, 2)));
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (1, 0));
    shop.finish().await;
}

#[tokio::test]
async fn with_the_last_delivery_the_package_waits_to_be_packed() {
    let shop = open().await;
    let package = shop.fetched(&[("RED", 1), ("FAR", 2), ("NEAR", 3)]).await.only_package();
    let [near, far] = package.transfers().await[..] else { panic!("two transfers") };
    far.run("TRANSFER_DISPATCH").await.ok();
    assert_eq!(far.run("TRANSFER_DELIVERED").await.ok(), answer(far, "transferred").await);
    // Not yet: the other one is to come.
    assert_eq!(package.place().await, "waiting-for-transfer@KADIKOY");
    assert_eq!(
        package.items().await,
        [("RED", "waiting"), ("FAR", "waiting"), ("NEAR", "waiting-for-transfer")]
            .map(|(sku, state)| (sku.to_owned(), state.to_owned()))
    );
    assert_eq!(package.reservations().await, ["KADIKOY RED×1", "KADIKOY FAR×2", "BESIKTAS NEAR×3"]);
    assert_eq!(shop.stock("KADIKOY", "FAR").await, (2, 2));
    near.bring().await;
    assert_eq!(package.place().await, "waiting@KADIKOY");
    assert!(package.items().await.iter().all(|(_, state)| state == "waiting"));
    assert_eq!(package.reservations().await, ["KADIKOY RED×1", "KADIKOY FAR×2", "KADIKOY NEAR×3"]);
    assert_eq!(
        package.log().await,
        [
            "created -> waiting-for-transfer@KADIKOY",
            "TRANSFER_DELIVERED: waiting-for-transfer -> waiting-for-transfer@KADIKOY",
            "TRANSFER_DELIVERED: waiting-for-transfer -> waiting@KADIKOY"
        ]
    );
    // It occupied its place all the time.
    assert_eq!((package.ledger().await, shop.quota("KADIKOY").await), (vec!["KADIKOY +1".to_owned()], 1));
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned"]);
    assert_eq!(
        near.events().await,
        [
            "transfer.status.created",
            "transfer.status.transitioned",
            "transfer.status.in_transit",
            "transfer.status.transitioned",
            "transfer.status.transferred"
        ]
    );
    // From then on it is a package like any other.
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_package_that_waits_for_transfers_cannot_be_packed() {
    let shop = open().await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let commands = package.json().await["commands"].clone();
    let commands: Vec<&str> =
        commands.as_array().expect("a list").iter().map(|it| it["command"].as_str().expect("text")).collect();
    assert_eq!(commands, ["CANCEL_PACKAGE"]);
    shop.changes_nothing(package.run("COMPLETE_PACKING")).await.refused(crate::support::NOT_ALLOWED);
    shop.finish().await;
}
