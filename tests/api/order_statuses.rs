//! Orders and their lines follow their packages.

use oms::{upstream::UpstreamSettings, verify};
use serde_json::{Value, json};

use crate::{
    support::{Order, Package, Shop},
    upstream::house::EAGER,
};

const ORDERS: &str = "/api/v1/oms/orders/";

/// A shop without an upstream.
async fn shop() -> Shop {
    Shop::following(&UpstreamSettings::default(), EAGER).await
}

/// The statuses of an order and of its lines.
async fn statuses(order: &Order<'_>) -> Vec<String> {
    let shown = order.shop.get(&format!("{ORDERS}{}/", order.id())).await.ok();
    let text = |state: &Value| state["enum_value"].as_str().expect("a state").to_owned();
    let lines = shown["orderitem_set"].as_array().expect("lines").iter().map(|line| text(&line["state"]));
    std::iter::once(text(&shown["state"])).chain(lines).collect()
}

async fn until(order: &Order<'_>, wanted: &[&str]) {
    let shop = order.shop;
    shop.until(&format!("{wanted:?}"), || async { (statuses(order).await == wanted).then_some(()) }).await;
}

#[tokio::test]
async fn an_order_is_delivered_with_its_package_without_an_upstream() {
    let shop = shop().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    let delivered = json!({ "package": package.id, "delivered_status": true });
    for (command, input, status) in [
        ("COMPLETE_PACKING", json!({}), "450"),
        ("SHIP_THE_PACKAGE", json!({}), "500"),
        ("UPDATE_PACKAGE_SHIPMENT_STATUS", delivered, "550"),
    ] {
        assert!(package.run_with(command, &input).await.status < 300, "{command}");
        until(&order, &[status; 3]).await;
    }
    let found = shop.get(&format!("{ORDERS}?state__enum_value=550")).await.ok();
    assert_eq!((&found["count"], &found["results"][0]["id"]), (&json!(1), &json!(order.id())));
    let told: Vec<(i64,)> = shop.rows("select id from upstream_calls").await;
    assert_eq!(told, [], "nobody is there to tell");
    shop.finish().await;
}

#[tokio::test]
async fn an_order_of_which_all_is_cancelled_is_cancelled_and_a_part_is_the_rest() {
    let shop = shop().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    let red = json!({ "package_items": [package.item("RED").await] });
    package.run_with("CANCEL_PACKAGE", &red).await.ok();
    until(&order, &["400", "100", "400"]).await;
    let rest: i64 = shop.value("select max(id) from packages where order_id = $1", order.id()).await;
    Package::new(&shop, rest).run("CANCEL_PACKAGE").await.ok();
    until(&order, &["100", "100", "100"]).await;
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_is_behind_its_packages_is_found() {
    let shop = shop().await;
    let order = shop.order(&[("RED", 1)]).await;
    order.only_package().run("COMPLETE_PACKING").await.ok();
    until(&order, &["450", "450"]).await;
    for (edit, word) in [
        ("update order_items set state_id = placed_state_id", "line 1 (RED) is approved, and its packages are at 450"),
        ("update orders set state_id = placed_state_id", "it has a status that its lines have not: approved"),
    ] {
        let mut transaction = shop.pool().begin().await.expect("begun");
        sqlx::raw_sql(edit).execute(&mut *transaction).await.expect(edit);
        let faults = verify::prove_on(&mut transaction, &mut |_| {}).await.expect("verify").faults;
        transaction.rollback().await.expect("rolled back");
        assert!(faults.iter().any(|fault| fault.to_string().contains(word)), "{edit}: {faults:#?}");
    }
    shop.finish().await;
}
