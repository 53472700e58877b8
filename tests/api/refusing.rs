//! A location refuses a package; a customer is refunded.

use serde_json::json;

use crate::support::Shop;

#[tokio::test]
async fn a_refused_package_holds_nothing_and_is_planned_elsewhere() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "RED", 5).await;
    let package = shop.package().await;
    let reason: i64 = shop.value("select id from denial_reasons where title = $1", "Item is damaged".to_owned()).await;

    package.run_with("REFUSE_PACKAGE", &json!({ "denial_reason": reason })).await.ok();

    assert_eq!(package.place().await, "needs-rescheduling@KADIKOY");
    assert!(package.reservations().await.is_empty());
    assert_eq!((shop.quota("KADIKOY").await, shop.stock("KADIKOY", "RED").await), (0, (100, 0)));
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned", "package.refused"]);
    let kept: i64 = shop
        .value(
            "select (r.parameters ->> 'denial_reason')::bigint from transition_records r join transition_logs l on l.id = r.transition_log_id
              where l.package_id = $1",
            package.id,
        )
        .await;
    assert_eq!(kept, reason);

    // KADIKOY has plenty, and is not asked again.
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@GEBZE");
    shop.finish().await;
}

#[tokio::test]
async fn a_reason_that_is_not_of_the_list_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    shop.execute("update denial_reasons set is_active = title = 'Store is closed'").await;
    let (closed, damaged): (i64, i64) = (
        shop.value("select id from denial_reasons where title = $1", "Store is closed".to_owned()).await,
        shop.value("select id from denial_reasons where title = $1", "Item is damaged".to_owned()).await,
    );
    for (input, message) in [
        (json!({}), "This field is required.".to_owned()),
        (json!({ "denial_reason": "late" }), "A valid integer is required.".to_owned()),
        (
            json!({ "denial_reason": damaged }),
            format!("Invalid pk \"{damaged}\" - object does not exist. Choose one of: {closed} (Store is closed)."),
        ),
    ] {
        let reply = shop.changes_nothing(package.run_with("REFUSE_PACKAGE", &input)).await;
        assert_eq!(reply.wrong("denial_reason"), [message]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_package_packed_for_refund_ends_and_its_goods_stay_on_the_shelf() {
    let shop = Shop::open().await;
    let waiting = shop.package().await;
    let homeless = shop.order(&[("PINK", 2)]).await.only_package();
    shop.count("HQ", "PINK", 1).await;

    for package in [waiting, homeless] {
        package.run("PACKAGE_PACKED_FOR_REFUND").await.ok();
        assert_eq!(package.state().await, "packed-for-refund");
        assert!(package.reservations().await.is_empty());
        assert_eq!(package.events().await.last().map(String::as_str), Some("package.status.packed_for_refund"));
        assert_eq!(package.json().await["commands"], json!([]));
    }
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.stock("HQ", "PINK").await), ((100, 0), (1, 0)));
    assert_eq!(shop.quota("KADIKOY").await, 0);
    shop.finish().await;
}

#[tokio::test]
async fn collected_or_sent_by_other_means_a_package_needs_no_shipment() {
    let shop = Shop::open().await;
    let (collected, sent, recorded) = (shop.package().await, shop.package().await, shop.package().await);
    for package in [collected, sent, recorded] {
        package.run("COMPLETE_PACKING_WITHOUT_SHIPMENT").await.ok();
        assert_eq!(
            (&package.json().await["shipment"], &package.json().await["shipping_label"]),
            (&json!(null), &json!(null))
        );
    }
    collected.run("READY_FOR_PICKUP").await.ok();
    collected.run("SELF_SERVICE_PACKAGE_DELIVERY").await.ok();
    sent.run("SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION").await.done();
    recorded.run("SHIP_THE_PACKAGE_BASIC").await.ok();
    assert_eq!(
        (collected.state().await, sent.state().await, recorded.state().await),
        ("delivered".to_owned(), "shipped".to_owned(), "shipped".to_owned())
    );
    assert_eq!(
        sent.events().await[1..],
        [
            "package.status.transitioned",
            "package.status.packed",
            "package.status.transitioned",
            "package.status.shipped"
        ]
    );
    assert_eq!(shop.stock("KADIKOY", "RED").await, (97, 0));
    shop.finish().await;
}

#[tokio::test]
async fn the_steps_of_a_shipments_delivery_are_events_of_their_own() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let ship = json!({ "tracking_number": "TN1", "cargo_company": "yurtici" });
    package.run_with("SHIP_THE_PACKAGE_ADVANCED", &ship).await.ok();
    let delivered = json!({ "package": package.id, "delivered_status": true });
    package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &delivered).await.done();
    assert_eq!(
        package.events().await,
        [
            "package.created",
            "package.status.transitioned",
            "package.status.packed",
            "shipment.created",
            "package.status.transitioned",
            "package.status.shipped",
            "package.shipment.awb_number",
            "shipment.status.updated",
            "package.status.transitioned",
            "shipment.status.updated",
        ]
    );
    shop.finish().await;
}
